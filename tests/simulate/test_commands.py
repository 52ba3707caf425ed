"""The commands, run as people run them, with the real receiver."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from receiver.cli.simulate import FIXED_DAY, unsettled
from receiver.cli.verifying import differences
from receiver.fields import field_table
from receiver.simulate import BookingEnd, Plan, Sender, Simulation
from tests.admin.surfer import Surfer
from tests.support.postgres import empty_database
from tests.support.receiver import Receiver
from tests.support.waiting import free_port, wait_until

from .listener import Listener


def run(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "receiver", *arguments],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@contextmanager
def running(log: Path, *arguments: str, **env: str) -> Iterator[subprocess.Popen[bytes]]:
    """The command in a process of its own, ended at the end whatever happens; all that it says is in ``log``."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "receiver", *arguments], env={**os.environ, **env}, stdout=out, stderr=out
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def found(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stdout + done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def started(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    """A receiver on each kind of database."""
    folder = tmp_path_factory.mktemp("receiver")
    with ExitStack() as stack:
        url = f"sqlite:///{folder / 'receiver.db'}"
        if request.param == "postgresql":
            url = stack.enter_context(empty_database(request.getfixturevalue("postgres_url")))
        yield stack.enter_context(Receiver(url, folder, workers=2))


@pytest.fixture
def receiver(started: Receiver) -> Receiver:
    """A receiver that has heard of nothing."""
    started.forget_all()
    return started


@pytest.fixture
def small_receiver(sqlite_url: str, tmp_path: Path) -> Iterator[Receiver]:
    """A receiver on SQLite."""
    with Receiver(sqlite_url, tmp_path) as started:
        yield started


@pytest.mark.parametrize("trouble", [[], ["--duplicates", "--reorder", "--drop"]])
def test_demo_once_ends_with_every_row_actioned_and_every_storys_end_in_the_views(
    trouble: list[str], tmp_path: Path
) -> None:
    said = found(run("demo", "--once", "--json", *trouble, TMPDIR=str(tmp_path)))
    assert said["ok"] is True
    assert (said["not_actioned"], said["differences"]) == ([], [])
    assert said["rows"]["actioned"] > 100
    assert (said["rows"]["waiting"], said["rows"]["failed"]) == (0, 0)
    assert said["ends"] > 60
    assert said["seconds"] < 60
    assert sum(said["pushes"].values()) >= said["requests"]["sent"] - said["requests"]["connections_dropped"]
    if trouble:
        assert said["requests"]["sent_twice"] > 0
        assert said["requests"]["connections_dropped"] > 0
        assert said["pushes"]["duplicate"] > 0
    else:
        assert said["pushes"] == {"stored": said["requests"]["sent"]}
    assert list(tmp_path.iterdir()) == [], "nothing is left behind"


def test_demo_once_says_it_in_words() -> None:
    done = run("demo", "--once")
    assert done.returncode == 0, done.stderr
    assert "every row Actioned, every story's end as it must be" in done.stdout


def test_the_users_own_settings_do_not_reach_the_demo(tmp_path: Path) -> None:
    mine = {"RECEIVER_PUSH_USERNAME": "drs", "RECEIVER_PUSH_PASSWORD": "secret", "RECEIVER_CONFIG": "nowhere.toml"}
    database = tmp_path / "mine.db"
    assert run("demo", "--once", RECEIVER_DATABASE_URL=f"sqlite:///{database}", **mine).returncode == 0
    assert not database.exists()


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_demo_shows_progress_and_where_to_look_until_it_is_stopped(ending: signal.Signals, tmp_path: Path) -> None:
    log, port = tmp_path / "demo.log", free_port()
    folder = tmp_path / "tmp"
    folder.mkdir()
    with running(log, "demo", "--port", str(port), TMPDIR=str(folder), PYTHONUNBUFFERED="1") as process:

        def told() -> str:
            assert process.poll() is None, log.read_text()
            return log.read_text()

        wait_until(lambda: re.search(r"[1-9]\d* Actioned.* stored, \d+ duplicate, \d+ held", told()), 60, "progress")
        said = told()
        for place in (f"http://127.0.0.1:{port}/push/drs?wsdl", "/healthz", "/metrics", "demo.db", "v1_bookings"):
            assert place in said
        link = re.search(r"pages for people: (\S+)", said)
        assert link is not None
        surfer = Surfer(link[1])
        surfer.get(urlsplit(link[1]).path)
        assert surfer.submit(urlsplit(link[1]).path).status == 303
        assert "Signed in as demo, administrator" in surfer.go("/admin/").text
        process.send_signal(ending)
        assert process.wait(60) == 0
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0, "the server is stopped"
    assert list(folder.iterdir()) == [], "nothing is left behind"


def test_demo_says_that_its_port_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run("demo", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 2
    assert re.fullmatch(r"receiver: Port \d+ cannot be used \(.*\): choose another with --port\.\n", done.stderr)


def test_demo_says_at_once_that_its_server_has_died(tmp_path: Path) -> None:
    log = tmp_path / "demo.log"
    folder = tmp_path / "tmp"
    folder.mkdir()
    with running(log, "demo", "--port", str(free_port()), TMPDIR=str(folder), PYTHONUNBUFFERED="1") as process:
        wait_until(lambda: "Actioned" in log.read_text(), 60, "progress")
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert len(children) == 1
        os.kill(int(children[0]), signal.SIGKILL)
        assert process.wait(60) == 1
    said = log.read_text()
    assert "The server ended by itself" in said
    assert "The end of the server's log" in said


@pytest.mark.parametrize(
    "options",
    [
        ["--form", "a", "--soap", "1.2", "--encoding", "utf-16"],
        ["--form", "b", "--batch", "4", "--encoding", "windows-1252"],
        ["--form", "c", "--batch", "30"],
        ["--form", "plain", "--batch", "7", "--encoding", "iso-8859-1"],
        ["--form", "c", "--batch", "5", "--duplicates", "0.5", "--reorder", "--drop", "0.3", "--seed", "7"],
        ["--suppress", "contract", "--suppress", "planningWindowEnd", "--suppress", "action", "--batch", "3"],
        ["--suppress", "changedDate", "--duplicates", "0.5"],
        ["--suppress", "changedDate", "--suppress", "taskCompletionDate", "--reorder", "--drop", "0.3"],
        ["--damage", "0.2", "--batch", "50", "--seed", "3"],
    ],
)
def test_simulate_once_in_any_way_comes_to_the_ends_it_expects(receiver: Receiver, options: list[str]) -> None:
    done = run("simulate", "--url", f"{receiver.url}/push/drs", "--once", "--json", *options)
    said = json.loads(done.stdout)
    damaged = "--damage" in options
    assert damaged or (done.returncode, said["not_actioned"]) == (0, []), done.stdout + done.stderr
    bookings = [end for end in said["ends"] if "booking_id" in end]
    absences = [end for end in said["ends"] if "resource_id" in end]
    assert bookings
    assert absences
    shown = {row["booking_id"]: row for row in receiver.rows("SELECT * FROM v1_bookings")}
    for end in bookings:
        row = shown[end["booking_id"]]
        times = {n: row[n].isoformat().replace("+00:00", "Z") for n in end if n.startswith("planning") and row[n]}
        assert {name: times.get(name, row[name]) for name in end} == end
    known = {
        (row["resource_id"], row["period_start"].isoformat().replace("+00:00", "Z"), row["status"])
        for row in receiver.rows("SELECT * FROM v1_unavailabilities")
    }
    assert {(end["resource_id"], end["period_start"], end["status"]) for end in absences} <= known
    if damaged:
        assert receiver.rows("SELECT id FROM v1_notifications WHERE status = 'held'")
        assert said["requests"]["partly_held"] > 0


def test_the_same_day_again_is_all_duplicates(small_receiver: Receiver) -> None:
    url = f"{small_receiver.url}/push/drs"
    first = found(run("simulate", "--url", url, "--once", "--json"))
    again = found(run("simulate", "--url", url, "--once", "--json", "--form", "plain"))
    outcomes = {
        row["outcome"]: row["n"]
        for row in small_receiver.rows("SELECT outcome, count(*) AS n FROM v1_pushes GROUP BY outcome")
    }
    assert first["ends"] == again["ends"]
    confirmed_twice = outcomes["stored"] - first["rows"]["actioned"]
    assert outcomes["duplicate"] == again["rows"]["actioned"] - confirmed_twice


def test_simulate_once_with_credentials(sqlite_url: str, tmp_path: Path) -> None:
    env = {"RECEIVER_PUSH_USERNAME": "drs", "RECEIVER_PUSH_PASSWORD": "sécret"}
    with Receiver(sqlite_url, tmp_path, env=env) as started:
        arguments = ("simulate", "--url", f"{started.url}/push/drs", "--once", "--stories", "3")
        right = run(*arguments, "--username", "drs", "--password", "sécret")
        wrong = run(*arguments, "--username", "drs", "--password", "guess", "--attempts", "2")
    assert right.returncode == 0, right.stdout
    assert wrong.returncode == 1
    assert "401" in wrong.stdout


def test_simulate_once_gives_up_when_nobody_listens() -> None:
    done = run("simulate", "--url", f"http://127.0.0.1:{free_port()}/push/drs", "--once")
    assert done.returncode == 1
    assert "no reply" in done.stdout


def test_simulate_goes_on_until_it_is_stopped_and_sums_up(tmp_path: Path) -> None:
    log = tmp_path / "simulate.log"
    with Listener() as listener, running(log, "simulate", "--url", listener.url, "--rate", "200") as process:
        wait_until(lambda: len(listener.heard) > 150, 60, "more than one day's pushes")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    said = log.read_text()
    assert "Stopped." in said
    assert re.search(r"\d+ Actioned", said)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--url", "nowhere"], "no address to push to"),
        (["--url", "http://127.0.0.1:1/x", "--suppress", "bookingId"], "identifies"),
        (["--url", "http://127.0.0.1:1/x", "--suppress", "colour"], "no field"),
        (["--url", "http://127.0.0.1:1/x", "--username", "drs"], "go together"),
        (["--url", "http://127.0.0.1:1/x", "--duplicates", "2"], "range"),
        (["--url", "http://127.0.0.1:1/x", "--day", "1999-01-01"], "2020"),
        ([], "--url"),
    ],
)
def test_simulate_says_what_is_wrong_with_its_options(options: list[str], says: str) -> None:
    done = run("simulate", *options)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_help_teaches() -> None:
    said = run("simulate", "--help").stdout
    for word in ("Actioned", "Form a", "--suppress", "Ctrl-C", "changedDate"):
        assert word in said
    assert "v1_bookings" in run("demo", "--help").stdout


def test_an_end_that_is_otherwise_is_told(small_receiver: Receiver) -> None:
    simulated = Simulation(Plan(stories=16), field_table(), Sender(f"{small_receiver.url}/push/drs"))
    for _ in simulated.play(FIXED_DAY):
        pass
    assert unsettled(simulated) == []
    ends = simulated.ends()
    url = small_receiver.database_url
    assert differences(url, "drs", ends) == []
    assert len(differences(url, "other", ends)) == len(ends)
    booking = next(end for end in ends if isinstance(end, BookingEnd))
    small_receiver.forget_all()
    assert differences(url, "drs", [booking]) == [f"booking {booking.booking_id}: missing"]
