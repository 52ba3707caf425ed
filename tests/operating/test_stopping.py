"""A graceful stop: what has begun to arrive is finished and answered, and nothing new is taken."""

from __future__ import annotations

import os
import signal

import pytest

from tests.conftest import StartReceiver
from tests.support.inbox import bytes_of, stored
from tests.support.processes import workers
from tests.support.pushes import confirmation
from tests.support.waiting import wait_until
from tests.support.wire_http import RawConnection, chunks, head


@pytest.mark.parametrize("chunked", [False, True])
def test_a_push_half_sent_is_finished_and_answered(
    database_url: str, start_receiver: StartReceiver, chunked: bool
) -> None:
    receiver = start_receiver(database_url, workers=2)
    body = confirmation(bookingId="1").ljust(300_000).encode()
    framed = b"".join(chunks(body, [100_000])) if chunked else body
    how = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
    half = len(framed) // 2
    with RawConnection(receiver) as connection:
        connection.send(head(how, "Expect: 100-continue"))
        connection.await_go_ahead()  # so that the request is in a worker's hands
        connection.send(framed[:half])
        os.kill(receiver.pid, signal.SIGTERM)
        wait_until(lambda: len(workers(receiver)) == 1, describe="the worker that has nothing to do has ended")
        connection.send(framed[half:])
        answer = connection.answer()
        assert answer.status == 200, answer.body
    assert receiver.stop() == 0
    assert stored(receiver, answer)["outcome"] == "stored"
    assert bytes_of(receiver, answer) == body
    assert receiver.booking("1")["status"] == "confirmed"
