"""A normal load: pushes one after the other from a few senders, each timed from connecting to the last byte."""

from __future__ import annotations

import http.client
import ssl
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.support.pushes import confirmation

_GIVEN_UP = 60.0


@dataclass(frozen=True)
class Target:
    """Where pushes go: a port of this machine, over TLS or not, with these headers, from this loopback address."""

    port: int
    tls: ssl.SSLContext | None = None
    headers: Mapping[str, str] | None = None
    source: str = "127.0.0.1"

    def connection(self) -> http.client.HTTPConnection:
        if self.tls is not None:
            return http.client.HTTPSConnection(
                "127.0.0.1", self.port, timeout=_GIVEN_UP, context=self.tls, source_address=(self.source, 0)
            )
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=_GIVEN_UP, source_address=(self.source, 0))

    def push(self, body: bytes) -> int:
        """The status of one push, sent on a connection of its own; 0 when there was no reply."""
        connection = self.connection()
        try:
            connection.request("POST", "/push/drs", body, {"Content-Type": "text/xml", **(self.headers or {})})
            reply = connection.getresponse()
            reply.read()
        except (OSError, http.client.HTTPException):
            return 0
        else:
            return reply.status
        finally:
            connection.close()


@dataclass(frozen=True)
class Figures:
    """Seconds of each push, sorted, and how many were not answered 200."""

    seconds: list[float]
    failed: int

    def quantile(self, share: float) -> float:
        return self.seconds[min(len(self.seconds) - 1, int(len(self.seconds) * share))]

    def __str__(self) -> str:
        half, most, worst = (self.quantile(share) * 1000 for share in (0.5, 0.99, 1.0))
        count, failed = len(self.seconds), self.failed
        return f"{count} pushes, {failed} failed, p50 {half:.1f} ms, p99 {most:.1f} ms, worst {worst:.1f} ms"


def run_load(target: Target, name: str, count: int, senders: int = 4) -> Figures:
    """Send ``count`` different pushes; ``name`` tells those of one run from another's."""

    def one(number: int) -> tuple[float, int]:
        body = confirmation(bookingId=str(number), primaryOrderNumber=f"{name}{number}").encode()
        started = time.perf_counter()
        status = target.push(body)
        return time.perf_counter() - started, status

    with ThreadPoolExecutor(senders) as pool:
        done = list(pool.map(one, range(1, count + 1)))
    return Figures(sorted(seconds for seconds, _ in done), sum(status != 200 for _, status in done))
