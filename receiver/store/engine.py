"""Connections: one engine a process, durable on every database, with transactions that begin as they must."""

from __future__ import annotations

import sqlite3
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from receiver.errors import SettingsError

_WRITES = "receiver_writes"


def database_url(text: str) -> URL:
    """``postgresql://`` means psycopg 3. Raises SettingsError for anything that is not PostgreSQL or an SQLite file."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise SettingsError("RECEIVER_DATABASE_URL is no database URL, e.g. postgresql://user@host/name.") from None
    if url.drivername in ("postgresql", "postgres", "postgresql+psycopg"):
        return url.set(drivername="postgresql+psycopg")
    if url.drivername in ("sqlite", "sqlite+pysqlite"):
        if not url.database or url.database == ":memory:":
            raise SettingsError("RECEIVER_DATABASE_URL names no SQLite file, e.g. sqlite:///receiver.db.")
        return url.set(drivername="sqlite+pysqlite")
    raise SettingsError(f"RECEIVER_DATABASE_URL: {url.drivername} is not supported; use postgresql or sqlite.")


def _sqlite_connect(connection: sqlite3.Connection, _record: object) -> None:
    # Transactions are begun by _begin below, so that a writer takes its lock before it reads.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def writing(connection: Connection) -> Connection:
    """The connection, told before it begins that its transaction will write."""
    return connection.execution_options(**{_WRITES: True})


def create(text: str, *, pool_size: int = 5, timeout: float = 10.0) -> Engine:
    """An engine for the database at ``text``; ``timeout`` in seconds bounds connecting and waiting for locks.

    Nothing is connected yet. Errors never show parameters: those hold personal data.
    """
    url = database_url(text)
    common: dict[str, Any] = {"hide_parameters": True, "pool_timeout": timeout}
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, connect_args={"timeout": timeout}, pool_size=pool_size, max_overflow=0, **common)
        event.listen(engine, "connect", _sqlite_connect)
        event.listen(engine, "begin", _begin)
        return engine
    milliseconds = int(timeout * 1000)
    return create_engine(
        url,
        pool_size=pool_size,
        max_overflow=2,
        connect_args={
            "connect_timeout": max(2, int(timeout)),
            "application_name": "receiver",
            "options": f"-c timezone=UTC -c lock_timeout={milliseconds}",
        },
        **common,
    )
