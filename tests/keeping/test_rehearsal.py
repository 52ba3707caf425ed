"""Backup and restore rehearsed: what was restored, and DRS's sending again what came since, equal the original."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url

from receiver.cli.simulate import FIXED_DAY
from receiver.fields import field_table
from receiver.simulate import Plan, Sender, Simulation
from receiver.simulate.faults import Listening
from receiver.simulate.reply import Answer
from tests.conftest import StartReceiver
from tests.support.postgres import Cluster, empty_database, plain_url
from tests.support.receiver import Receiver
from tests.support.system import postgres_binaries

VIEWS = {
    "v1_bookings": "source, booking_id",
    "v1_booking_codes": "source, booking_id, position",
    "v1_unavailabilities": "source, resource_id, period_start, period_end",
}
# When the receiver heard of something: what was lost is heard of when it is sent again.
ARRIVALS = ("first_received_at", "last_received_at")


@dataclass
class Backup:
    """A copy of a running database, made with the database's own means, in a thread beside the pushes."""

    url: str
    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / "backup"

    def make(self) -> None:
        if self.url.startswith("sqlite"):
            with sqlite3.connect(str(make_url(self.url).database)) as source, sqlite3.connect(self.file) as copy:
                source.backup(copy)
            source.close()
            copy.close()
            return
        _run("pg_dump", "--format=custom", "--file", str(self.file), "--dbname", plain_url(self.url))

    def restore(self, url: str) -> None:
        if url.startswith("sqlite"):
            Path(str(make_url(url).database)).write_bytes(self.file.read_bytes())
        else:
            _run("pg_restore", "--exit-on-error", "--no-owner", "--dbname", plain_url(url), str(self.file))


def _run(program: str, *arguments: str) -> None:
    done = subprocess.run([postgres_binaries() / program, *arguments], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


@dataclass
class Recorder(Sender):
    """Sends, remembers what it sent, and has a backup begun when so many requests have been answered."""

    url: str
    backup: Backup
    at: int
    sent: list[tuple[bytes, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(self.url)
        self.failures: list[BaseException] = []
        self._copying = Thread(target=self._copy)

    def _copy(self) -> None:
        try:
            self.backup.make()
        except BaseException as error:  # noqa: BLE001 - told by finish()
            self.failures.append(error)

    def send(self, body: bytes, content_type: str, listening: Listening = Listening.FOR_REPLY) -> Answer:
        answer = super().send(body, content_type, listening)
        self.sent.append((body, content_type))
        if len(self.sent) == self.at:
            self._copying.start()
        return answer

    def finish(self) -> None:
        self._copying.join(120)
        assert not self._copying.is_alive()
        assert self.failures == []


@pytest.fixture
def databases(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The database to lose, and a new one in its place: on PostgreSQL in another cluster, whose transactions start
    with lower numbers."""
    with ExitStack() as stack:
        if request.param == "sqlite":
            (tmp_path / "new").mkdir()
            yield f"sqlite:///{tmp_path / 'receiver.db'}", f"sqlite:///{tmp_path / 'new' / 'receiver.db'}"
            return
        admin: str = request.getfixturevalue("postgres_url")
        lost = stack.enter_context(empty_database(admin))
        new = stack.enter_context(empty_database(stack.enter_context(Cluster()).url))
        with psycopg.connect(lost, autocommit=True) as old, psycopg.connect(new, autocommit=True) as other:
            while _transaction(old) < _transaction(other) + 5000:
                old.execute("DO $$ BEGIN FOR n IN 1..1000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$")
        yield lost, new


def _transaction(connection: psycopg.Connection[Any]) -> int:
    found = connection.execute("SELECT pg_current_xact_id()::text::bigint").fetchone()
    assert found is not None
    return int(found[0])


def _state(receiver: Receiver) -> dict[str, list[dict[str, Any]]]:
    return {
        view: [
            {name: value for name, value in row.items() if name not in ARRIVALS}
            for row in receiver.rows(f"SELECT * FROM {view} ORDER BY {key}")
        ]
        for view, key in VIEWS.items()
    }


def _events(receiver: Receiver, dated: bool = False) -> list[tuple[str, str]]:
    where = "WHERE changed_at IS NOT NULL" if dated else ""
    found = receiver.rows(f"SELECT kind, content_key FROM notifications {where} ORDER BY kind, content_key")
    return [(row["kind"], row["content_key"]) for row in found]


def _send_again(receiver: Receiver, sent: list[tuple[bytes, str]]) -> None:
    for body, content_type in sent:
        assert receiver.push(body, Content_Type=content_type).status == 200


@pytest.mark.parametrize("databases", ["sqlite", "postgresql"], indirect=True)
def test_restored_and_sent_again_is_the_original(
    databases: tuple[str, str], start_receiver: StartReceiver, tmp_path: Path
) -> None:
    lost, new = databases
    backup = Backup(lost, tmp_path)
    original = start_receiver(lost)
    recorder = Recorder(f"{original.url}/push/drs", backup, at=60)
    simulation = Simulation(Plan(seed=3, stories=60), field_table(), recorder)
    for _ in simulation.play(FIXED_DAY):
        pass
    recorder.finish()
    assert len(recorder.sent) > 120
    expected, events = _state(original), _events(original)
    everything = original.rows("SELECT count(*) AS n FROM v1_changes")[0]["n"]
    assert all(expected.values())
    original.stop()

    backup.restore(new)
    restored = start_receiver(new)
    before = [row["cursor"] for row in restored.rows('SELECT "cursor" FROM changes')]
    assert 0 < len(before) < everything
    assert len(restored.rows("SELECT * FROM v1_changes")) == len(before)
    assert _state(restored) != expected

    _send_again(restored, recorder.sent[recorder.at :])
    assert _state(restored) == expected
    assert _events(restored) == events
    read = [row["cursor"] for row in restored.rows('SELECT "cursor" FROM v1_changes')]
    later = set(read) - set(before)
    assert len(read) == everything
    assert min(later) > max(before)

    _send_again(restored, recorder.sent)
    assert _state(restored) == expected
    assert _events(restored, dated=True) == [e for e in events if e[0] != "unavailability"]
