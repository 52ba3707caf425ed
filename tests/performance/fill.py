"""A database as years of pushes leave it, made by the server itself: what growth is measured in.

One number after another stands for a notification; everything of it follows from the number. One session of the server
computes the rows and another stores them, frozen, in tables without indexes; the indexes come last. Ids sort by time,
keys are evenly spread, half the notifications are of a booking that is known already.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from receiver.store import engine as engines
from receiver.store import migrations

from ..support.postgres import plain_url
from ..support.system import postgres_binaries
from .filling import Scale, statements

Say = Callable[[str], object]

# What stands in the way of loading: references and unique keys, then the indexes that nothing else owns.
_CONSTRAINTS = """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), contype = 'f'
      FROM pg_constraint
     WHERE connamespace = 'public'::regnamespace AND contype IN ('f', 'u')
     ORDER BY contype DESC, conname
"""
_INDEXES = """
    SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid)
      FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
     WHERE c.relnamespace = 'public'::regnamespace
       AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid)
     ORDER BY 1
"""


def fill(url: str, notifications: int, say: Say = lambda _: None) -> None:
    """Migrate the empty PostgreSQL database at ``url`` and fill it with that many notifications and what they leave.

    The last came a minute ago, the first 300 days before that. ``say`` hears what is being done. Raises RuntimeError
    when psql fails.
    """
    fill_with(url, statements(Scale(notifications, int(time.time() * 1000) - 60_000)), notifications, say)


def fill_with(url: str, rows: Mapping[str, str], notifications: int, say: Say = lambda _: None) -> None:
    """The same, with what the queries give for each table; the feed goes on after ``notifications``."""
    engine = engines.create(url)
    migrations.upgrade(engine)
    engine.dispose()
    plain = plain_url(url)
    with psycopg.connect(plain, autocommit=True) as connection, _bare(connection, say):
        for table, query in rows.items():
            say(f"filling {table}")
            _load(plain, table, query)
        # The next transaction of the cluster comes after all that the feed holds.
        connection.execute("DELETE FROM feed_offset")
        connection.execute(
            "INSERT INTO feed_offset (id, transactions, deleted_to) VALUES (1, %s, 0)", [notifications + 1]
        )
    with psycopg.connect(plain, autocommit=True) as connection:
        say("analysing")
        connection.execute("ANALYZE")
        connection.execute("CHECKPOINT")


@contextmanager
def _bare(connection: psycopg.Connection, say: Say) -> Iterator[None]:
    """The tables without what slows loading; it is built again at the end."""
    constraints = connection.execute(_CONSTRAINTS).fetchall()
    indexes = connection.execute(_INDEXES).fetchall()
    for table, name, _, _is_reference in sorted(constraints, key=lambda row: not row[3]):
        drop = sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(sql.SQL(table), sql.Identifier(name))
        connection.execute(drop)
    for name, _ in indexes:
        connection.execute(sql.SQL("DROP INDEX {}").format(sql.SQL(name)))
    yield
    for _, definition in indexes:
        say(definition)
        connection.execute(definition)
    for table, name, definition, is_reference in constraints:
        say(f"{table}: {definition}")
        # References hold by the way the rows are made; to look at each would take as long as making them.
        unchecked = sql.SQL(" NOT VALID" if is_reference else "")
        add = sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {}").format(
            sql.SQL(table), sql.Identifier(name), sql.SQL(definition)
        )
        connection.execute(add + unchecked)


def _load(url: str, table: str, query: str) -> None:
    """Store what ``query`` gives, by one psql that reads and one that writes; all of it frozen, none of it logged."""
    names = _columns_of(url, query)
    psql = [str(_psql()), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", url]
    reading = [*psql, "--command", f"COPY ({query}) TO STDOUT (FORMAT binary)"]
    copy = f"COPY {table} ({', '.join(names)}) FROM STDIN (FORMAT binary, FREEZE)"
    writing = [*psql, "--single-transaction", "--command", f"TRUNCATE {table}", "--command", copy]
    with subprocess.Popen(reading, stdout=subprocess.PIPE) as source:
        done = subprocess.run(writing, stdin=source.stdout, check=False)
    if source.returncode or done.returncode:
        raise RuntimeError(f"psql could not fill {table}")


def _columns_of(url: str, query: str) -> list[str]:
    with psycopg.connect(url) as connection:
        found = connection.execute(f"{query} LIMIT 0".encode()).description or []
    return [f'"{column.name}"' for column in found]


def _psql() -> Path:
    return postgres_binaries() / "psql"
