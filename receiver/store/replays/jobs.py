"""Long pieces of work on what is stored: each a row that says what is to be done, how far it is, and who is at it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, func, insert, or_, select, update

from receiver.errors import LeaseLost, NotFound, WrongState

from ..copying import put
from ..finding.filter import Filter
from ..lookup import after
from ..tables import Tables


class ReplayKind(StrEnum):
    """What is done: pushes walked through the corridor again, current state rebuilt, held records discarded, or
    changes told downstream again."""

    WALK = "walk"
    REBUILD = "rebuild"
    DISCARD = "discard"
    TELL = "tell"


class ReplayState(StrEnum):
    """How far it is."""

    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    FINISHED = "finished"
    FAILED = "failed"


class Wish(StrEnum):
    """What a person wants of one that runs; it is done between two slices."""

    PAUSE = "pause"
    CANCEL = "cancel"


_ACTIVE = (ReplayState.WAITING.value, ReplayState.RUNNING.value)


@dataclass(frozen=True)
class Replay:
    """One of them. Times UTC. ``place`` is where it goes on, ``counts`` what came of what was ``done`` of ``total``.

    ``owner`` works on it until ``owner_until``, and says so again before that.
    """

    id: str
    kind: ReplayKind
    filter: Filter
    state: ReplayState
    made_at: datetime
    made_by: str
    reason: str
    total: int
    wish: Wish | None = None
    done: int = 0
    place: Mapping[str, Any] | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    owner: str | None = None
    owner_until: datetime | None = None
    began_at: datetime | None = None
    ended_at: datetime | None = None
    said: str | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state in (ReplayState.CANCELLED, ReplayState.FINISHED, ReplayState.FAILED)


@dataclass(frozen=True)
class Outcome:
    """What a replay made of a record of a push (position 0: of the push). ``detail`` is a code."""

    push_id: str
    position: int
    outcome: str
    detail: str | None = None


@dataclass(frozen=True)
class Advance:
    """What one slice did: so much more is done, and so much came of it; ``place`` is where the next one begins, None
    where it was."""

    done: int
    place: Mapping[str, Any] | None
    counts: Mapping[str, int]
    outcomes: Sequence[Outcome] = ()


def add(connection: Connection, tables: Tables, replay: Replay) -> None:
    """Store a new one."""
    row = {**vars(replay), "filter": replay.filter.to_json(), "counts": dict(replay.counts)}
    connection.execute(insert(tables.replays.replays), row)


def _replay(row: Row[Any]) -> Replay:
    found = dict(row._mapping)
    found |= {"kind": ReplayKind(found["kind"]), "state": ReplayState(found["state"])}
    found["wish"] = Wish(found["wish"]) if found["wish"] else None
    return Replay(**{**found, "filter": Filter.from_json(found["filter"])})


def get(connection: Connection, tables: Tables, replay_id: str) -> Replay:
    """The replay of that id. Raises NotFound."""
    r = tables.replays.replays
    row = connection.execute(select(r).where(r.c.id == replay_id)).one_or_none()
    if row is None:
        raise NotFound(f"There is no replay {replay_id}.")
    return _replay(row)


def find(connection: Connection, tables: Tables, *, before: Replay | None = None, limit: int = 50) -> list[Replay]:
    """A page of all there are, the newest first, those made before ``before``."""
    r = tables.replays.replays
    query = select(r).order_by(r.c.made_at.desc(), r.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(or_(r.c.made_at < before.made_at, and_(r.c.made_at == before.made_at, r.c.id < before.id)))
    return [_replay(row) for row in connection.execute(query)]


def _is_free(tables: Tables, now: datetime) -> ColumnElement[bool]:
    """Whether somebody is wanted: nobody is at it, or whoever was has not said so for too long."""
    r = tables.replays.replays
    return and_(r.c.state.in_(_ACTIVE), or_(r.c.owner_until.is_(None), r.c.owner_until < now))


def due(connection: Connection, tables: Tables, now: datetime) -> str | None:
    """The id of the oldest that wants somebody to work on it, at the moment ``now`` (UTC)."""
    r = tables.replays.replays
    found: str | None = connection.scalar(
        select(r.c.id).where(_is_free(tables, now)).order_by(r.c.made_at, r.c.id).limit(1)
    )
    return found


def take(
    connection: Connection, tables: Tables, replay_id: str, owner: str, now: datetime, until: datetime
) -> Replay | None:
    """Make ``owner`` the one who works on it until ``until``; None when another does, or there is nothing to do.

    Of all that ask at once one gets it. Who has it already gets it again.
    """
    r = tables.replays.replays
    mine = and_(r.c.state.in_(_ACTIVE), r.c.owner == owner)
    statement = (
        update(r)
        .where(r.c.id == replay_id, or_(mine, _is_free(tables, now)))
        .values(
            state=ReplayState.RUNNING.value,
            owner=owner,
            owner_until=until,
            began_at=func.coalesce(r.c.began_at, now),
        )
    )
    return get(connection, tables, replay_id) if connection.execute(statement).rowcount else None


def _owned(connection: Connection, tables: Tables, replay_id: str, owner: str, values: Mapping[str, Any]) -> None:
    r = tables.replays.replays
    its = and_(r.c.id == replay_id, r.c.owner == owner, r.c.state == ReplayState.RUNNING.value)
    if not connection.execute(update(r).where(its).values(values)).rowcount:
        raise LeaseLost("Another process works on this replay now.")


def renew(connection: Connection, tables: Tables, replay_id: str, owner: str, until: datetime) -> None:
    """Say that the owner is still at it. Raises LeaseLost."""
    _owned(connection, tables, replay_id, owner, {"owner_until": until})


def advance(
    connection: Connection, tables: Tables, replay_id: str, owner: str, found: Advance, until: datetime
) -> None:
    """Note what a slice did, in its own transaction, at its end. Raises LeaseLost: then nothing of it counts."""
    before = get(connection, tables, replay_id)
    counts = dict(before.counts)
    for name, number in found.counts.items():
        counts[name] = counts.get(name, 0) + number
    place = before.place if found.place is None else dict(found.place)
    values = {"done": before.done + found.done, "place": place, "counts": counts, "owner_until": until}
    _owned(connection, tables, replay_id, owner, values)
    rows = [{"replay_id": replay_id, **vars(outcome)} for outcome in found.outcomes]
    put(connection, tables.replays.replay_outcomes, rows)


def end(
    connection: Connection,
    tables: Tables,
    replay_id: str,
    owner: str,
    state: ReplayState,
    now: datetime,
    said: str | None = None,
) -> None:
    """Leave it in ``state``; one that is RUNNING, another may go on with at once. Raises LeaseLost."""
    is_over = state in (ReplayState.FINISHED, ReplayState.FAILED, ReplayState.CANCELLED)
    values: dict[str, Any] = {"state": state.value, "owner": None, "owner_until": None, "said": said}
    if state is not ReplayState.RUNNING:
        values["wish"] = None
    _owned(connection, tables, replay_id, owner, {**values, "ended_at": now if is_over else None})


def ask(connection: Connection, tables: Tables, replay_id: str, wish: Wish, now: datetime) -> Replay:
    """Have it paused or cancelled: at once where nobody is at work on it, else after the slice under way.

    Raises NotFound, WrongState when it has ended.
    """
    found = _locked(connection, tables, replay_id)
    if found.is_over:
        raise WrongState(f"The replay is {found.state} already.")
    is_worked_on = found.owner_until is not None and found.owner_until >= now
    if is_worked_on and found.state is ReplayState.RUNNING:
        values: dict[str, Any] = {"wish": wish.value}
    else:
        state = ReplayState.PAUSED if wish is Wish.PAUSE else ReplayState.CANCELLED
        ended_at = now if wish is Wish.CANCEL else None
        values = {"state": state.value, "wish": None, "owner": None, "owner_until": None, "ended_at": ended_at}
    _set(connection, tables, replay_id, values)
    return get(connection, tables, replay_id)


def resume(connection: Connection, tables: Tables, replay_id: str) -> Replay:
    """Have a paused or failed one go on, or one that was to be paused not be. Raises NotFound, WrongState."""
    found = _locked(connection, tables, replay_id)
    if found.state in (ReplayState.PAUSED, ReplayState.FAILED):
        values = {"state": ReplayState.WAITING.value, "ended_at": None, "said": None}
        _set(connection, tables, replay_id, {**values, "wish": None, "owner": None, "owner_until": None})
    elif found.is_over:
        raise WrongState(f"The replay is {found.state} already.")
    elif found.wish is Wish.PAUSE:
        _set(connection, tables, replay_id, {"wish": None})
    return get(connection, tables, replay_id)


def _locked(connection: Connection, tables: Tables, replay_id: str) -> Replay:
    r = tables.replays.replays
    connection.execute(select(r.c.id).where(r.c.id == replay_id).with_for_update()).all()
    return get(connection, tables, replay_id)


def _set(connection: Connection, tables: Tables, replay_id: str, values: Mapping[str, Any]) -> None:
    r = tables.replays.replays
    connection.execute(update(r).where(r.c.id == replay_id).values(values))


def outcomes(
    connection: Connection,
    tables: Tables,
    replay_id: str,
    *,
    outcome: str | None = None,
    beyond: Outcome | None = None,
    limit: int = 50,
) -> list[Outcome]:
    """A page of what a replay made of records, by push and position, those after ``beyond``."""
    o = tables.replays.replay_outcomes
    query = select(o.c.push_id, o.c.position, o.c.outcome, o.c.detail).where(o.c.replay_id == replay_id)
    if outcome is not None:
        query = query.where(o.c.outcome == outcome)
    if beyond is not None:
        query = query.where(after([o.c.push_id, o.c.position], [beyond.push_id, beyond.position]))
    return [Outcome(*row) for row in connection.execute(query.order_by(o.c.push_id, o.c.position).limit(limit))]
