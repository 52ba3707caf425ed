"""Requests that are turned away: each is counted, and logged as long as there are not too many of them."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

import structlog

from .metrics import Metrics
from .proxies import Address

NOBODY = "-"
_A_SECOND = 20.0
_AT_ONCE = 100.0
_log = structlog.get_logger()


class TurnedAway:
    """Counts and logs for one worker process; for any thread.

    A hundred lines may come at once and twenty a second in the long run, so that a flood does not fill the disk. How
    many were left out is said in a line of its own, at most once a second. Counts leave nothing out. ``clock`` gives
    seconds and never goes back.
    """

    def __init__(self, metrics: Metrics, clock: Callable[[], float]) -> None:
        self._metrics, self._clock = metrics, clock
        self._lock = Lock()
        self._allowed, self._at = _AT_ONCE, clock()
        self._left_out, self._told = 0, clock()

    def push(self, source: str, reason: str, status: int, address: Address | None) -> None:
        """A push to ``source``, which must be the name of one, or NOBODY: never what a stranger sent."""
        self._metrics.turned_away(source, reason)
        if self._may_log():
            where = _text(address)
            _log.warning("push_turned_away", source=source, reason=reason, status=status, address=where)

    def request(self, reason: str, status: int, address: Address | None) -> None:
        """What never became a push. ``address`` is the sender's as far as it is known."""
        self._metrics.turned_away(NOBODY, reason)
        if self._may_log():
            _log.warning("request_turned_away", reason=reason, status=status, address=_text(address))

    def tell(self) -> None:
        """Say how many were left out since that was last said; to be called every now and then."""
        with self._lock:
            now = self._clock()
            if not self._left_out or now < self._told + 1.0:
                return
            lines, self._left_out, self._told = self._left_out, 0, now
        _log.warning("turned_away_left_out", lines=lines)

    def _may_log(self) -> bool:
        with self._lock:
            now = self._clock()
            self._allowed = min(_AT_ONCE, self._allowed + (now - self._at) * _A_SECOND)
            self._at = now
            if self._allowed >= 1.0:
                self._allowed -= 1.0
                return True
            self._left_out += 1
            return False


def _text(address: Address | None) -> str | None:
    return None if address is None else str(address)
