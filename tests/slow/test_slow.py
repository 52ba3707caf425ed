"""Slow senders: a few hundred of any kind cost the others nothing, and each is let go when its time is up."""

from __future__ import annotations

import socket
import time

import pytest

from tests.conftest import StartReceiver
from tests.support.inbox import counts
from tests.support.pushes import confirmation
from tests.support.receiver import Receiver
from tests.support.replies import read_return
from tests.support.waiting import wait_until
from tests.support.wire_http import RawConnection, head

from .clients import Way, slow_senders
from .load import Target, run_load

# More than there are threads in both workers together.
THREADS, SLOW = 8, 60
SMALL = {"RECEIVER_THREADS": str(THREADS), "RECEIVER_DATABASE_CONNECTIONS": "4"}


@pytest.mark.parametrize("way", Way, ids=lambda way: way.name)
def test_slow_senders_take_no_thread_from_others(sqlite_url: str, start_receiver: StartReceiver, way: Way) -> None:
    receiver = start_receiver(sqlite_url, env=SMALL, workers=2)
    with slow_senders(receiver.port, SLOW, way) as slow:
        wait_until(lambda: len(slow.open) == SLOW, describe="all are connected")
        figures = run_load(Target(receiver.port), "N", 40)
        assert receiver.get("/healthz").status == 200
        assert len(slow.open) > SLOW / 2, "the slow ones were not slow"
    assert (len(figures.seconds), figures.failed) == (40, 0)


QUICK = {"RECEIVER_HEAD_TIMEOUT": "0.5", "RECEIVER_BODY_TIMEOUT": "1"}


@pytest.fixture
def impatient(sqlite_url: str, start_receiver: StartReceiver) -> Receiver:
    return start_receiver(sqlite_url, env=QUICK)


def drip(connection: RawConnection, opening: str, more: str) -> None:
    """Send the opening and then a little at a time, until the receiver has had enough of it."""
    connection.send(opening)
    for _ in range(600):
        if connection.has_answer(0.05):
            return
        connection.send(more)
    raise AssertionError("the receiver waits for ever")


SLOWLY = {
    "headers": (head("X: 1").removesuffix("\r\n"), "X: 1\r\n", 408, "too_slow", "-"),
    "a body": (head("Content-Length: 9000"), " ", 400, "cut_short", "-"),
    "a long body": (head("Content-Length: 900000") + " " * 70_000, " ", 400, "cut_short", "drs"),
    "chunks": (head("Transfer-Encoding: chunked"), "1\r\n \r\n", 400, "cut_short", "-"),
}


@pytest.mark.parametrize("name", SLOWLY)
def test_what_never_ends_is_ended(impatient: Receiver, name: str) -> None:
    opening, more, status, reason, source = SLOWLY[name]
    rows = counts(impatient)
    with RawConnection(impatient) as connection:
        drip(connection, opening, more)
        answer = connection.answer()
    assert (answer.status, read_return(answer).status) == (status, "error")
    line = f'receiver_turned_away_total{{reason="{reason}",source="{source}"}} 1.0'
    wait_until(lambda: line in impatient.get("/metrics").body.decode(), describe=line)
    assert counts(impatient) == rows


def test_whoever_is_let_go_on_is_ended_too(impatient: Receiver) -> None:
    with RawConnection(impatient) as connection:
        connection.send(head("Content-Length: 9000", "Expect: 100-continue"))
        connection.await_go_ahead()
        drip(connection, "", " ")
        assert connection.answer().status == 400


def test_a_connection_without_a_request_is_closed_without_a_word(impatient: Receiver) -> None:
    with socket.create_connection(("127.0.0.1", impatient.port), timeout=30) as silent:
        assert silent.recv(100) == b""


def test_a_kept_connection_is_closed_after_a_while(impatient: Receiver) -> None:
    with RawConnection(impatient) as connection:
        connection.send(head(method="GET", path="/healthz"))
        assert connection.answer().status == 200
        assert connection.answer_if_any() is None


def test_the_oldest_makes_room(sqlite_url: str, start_receiver: StartReceiver) -> None:
    """With as many connections as are taken, a new one is served and the one that has been slow longest goes."""
    receiver = start_receiver(
        sqlite_url, env={"RECEIVER_CONNECTIONS": "80", "RECEIVER_THREADS": "4", "RECEIVER_HEAD_TIMEOUT": "300"}
    )
    with slow_senders(receiver.port, 120, Way.HEADERS) as slow:
        wait_until(lambda: slow.opened > 120, describe="some have had to go")
        figures = run_load(Target(receiver.port), "N", 40, senders=2)
    assert figures.failed == 0
    assert "too_many_connections" in receiver.get("/metrics").body.decode()


def test_closing_one_connection_does_not_hold_up_the_others(sqlite_url: str, start_receiver: StartReceiver) -> None:
    """Senders that keep their side open after the reply: the receiver does not sit and wait for each."""
    receiver = start_receiver(sqlite_url, workers=1)
    body = confirmation()
    open_still = []
    started = time.monotonic()
    for _ in range(40):
        connection = RawConnection(receiver)
        connection.send(head("Connection: close", f"Content-Length: {len(body)}"), body)
        assert connection.answer().status == 200
        open_still.append(connection)
    # Waiting 2 s for each in turn, as gunicorn does, would be 80 s.
    assert time.monotonic() - started < 40
    for connection in open_still:
        connection.__exit__(None, None, None)


def test_a_stop_does_not_wait_for_the_slow(sqlite_url: str, start_receiver: StartReceiver) -> None:
    receiver = start_receiver(sqlite_url, env={"RECEIVER_GRACEFUL_TIMEOUT": "20"})
    with slow_senders(receiver.port, 20, Way.SILENT) as slow:
        wait_until(lambda: len(slow.open) == 20, describe="all are connected")
        started = time.monotonic()
        assert receiver.stop() == 0
        assert time.monotonic() - started < 15
