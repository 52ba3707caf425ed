"""A body is taken whole or not at all, whatever its sender promised and however the connection ends."""

from __future__ import annotations

import socket
from itertools import count

import pytest
from werkzeug.test import create_environ
from werkzeug.wrappers import Request

from receiver.errors import CutShort
from receiver.web.body import read_body
from tests.support.inbox import bytes_of, counts, stored
from tests.support.pushes import confirmation
from tests.support.receiver import Answer, Receiver
from tests.support.replies import read_return
from tests.support.waiting import wait_until
from tests.support.wire_http import RawConnection, chunks, head

from .conftest import StartShared

MOST = 50_000
CHUNKED = head("Transfer-Encoding: chunked")
_ids = count(1)


@pytest.fixture(scope="module")
def receiver(start_shared: StartShared) -> Receiver:
    return start_shared(env={"RECEIVER_MAX_PUSH_BYTES": str(MOST)})


@pytest.fixture
def body() -> bytes:
    """A push that no other test sends."""
    return confirmation(bookingId=str(next(_ids))).encode()


def with_length(length: int) -> str:
    return head(f"Content-Length: {length}")


def is_refused(receiver: Receiver, before: dict[str, int], answer: Answer | None, status: int) -> None:
    """The reply says no with that status, and there is no row of it."""
    assert answer is not None
    said = read_return(answer)
    assert (answer.status, said.status, answer.push_id) == (status, "error", None)
    assert said.error
    assert counts(receiver) == before


def is_taken(receiver: Receiver, answer: Answer, body: bytes) -> None:
    assert answer.status == 200, answer.body
    assert stored(receiver, answer)["size_bytes"] == len(body)
    assert bytes_of(receiver, answer) == body


def test_a_promise_over_the_limit_is_refused_before_anything_is_sent(receiver: Receiver) -> None:
    before = counts(receiver)
    with RawConnection(receiver) as connection:
        connection.send(with_length(MOST + 1))
        is_refused(receiver, before, connection.answer(), 413)


@pytest.mark.parametrize("length", [10**12, 2**64, 10**100])
def test_a_promise_beyond_reason(receiver: Receiver, length: int) -> None:
    before = counts(receiver)
    with RawConnection(receiver) as connection:
        connection.send(with_length(length), "<a/>")
        is_refused(receiver, before, connection.answer(), 413)


@pytest.mark.parametrize("length", ["-1", "1e3", "12x", "0x10", "1, 2", "٣"])
def test_a_promise_that_is_no_number(receiver: Receiver, body: bytes, length: str) -> None:
    before = counts(receiver)
    with RawConnection(receiver) as connection:
        connection.send(head(f"Content-Length: {length}"), body)
        answer = connection.answer()
    assert answer.status == 400
    assert counts(receiver) == before


