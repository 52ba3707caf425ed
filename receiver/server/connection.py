"""A connection, and what has come of its next request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gunicorn.workers.gthread import TConn

from .arrival import Arrival
from .timed import Patience, TimedSocket


class Connection(TConn):
    """A connection as gunicorn has it, of HTTP/1 without TLS."""

    sock: TimedSocket
    parser: Any


@dataclass
class Arriving:
    """A request that has not come whole; ``since`` of the monotonic clock."""

    arrival: Arrival
    since: float

    def deadline(self, patience: Patience) -> float:
        """Until when it is waited for."""
        return self.since + (patience.body if self.arrival.has_head else patience.head)
