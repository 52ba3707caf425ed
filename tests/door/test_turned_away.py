"""Requests that are turned away before their body counts as a push: the reply says why, and there is no row."""

from __future__ import annotations

import gzip

import pytest

from tests.support.inbox import counts
from tests.support.pushes import confirmation
from tests.support.receiver import Answer, Receiver
from tests.support.replies import read_return
from tests.support.waiting import wait_until

from .conftest import StartShared

MOST = 100_000
METHODS = ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"]


@pytest.fixture(scope="module")
def receiver(start_shared: StartShared) -> Receiver:
    return start_shared(env={"RECEIVER_MAX_PUSH_BYTES": str(MOST)})


def turned_away(receiver: Receiver, reason: str) -> float:
    """How many requests were counted as turned away for that reason."""
    line = f'receiver_turned_away_total{{reason="{reason}",source="drs"}} '
    found = [row for row in receiver.get("/metrics").body.decode().splitlines() if row.startswith(line)]
    return float(found[0].removeprefix(line)) if found else 0.0


def left_nothing(receiver: Receiver, before: dict[str, int], answer: Answer) -> None:
    assert answer.push_id is None
    assert counts(receiver) == before


@pytest.mark.parametrize("method", METHODS)
def test_a_push_is_a_post(receiver: Receiver, method: str) -> None:
    before = counts(receiver)
    answer = receiver.request(method, "/push/drs", confirmation().encode(), {"Content-Type": "text/xml"})
    said = read_return(answer)
    assert (answer.status, said.status) == (405, "error")
    assert said.error
    assert "POST" in answer.headers["allow"].split(", ")
    left_nothing(receiver, before, answer)


def test_reading_without_asking_for_the_description(receiver: Receiver) -> None:
    before = counts(receiver)
    answer = receiver.get("/push/drs")
    said = read_return(answer)
    assert (answer.status, said.status) == (405, "error")
    assert said.error == "Pushes are sent by POST; the description is at ?wsdl."
    assert answer.headers["allow"] == "POST"
    left_nothing(receiver, before, answer)


def test_a_head_has_no_body(receiver: Receiver) -> None:
    before = counts(receiver)
    answer = receiver.request("HEAD", "/push/drs")
    assert (answer.status, answer.body) == (405, b"")
    described = receiver.request("HEAD", "/push/drs?wsdl")
    assert (described.status, described.body) == (200, b"")
    left_nothing(receiver, before, answer)


@pytest.mark.parametrize("path", ["/push/nobody", "/push/nobody?wsdl", "/push/", "/push/drs/", "/push/drs/x"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_unknown_source(receiver: Receiver, method: str, path: str) -> None:
    before = counts(receiver)
    answer = receiver.request(method, path, confirmation().encode() if method == "POST" else None)
    said = read_return(answer)
    assert (answer.status, said.status) == (404, "error")
    assert said.error
    left_nothing(receiver, before, answer)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "x-gzip", "gzip, gzip", "GZIP", "identity, gzip", "aes"])
def test_a_content_encoding(receiver: Receiver, encoding: str) -> None:
    before, counted = counts(receiver), turned_away(receiver, "content_encoding")
    answer = receiver.push(gzip.compress(confirmation().encode()), Content_Encoding=encoding)
    said = read_return(answer)
    assert (answer.status, said.status) == (415, "error")
    assert said.error is not None
    assert "Content-Encoding" in said.error
    left_nothing(receiver, before, answer)
    assert turned_away(receiver, "content_encoding") == counted + 1


def test_a_gzip_bomb_is_not_opened(receiver: Receiver) -> None:
    before = counts(receiver)
    bomb = gzip.compress(b"<bookingConfirmations>" + b" " * 64_000_000)
    assert len(bomb) < MOST
    answer = receiver.push(bomb, Content_Encoding="gzip")
    assert answer.status == 415
    left_nothing(receiver, before, answer)


@pytest.mark.parametrize("encoding", ["identity", ""])
def test_an_encoding_that_is_none_is_taken(receiver: Receiver, encoding: str) -> None:
    assert receiver.push(confirmation(), Content_Encoding=encoding).status == 200


@pytest.mark.parametrize("size", [MOST + 1, 40 * MOST])
def test_too_large(receiver: Receiver, size: int) -> None:
    """The whole of it is sent, as a client does that reads the reply at the end."""
    before, counted = counts(receiver), turned_away(receiver, "too_large")
    answer = receiver.push(confirmation().ljust(size))
    said = read_return(answer)
    assert (answer.status, said.status) == (413, "error")
    assert said.error == f"The push is larger than {MOST} bytes, the most that is taken."
    left_nothing(receiver, before, answer)
    wait_until(lambda: turned_away(receiver, "too_large") == counted + 1, describe="it is counted")
