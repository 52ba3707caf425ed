"""Searching everything that a receiver has left behind, whatever it is stored in."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import MetaData, inspect, make_url, select

from receiver.store import engine as engines
from tests.support.postgres import plain_url
from tests.support.system import postgres_binaries

Row = dict[str, Any]


def rows(url: str) -> dict[str, list[Row]]:
    """Every row of every table that the database has, read from the database's own description of itself."""
    engine = engines.create(url)
    try:
        metadata = MetaData()
        metadata.reflect(engine)
        assert set(metadata.tables) == set(inspect(engine).get_table_names())
        with engine.connect() as connection:
            return {
                name: [dict(row) for row in connection.execute(select(table).order_by(*table.columns[:2])).mappings()]
                for name, table in metadata.tables.items()
            }
    finally:
        engine.dispose()


def spellings(text: str) -> Iterator[bytes]:
    """The text as it may stand in bytes whose ASCII letters are small: in encodings, escaped, in hexadecimal digits."""
    for cased in (text, text.lower(), text.upper()):
        references = ("".join(f"&#{ord(c)};" for c in cased), "".join(f"&#x{ord(c):x};" for c in cased))
        for form in (cased, json.dumps(cased)[1:-1], *references):
            for codec in ("utf-8", "utf-16-le", "utf-16-be", "windows-1252"):
                encoded = form.encode(codec, errors="xmlcharrefreplace")
                yield encoded.lower()
                yield encoded.hex().encode()


def holds(content: bytes, text: str) -> bool:
    """Whether the bytes hold the text in any spelling, also inside a longer word: files have no ends of words."""
    lower = content.lower()
    return any(s in lower or re.search(re.escape(s).replace(rb"\ ", rb"\s+"), lower) for s in set(spellings(text)))


def as_bytes(value: object) -> bytes:
    """A value of a row as bytes to search in."""
    if isinstance(value, (bytes, memoryview)):
        return bytes(value)
    return json.dumps(value, default=str, ensure_ascii=False).encode()


def places(url: str, text: str) -> list[str]:
    """The columns in which the text stands."""
    return sorted(
        {
            f"{table}.{column}"
            for table, found in rows(url).items()
            for row in found
            for column, value in row.items()
            if holds(as_bytes(value), text)
        }
    )


def files(url: str, *folders: Path) -> dict[str, bytes]:
    """The database's files, or what a dump of it holds; and every file of the folders."""
    found: dict[str, bytes] = {}
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        for suffix in ("", "-wal", "-shm"):
            path = Path(f"{parsed.database}{suffix}")
            if path.exists():
                found[path.name] = path.read_bytes()
    else:
        found["pg_dump"] = dump(url)
    for folder in folders:
        found |= {str(p): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    return found


def dump(url: str) -> bytes:
    """What ``pg_dump`` writes of the database."""
    program = postgres_binaries() / "pg_dump"
    done = subprocess.run([program, "--dbname", plain_url(url)], capture_output=True, check=False, env=dict(os.environ))
    assert done.returncode == 0, done.stderr
    return done.stdout
