"""What people look for: the criteria that pushes, records, counts, exports and replays have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime

from receiver.errors import WrongFilter
from receiver.fields import Kind

from ..notifications import NotificationStatus
from ..pushes import Outcome

_MOMENTS = ("since", "until")
_RECORDS = ("status", "booking_id", "order", "resource", "words")


@dataclass(frozen=True)
class Filter:
    """Criteria that all hold at once; None is no criterion.

    ``sources``: those that a person may see and has chosen; None is all, none at all is nothing. ``since`` (inclusive)
    and ``until`` (exclusive) are of a push's arrival, aware, UTC. ``outcome`` is that of the push, ``status`` that of a
    record that it brought or repeated. ``order`` is a primary, secondary or tertiary order number, ``cause`` the id of
    a cause, ``words`` are words of a record that must all be in it.
    """

    sources: tuple[str, ...] | None = None
    since: datetime | None = None
    until: datetime | None = None
    kind: Kind | None = None
    outcome: Outcome | None = None
    status: NotificationStatus | None = None
    booking_id: str | None = None
    order: str | None = None
    resource: str | None = None
    cause: str | None = None
    words: str | None = None
    push_id: str | None = None

    @property
    def by_record(self) -> bool:
        """Whether something is asked of a push's records, and not only of the push."""
        return any(getattr(self, name) is not None for name in _RECORDS)

    def to_json(self) -> dict[str, object]:
        """The criteria that there are, as JSON; moments in ISO form."""
        found = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: _json(value) for name, value in found.items() if value is not None}

    @classmethod
    def from_json(cls, found: Mapping[str, object]) -> Filter:
        """What ``to_json`` gave. Raises WrongFilter for anything else."""
        if unknown := found.keys() - {f.name for f in fields(cls)}:
            raise WrongFilter(f"There is no criterion {min(unknown)!r}.")
        try:
            return cls(
                **{name: _criterion(name, value) for name, value in found.items() if value is not None}  # type: ignore[arg-type]
            )
        except (TypeError, ValueError) as error:
            raise WrongFilter(f"A criterion cannot be read: {error}") from error


def _json(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return list(value) if isinstance(value, tuple) else str(value)


def _criterion(name: str, value: object) -> object:
    if name == "sources":
        if not isinstance(value, list) or not all(isinstance(source, str) for source in value):
            raise ValueError("sources is a list of names")
        return tuple(value)
    if not isinstance(value, str):
        raise TypeError(f"{name} is a text")
    if name in _MOMENTS:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise ValueError(f"{name} has no zone")
        return moment.astimezone(UTC)
    of: dict[str, type[Kind | Outcome | NotificationStatus]] = {
        "kind": Kind,
        "outcome": Outcome,
        "status": NotificationStatus,
    }
    return of[name](value) if name in of else value
