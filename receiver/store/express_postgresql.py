"""The happy path on PostgreSQL: one statement, which is its own transaction."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from psycopg import Error
from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from .express import Candidate, Rows, Taken, as_json
from .express_sql import NEW, one_statement
from .prepared import Prepared
from .store import Store
from .types import UtcDateTime


class OneStatement:
    """Compiled once, with the database's own parameters, each written as its column takes it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        numbered = PGDialect_psycopg(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
        compiled = one_statement(store.tables).compile(dialect=numbered)
        wanted = list(compiled.positiontup or ())
        self._rows = Rows(store.tables, wanted, _writer)
        self._statement = Prepared("receiver_express", str(compiled), len(wanted), [wanted.index("body")])

    def take(self, candidate: Candidate) -> Taken | None:
        """As Express has it."""
        given = self._rows.of(candidate)
        lent = self._store.lend()
        try:
            connection: Any = lent.driver_connection
            found = self._statement.run(connection, lent.info, given)
        except Error as error:
            raise self._store.failed(error, lent) from error
        finally:
            lent.close()
        if not found.ntuples:
            return None
        verdict, first_heard = found.get_value(0, 0), found.get_value(0, 1)
        if verdict == NEW.encode() or first_heard is None:
            return Taken(None)
        return Taken(datetime.fromisoformat(first_heard.decode()))


def _writer(column: Column[Any] | None, name: str) -> Callable[[Any], bytes]:
    """How a parameter is written: the text that PostgreSQL reads, or the bytes themselves."""
    if name == "codes" or (column is not None and column.type.__visit_name__ == "JSON"):
        return as_json
    if name == "dated" or isinstance(column is not None and column.type, Boolean):
        return _flag
    match column.type if column is not None else None:
        case UtcDateTime():
            return _instant
        case BigInteger() | Integer():
            return _number
        case LargeBinary():
            return bytes
    return str.encode


def _flag(value: bool) -> bytes:
    return b"t" if value else b"f"


def _number(value: int) -> bytes:
    return b"%d" % value


def _instant(value: datetime) -> bytes:
    return value.isoformat().encode()
