"""The inbox: every delivery, and the bytes as they came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Select,
    and_,
    exists,
    func,
    insert,
    literal_column,
    select,
    union,
)

from receiver.errors import BytesGone
from receiver.fields import Kind

from .copying import put_bytes
from .lookup import among
from .tables import Tables


class Outcome(StrEnum):
    """How one delivery ended (view ``v1_pushes``)."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    PARTLY_HELD = "partly_held"
    HELD = "held"
    REFUSED = "refused"
    FAILED = "failed"


class BodyState(StrEnum):
    """What became of a push's bytes, where they are not as they came (column ``pushes.body_state``)."""

    EXPIRED = "expired"
    ERASED = "erased"
    REDACTED = "redacted"


_LARGE_BYTES = 1024 * 1024
_GONE = {BodyState.EXPIRED: "have expired", BodyState.ERASED: "were erased"}


@dataclass(frozen=True)
class Push:
    """One delivery. ``received_at`` UTC; ``records`` in it, ``held`` of those; ``reason``: a code.

    One of which nothing was read counts as holding something once a person has decided about it: the same bytes are
    then not taken the quick way.

    ``sender``: the address it came from; ``taken_microseconds``: from its arrival until it was about to be stored.
    """

    id: str
    source: str
    received_at: datetime
    size_bytes: int
    sha256: str
    outcome: Outcome
    reply_status: int
    records: int = 0
    held: int = 0
    content_type: str | None = None
    form: str | None = None
    kind: Kind | None = None
    reason: str | None = None
    message: str | None = None
    sender: str | None = None
    taken_microseconds: int | None = None


def row(push: Push) -> dict[str, object]:
    """The delivery as columns."""
    return vars(push)


def add(connection: Connection, tables: Tables, push: Push, body: bytes) -> None:
    """Store a delivery and its bytes."""
    connection.execute(insert(tables.pushes), row(push))
    if len(body) >= _LARGE_BYTES and connection.dialect.name == "sqlite":
        _write_bytes(connection, tables, push.id, body)
    else:
        put_bytes(connection, tables.bodies, push.id, body)


def _write_bytes(connection: Connection, tables: Tables, push_id: str, body: bytes) -> None:
    """A long body in parts, on SQLite: as a parameter it would be copied twice before it is written."""
    b = tables.bodies
    connection.execute(insert(b).values(push_id=push_id, body=func.zeroblob(len(body))))
    found = connection.scalar(select(literal_column("rowid", Integer)).select_from(b).where(b.c.push_id == push_id))
    driver: Any = connection.connection.driver_connection
    with driver.blobopen(b.name, b.c.body.name, found) as blob:
        for start in range(0, len(body), _LARGE_BYTES):
            blob.write(memoryview(body)[start : start + _LARGE_BYTES])


def is_stored(connection: Connection, tables: Tables, push_id: str) -> bool:
    """Whether the delivery is there: after a commit whose answer was lost, this tells."""
    return bool(connection.scalar(select(exists().where(tables.pushes.c.id == push_id))))


def body_of(connection: Connection, tables: Tables, push_id: str) -> tuple[str, datetime, bytes] | None:
    """Source, arrival (UTC) and bytes of a stored delivery, or None. Raises BytesGone when they are not kept now."""
    p, b = tables.pushes, tables.bodies
    found = connection.execute(
        select(p.c.source, p.c.received_at, p.c.body_state, b.c.body)
        .join(b, b.c.push_id == p.c.id, isouter=True)
        .where(p.c.id == push_id)
    ).one_or_none()
    if found is None:
        return None
    if found.body is None:
        raise BytesGone(f"The bytes of push {push_id} {_GONE.get(found.body_state, 'are gone')}.")
    return found.source, found.received_at, bytes(found.body)


@dataclass(frozen=True)
class Stored:
    """A delivery that is there: what walking it again takes. ``received_at`` UTC; ``body`` None: it is not kept now."""

    id: str
    source: str
    received_at: datetime
    sha256: str
    body: bytes | None


def sizes(connection: Connection, tables: Tables, ids: Sequence[str]) -> dict[str, int]:
    """How many bytes each of those deliveries has."""
    p = tables.pushes
    query = select(p.c.id, p.c.size_bytes).where(among(connection, p.c.id, ids))
    return {row.id: row.size_bytes for row in connection.execute(query)}


def stored(connection: Connection, tables: Tables, ids: Sequence[str]) -> list[Stored]:
    """Those of the deliveries that are there, in the order of ``ids``."""
    p, b = tables.pushes, tables.bodies
    query = (
        select(p.c.id, p.c.source, p.c.received_at, p.c.sha256, b.c.body)
        .join(b, b.c.push_id == p.c.id, isouter=True)
        .where(among(connection, p.c.id, ids))
    )
    found = {
        row.id: Stored(*row[:4], None if row.body is None else bytes(row.body)) for row in connection.execute(query)
    }
    return [found[i] for i in ids if i in found]


def is_waiting(tables: Tables) -> ColumnElement[bool]:
    """Whether something may come of a push when settings change: it brought a record that is held, or it was refused
    or failed and nothing was read of it."""
    return tables.pushes.c.id.in_(_brought_held(tables)) | is_unread(tables)


def _brought_held(tables: Tables) -> Select[Any]:
    """Ids of pushes; the status stands in the statement, so that every plan may use the index of held ones."""
    n = tables.notifications
    return select(n.c.push_id).where(n.c.status == literal_column("'held'"))


def is_unread(tables: Tables) -> ColumnElement[bool]:
    """Whether a push was refused or failed, nothing was read of it, and nobody has decided about these bytes (which
    then count as holding something); of those that were refused or failed there is an index."""
    p, n, r = tables.pushes, tables.notifications, tables.repeats
    refused = p.c.outcome.in_([literal_column(f"'{found}'") for found in (Outcome.REFUSED, Outcome.FAILED)])
    # One value for each such push, as there are few; EXISTS would have PostgreSQL read all there is to repeats first.
    nothing = (select(t.c.push_id).where(t.c.push_id == p.c.id).limit(1).scalar_subquery().is_(None) for t in (n, r))
    return and_(refused, p.c.held == literal_column("0"), *nothing)


def unread(connection: Connection, tables: Tables, ids: Sequence[str]) -> list[str]:
    """Those of the deliveries of which nothing was read, and about which nobody has decided."""
    p = tables.pushes
    return list(
        connection.scalars(select(p.c.id).where(among(connection, p.c.id, ids), is_unread(tables)).order_by(p.c.id))
    )


def retryable(connection: Connection, tables: Tables, source: str | None) -> list[str]:
    """Ids of deliveries that something may come of when settings change, the oldest first.

    Those that brought a held notification, and those refused or failed of which nothing was read, as long as their
    bytes are kept.
    """
    p = tables.pushes
    kept = exists().where(tables.bodies.c.push_id == p.c.id)
    # is_waiting would be asked of every push there is.
    waiting = union(_brought_held(tables), select(p.c.id).where(is_unread(tables)))
    query = select(p.c.id).where(p.c.id.in_(waiting), kept).order_by(p.c.received_at, p.c.id)
    if source is not None:
        query = query.where(p.c.source == source)
    return list(connection.scalars(query))


def last_received(connection: Connection, tables: Tables, source: str, kind: Kind) -> datetime | None:
    """When the last push of that kind came from the source, UTC; None for never."""
    p = tables.pushes
    query = select(func.max(p.c.received_at)).where(p.c.source == source, p.c.kind == kind)
    found: datetime | None = connection.scalar(query)
    return found