@pytest.mark.parametrize(
    "headers",
    [
        ("Content-Length: 5", "Content-Length: 6"),
        ("Content-Length: 5", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked, chunked",),
        ("Transfer-Encoding: gzip",),
    ],
)
def test_a_body_whose_end_can_be_read_two_ways(receiver: Receiver, headers: tuple[str, ...]) -> None:
    before = counts(receiver)
    with RawConnection(receiver) as connection:
        connection.send(head(*headers), "0\r\n\r\n")
        assert connection.answer().status == 400
    assert counts(receiver) == before


def test_a_body_that_would_have_to_be_unpacked(receiver: Receiver, body: bytes) -> None:
    before = counts(receiver)
    with RawConnection(receiver) as connection:
        connection.send(head("Transfer-Encoding: gzip, chunked"), *chunks(body, []))
        is_refused(receiver, before, connection.answer(), 415)


@pytest.mark.parametrize("missing", [1, 10, 10_000])
def test_less_than_was_promised(receiver: Receiver, body: bytes, missing: int) -> None:
    before = counts(receiver)
    with RawConnection(receiver) as connection:
        connection.send(with_length(len(body) + missing), body)
        connection.finish()
        is_refused(receiver, before, connection.answer(), 400)


def test_nothing_of_what_was_promised(receiver: Receiver) -> None:
    before = counts(receiver)
    with RawConnection(receiver) as connection:
        connection.send(with_length(10))
        connection.finish()
        is_refused(receiver, before, connection.answer(), 400)


def test_a_sender_that_goes_away_in_the_middle(receiver: Receiver, body: bytes) -> None:
    before = counts(receiver)
    lines = len(receiver.log_lines())
    with RawConnection(receiver) as connection:
        connection.send(with_length(len(body) + 1), body)

    def logged() -> list[str]:
        return [line["reason"] for line in receiver.log_lines()[lines:] if line["event"] == "push_turned_away"]

    wait_until(lambda: logged() == ["cut_short"], describe="the door has noticed")
    assert counts(receiver) == before


def test_more_than_was_promised_is_no_part_of_the_push(receiver: Receiver, body: bytes) -> None:
    with RawConnection(receiver) as connection:
        connection.send(with_length(len(body)), body, b"<more/>")
        is_taken(receiver, connection.answer(), body)


def test_neither_a_length_nor_chunks_is_an_empty_body(receiver: Receiver) -> None:
    with RawConnection(receiver) as connection:
        connection.send(head())
        answer = connection.answer()
    assert answer.status == 400
    assert read_return(answer).error == "The body is empty."
    assert bytes_of(receiver, answer) == b""


@pytest.mark.parametrize("sizes", [[], [1], [10, 1, 300], [1] * 200])
def test_chunks(receiver: Receiver, body: bytes, sizes: list[int]) -> None:
    with RawConnection(receiver) as connection:
        connection.send(CHUNKED, *chunks(body, sizes))
        is_taken(receiver, connection.answer(), body)


def test_chunks_with_extensions_and_trailers(receiver: Receiver, body: bytes) -> None:
    with RawConnection(receiver) as connection:
        connection.send(CHUNKED, f"{len(body):X};name=value\r\n", body, "\r\n0\r\nX-Checked: yes\r\n\r\n")
        is_taken(receiver, connection.answer(), body)


def test_chunks_that_are_cut_anywhere(receiver: Receiver, body: bytes) -> None:
    """After any byte but the last of the last chunk, the end of the connection is not the end of the body."""
    whole = b"".join(chunks(body, [7, 100]))
    ends = {0}
    for part in chunks(body, [7, 100]):
        start = max(ends)
        ends |= {
            start + 1,
            start + part.index(b"\n") + 1,
            start + len(part) - 2,
            start + len(part) - 1,
            start + len(part),
        }
    before = counts(receiver)
    for end in sorted(ends - {len(whole)}):
        with RawConnection(receiver) as connection:
            connection.send(CHUNKED, whole[:end])
            connection.finish()
            answer = connection.answer_if_any()
        assert answer is None or answer.status == 400, whole[:end]
        assert counts(receiver) == before, whole[:end]
    with RawConnection(receiver) as connection:
        connection.send(CHUNKED, whole)
        is_taken(receiver, connection.answer(), body)


@pytest.mark.parametrize(
    "damaged",
    [
        "zz\r\n{}\r\n0\r\n\r\n",
        "-5\r\n{}\r\n0\r\n\r\n",
        "0x5\r\n{}\r\n0\r\n\r\n",
        "\r\n{}\r\n0\r\n\r\n",
        " 5\r\n{}\r\n0\r\n\r\n",
        "{size}\r\n{}0\r\n\r\n",
        "{size}\r\n{}xx0\r\n\r\n",
        "{short}\r\n{}\r\n0\r\n\r\n",
        "{long}\r\n{}\r\n0\r\n\r\n",
        "{size};a=\x01\r\n{}\r\n0\r\n\r\n",
        "{size}\r\n{}\r\n0\r\nno trailer\r\n\r\n",
        "{size}\r\n{}\r\n",
    ],
)
def test_malformed_chunks(receiver: Receiver, body: bytes, damaged: str) -> None:
    size = len(body)
    sent = damaged.format(body.decode(), size=f"{size:x}", short=f"{size - 1:x}", long=f"{size + 1:x}")
    before = counts(receiver)
    with RawConnection(receiver) as connection:
        connection.send(CHUNKED, sent)
        connection.finish()
        answer = connection.answer_if_any()
    assert answer is None or answer.status == 400, answer.body
    assert counts(receiver) == before


@pytest.mark.parametrize("chunked", [False, True])
def test_exactly_the_limit_is_taken(receiver: Receiver, body: bytes, chunked: bool) -> None:
    body = body.ljust(MOST)
    with RawConnection(receiver) as connection:
        connection.send(CHUNKED if chunked else with_length(MOST))
        connection.send(*(chunks(body, [30_000]) if chunked else [body]))
        is_taken(receiver, connection.answer(), body)


@pytest.mark.parametrize("size", [MOST + 1, 3 * MOST])
def test_chunks_over_the_limit(receiver: Receiver, body: bytes, size: int) -> None:
    before = counts(receiver)
    with RawConnection(receiver) as connection:
        connection.send(CHUNKED, *chunks(body.ljust(size), [10_000] * 4))
        is_refused(receiver, before, connection.answer(), 413)


def test_chunks_over_the_limit_are_refused_before_they_end(receiver: Receiver) -> None:
    before = counts(receiver)
    with RawConnection(receiver) as connection:
        connection.send(CHUNKED, f"{10 * MOST:x}\r\n", b" " * (MOST + 1))
        is_refused(receiver, before, connection.answer(), 413)


def test_after_a_refusal_nothing_more_is_read_as_a_request(receiver: Receiver, body: bytes) -> None:
    """The connection ends with the reply: nothing of the refused body, or after it, is taken for a push."""
    before = counts(receiver)
    with RawConnection(receiver) as connection:
        connection.send(with_length(MOST + 1), body.ljust(MOST + 1))
        answer = connection.answer()
        assert (answer.status, answer.headers["connection"]) == (413, "close")
        connection.send(with_length(len(body)), body)
        assert connection.everything() == b""
    assert counts(receiver) == before


def test_a_sender_that_asks_before_it_sends(receiver: Receiver, body: bytes) -> None:
    with RawConnection(receiver) as connection:
        connection.send(head(f"Content-Length: {len(body)}", "Expect: 100-continue"))
        connection.send(body)
        is_taken(receiver, connection.answer(), body)


def test_a_sender_that_falls_silent_is_given_up(receiver: Receiver, body: bytes) -> None:
    """Read as the server reads: its stream waits for the socket, which is told how long to wait."""
    ours, theirs = socket.socketpair()
    with ours, theirs, ours.makefile("rb", buffering=0) as stream:
        theirs.sendall(body[:10])
        environ = {**create_environ(method="POST"), "CONTENT_LENGTH": str(len(body))}
        request = Request({**environ, "wsgi.input": stream, "gunicorn.socket": ours})
        with pytest.raises(CutShort):
            read_body(request, MOST, silence=0.01)
        assert ours.gettimeout() is None
