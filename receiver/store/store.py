"""Transactions: begun, committed, and failing in words the rest of the receiver knows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, cast

from sqlalchemy import Connection, Dialect, Engine, PoolProxiedConnection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import QueuePool

from receiver.errors import ConnectionLost, StoreConflict, StoreError, StoreUnavailable
from receiver.fields import FieldTable

from . import aftermath
from .engine import writing
from .log_room import LogRoom
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
    if isinstance(error, DBAPIError):
        return _failure(error.orig, type(error).__name__, lost=error.connection_invalidated)
    name = type(error).__name__
    return (
        StoreUnavailable(f"The database gave no connection ({name}).")
        if isinstance(error, PoolTimeout)
        else StoreError(f"The database layer failed ({name}).")
    )


def _failure(error: BaseException | None, name: str, *, lost: bool) -> StoreError:
    """A driver's error as one of ours; ``name`` is the DB-API's for its class, ``lost``: the connection with it."""
    state = str(getattr(error, "sqlstate", None) or "")
    sqlite_code = getattr(error, "sqlite_errorcode", None)
    if state in _RACES or sqlite_code in _SQLITE_RACES:
        return StoreConflict("Another transaction got there first.")
    # SQLITE_ERROR is a wrong statement (no such column); any other code: the file cannot be worked with now.
    sqlite_down = name == "OperationalError" and sqlite_code not in (None, sqlite3.SQLITE_ERROR)
    if lost:
        return ConnectionLost(f"The database ended the connection ({name} {state}).".replace(" )", ")"))
    unreachable = name == "OperationalError" and not state and sqlite_code is None
    if unreachable or sqlite_down or state.startswith(_DOWN):
        return StoreUnavailable(f"The database is not able to store now ({name} {state}).".replace(" )", ")"))
    return StoreError(f"The database refused ({name} {state}).".replace(" )", ")"))


def _dbapi_name(error: BaseException, dialect: Dialect) -> str:
    """The name that the DB-API gives the error's class, or the nearest of its parents."""
    names = ("OperationalError", "InternalError", "IntegrityError", "InterfaceError", "ProgrammingError", "DataError")
    found = (name for name in names if isinstance(error, getattr(dialect.loaded_dbapi, name)))
    return next(found, type(error).__name__)


@contextmanager
def _begun(connection: Any) -> Iterator[None]:
    """A transaction that writes, on SQLite."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise


class Store:
    """The database as the corridor sees it.

    There are at most so many ``connections``; ``patience``, in seconds, bounds the wait for one.
    """

    def __init__(self, engine: Engine, table: FieldTable) -> None:
        self.engine = engine
        self.tables: Tables = build_tables(table)
        pool = cast("QueuePool", engine.pool)
        self.connections, self.patience = pool.size(), pool.timeout()
        self._writer = Lock()
        self._log = LogRoom(Path(str(engine.url.database)), self.lend) if engine.dialect.name == "sqlite" else None

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A writing transaction: committed when the block ends, rolled back when it raises.

        Raises StoreConflict (begin again), StoreUnavailable (later), StoreError.
        """
        try:
            with self._turn(for_much=True), self.engine.connect() as plain:
                connection = writing(plain)
                aftermath.forget(connection)
                with connection.begin():
                    yield connection
                aftermath.run(connection)
        except SQLAlchemyError as error:
            raise failure(error) from error
        except self.engine.dialect.loaded_dbapi.Error as error:  # of what only the driver can do
            raise _failure(error, _dbapi_name(error, self.engine.dialect), lost=False) from error

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that only reads. Raises as ``transaction`` does."""
        try:
            with self.engine.connect() as connection, connection.begin():
                yield connection
        except SQLAlchemyError as error:
            raise failure(error) from error

    @contextmanager
    def alone(self) -> Iterator[Any]:
        """The driver's own connection, for statements that were compiled before: a transaction that writes alone.

        SQLite only. Raises as ``transaction`` does.
        """
        # First its turn, then a connection: whoever has its turn must not wait for those who have them all.
        with self._turn(for_much=False):
            lent = self.lend()
            try:
                with _begun(lent.driver_connection):
                    yield lent.driver_connection
            except self.engine.dialect.loaded_dbapi.Error as error:
                raise self.failed(error, lent) from error
            finally:
                lent.close()

    def lend(self) -> PoolProxiedConnection:
        """A connection of the pool, in no transaction; to be closed. Raises StoreUnavailable, StoreError."""
        dialect = self.engine.dialect
        try:
            return self.engine.raw_connection()
        except SQLAlchemyError as error:
            raise failure(error) from error
        except dialect.loaded_dbapi.Error as error:
            raise _failure(error, _dbapi_name(error, dialect), lost=False) from error

    def failed(self, error: BaseException, lent: PoolProxiedConnection) -> StoreError:
        """The driver's error on a connection that was lent as one of ours; a connection that is lost is given up."""
        dialect, connection = self.engine.dialect, lent.dbapi_connection
        lost = connection is not None and dialect.is_disconnect(cast("Any", error), connection, None)
        if lost:
            lent.invalidate(error)
        return _failure(error, _dbapi_name(error, dialect), lost=lost)

    @contextmanager
    def _turn(self, *, for_much: bool) -> Iterator[None]:
        """One writer of this process at a time where there can be one only: SQLite has others sleep and look again."""
        if self._log is None:
            yield
            return
        if not self._writer.acquire(timeout=self.patience):
            raise StoreUnavailable("The database is not able to store now (other writers).")
        try:
            self._log.make(for_much=for_much)
            yield
        finally:
            self._writer.release()

    def close(self) -> None:
        """Give every connection back."""
        self.engine.dispose()
