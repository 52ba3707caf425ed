"""The numbers DRS and the systems around it give out."""

from __future__ import annotations

from datetime import date
from itertools import count

from .chance import chance

_FIRST_DAY = date(2020, 1, 1)
_A_DAY = 10_000
_TOKEN = "0123456789abcdef"  # noqa: S105 - digits of a booking's token


class Numbers:
    """Gives out one day's numbers in order, up to 10,000 of each; no two days share a booking's id."""

    def __init__(self, seed: int, day: date) -> None:
        self._seed = seed
        first = (day - _FIRST_DAY).days * _A_DAY
        self._bookings, self._orders, self._jobs = count(first + 1), count(first + 1), count(first + 1)
        self._workers = count(100)

    def booking_id(self) -> str:
        """The next booking's id."""
        return str(next(self._bookings))

    def order_id(self) -> int:
        """DRS's own next order id."""
        return next(self._orders)

    def order_number(self) -> str:
        """The next order's number in the first interfacing system: lettered, or with leading zeros."""
        number = next(self._jobs)
        return f"L{number % 1_000_000:06d}" if number % 2 else f"{number % 100_000_000:08d}"

    def token(self, booking_id: str) -> str:
        """The booking's token, 40 characters."""
        choice = chance(self._seed, "token", booking_id)
        return "".join(choice.choice(_TOKEN) for _ in range(40))

    def resource(self) -> str:
        """The next resource, which no other absence of the day has."""
        return f"W{next(self._workers)}"
