"""The happy path on SQLite: a transaction of a few statements; it writes alone, so that what it sees stays so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ClauseElement, Column, Table
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from .express import Candidate, Rows, Taken, as_json
from .express_sql import NEW, inserts, parameters, question
from .pushes import Outcome
from .store import Store

_DIALECT = SQLiteDialect_pysqlite(paramstyle="named")


class FewStatements:
    """Compiled once, and kept by the driver, which knows them by their text."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._names = parameters(store.tables)
        self._rows = Rows(store.tables, self._names, _writer)
        self._question = _text(question(store.tables))
        self._inserts = {name: _text(found) for name, found in inserts(store.tables).items()}

    def take(self, candidate: Candidate) -> Taken | None:
        """As Express has it."""
        tables = self._store.tables
        given: dict[str, Any] = dict(zip(self._names, self._rows.of(candidate), strict=True))
        with self._store.alone() as connection:
            verdict, known_id, known_at, cursor = connection.execute(self._question, given).fetchone()
            if verdict is None:
                return None
            if verdict != NEW:
                given |= {"known_id": known_id, "push_outcome": Outcome.DUPLICATE}
                self._insert(connection, given, tables.pushes, tables.bodies, tables.repeats)
                return Taken(datetime.fromisoformat(known_at).replace(tzinfo=UTC))
            given["change_cursor"] = cursor
            self._insert(connection, given, tables.pushes, tables.bodies, tables.notifications, tables.bookings)
            keys = {"source": given["push_source"], "booking_id": given["booking_booking_id"]}
            rows = [{**keys, **code} for code in self._rows.codes(candidate)]
            connection.executemany(self._inserts[tables.codes.name], rows)
            self._insert(connection, given, tables.changes)
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
