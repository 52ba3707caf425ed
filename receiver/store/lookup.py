"""Finding rows by a list of keys, in the way that each database is quick at."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ARRAY, Column, ColumnElement, Connection, any_, bindparam


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
