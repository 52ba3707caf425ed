"""`receiver replay` with a filter: pieces of work that are kept, stopped, gone on with, and run by servers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import Connection, text

from receiver.cli.replay import command
from receiver.jobs.replaying import Asked
from receiver.store.finding.filter import Filter
from receiver.store.replays.jobs import ReplayKind
from tests.admin.desk import office
from tests.conftest import NewDatabase, StartReceiver
from tests.support.processes import children, workers
from tests.support.pushes import cancellation, confirmation
from tests.support.receiver import Receiver
from tests.support.waiting import wait_until

STRICT = '[sources.drs]\nrequired = ["contract"]\n'


def _replay(receiver: Receiver, *arguments: str) -> dict[str, Any]:
    done = receiver.command("replay", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _held_pushes(url: str, start_receiver: StartReceiver) -> Receiver:
    """A receiver that would take what is held by now."""
    before = start_receiver(url, config=STRICT)
    for n in range(3):
        before.push(confirmation(bookingId=str(n), contract=None))
    before.push(cancellation(bookingId="9", contract="H01"))
    before.stop()
    return start_receiver(url)


def test_a_filter_is_planned_run_listed_and_in_the_trail(
    new_postgres_database: NewDatabase, start_receiver: StartReceiver
) -> None:
    receiver = _held_pushes(new_postgres_database(), start_receiver)
    plan = _replay(receiver, "--status", "held", "--dry-run")
    assert (plan["dry_run"], plan["looked_at"], plan["counts"]) == (True, 3, {"applied": 3})
    assert receiver.rows("SELECT * FROM replays") == []
    one = _replay(receiver, "--booking", "1", "--source", "drs")
    assert (one["state"], one["counts"], one["made_by"][:4]) == ("finished", {"applied": 1}, "cli:")
    rest = receiver.command("replay", "--since", "2020-01-01", "--until", "2099-01-01T00:00:00+01:00")
    assert b"finished  4 of 4: " in rest.stdout
    assert b"2 settled before, 2 applied" in rest.stdout
    listed = receiver.command("replay", "--list", "--json").stdout.splitlines()
    assert [json.loads(line)["done"] for line in listed] == [4, 1]
    assert json.loads(listed[1])["filter"]["booking_id"] == "1"
    noted = receiver.rows("SELECT about FROM trail WHERE action = 'replay_started' ORDER BY number")
    assert [row["about"] for row in noted] == [json.loads(line)["id"] for line in reversed(listed)]


def test_discarding_rebuilding_and_telling(sqlite_url: str, start_receiver: StartReceiver) -> None:
    receiver = _held_pushes(sqlite_url, start_receiver)
    assert _replay(receiver, "--discard", "--booking", "0", "--reason", "twice")["counts"] == {"discarded": 1}
    assert receiver.one("SELECT reason FROM decisions") == {"reason": "twice"}
    assert _replay(receiver, "--tell", "--all")["counts"] == {"told": 1}
    assert receiver.rows("SELECT change FROM v1_changes ORDER BY 1") == [{"change": "cancelled"}, {"change": "updated"}]
    assert _replay(receiver, "--rebuild", "--booking", "9")["counts"]["states"] == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["--source", "drs"],
        ["--held", "--all"],
        ["--push", "x", "--kind", "confirmation"],
        ["--discard", "--reason", "x"],
        ["--discard", "--all"],
        ["--tell"],
        ["--pause", "x", "--cancel", "x"],
        ["--job", "x", "--all"],
        ["--since", "yesterday"],
        ["--all", "--source", "nowhere"],
        ["--rebuild", "--all", "--jobs", "2"],
    ],
)
def test_wrong_use_is_said(arguments: list[str]) -> None:
    done = CliRunner().invoke(command, arguments)
    assert (done.exit_code, done.exception.__class__) == (2, SystemExit)
    assert "Error: " in done.stderr


def test_a_replay_that_is_not_there(receiver: Receiver) -> None:
    done = receiver.command("replay", "--cancel", "none")
    assert (done.returncode, done.stderr.decode().count("\n")) == (2, 1)


@pytest.fixture
def blocked(new_postgres_database: NewDatabase, start_receiver: StartReceiver) -> Any:
    """A receiver of which no held record can be worked on until the connection lets go of them."""
    receiver = _held_pushes(new_postgres_database(), start_receiver)
    receiver.rows("SELECT 1")
    assert receiver._engine is not None
    with receiver._engine.connect() as connection:
        connection.execute(text("SELECT 1 FROM notifications WHERE status = 'held' FOR UPDATE"))
        yield receiver, connection


def _waits(receiver: Receiver) -> bool:
    query = "SELECT count(*) AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    return int(receiver.one(query)["n"]) > 0


def test_ctrl_c_pauses_and_says_how_to_go_on(blocked: tuple[Receiver, Connection]) -> None:
    receiver, connection = blocked
    discard = [sys.executable, "-m", "receiver", "replay", "--discard", "--all", "--reason", "x"]
    process = subprocess.Popen(discard, env=receiver.environment(), stdout=subprocess.PIPE)
    wait_until(lambda: _waits(receiver), 30, "the replay waits for a record")
    process.send_signal(signal.SIGINT)
    connection.rollback()
    said = process.communicate(timeout=60)[0].decode()
    assert process.returncode == 0
    found = receiver.one("SELECT id, state, done FROM replays")
    assert (found["state"], found["done"]) == ("paused", 4)
    assert f"receiver replay --job {found['id']}" in said
    assert "paused" in receiver.command("replay", "--list").stdout.decode()
    done = _replay(receiver, "--job", found["id"])
    assert (done["state"], done["counts"]) == ("finished", {"discarded": 3})
    assert receiver.command("replay", "--resume", found["id"]).returncode == 2


def _start(url: str) -> str:
    with office(url) as found:
        return found.replaying().start(Asked(ReplayKind.DISCARD, Filter(), "jo", "x")).id


def test_a_server_runs_what_waits(database_url: str, start_receiver: StartReceiver) -> None:
    receiver = _held_pushes(database_url, start_receiver)
    _start(database_url)
    wait_until(lambda: receiver.rows("SELECT id FROM replays WHERE state = 'finished'"), 30, "the replay is over")
    assert receiver.one("SELECT counts, owner FROM replays")["owner"] is None
    events = [line["event"] for line in receiver.log_lines()]
    assert "replay_taken" in events
    wait_until(lambda: "replay_left" in [line["event"] for line in receiver.log_lines()], 10, "the process says so")


def test_a_process_that_is_killed_is_followed_by_another(blocked: tuple[Receiver, Connection]) -> None:
    receiver, connection = blocked
    replay_id = _start(receiver.database_url)
    wait_until(lambda: _waits(receiver), 30, "the replay waits for a record")
    (worker,) = workers(receiver)
    (process,) = children(worker)
    assert replay_id in Path(f"/proc/{process}/cmdline").read_text()
    assert os.getpriority(os.PRIO_PROCESS, process) == 10
    os.kill(process, signal.SIGKILL)
    connection.rollback()
    wait_until(lambda: receiver.rows("SELECT id FROM replays WHERE state = 'finished'"), 40, "another goes on")
    assert len(receiver.rows("SELECT * FROM decisions")) == 3
    assert len(receiver.rows("SELECT * FROM replay_outcomes")) == 3


def test_a_process_ends_with_its_server_and_leaves_the_rest_to_another(
    blocked: tuple[Receiver, Connection], start_receiver: StartReceiver
) -> None:
    receiver, connection = blocked
    _start(receiver.database_url)
    wait_until(lambda: _waits(receiver), 30, "the replay waits for a record")
    (worker,) = workers(receiver)
    (process,) = children(worker)
    receiver.stop(signal.SIGKILL)
    connection.rollback()
    wait_until(lambda: not Path(f"/proc/{process}").exists(), 30, "the process has ended")
    assert receiver.one("SELECT owner FROM replays")["owner"] is None
    if receiver.one("SELECT state FROM replays")["state"] != "finished":
        start_receiver(receiver.database_url)
        wait_until(lambda: receiver.rows("SELECT id FROM replays WHERE state = 'finished'"), 30, "another goes on")
    assert len(receiver.rows("SELECT * FROM decisions")) == 3
