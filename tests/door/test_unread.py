"""Requests that are refused while their body is still to come: no thread waits for it."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from tests.support.pushes import unavailability
from tests.support.receiver import Receiver
from tests.support.wire_http import RawConnection, head

from .conftest import StartShared

PROMISING = 400
AUTHORIZED = "Basic ZHJzOnNlc2FtZQ=="
LARGE = "<unavailabilities>" + "".join(unavailability(ResourceId=f"R{n}") for n in range(900)) + "</unavailabilities>"
WAYS = {
    "unknown source": head("Content-Length: 99999999999", path="/push/nobody"),
    "no credentials": head("Content-Length: 99999999999"),
    "expecting": head("Content-Length: 1000", "Expect: 100-continue", path="/push/nobody"),
    "no page": head("Content-Length: 99999999999", path="/nobody"),
    "no push": head("Content-Length: 99999999999", method="GET", path="/healthz"),
}


@pytest.fixture(scope="module")
def receiver(start_shared: StartShared) -> Receiver:
    env = {"RECEIVER_PUSH_USERNAME": "drs", "RECEIVER_PUSH_PASSWORD": "sesame", "RECEIVER_THREADS": "2"}
    return start_shared(env=env | {"RECEIVER_CONNECTIONS": "1000"}, workers=1)


@pytest.mark.parametrize("way", WAYS)
def test_large_pushes_pass_many_that_promise_and_never_send(receiver: Receiver, way: str) -> None:
    """With two threads, hundreds that each held one would leave nothing for the push before they are given up."""
    assert len(LARGE) > 2 * 65_536
    with ExitStack() as open_ones:
        connections = [open_ones.enter_context(RawConnection(receiver)) for _ in range(PROMISING)]
        for connection in connections:
            connection.send(WAYS[way])
        with RawConnection(receiver) as sender:
            # The end is held back until a thread has surely been asked to read on: more came than the main loop keeps.
            sender.send(head(f"Content-Length: {len(LARGE)}", f"Authorization: {AUTHORIZED}"), LARGE[:-1])
            sender.send(LARGE[-1:])
            assert sender.answer().status == 200
        assert all(connection.answer().headers["connection"] == "close" for connection in connections)


def test_a_body_that_was_read_leaves_the_connection_open(receiver: Receiver) -> None:
    with RawConnection(receiver) as connection:
        for _ in range(2):
            connection.send(head(f"Content-Length: {len(LARGE)}", f"Authorization: {AUTHORIZED}"), LARGE)
            assert connection.answer().headers["connection"] == "keep-alive"


def test_a_refused_body_that_came_whole_leaves_it_open(receiver: Receiver) -> None:
    with RawConnection(receiver) as connection:
        for _ in range(2):
            connection.send(head("Content-Length: 5"), "<a/>\n")
            assert (answer := connection.answer()).status == 401
            assert answer.headers["connection"] == "keep-alive"
