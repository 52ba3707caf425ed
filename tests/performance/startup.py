"""``python -m tests.performance.startup``: how long commands take to be there, over importing the libraries alone."""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.support.postgres import Cluster, empty_database
from tests.support.pushes import CODE, confirmation, soap
from tests.support.waiting import free_port

from . import report
from .figures import Figure

REQUIRED, AIM = 3.0, 2.0
_FLOOR = (sys.executable, "-c", "import flask, lxml.etree, sqlalchemy")
_RECEIVER = (sys.executable, "-m", "receiver")
_PAUSE = 0.002
_PATIENCE = 60.0
_FLOOR_NAME = "the libraries alone"

Turn = Callable[[], float]


class NotStarted(Exception):
    """A command did not end as it should, or a server was not ready in time; the text says which."""


@dataclass(frozen=True)
class Command:
    """A command that runs to its end with the exit code that is right for it; ``seconds`` measures one run."""

    arguments: Sequence[str]
    env: Mapping[str, str]
    exit_code: int = 0

    def seconds(self) -> float:
        """From start to end. Raises NotStarted for another exit code."""
        began = time.perf_counter()
        done = subprocess.run(self.arguments, env=self.env, capture_output=True, check=False)
        taken = time.perf_counter() - began
        if done.returncode != self.exit_code:
            raise NotStarted(f"{self.arguments}: exit code {done.returncode}: {done.stderr.decode()}")
        return taken


@dataclass(frozen=True)
class Serve:
    """`receiver serve` on a database that is at the newest migration."""

    url: str
    folder: Path

    def seconds(self) -> float:
        """From start until ``GET /readyz`` answers 200. Raises NotStarted when it ends, or takes a minute."""
        port = free_port()
        log = self.folder / "serve.log"
        with log.open("wb") as out:
            began = time.perf_counter()
            process = subprocess.Popen(
                [*_RECEIVER, "serve", "--bind", f"127.0.0.1:{port}"],
                env=environment(self.url),
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        try:
            while not _is_ready(port):
                if process.poll() is not None or time.perf_counter() - began > _PATIENCE:
                    raise NotStarted(f"receiver serve was not ready: {log.read_text()}")
                time.sleep(_PAUSE)
            return time.perf_counter() - began
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(_PATIENCE)


def environment(url: str) -> dict[str, str]:
    """The settings: the database alone, everything else as it is by default."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("RECEIVER_", "PROMETHEUS_"))}
    return {**kept, "RECEIVER_DATABASE_URL": url}


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def contenders(folder: Path, postgres_url: str) -> dict[str, Turn]:
    """What is measured, by name; databases are migrated here."""
    sqlite_url = f"sqlite:///{folder / 'receiver.db'}"
    for url in (sqlite_url, postgres_url):
        Command([*_RECEIVER, "migrate"], environment(url)).seconds()
    good, bad = folder / "good.xml", folder / "bad.xml"
    good.write_text(soap(confirmation(codes=[CODE])), encoding="utf-8")
    bad.write_text(soap(confirmation(codes=[CODE], bookingId="7x")), encoding="utf-8")
    plain = environment(sqlite_url)
    return {
        _FLOOR_NAME: Command(_FLOOR, plain).seconds,
        "receiver serve until ready, SQLite": Serve(sqlite_url, folder).seconds,
        "receiver serve until ready, PostgreSQL": Serve(postgres_url, folder).seconds,
        "receiver explain, a valid push": Command([*_RECEIVER, "explain", str(good)], plain).seconds,
        "receiver explain, an invalid push": Command([*_RECEIVER, "explain", str(bad)], plain, exit_code=1).seconds,
    }


def measure(turns: Mapping[str, Turn], rounds: int) -> tuple[list[Figure], dict[str, object]]:
    """Each in turn, in every round, after one round that is not counted; ratios are each round's own."""
    for turn in turns.values():
        turn()
    found: dict[str, list[float]] = {name: [] for name in turns}
    for _ in range(rounds):
        for name, turn in turns.items():
            found[name].append(turn())
    floor = found[_FLOOR_NAME]
    figures = [
        Figure(name, [t / f for t, f in zip(taken, floor, strict=True)], REQUIRED, AIM, at_most=True)
        for name, taken in found.items()
        if name != _FLOOR_NAME
    ]
    return figures, {name: {"median_seconds": round(median(taken), 4)} for name, taken in found.items()}


def main(argv: Sequence[str] | None = None) -> int:
    """Run it; 0 when everything was measured, whatever the figures say."""
    parser = argparse.ArgumentParser(prog="python -m tests.performance.startup", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write everything there")
    arguments = parser.parse_args(argv)
    with ExitStack() as open_things:
        folder = Path(open_things.enter_context(tempfile.TemporaryDirectory(prefix="receiver-startup-")))
        cluster = open_things.enter_context(Cluster())
        url = open_things.enter_context(empty_database(cluster.url))
        figures, legs = measure(contenders(folder, url), arguments.rounds)
    print(report.table(figures))
    if arguments.json is not None:
        found = report.result(figures, legs, {"rounds": arguments.rounds})
        arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
