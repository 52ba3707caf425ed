"""A PostgreSQL cluster of the bench's own, the same for every contender: fully durable, sized as documented."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from tests.support.postgres import Cluster

# Not for sale: a commit is on disk before it is answered, and a torn page can be put right.
DURABLE: Mapping[str, str] = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}

# What docs/performance.md recommends for a machine of a few cores with some GB to spare.
SIZING: Mapping[str, str] = {
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "min_wal_size": "1GB",
    "wal_compression": "lz4",
    "default_toast_compression": "lz4",
    "checkpoint_timeout": "15min",
    "checkpoint_completion_target": "0.9",
}


@contextmanager
def bench_cluster() -> Iterator[Cluster]:
    """A running cluster with DURABLE and SIZING, removed at the end. Raises RuntimeError if a setting did not take."""
    wanted = {**SIZING, **DURABLE}
    cluster = Cluster()
    try:
        with (cluster.folder / "data" / "postgresql.auto.conf").open("a", encoding="utf-8") as out:
            out.writelines(f"{name} = '{value}'\n" for name, value in wanted.items())
        cluster.start()
        _check(cluster, wanted)
        yield cluster
    finally:
        cluster.remove()


def _check(cluster: Cluster, wanted: Mapping[str, str]) -> None:
    with psycopg.connect(cluster.url, autocommit=True) as connection:
        for name, value in wanted.items():
            found = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
            if found is None or found[0] != value:
                raise RuntimeError(f"PostgreSQL runs with {name} = {found and found[0]}, not {value}")


def filesystem(folder: Path) -> str:
    """The kind of file system that holds ``folder``, e.g. ``ext4``; on ``tmpfs`` no figure would mean anything."""
    best, kind = "", "unknown"
    for line in Path("/proc/mounts").read_text().splitlines():
        _, where, found, *_ = line.split()
        inside = where == "/" or f"{folder}/".startswith(f"{where}/")
        if inside and len(where) >= len(best):
            best, kind = where, found
    return kind


@contextmanager
def database(cluster: Cluster, name: str) -> Iterator[str]:
    """The URL of a new, empty database."""
    with psycopg.connect(cluster.url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
    yield cluster.url.rpartition("/")[0] + f"/{name}"
