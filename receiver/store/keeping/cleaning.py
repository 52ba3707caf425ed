"""Making what was erased unreadable in the database's own files, as far as the database can."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from sqlalchemy import Engine, Table, text
from sqlalchemy.exc import SQLAlchemyError

from ..store import Store, failure
from .erasure import tables_concerned

_TRIES, _SECONDS_BETWEEN = 50, 0.1


def clean(store: Store, pause: Callable[[float], object], *, rewrite: bool) -> bool:
    """Clear dead rows away, and the write-ahead log of SQLite; with ``rewrite`` write all anew, while pushes wait.

    Gives whether all was done: with SQLite, others at work or a full disk can stand in the way; on PostgreSQL, the
    tables must be the role's own. Raises StoreError.
    """
    try:
        if store.engine.dialect.name == "sqlite":
            return _clean_sqlite(store.engine, pause, rewrite=rewrite)
        return _vacuum(store.engine, tables_concerned(store.tables), rewrite=rewrite)
    except SQLAlchemyError as error:
        raise failure(error) from error


def _vacuum(engine: Engine, tables: list[Table], *, rewrite: bool) -> bool:
    """PostgreSQL leaves out, with no more than a warning, what the role may not vacuum: then not all is done."""
    command = "VACUUM (FULL)" if rewrite else "VACUUM"
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        quote = connection.dialect.identifier_preparer.format_table
        owned = text("SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass(:name)")
        if not all(connection.scalar(owned, {"name": quote(table)}) for table in tables):
            return False
        for table in tables:
            connection.exec_driver_sql(f"{command} {quote(table)}")
    return True


def _clean_sqlite(engine: Engine, pause: Callable[[float], object], *, rewrite: bool) -> bool:
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        if rewrite:
            cursor.execute("VACUUM")
        for _ in range(_TRIES):
            busy, *_ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() or (1,)
            if not busy:
                return True
            pause(_SECONDS_BETWEEN)
    except sqlite3.OperationalError:  # a lock, or no room on the disk
        return False
    else:
        return False
    finally:
        connection.close()
