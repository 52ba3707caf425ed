"""New rows on their way in: few by an insert, many by PostgreSQL's COPY, which leaves the same rows for less."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from struct import pack
from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, Column, Connection, Integer, LargeBinary, Table, insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeEngine

from .types import UtcDateTime

# A COPY costs round trips of its own: below these, an insert is over sooner.
_MANY_ROWS = 64
_MANY_BYTES = 256 * 1024
# Binary COPY has an instant as microseconds since this one, in the form of a whole number of 64 bits.
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END = b"\xff\xff"

_encode = json.JSONEncoder(check_circular=False).encode

Convert = Callable[[Any], Any]


def put(connection: Connection, table: Table, rows: Sequence[Mapping[str, object]], *, many: int = _MANY_ROWS) -> None:
    """Insert the rows, which all name the same columns; from ``many`` on by COPY, where there is one.

    Raises SQLAlchemy's errors, as an insert does.
    """
    if not rows:
        return
    if len(rows) < many or connection.dialect.name != "postgresql":
        connection.execute(insert(table), rows)
        return
    names = list(rows[0])
    _send(connection, table, [table.c[name] for name in names], ([row[name] for name in names] for row in rows))


def put_rows(connection: Connection, table: Table, rows: Sequence[Sequence[Any]], *, many: int = _MANY_ROWS) -> None:
    """The same for rows that have all of the table's columns in their order."""
    if not rows:
        return
    columns = list(table.columns)
    if len(rows) < many or connection.dialect.name != "postgresql":
        names = [column.name for column in columns]
        connection.execute(insert(table), [dict(zip(names, row, strict=True)) for row in rows])
        return
    _send(connection, table, columns, map(list, rows))


def put_bytes(connection: Connection, table: Table, key: str, content: bytes) -> None:
    """Insert a row of a text and of bytes, the table's only columns, without further copies of long bytes."""
    columns = list(table.columns)
    if len(content) < _MANY_BYTES or connection.dialect.name != "postgresql":
        connection.execute(insert(table).values({columns[0]: key, columns[1]: content}))
        return
    with _copy(connection, table, columns) as copy:
        text = key.encode()
        copy.write(_SIGNATURE + pack("!hi", 2, len(text)) + text + pack("!i", len(content)))
        copy.write(content)
        copy.write(_END)


def _send(connection: Connection, table: Table, columns: Sequence[Column[Any]], rows: Iterable[list[Any]]) -> None:
    """COPY the rows, each a list of its own."""
    special = _special(columns)
    with _copy(connection, table, columns) as copy:
        copy.set_types([_wire_type(column.type) for column in columns])
        for cells in rows:
            for place, convert, takes_none in special:
                value = cells[place]
                if value is not None or takes_none:
                    cells[place] = convert(value)
            copy.write_row(cells)


@contextmanager
def _copy(connection: Connection, table: Table, columns: Sequence[Column[Any]]) -> Iterator[Any]:
    """The driver's COPY inside the connection's transaction; what fails, fails as it does for SQLAlchemy."""
    dialect = connection.dialect
    quote = dialect.identifier_preparer
    names = ", ".join(quote.format_column(column) for column in columns)
    statement = f"COPY {quote.format_table(table)} ({names}) FROM STDIN (FORMAT binary)"
    driver: Any = connection.connection.driver_connection
    try:
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            yield copy
    except dialect.loaded_dbapi.Error as error:
        lost = dialect.is_disconnect(error, connection.connection.dbapi_connection, None)
        raised = DBAPIError.instance(
            statement,
            None,
            error,
            dialect.loaded_dbapi.Error,
            hide_parameters=True,
            connection_invalidated=lost,
            dialect=dialect,
        )
        if lost:
            connection.invalidate(error)
        raise raised from error


def _special(columns: Sequence[Column[Any]]) -> list[tuple[int, Convert, bool]]:
    """The places whose values are not sent as they are, how each is converted, and whether None is a value there, as it
    is in JSON."""
    found = []
    for place, column in enumerate(columns):
        kind, convert = column.type, _converter(column.type)
        if convert is not None:
            found.append((place, convert, isinstance(kind, JSON) and not kind.none_as_null))
    return found


def _wire_type(kind: TypeEngine[Any]) -> str:
    """The type whose binary form the column's values are sent in."""
    if isinstance(kind, UtcDateTime | BigInteger):
        return "int8"
    if isinstance(kind, Boolean):
        return "bool"
    if isinstance(kind, LargeBinary):
        return "bytea"
    return "int4" if isinstance(kind, Integer) else "text"


def _converter(kind: TypeEngine[Any]) -> Convert | None:
    """How a value of the column becomes one of its wire type; None for as it is."""
    if isinstance(kind, UtcDateTime):
        return _microseconds
    if isinstance(kind, JSON):
        return _dumped
    return None


@lru_cache(maxsize=4096)
def _microseconds(value: datetime) -> int:
    """Remembered: many rows of one push have one and the same instant."""
    return (value - _EPOCH) // _MICROSECOND


def _dumped(value: object) -> str:
    return _encode(value) if value != [] else "[]"
