"""What contenders have stored, counted from outside: every success must be rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psycopg
from psycopg import sql

# What one new confirmation with two codes leaves behind, in the receiver's tables.
NEW_PUSH: Mapping[str, int] = {
    "pushes": 1,
    "push_bodies": 1,
    "notifications": 1,
    "bookings": 1,
    "booking_codes": 2,
    "changes": 1,
}
# And what one that was stored before adds to them.
DUPLICATE: Mapping[str, int] = {"pushes": 1, "push_bodies": 1, "repeats": 1}
FLOOR: Mapping[str, int] = {"floor": 1}
_TABLES = tuple({**NEW_PUSH, **DUPLICATE})


class RowsMissing(Exception):
    """Pushes were answered with success and are not in the database as they should be."""


@dataclass(frozen=True)
class Rows:
    """Rows by table."""

    counts: Mapping[str, int]

    @classmethod
    def of_receiver(cls, url: str) -> Self:
        """The rows in a receiver's database."""
        if url.startswith("sqlite:///"):
            return cls(sqlite_rows(Path(url.removeprefix("sqlite:///")), _TABLES).counts)
        with psycopg.connect(url, autocommit=True) as connection:
            query = sql.SQL(" UNION ALL ").join(
                sql.SQL("SELECT {}, count(*) FROM {}").format(sql.Literal(t), sql.Identifier(t)) for t in _TABLES
            )
            return cls({str(name): int(count) for name, count in connection.execute(query)})

    def check(self, before: Rows, pushes: int, each: Mapping[str, int], who: str) -> None:
        """Raise RowsMissing unless every table has grown by what ``pushes`` successes leave behind."""
        for table, now in self.counts.items():
            wanted = before.counts[table] + pushes * each.get(table, 0)
            if now != wanted:
                raise RowsMissing(
                    f"{who}: {pushes} pushes were told yes, and {table} has {now} rows instead of {wanted}"
                )


def sqlite_rows(file: Path, tables: Iterable[str]) -> Rows:
    """Rows of an SQLite file by table."""
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    try:
        return Rows({t: int(connection.execute(f'SELECT count(*) FROM "{t}"').fetchone()[0]) for t in tables})
    finally:
        connection.close()
