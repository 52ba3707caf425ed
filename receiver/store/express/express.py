"""The happy path in one round trip: a push of one record that is new, or plainly a repeat, stored by one statement.

What it stores is what the corridor's several statements would have stored. Where it cannot be sure of that, it stores
nothing and says so, and the corridor goes its usual way. The statements are made from the tables once and, on
PostgreSQL, prepared once a connection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import orjson
from sqlalchemy import Column

from receiver.messages import Booking

from .. import bookings, changes, notifications, pushes
from ..changes import Changed
from ..notifications import Entry
from ..pushes import Push
from ..store import Store
from ..tables import Tables
from .sql import code_part, names


@dataclass(frozen=True)
class Candidate:
    """What would be stored if the booking and what is said of it have never been heard of.

    ``dated``: the sender gave the event's time, so that the same content is the same event whenever it comes.
    """

    push: Push
    body: bytes
    entry: Entry
    booking: Booking
    change: Changed
    dated: bool


@dataclass(frozen=True)
class Repeat:
    """A push of the same bytes as one that was stored: what its one record is known by, as of a Candidate's."""

    push: Push
    body: bytes
    position: int
    content_key: str
    booking_id: str
    dated: bool


@dataclass(frozen=True)
class Taken:
    """It is stored. ``first_heard`` (UTC) is when the notification that it repeats was; None when it is new."""

    first_heard: datetime | None


class Express(Protocol):
    """The quick way in of one database."""

    def take(self, candidate: Candidate) -> Taken | None:
        """Store the candidate as new, or as a repeat, and commit; None when it is neither: nothing is stored then.

        Raises StoreConflict (begin again), ConnectionLost (look whether it is stored), StoreUnavailable, StoreError.
        """

    def repeat(self, repeat: Repeat) -> datetime | None:
        """Store it as a repeat, and commit; None when it is none: nothing is stored then.

        Returns when the notification that it repeats was heard first (UTC). Raises as ``take`` does.
        """


def express(store: Store) -> Express:
    """The quick way into ``store``."""
    # Each with its driver, of which only one may be needed.
    if store.engine.dialect.name == "postgresql":
        from .postgresql import OneStatement  # noqa: PLC0415

        return OneStatement(store)
    from .sqlite import FewStatements  # noqa: PLC0415

    return FewStatements(store)


Writer = Callable[[Column[Any] | None, str], Callable[[Any], Any] | None]


class Rows:
    """Candidates as parameters in the order of ``wanted``.

    ``writer`` says how one is handed to the driver, by its column (None: it has none) and name; None: as it is.
    """

    def __init__(self, tables: Tables, wanted: Sequence[str], writer: Writer) -> None:
        self._fields = bookings.field_columns(tables)
        self._codes = [str(c.name) for c in tables.codes.columns if c.name not in ("source", "booking_id", "position")]
        self._has_list = "codes" in wanted
        columns = names(tables)
        self._plan = [(*_place(name), writer(columns.get(name), name)) for name in wanted]

    def of(self, candidate: Candidate) -> list[Any]:
        """The values of the parameters; what is None stays so."""
        return self._written(
            {
                "push": pushes.row(candidate.push),
                "notification": notifications.row(candidate.entry),
                "booking": bookings.row(candidate.booking, self._fields),
                "change": changes.row(candidate.change),
                **{code_part(n): code for n, code in enumerate(candidate.booking.codes, start=1)},
                "": {"body": candidate.body, "dated": candidate.dated, "codes": self._listed(candidate)},
            }
        )

    def of_repeat(self, repeat: Repeat) -> list[Any]:
        """The values of those parameters that there are of a repeat."""
        return self._written(
            {
                "push": pushes.row(repeat.push),
                "notification": {"position": repeat.position, "content_key": repeat.content_key},
                "booking": {"booking_id": repeat.booking_id},
                "": {"body": repeat.body, "dated": repeat.dated},
            }
        )

    def _written(self, parts: Mapping[str, Mapping[str, Any]]) -> list[Any]:
        found = []
        for part, name, write in self._plan:
            value = parts[part].get(name)
            found.append(value if write is None or value is None else write(value))
        return found

    def _listed(self, candidate: Candidate) -> list[dict[str, Any]] | None:
        return self.codes(candidate) if self._has_list else None

    def codes(self, candidate: Candidate) -> list[dict[str, Any]]:
        """The booking's codes, numbered from 1."""
        return [
            {"position": position, **{name: code.get(name) for name in self._codes}}
            for position, code in enumerate(candidate.booking.codes, start=1)
        ]


def _place(name: str) -> tuple[str, str]:
    """The part of a candidate that a parameter belongs to, and its name there."""
    part, _, rest = name.partition("_")
    return (part, rest) if rest else ("", name)


def as_json(value: object) -> bytes:
    """The text of a JSON column."""
    return orjson.dumps(value)
