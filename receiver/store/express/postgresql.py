"""The happy path on PostgreSQL: one statement, which is its own transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, cast

from psycopg import Error
from psycopg.pq.abc import PGresult
from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary, Select
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from receiver.strands import Strands, current, elsewhere

from ..store import Store
from ..tables import Tables
from ..types import UtcDateTime
from .express import Candidate, Repeat, Rows, Taken, as_json
from .lanes import Lanes
from .prepared import Prepared
from .sql import MOST_SINGLE, NEW, one_statement, repeat_statement

_LANES, _SPARE = 4, 2  # what is not stored by one statement needs connections too


class OneStatement:
    """Each compiled once, with the database's own parameters, each written as its column takes it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lanes = Lanes(store.lend, max(1, min(_LANES, store.connections - _SPARE)))
        self._made: dict[str, tuple[Prepared, Rows]] = {}

    def take(self, candidate: Candidate) -> Taken | None:
        """As Express has it."""
        statement, rows = self._storing(len(candidate.booking.codes))
        found = self._run(statement, rows.of(candidate))
        if not found.ntuples:
            return None
        verdict, first_heard = found.get_value(0, 0), found.get_value(0, 1)
        if verdict == NEW.encode() or first_heard is None:
            return Taken(None)
        return Taken(datetime.fromisoformat(first_heard.decode()))

    def repeat(self, repeat: Repeat) -> datetime | None:
        """As Express has it."""
        statement, rows = self._statement("receiver_repeat", repeat_statement)
        found = self._run(statement, rows.of_repeat(repeat))
        heard = found.get_value(0, 0) if found.ntuples else None
        return None if heard is None else datetime.fromisoformat(heard.decode())

    def _storing(self, codes: int) -> tuple[Prepared, Rows]:
        """For bookings of so many codes."""
        if codes > MOST_SINGLE:
            return self._statement("receiver_express", one_statement)
        return self._statement(f"receiver_express_{codes}", partial(one_statement, codes=codes))

    def _statement(self, name: str, of: Callable[[Tables], Select[Any]]) -> tuple[Prepared, Rows]:
        """Made when it is needed first, which takes a while."""
        if name not in self._made:
            tables = self._store.tables
            self._made[name] = elsewhere(lambda: _prepared(name, of(tables), tables))
        return self._made[name]

    def _run(self, statement: Prepared, given: Sequence[bytes | None]) -> PGresult:
        strands = current()
        if strands is not None:
            return self._run_in_lane(strands, statement, given)
        lent = self._store.lend()
        try:
            return statement.run(cast("Any", lent.driver_connection), lent.info, given)
        except Error as error:
            raise self._store.failed(error, lent) from error
        finally:
            lent.close()

    def _run_in_lane(self, strands: Strands, statement: Prepared, given: Sequence[bytes | None]) -> PGresult:
        lent = self._lanes.take(strands)
        is_sound = False
        try:
            found = statement.run(cast("Any", lent.driver_connection), lent.info, given)
            is_sound = True
        except Error as error:
            failure = self._store.failed(error, lent)
            is_sound = lent.is_valid
            raise failure from error
        finally:
            (self._lanes.give if is_sound else self._lanes.lose)(strands, lent)
        return found


def _prepared(name: str, statement: Select[Any], tables: Tables) -> tuple[Prepared, Rows]:
    """The statement as the database takes it, and how its parameters are written."""
    numbered = PGDialect_psycopg(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
    compiled = statement.compile(dialect=numbered)
    wanted = list(compiled.positiontup or ())
    return Prepared(name, str(compiled), len(wanted), [wanted.index("body")]), Rows(tables, wanted, _writer)


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
