"""The load: one lean process, keep-alive connections, requests rendered before, every reply checked.

Each connection sends its next request as soon as the reply to the last is whole. Everything a push costs the client is
a wait for readiness, a send and one or two receives, so that the client takes little of what is measured.
"""

from __future__ import annotations

import gc
import select
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

_LARGEST_READ = 65536
_PATIENCE = 30.0
_LENGTH = b"\r\ncontent-length: "
_END = b"\r\n\r\n"


class LoadFailed(Exception):
    """A reply was not the success that was asked for, or none came; the text says which."""


@dataclass(frozen=True)
class Load:
    """What one round of one contender came to. ``seconds`` from the first send to the last reply.

    ``latencies``: of each push, in seconds, sorted. ``client_cpu``: seconds that the client took of a processor.
    """

    pushes: int
    seconds: float
    client_cpu: float
    latencies: list[float] = field(repr=False)

    @property
    def rate(self) -> float:
        """Pushes a second."""
        return self.pushes / self.seconds

    @property
    def client_cpu_per_push(self) -> float:
        """Seconds of a processor."""
        return self.client_cpu / self.pushes

    def quantile(self, share: float) -> float:
        """The latency, in seconds, that ``share`` of the pushes did not exceed."""
        return self.latencies[min(len(self.latencies) - 1, int(len(self.latencies) * share))]


def run(port: int, requests: Sequence[bytes], clients: int, seconds: float, must_say: bytes = b"success") -> Load:
    """Send ``requests`` over ``clients`` connections until all are answered, or ``seconds`` are over.

    Pushes under way at that moment are waited for and counted. Raises LoadFailed at the first reply that is not 200
    and does not hold ``must_say``, and when a server says nothing for half a minute.
    """
    connections = [_connect(port) for _ in range(min(clients, len(requests)))]
    was_on = gc.isenabled()
    gc.disable()
    try:
        return _drive(connections, requests, seconds, must_say)
    finally:
        if was_on:
            gc.enable()
        for connection in connections:
            connection.close()


def _connect(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _drive(connections: list[socket.socket], requests: Sequence[bytes], seconds: float, must_say: bytes) -> Load:
    clock = time.perf_counter
    by_number = {c.fileno(): c for c in connections}
    begun: dict[int, float] = {}
    partial: dict[int, bytes] = {}
    latencies: list[float] = []
    waiting = iter(requests)
    with select.epoll() as poller:
        cpu, started = time.process_time(), clock()
        deadline = started + seconds
        for number, connection in by_number.items():
            connection.setblocking(False)
            poller.register(number, select.EPOLLIN)
            begun[number] = clock()
            _send(connection, next(waiting))
        ended = started
        while begun:
            ready = poller.poll(_PATIENCE)
            if not ready:
                raise LoadFailed(f"no reply within {_PATIENCE:g} s")
            for number, _ in ready:
                connection = by_number[number]
                data = connection.recv(_LARGEST_READ)
                if number in partial:
                    data = partial.pop(number) + data if data else data
                if not _is_whole(data):
                    partial[number] = data
                    continue
                if not data.startswith(b"HTTP/1.1 200") or must_say not in data:
                    raise LoadFailed(data[:2000].decode("latin-1") or "the connection was closed")
                ended = clock()
                latencies.append(ended - begun[number])
                following = next(waiting, None) if ended < deadline else None
                if following is None:
                    del begun[number]
                    poller.unregister(number)
                    continue
                begun[number] = ended
                _send(connection, following)
        cpu = time.process_time() - cpu
    return Load(len(latencies), ended - started, cpu, sorted(latencies))


def _send(connection: socket.socket, request: bytes) -> None:
    sent = connection.send(request)
    while sent < len(request):
        select.select([], [connection], [], _PATIENCE)
        sent += connection.send(request[sent:])


def _is_whole(data: bytes) -> bool:
    """Whether the reply's head and as much of a body as it promises are there; True when it was closed."""
    if not data:
        return True
    end = data.find(_END)
    if end < 0:
        return False
    head = data[: end + 2].lower()
    found = head.find(_LENGTH)
    if found < 0:
        if b"\r\ntransfer-encoding: chunked" in head:
            return data.endswith(b"0\r\n\r\n")
        raise LoadFailed("a reply without a length")
    length = int(head[found + len(_LENGTH) : head.find(b"\r", found + 2)])
    return len(data) >= end + 4 + length
