"""A reply that names a stored push leaves only after the kernel has said that the push is on disk."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import text

from receiver.store import engine as engines
from tests.conftest import NewDatabase, StartReceiver
from tests.support.processes import workers

from .scale import campaign, is_full, report
from .sending import Load
from .tracing import Strace
from .traffic import Traffic

_PAGE = 4096
_ID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NAMED = re.compile(f"Receiver-Push-Id: ({_ID.pattern})")
REPLIES = 1_000 if is_full() else 200


def replies_and_syncs(calls: list[tuple[int, str]]) -> tuple[int, int, int]:
    """Replies that name a stored push; those that left before its row was on disk; syncs.

    One thread writes a transaction to the log and has that brought to disk; whichever it is, the push's id stands in
    what it wrote.
    """
    replies = early = syncs = 0
    written: dict[int, set[str]] = defaultdict(set)
    on_disk: set[str] = set()
    for thread, call in calls:
        if call.startswith("pwrite64(") and "-wal>" in call:
            written[thread] |= set(_ID.findall(call))
        elif call.startswith(("fdatasync(", "fsync(")) and "-wal>" in call and call.endswith(" = 0"):
            on_disk |= written.pop(thread, set())
            syncs += 1
        elif call.startswith("sendto(") and (named := _NAMED.search(call)):
            replies += 1
            early += named[1] not in on_disk
    return replies, early, syncs


@campaign
def test_sqlite_is_on_disk_before_each_reply(sqlite_url: str, start_receiver: StartReceiver, tmp_path: Path) -> None:
    receiver = start_receiver(sqlite_url)
    what = ("-y", "-e", "trace=pwrite64,fdatasync,fsync,sendto", "-s", str(_PAGE))
    with Strace(workers(receiver), tmp_path, *what) as trace:
        with Load(receiver.port, Traffic(6, undated=False).stories(REPLIES), clients=4) as load:
            pass
        trace.stop()
        replies, early, syncs = replies_and_syncs(trace.calls())
    named = sum(d.push_id is not None for d in load.ledger.deliveries)
    report("fdatasync before the reply", replies=replies, syncs=syncs, early=early)
    assert replies == named >= REPLIES
    assert early == 0


def test_postgresql_brings_each_commit_to_disk(new_postgres_database: NewDatabase) -> None:
    """The receiver's connections insist on it where the server's or the database's own setting is less.

    That the server then does so is the server's matter, which ``fsync`` could take from it.
    """
    url = new_postgres_database()
    with psycopg.connect(url, autocommit=True) as connection:
        name = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("ALTER DATABASE {} SET synchronous_commit = off").format(name))
    with psycopg.connect(url) as connection:
        assert connection.execute("SHOW synchronous_commit").fetchone() == ("off",)
    engine = engines.create(url)
    try:
        with engine.connect() as ours:
            assert ours.scalar(text("SHOW synchronous_commit")) == "on"
            assert ours.scalar(text("SHOW fsync")) == "on"
    finally:
        engine.dispose()
