"""Causes: why records are held and pushes are not read, what came for the same reason together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, select, tuple_, update

from receiver.fields import Kind

from ..tables import Tables


class CauseState(StrEnum):
    """What people know of a cause. A resolved one that is seen again is open again."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


@dataclass(frozen=True)
class Cause:
    """Source, kind, path of a field and code of a rule; of a push of which nothing was read its reason is the code.

    ``kind`` is None where it is not known, ``field`` empty where it is the whole record or push. ``text`` says it
    without anything of a record's own. ``total``: records and pushes it ever held that are kept; ``waiting``: of those
    that still wait for a person. Moments are UTC, those of arrival.
    """

    id: str
    source: str
    kind: Kind | None
    field: str
    code: str
    text: str
    state: CauseState
    state_by: str | None
    state_at: datetime | None
    first_seen: datetime
    last_seen: datetime
    total: int
    waiting: int

    @property
    def place(self) -> tuple[datetime, str]:
        """Where it stands among others: what the page after it is asked by."""
        return self.last_seen, self.id


def causes(
    connection: Connection,
    tables: Tables,
    sources: Sequence[str] | None = None,
    state: CauseState | None = None,
    before: tuple[datetime, str] | None = None,
    limit: int = 50,
    *,
    only_waiting: bool = False,
) -> list[Cause]:
    """A page of causes, those seen last first, of those sources (None: all) and in that state (None: any)."""
    c = tables.figures.causes
    query = select(c).order_by(c.c.last_seen.desc(), c.c.id.desc()).limit(limit)
    if sources is not None:
        query = query.where(c.c.source.in_(sources))
    if state is not None:
        query = query.where(c.c.state == state)
    if only_waiting:
        query = query.where(c.c.waiting > 0)
    if before is not None:
        query = query.where(tuple_(c.c.last_seen, c.c.id) < tuple_(*before))
    return [_cause(row) for row in connection.execute(query)]


def cause(connection: Connection, tables: Tables, cause_id: str) -> Cause | None:
    """The cause with that id."""
    c = tables.figures.causes
    row = connection.execute(select(c).where(c.c.id == cause_id)).one_or_none()
    return _cause(row) if row is not None else None


def causes_of(connection: Connection, tables: Tables, push_id: str) -> dict[int, list[Cause]]:
    """The causes of a push's records by their position; 0 is the push as a whole."""
    c, x = tables.figures.causes, tables.figures.cause_records
    query = select(c, x.c.position).join(x, x.c.cause_id == c.c.id).where(x.c.push_id == push_id)
    found: dict[int, list[Cause]] = {}
    for row in connection.execute(query.order_by(x.c.position, c.c.field, c.c.code)):
        found.setdefault(row.position, []).append(_cause(row))
    return found


def set_state(
    connection: Connection, tables: Tables, cause_id: str, state: CauseState, who: str, now: datetime
) -> CauseState | None:
    """Note what ``who`` knows of a cause at ``now`` (UTC). Gives the state before, None when there is no such cause."""
    c = tables.figures.causes
    before = connection.scalar(select(c.c.state).where(c.c.id == cause_id).with_for_update())
    if before is None:
        return None
    connection.execute(update(c).where(c.c.id == cause_id).values(state=state, state_by=who, state_at=now))
    return CauseState(before)


def _cause(row: Row[Any]) -> Cause:
    values = {name: value for name, value in row._asdict().items() if name in Cause.__dataclass_fields__}
    kind = Kind(row.kind) if row.kind else None
    return Cause(**{**values, "kind": kind, "state": CauseState(row.state)})
