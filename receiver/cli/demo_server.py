"""The real server as a child process of the demo: a database of its own, a free port, a log in a file."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import AbstractContextManager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import TracebackType

from receiver.errors import ReceiverError

_READY_SECONDS = 30.0
_STOP_SECONDS = 40.0
_LOOPBACK = "127.0.0.1"


class DemoFailed(ReceiverError):
    """The demo cannot go on."""

    reason = "demo"


def free_port() -> int:
    """A loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((_LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def require_free(port: int) -> None:
    """Raise DemoFailed, one line, when something listens on the port already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_LOOPBACK, port))
        except OSError as error:
            raise DemoFailed(f"Port {port} cannot be used ({error.strerror}): choose another with --port.") from None


class DemoServer(AbstractContextManager["DemoServer"]):
    """``receiver serve`` on ``port`` with an SQLite database in ``folder``, while the block lasts.

    The user's own settings do not reach it. It is out of reach of the terminal's Ctrl-C too, and stopped gracefully.
    """

    def __init__(self, folder: Path, port: int) -> None:
        self.database, self.log, self._port = folder / "demo.db", folder / "server.log", port
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address of the server, without a path."""
        return f"http://{_LOOPBACK}:{self._port}"

    @property
    def database_url(self) -> str:
        """The database as the settings name it."""
        return f"sqlite:///{self.database}"

    def __enter__(self) -> DemoServer:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("RECEIVER_")}
        environment["RECEIVER_DATABASE_URL"] = self.database_url
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command, nothing from outside in it
                [sys.executable, "-m", "receiver", "serve", "--bind", f"{_LOOPBACK}:{self._port}"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait_until_ready()
        except BaseException:  # Ctrl-C included: the child must not outlive us
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def require_alive(self) -> None:
        """Raise DemoFailed when the server has ended."""
        code = self._process.poll() if self._process is not None else None
        if code is not None:
            raise DemoFailed(f"The server ended by itself, with exit code {code}.")

    def stop(self) -> None:
        """Stop it gracefully and wait; by force when that takes too long."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def log_tail(self, lines: int = 20) -> str:
        """The last lines of its log."""
        try:
            return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
        except OSError:
            return ""

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline:
            self.require_alive()
            if self._is_ready():
                return
            time.sleep(0.05)
        raise DemoFailed(f"The server was not ready within {_READY_SECONDS:g} s.")

    def _is_ready(self) -> bool:
        connection = HTTPConnection(_LOOPBACK, self._port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()
