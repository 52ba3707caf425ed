"""Waiting for something to come true, for as long as it takes and no longer."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable
from threading import Event
from typing import TypeVar

T = TypeVar("T")

# Below the ports that the system hands out for outgoing connections: a client that keeps trying a server
# which is down could otherwise be given the server's own port, and end up connected to itself.
_PORTS = range(20_000, 32_768)


def wait_until(condition: Callable[[], T], timeout: float = 10.0, describe: str = "the condition") -> T:
    """Ask again and again, a little later each time, until the answer is true, and return it.

    ``timeout`` is in seconds; when it has passed, AssertionError names ``describe``. The last question is
    asked at or after the deadline, so that a slow machine gets its full time.
    """
    deadline = time.monotonic() + timeout
    pause = 0.005
    never = Event()
    while True:
        last = time.monotonic() >= deadline
        answer = condition()
        if answer:
            return answer
        if last:
            raise AssertionError(f"not within {timeout:g} s: {describe}")
        never.wait(pause)
        pause = min(pause * 1.5, 0.1)


def free_port() -> int:
    """A loopback TCP port that nobody listens on at this moment."""
    for port in random.sample(_PORTS, 200):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port found on 127.0.0.1")
