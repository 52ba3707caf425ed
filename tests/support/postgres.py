"""PostgreSQL for tests: throw-away clusters of our own, and empty databases in any cluster."""

from __future__ import annotations

import os
import pwd
import secrets
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal, LiteralString, Self

import psycopg
from psycopg import sql
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from .system import postgres_binaries
from .waiting import free_port, wait_until

StopMode = Literal["smart", "fast", "immediate"]
_SIGNALS: dict[StopMode, signal.Signals] = {
    "smart": signal.SIGTERM,
    "fast": signal.SIGINT,
    "immediate": signal.SIGQUIT,
}

# Reads until the tests' process is gone, however it went, then stops what still runs and clears up.
_KEEPER = """
cat >/dev/null
if pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null); then
    kill -QUIT "$pid"
    kill -CONT "$pid"
    while kill -0 "$pid"; do sleep 0.05; done
fi
rm -rf "$1"
"""


class Cluster:
    """A private cluster on a loopback port, with the durability that PostgreSQL has by default.

    It can be stopped and started again, on the same port and with its data. It runs as an unprivileged user
    when the tests run as root, and is stopped and removed when the process that made it ends in whatever way.
    """

    def __init__(self) -> None:
        self._binaries = postgres_binaries()
        self._account = _unprivileged()
        self._password = secrets.token_hex(16)
        self._server: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="receiver-postgres-"))
        self._keeper = subprocess.Popen(
            ["/bin/sh", "-c", _KEEPER, "keeper", str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )
        try:
            self._initialise()
        except BaseException:
            self.remove()
            raise

    @property
    def url(self) -> str:
        """The administrator's URL: ``postgresql://...``."""
        return f"postgresql://postgres:{self._password}@127.0.0.1:{self.port}/postgres"

    @property
    def running(self) -> bool:
        """Whether the server's process is there."""
        return self._server is not None and self._server.poll() is None

    @property
    def pid(self) -> int:
        """The id of the server's first process, which runs."""
        assert self._server is not None
        return self._server.pid

    def start(self) -> None:
        """Start the server and return once it takes connections."""
        if self.running:
            return
        with (self.folder / "log").open("ab") as log:
            self._server = self._spawn(log)
        wait_until(self._answers, timeout=60, describe="a private PostgreSQL cluster takes connections")

    def stop(self, mode: StopMode = "fast") -> None:
        """Stop the server and return once it is gone.

        ``smart`` waits for sessions to end, ``fast`` ends them, ``immediate`` is a crash.
        """
        if self._server is None:
            return
        if self._server.poll() is None:
            self._server.send_signal(_SIGNALS[mode])
        self._server.wait(timeout=60)
        self._server = None

    def remove(self) -> None:
        """Stop the server and delete everything."""
        self.stop()
        if self._keeper.stdin is not None:
            self._keeper.stdin.close()
        self._keeper.wait(timeout=60)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    def _initialise(self) -> None:
        password = self.folder / "password"
        password.write_text(self._password)
        if self._account is not None:
            for path in (self.folder, password):
                os.chown(path, self._account.pw_uid, self._account.pw_gid)
        done = subprocess.run(
            [
                self._binaries / "initdb",
                f"--pgdata={self.folder / 'data'}",
                "--username=postgres",
                "--auth=scram-sha-256",
                f"--pwfile={password}",
                "--encoding=UTF8",
                "--no-locale",
                "--no-sync",  # for the set-up alone; the server itself does sync
            ],
            capture_output=True,
            text=True,
            check=False,
            **self._process_options(),
        )
        password.unlink()
        if done.returncode:
            raise RuntimeError(f"initdb failed: {_last_line(done.stderr)}")

    def _spawn(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [
                self._binaries / "postgres",
                *("-D", str(self.folder / "data"), "-h", "127.0.0.1", "-p", str(self.port), "-k", ""),
                *("-c", "max_connections=200"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is for the tests; they stop the server
            **self._process_options(),
        )

    def _process_options(self) -> dict[str, Any]:
        options: dict[str, Any] = {"cwd": self.folder, "env": {"PATH": os.defpath, "LC_ALL": "C"}}
        if self._account is not None:
            options |= {"user": self._account.pw_uid, "group": self._account.pw_gid, "extra_groups": []}
        return options

    def _answers(self) -> bool:
        if not self.running:
            reason = _last_line((self.folder / "log").read_text(errors="replace"))
            raise RuntimeError(f"a private PostgreSQL cluster ended at its start: {reason}")
        try:
            psycopg.connect(self.url, connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True


def unusable(url: str) -> str | None:
    """Why the database cannot be connected to, in one line; None if it can."""
    try:
        psycopg.connect(plain_url(url), connect_timeout=10).close()
    except (psycopg.Error, ArgumentError) as error:
        return " ".join(str(error).split())
    return None


@contextmanager
def empty_database(admin_url: str) -> Iterator[str]:
    """The URL of a new, empty database in ``admin_url``'s cluster, dropped at the end even when in use."""
    admin_url = plain_url(admin_url)
    name = f"receiver_test_{secrets.token_hex(6)}"
    _run(admin_url, "CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'", name)
    try:
        yield make_url(admin_url).set(database=name).render_as_string(hide_password=False)
    finally:
        _run(admin_url, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)


def _run(url: str, statement: LiteralString, database: str) -> None:
    with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
        connection.execute(sql.SQL(statement).format(sql.Identifier(database)))


def plain_url(url: str) -> str:
    """The URL without the name of a driver, as libpq takes it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def _unprivileged() -> pwd.struct_passwd | None:
    """Who runs the server when root runs the tests: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")


def _last_line(text: str) -> str:
    return next(reversed(text.strip().splitlines()), "no reason given")
