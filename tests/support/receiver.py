"""A real receiver for tests: `receiver serve` as its own process, spoken to over HTTP, read through its views."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

from lxml import etree
from sqlalchemy import Connection, Engine, text

from receiver.fields import field_table
from receiver.store import engine as engines
from receiver.store.people import trail
from receiver.store.tables import build_tables

from .waiting import free_port, wait_until


@dataclass(frozen=True)
class Answer:
    """One HTTP reply."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def push_id(self) -> str | None:
        return self.headers.get("receiver-push-id")

    @property
    def tree(self) -> etree._Element:
        return etree.fromstring(self.body)

    def said(self, name: str) -> str | None:
        """The text of the first element of that local name, e.g. ``status`` or ``errorMsg``."""
        found = self.tree.xpath("//*[local-name() = $name]", name=name)
        assert isinstance(found, list)
        return str(found[0].text) if found else None


@dataclass
class Receiver:
    """`receiver serve` on a free loopback port, for one database; a context manager.

    ``config`` is the text of the settings file; ``env`` adds to the environment. Every reply must be what the
    contract says, so nothing here raises for a status.
    """

    python: ClassVar[str] = sys.executable

    database_url: str
    folder: Path
    config: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    workers: int = 1
    migrate: bool = True

    def __post_init__(self) -> None:
        self.port = free_port()
        self.log = self.folder / f"receiver-{self.port}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._engine: Engine | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether its first process is there."""
        return self._process is not None and self._process.poll() is None

    def environment(self) -> dict[str, str]:
        """What the receiver's commands are run with: nothing of RECEIVER_* from outside."""
        env = {k: v for k, v in os.environ.items() if not k.startswith(("RECEIVER_", "PROMETHEUS_"))}
        env["RECEIVER_DATABASE_URL"] = self.database_url
        if self.config:
            path = self.folder / "receiver.toml"
            path.write_text(self.config, encoding="utf-8")
            env["RECEIVER_CONFIG"] = str(path)
        return {**env, **self.env}

    def command(self, *arguments: str, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
        """Run `receiver` with these arguments and this receiver's settings."""
        return subprocess.run(
            [self.python, "-m", "receiver", *arguments],
            env=self.environment(),
            input=stdin,
            capture_output=True,
            timeout=120,
            check=False,
        )

    def __enter__(self) -> Self:
        if self.migrate and not self.database_url.startswith("sqlite"):
            done = self.command("migrate")
            assert done.returncode == 0, done.stderr.decode()
        self.start()
        return self

    def start(self) -> None:
        """Start serving, and wait until it answers."""
        arguments = ["serve", "--bind", f"127.0.0.1:{self.port}", "--workers", str(self.workers)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [self.python, "-m", "receiver", *arguments],
                env=self.environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        wait_until(self._answers, 30, f"the receiver answers; its log: {self.log.read_text()}")

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"the receiver ended at once: {self.log.read_text()}")
        try:
            return self.get("/healthz").status == 200
        except OSError:
            return False

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Stop serving; returns the exit code."""
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(how)
        return process.wait(timeout=60)

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()
        if self._engine is not None:
            self._engine.dispose()

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request(method, path, body, dict(headers or {}))
            reply = connection.getresponse()
            return Answer(reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read())
        finally:
            connection.close()

    def get(self, path: str) -> Answer:
        return self.request("GET", path)

    def push(self, body: bytes | str, source: str = "drs", **headers: str) -> Answer:
        """POST a push; header names are given with underscores."""
        sent = {"Content-Type": "text/xml", **{k.replace("_", "-"): v for k, v in headers.items()}}
        return self.request("POST", f"/push/{source}", body.encode() if isinstance(body, str) else body, sent)

    def rows(self, query: str, **parameters: object) -> list[dict[str, Any]]:
        """Rows of a query on the views: times aware in UTC, JSON read, alike on every database."""
        if self._engine is None:
            self._engine = engines.create(self.database_url)
        with self._engine.connect() as connection:
            return rows_of(connection, query, **parameters)

    def forget_all(self) -> None:
        """Delete every row, leaving the schema."""
        if self._engine is None:
            self._engine = engines.create(self.database_url)
        tables = build_tables(field_table()).metadata.sorted_tables
        with self._engine.begin() as connection:
            for table in reversed(tables):
                connection.execute(table.delete())
            trail.begin(connection, build_tables(field_table()))

    def one(self, query: str, **parameters: object) -> dict[str, Any]:
        """The only row of a query."""
        found = self.rows(query, **parameters)
        assert len(found) == 1, found
        return found[0]

    def booking(self, booking_id: str) -> dict[str, Any]:
        """The booking as ``v1_bookings`` has it."""
        return self.one("SELECT * FROM v1_bookings WHERE booking_id = :id", id=booking_id)

    def log_lines(self) -> list[dict[str, Any]]:
        """What the receiver has logged, line by line."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]


def rows_of(connection: Connection, query: str, **parameters: object) -> list[dict[str, Any]]:
    """Rows of a query, as ``Receiver.rows`` gives them, as one connection sees them."""
    found = connection.execute(text(query), parameters).mappings().all()
    return [{name: _same(name, value) for name, value in row.items()} for row in found]


_JSON = frozenset({"values", "warnings", "problems"})


def _same(name: str, value: Any) -> Any:
    if name.endswith(("_at", "_date", "_start", "_end")) and isinstance(value, str):
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    if name in _JSON and isinstance(value, str):
        return json.loads(value)
    if name == "completed_successfully" and value is not None:
        return bool(value)
    return value
