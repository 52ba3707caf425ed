"""The happy path on SQLite: a few statements for each push, and one transaction for all pushes that are there at once.

The transaction writes alone, so that what it sees stays so, and each push sees those before it in the same transaction.
Nobody is answered before it is committed, so a yes means as much as ever; what is shared is the wait for the disk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sqlalchemy import ClauseElement, Column, Table
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from receiver.errors import ConnectionLost, StoreUnavailable
from receiver.strands import Strands, current

from ..pushes import Outcome
from ..store import Store
from .express import Candidate, Repeat, Rows, Taken, as_json
from .sql import NEW, inserts, parameters, question, repeat_parameters
from .together import Abandoned, Bell, NotReached, StrandBell, ThreadBell, Together

_DIALECT = SQLiteDialect_pysqlite(paramstyle="named")
_AT_ONCE = 32
Outcomes = Sequence[Taken | Exception | None]


@dataclass(frozen=True)
class _Given:
    """A candidate as parameters, and as those of each of its codes; None for what can only be a repeat."""

    row: dict[str, Any]
    codes: list[dict[str, Any]] | None


class FewStatements:
    """Compiled once, and kept by the driver, which knows them by their text."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._names = parameters(store.tables)
        self._rows = Rows(store.tables, self._names, _writer)
        self._repeat_names = repeat_parameters(store.tables)
        self._repeats = Rows(store.tables, self._repeat_names, _writer)
        self._question = _text(question(store.tables))
        self._inserts = {name: _text(found) for name, found in inserts(store.tables).items()}
        self._among_threads = self._together(ThreadBell)
        self._among_strands: dict[Strands, Together[_Given, Taken | None]] = {}

    def take(self, candidate: Candidate) -> Taken | None:
        """As Express has it."""
        row: dict[str, Any] = dict(zip(self._names, self._rows.of(candidate), strict=True))
        keys = {"source": row["push_source"], "booking_id": row["booking_booking_id"]}
        given = _Given(row, [{**keys, **code} for code in self._rows.codes(candidate)])
        return self._submit(given)

    def repeat(self, repeat: Repeat) -> datetime | None:
        """As Express has it."""
        row = dict(zip(self._repeat_names, self._repeats.of_repeat(repeat), strict=True))
        taken = self._submit(_Given(row, None))
        return None if taken is None else taken.first_heard

    def _submit(self, given: _Given) -> Taken | None:
        try:
            return self._others().submit(given)
        except NotReached:
            raise StoreUnavailable("The database is not able to store now (other writers).") from None
        except Abandoned:
            raise ConnectionLost("The transaction was stopped; whether it was committed is not known.") from None

    def _together(self, bell: Callable[[], Bell]) -> Together[_Given, Taken | None]:
        return Together(self._store_all, _AT_ONCE, self._store.patience, bell)

    def _others(self) -> Together[_Given, Taken | None]:
        """Those the caller can wait with: the strands of its loop, or other threads."""
        strands = current()
        if strands is None:
            return self._among_threads
        if strands not in self._among_strands:
            self._among_strands[strands] = self._together(partial(StrandBell, strands))
        return self._among_strands[strands]

    def _store_all(self, group: Sequence[_Given]) -> Outcomes:
        """All of them in one transaction; where one of them spoils that, each in its own."""
        try:
            with self._store.alone() as connection:
                return [self._store_one(connection, given) for given in group]
        except StoreUnavailable:
            raise
        except Exception:  # which of them it was, each finds out for itself
            if len(group) == 1:
                raise
            return [self._apart(given) for given in group]

    def _apart(self, given: _Given) -> Taken | Exception | None:
        try:
            with self._store.alone() as connection:
                return self._store_one(connection, given)
        except Exception as error:  # noqa: BLE001 - it is raised for this one alone
            return error

    def _store_one(self, connection: Any, given: _Given) -> Taken | None:
        tables, row = self._store.tables, given.row
        verdict, known_id, known_at, cursor = connection.execute(self._question, row).fetchone()
        if verdict is None:
            return None
        if verdict != NEW:
            again = {**row, "known_id": known_id, "push_outcome": Outcome.DUPLICATE}
            self._insert(connection, again, tables.pushes, tables.bodies, tables.repeats)
            return Taken(datetime.fromisoformat(known_at).replace(tzinfo=UTC))
        if given.codes is None:
            return None
        self._insert(connection, row, tables.pushes, tables.bodies, tables.notifications, tables.bookings)
        connection.executemany(self._inserts[tables.codes.name], given.codes)
        self._insert(connection, {**row, "change_cursor": cursor}, tables.changes)
        return Taken(None)

    def _insert(self, connection: Any, given: Mapping[str, Any], *tables: Table) -> None:
        for table in tables:
            connection.execute(self._inserts[table.name], given)


def _writer(column: Column[Any] | None, _name: str) -> Callable[[Any], Any] | None:
    if column is None:
        return None
    if column.type.__visit_name__ == "JSON":
        return _json
    return column.type.dialect_impl(_DIALECT).bind_processor(_DIALECT)


def _json(value: object) -> str:
    return as_json(value).decode()


def _text(statement: ClauseElement) -> str:
    """The statement's text, its parameters by name."""
    return str(statement.compile(dialect=_DIALECT))
