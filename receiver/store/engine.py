"""Connections: one engine a process, durable on every database, with transactions that begin as they must."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from receiver.errors import SettingsError

if TYPE_CHECKING:
    import psycopg

_WRITES = "receiver_writes"
_LATER = 2.0


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


def shown(text: str) -> str:
    """``text`` as people may see it: without any password, wherever in it that stands."""
    url = database_url(text)
    hidden = {name: "hidden" for name in url.query if "password" in name}
    return url.update_query_dict(hidden).render_as_string()


def identity(text: str) -> str:
    """Which database ``text`` names, without user or password: two texts with one identity mean the same data."""
    url = database_url(text)
    if url.get_backend_name() == "sqlite":
        return f"sqlite {Path(str(url.database)).resolve()}"
    return f"postgresql {url.host or 'localhost'}:{url.port or 5432}/{url.database or url.username or ''}"


def _sqlite_connect(connection: sqlite3.Connection, _record: object) -> None:
    # Transactions are begun by _begin below, so that a writer takes its lock before it reads.
    connection.isolation_level = None
    cursor = connection.cursor()
    # secure_delete: what is erased is overwritten, not only forgotten.
    # The cache holds what a push touches of every index; the log is copied into the file less often than by default
    # (and sooner on a small disk: log_room).
    durable = "journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "secure_delete = ON"
    for pragma in (*durable, "cache_size = -16384", "wal_autocheckpoint = 8000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _reset(connection: psycopg.Connection[Any], _record: object, _state: object) -> None:
    """End what a connection was left in; one that is in no transaction, as most are, costs nothing."""
    if connection.info.transaction_status.name != "IDLE":
        connection.rollback()


def writing(connection: Connection) -> Connection:
    """The connection, told before it begins that its transaction will write."""
    return connection.execution_options(**{_WRITES: True})


def create(text: str, *, pool_size: int = 5, timeout: float = 10.0, statement_timeout: float | None = None) -> Engine:
    """An engine for the database at ``text``; ``timeout`` in seconds bounds connecting and waiting for locks.

    ``statement_timeout``, in seconds, bounds each statement on PostgreSQL, and how long a transaction may do nothing;
    a server that does not answer within it is taken for gone. Nothing is connected yet. Errors never show parameters:
    those hold personal data.
    """
    url = database_url(text)
    common: dict[str, Any] = {"hide_parameters": True, "pool_timeout": timeout}
    if url.get_backend_name() == "sqlite":
        # The last one used knows the file's pages; any other would have to read them again.
        pool: dict[str, Any] = {"pool_size": pool_size, "max_overflow": 0, "pool_use_lifo": True}
        engine = create_engine(url, connect_args={"timeout": timeout}, **pool, **common)
        event.listen(engine, "connect", _sqlite_connect)
        event.listen(engine, "begin", _begin)
        return engine
    arguments = _postgresql_arguments(timeout, statement_timeout)
    common["pool_reset_on_return"] = None  # see _reset
    # No overflow: a connection that is closed after each use is made anew, with all its statements, for the next.
    pool = {"pool_size": pool_size + 2, "max_overflow": 0, "pool_use_lifo": True}
    engine = create_engine(url, connect_args=arguments, **pool, **common)
    event.listen(engine, "reset", _reset)
    if statement_timeout is not None:
        event.listen(engine, "do_connect", _connecting(statement_timeout))
    return engine


def _postgresql_arguments(timeout: float, statement_timeout: float | None) -> dict[str, Any]:
    """libpq's: a peer that is gone without a word is noticed, too, while nothing is asked of it."""
    milliseconds = int(timeout * 1000)
    # A server whose own setting is less would say that a commit is done before it is on disk, and so would we.
    options: dict[str, object] = {"timezone": "UTC", "lock_timeout": milliseconds, "synchronous_commit": "on"}
    if statement_timeout is not None:
        longest = int(statement_timeout * 1000)
        options |= {"statement_timeout": longest, "idle_in_transaction_session_timeout": longest}
    seconds = max(2, int(timeout))
    return {
        "client_encoding": "utf8",  # whatever the database's: text is written so in store/prepared
        "connect_timeout": seconds,
        "keepalives_idle": seconds,
        "keepalives_interval": seconds,
        "keepalives_count": 3,
        "tcp_user_timeout": 3 * milliseconds,
        "application_name": "receiver",
        "options": " ".join(f"-c {name}={value}" for name, value in options.items()),
    }


def _connecting(statement_timeout: float) -> Callable[..., object]:
    from .bounded import bounded  # noqa: PLC0415 - loads psycopg, which SQLite does without

    # Later than the server's own bound: its answer says more than our giving up.
    kind = bounded(statement_timeout + _LATER)

    def connect(_dialect: object, _record: object, arguments: list[Any], named: dict[str, Any]) -> object:
        return kind.connect(*arguments, **named)

    return connect
