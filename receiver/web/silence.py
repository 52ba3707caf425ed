"""How long nothing has come, also when the machine's clock is moved meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from threading import Lock


@dataclass(frozen=True)
class _Seen:
    """What was new when it was first seen: by how many seconds it was old then; moments of the steady clock."""

    news: Hashable
    seconds: float
    first: float
    looked: float


class Silence:
    """Seconds since something last came, for any number of things.

    The time of day is asked once for each piece of news, when this process first sees it. From then on ``steady``
    counts, a clock in seconds that nobody moves. News cannot be older than the last look that did not show it.
    """

    def __init__(self, steady: Callable[[], float]) -> None:
        self._steady = steady
        self._seen: dict[Hashable, _Seen] = {}
        self._lock = Lock()

    def seconds(self, of: Hashable, news: Hashable, by_clock: float) -> float:
        """Seconds of silence, never negative. ``news`` differs whenever something has come; ``by_clock``: the seconds
        since then as the time of day has them, which is wrong when it was moved in between."""
        now = self._steady()
        with self._lock:
            seen = self._seen.get(of)
            if seen is None or seen.news != news:
                longest = by_clock if seen is None else now - seen.looked
                seen = _Seen(news, max(0.0, min(by_clock, longest)), now, now)
            self._seen[of] = replace(seen, looked=now)
            return seen.seconds + (now - seen.first)
