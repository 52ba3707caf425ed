"""Who is measured: servers on loopback that take the same pushes, each with a database of its own in one cluster."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

import psycopg
from psycopg import sql

from tests.support.receiver import Receiver
from tests.support.waiting import free_port, wait_until

from . import floor
from .documents import Form
from .reading import Rows, sqlite_rows

ROOT = Path(__file__).parents[2]
THREADS = 32


class Contender(ABC):
    """A server that is there from ``start`` to ``stop`` and idle but in its turns."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self.path = "/push/drs"
        self.form = Form.AS_SENT
        self.warm_ups = 1
        self.log = folder / f"{name.replace(' ', '-')}.log"

    @property
    @abstractmethod
    def port(self) -> int:
        """Where it listens, on 127.0.0.1."""

    @property
    @abstractmethod
    def pid(self) -> int:
        """Its first process; the others are its children."""

    def last_words(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-2000:] if self.log.exists() else ""

    def prepare(self) -> None:  # noqa: B027 - most need nothing
        """Install what it needs, where that is not there yet."""

    @abstractmethod
    def start(self) -> None:
        """Make the tables and serve; return once it takes connections."""

    @abstractmethod
    def stop(self) -> None:
        """End all of its processes."""

    @abstractmethod
    def rows(self) -> Rows:
        """How many rows each of its tables holds now."""


class Served(Contender):
    """A contender that is one command, with its own environment, listening on ``port``."""

    def __init__(self, name: str, folder: Path) -> None:
        super().__init__(name, folder)
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        return self._port

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @abstractmethod
    def command(self) -> list[str]:
        """What is run, in the repository's folder."""

    @abstractmethod
    def environment(self) -> Mapping[str, str]:
        """What is added to the environment."""

    def start(self) -> None:
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                self.command(), env=os.environ | dict(self.environment()), stdout=out, stderr=out, cwd=ROOT
            )
        wait_until(self._listens, 60, f"{self.name} listens")

    def _listens(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(f"{self.name} ended at once: {self.last_words()}")
        wanted = f":{self._port:04X}"
        lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
        return any(f[1].endswith(wanted) and f[3] == "0A" for f in map(str.split, lines))

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def gunicorn(python: str, application: str, port: int, workers: int) -> list[str]:
    """gunicorn with threads, as its own documentation has it for such applications, and no access log."""
    return [
        *(python, "-m", "gunicorn", application, "--bind", f"127.0.0.1:{port}"),
        *("--worker-class", "gthread", "--workers", str(workers), "--threads", str(THREADS)),
        *("--keep-alive", "30", "--worker-tmp-dir", "/dev/shm", "--no-control-socket", "--log-level", "warning"),
    ]


class PostgresFloor(Served):
    """The floor on PostgreSQL."""

    def __init__(self, name: str, folder: Path, dsn: str, workers: int) -> None:
        super().__init__(name, folder)
        self._dsn, self._workers = dsn, workers

    def command(self) -> list[str]:
        return gunicorn(sys.executable, "tests.performance.floor:create_app()", self.port, self._workers)

    def environment(self) -> Mapping[str, str]:
        return {"BENCH_DSN": self._dsn}

    def start(self) -> None:
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            connection.execute(sql.SQL(floor.TABLE.format(time="timestamptz", bytes="bytea")))
        super().start()

    def rows(self) -> Rows:
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            found = connection.execute("SELECT count(*) FROM floor").fetchone()
        assert found is not None
        return Rows({"floor": int(found[0])})


class SqliteFloor(Served):
    """The floor on SQLite: one process, writes behind a lock."""

    def __init__(self, name: str, folder: Path) -> None:
        super().__init__(name, folder)
        self._file = folder / "floor.db"

    def command(self) -> list[str]:
        return gunicorn(sys.executable, "tests.performance.floor:create_app()", self.port, 1)

    def environment(self) -> Mapping[str, str]:
        return {"BENCH_SQLITE": str(self._file)}

    def rows(self) -> Rows:
        return sqlite_rows(self._file, ("floor",))


class ReceiverServe(Contender):
    """``receiver serve`` with its default settings but for the database and the number of workers."""

    def __init__(self, name: str, folder: Path, database_url: str, workers: int) -> None:
        super().__init__(name, folder)
        self._receiver = Receiver(database_url, folder, workers=workers)
        self.log = self._receiver.log

    @property
    def port(self) -> int:
        return self._receiver.port

    @property
    def pid(self) -> int:
        return self._receiver.pid

    def start(self) -> None:
        self._receiver.__enter__()

    def stop(self) -> None:
        self._receiver.stop()

    def rows(self) -> Rows:
        return Rows.of_receiver(self._receiver.database_url)
