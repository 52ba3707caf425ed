"""Finding rows by a list of keys, or on from one, in the way that each database is quick at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import orjson
from sqlalchemy import (
    ARRAY,
    JSON,
    Column,
    ColumnElement,
    Connection,
    Subquery,
    Text,
    any_,
    bindparam,
    cast,
    column,
    func,
    select,
    text,
    tuple_,
)


def among(connection: Connection, column: Column[Any], values: Iterable[Any]) -> ColumnElement[bool]:
    """Whether the column is one of ``values``.

    On PostgreSQL the list goes as one array: hundreds of single parameters would be compared one by one with every
    row that a scan passes.
    """
    wanted = sorted(set(values))
    if connection.dialect.name == "postgresql":
        array = bindparam(None, wanted, type_=ARRAY(column.type), unique=True)
        return column == any_(array)
    return column.in_(wanted)


def listed(columns: Sequence[Column[Any]], keys: Sequence[Sequence[Any]]) -> Subquery:
    """PostgreSQL only: the ``keys``, each a value for every one of ``columns``, as rows of a table, in their order.

    They go as one JSON text: the driver takes ten times as long to write an array of each column.
    """
    names = [str(c.name) for c in columns]
    text = orjson.dumps([dict(zip(names, key, strict=True)) for key in keys]).decode()
    rows = func.json_to_recordset(cast(bindparam(None, text, type_=Text(), unique=True), JSON))
    keys_ = rows.table_valued(*(column(c.name, c.type) for c in columns)).render_derived("keys", with_types=True)
    return select(*keys_.c).order_by(*keys_.c).subquery("wanted")


def after(columns: Sequence[Column[Any]], values: Sequence[Any]) -> ColumnElement[bool]:
    """Whether a row comes after the one with those ``values``, in the order of ``columns``; none may be NULL.

    Rows are compared as a whole: an index that begins with the columns is entered where the last page ended. The same
    said with AND and OR would be read from its beginning, page after page.
    """
    last = (bindparam(None, v, type_=c.type, unique=True) for c, v in zip(columns, values, strict=True))
    return tuple_(*columns) > tuple_(*last)


def planned_anew(connection: Connection) -> Connection:
    """The connection, with every statement of this transaction planned for its own values.

    A plan for any values takes it that few rows lie between two of them, and sorts them all for each page.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL plan_cache_mode = force_custom_plan"))
    return connection
