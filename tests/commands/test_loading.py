"""Commands load what they need and no more, and a server's workers share what it has loaded."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.conftest import StartReceiver
from tests.support.pushes import CODE, confirmation, soap
from tests.support.receiver import Receiver

SERVING = frozenset({"flask", "werkzeug", "gunicorn", "prometheus_client", "structlog", "rich"})
STORING = frozenset({"sqlalchemy", "alembic", "psycopg", "sqlite3"})
EXPLAINING = frozenset({"xmlschema", "elementpath"})
HEAVY = SERVING | STORING | EXPLAINING

# Python's own account of every module that is loaded, on standard error.
TELLING: Mapping[str, str] = {"PYTHONPROFILEIMPORTTIME": "1"}
# Of what the application is made of; no module of these is loaded when the first request comes.
_SHARED = ("flask", "lxml", "prometheus_client", "receiver.app", "receiver.web")
_TOLD = re.compile(r"^import time: +\d+ \| +\d+ \| +([\w.]+)", re.MULTILINE)


def heavy(told: str) -> set[str]:
    """The heavy libraries among the modules that were loaded."""
    return {name.partition(".")[0] for name in _TOLD.findall(told)} & HEAVY


def _loaded(folder: Path, *arguments: str, exit_code: int = 0) -> set[str]:
    done = Receiver(f"sqlite:///{folder / 'none.db'}", folder, env=TELLING).command(*arguments)
    told = done.stderr.decode()
    assert (done.returncode, "receiver.cli" in told) == (exit_code, True), told
    return heavy(told)


@pytest.mark.parametrize("arguments", [("explain", "--help"), ("schemas", "--check")], ids=" ".join)
def test_a_short_command_loads_no_heavy_library(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert _loaded(tmp_path, *arguments) == set()


def test_explaining_loads_what_explains_problems_only_where_there_are_any(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.xml", tmp_path / "bad.xml"
    good.write_text(soap(confirmation(codes=[CODE])), encoding="utf-8")
    bad.write_text(soap(confirmation(bookingId="7x")), encoding="utf-8")
    assert _loaded(tmp_path, "explain", str(good)) == set()
    assert _loaded(tmp_path, "explain", str(bad), exit_code=1) == EXPLAINING


def test_a_server_loads_once_for_all_workers_and_nothing_to_migrate_with(
    database_url: str, start_receiver: StartReceiver, tmp_path: Path
) -> None:
    assert Receiver(database_url, tmp_path).command("migrate").returncode == 0
    receiver = start_receiver(database_url, env=TELLING, workers=2)
    assert receiver.get("/readyz").status == 200
    receiver.stop()
    told = receiver.log.read_text(encoding="utf-8")
    driver = "sqlite3" if database_url.startswith("sqlite") else "psycopg"
    # The standard library's driver is small, and its errors are told apart whatever the database.
    assert heavy(told) - {"sqlite3"} == {*SERVING, "sqlalchemy", driver} - {"sqlite3"}
    times = Counter(_TOLD.findall(told))
    assert {name: n for name, n in times.items() if n > 1 and name.startswith(_SHARED)} == {}
