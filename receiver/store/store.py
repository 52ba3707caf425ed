"""Transactions: begun, committed, and failing in words the rest of the receiver knows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from receiver.errors import ConnectionLost, StoreConflict, StoreError, StoreUnavailable
from receiver.fields import FieldTable

from .engine import writing
from .tables import Tables, build_tables

# What ends a transaction that lost a race and may simply begin again: a row that another wrote first, one that
# expired meanwhile, a serialization failure, a deadlock.
_RACES = frozenset({"23503", "23505", "40001", "40P01"})
_SQLITE_RACES = frozenset(
    {
        sqlite3.SQLITE_CONSTRAINT_UNIQUE,
        sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY,
        sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY,
    }
)
# Classes that say the database cannot work now: connection, resources, operator intervention, system, locks.
_DOWN = ("08", "53", "57", "58", "55", "25", "XX")


def failure(error: SQLAlchemyError) -> StoreError:
    """The database's error as one of ours. Its own text is not passed on: it can quote rows."""
    name = type(error).__name__
    if not isinstance(error, DBAPIError):
        return (
            StoreUnavailable(f"The database gave no connection ({name}).")
            if isinstance(error, PoolTimeout)
            else StoreError(f"The database layer failed ({name}).")
        )
    state = str(getattr(error.orig, "sqlstate", None) or "")
    sqlite_code = getattr(error.orig, "sqlite_errorcode", None)
    if state in _RACES or sqlite_code in _SQLITE_RACES:
        return StoreConflict("Another transaction got there first.")
    # SQLITE_ERROR is a wrong statement (no such column); any other code: the file cannot be worked with now.
    sqlite_down = name == "OperationalError" and sqlite_code not in (None, sqlite3.SQLITE_ERROR)
    if error.connection_invalidated:
        return ConnectionLost(f"The database ended the connection ({name} {state}).".replace(" )", ")"))
    unreachable = name == "OperationalError" and not state and sqlite_code is None
    if unreachable or sqlite_down or state.startswith(_DOWN):
        return StoreUnavailable(f"The database is not able to store now ({name} {state}).".replace(" )", ")"))
    return StoreError(f"The database refused ({name} {state}).".replace(" )", ")"))


class Store:
    """The database as the corridor sees it."""

    def __init__(self, engine: Engine, table: FieldTable) -> None:
        self.engine = engine
        self.tables: Tables = build_tables(table)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A writing transaction: committed when the block ends, rolled back when it raises.

        Raises StoreConflict (begin again), StoreUnavailable (later), StoreError.
        """
        try:
            with self.engine.connect() as plain:
                connection = writing(plain)
                with connection.begin():
                    yield connection
        except SQLAlchemyError as error:
            raise failure(error) from error

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that only reads. Raises as ``transaction`` does."""
        try:
            with self.engine.connect() as connection, connection.begin():
                yield connection
        except SQLAlchemyError as error:
            raise failure(error) from error

    def close(self) -> None:
        """Give every connection back."""
        self.engine.dispose()
