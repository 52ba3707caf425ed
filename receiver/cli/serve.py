"""``receiver serve``: gunicorn, with the settings that suit a small receiver."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from pathlib import Path
from typing import Any

import click
import structlog
from gunicorn.app.base import BaseApplication

from receiver import log
from receiver.errors import SettingsError
from receiver.settings import Settings, load_settings
from receiver.store import migrations
from receiver.web.guard import is_usable_hash

from .database import database

_MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"


def _prepare_database(settings: Settings) -> None:
    """SQLite is migrated at once; PostgreSQL must be at the newest migration, which is a step of its own."""
    with database(settings) as engine:
        if engine.dialect.name == "sqlite":
            migrations.upgrade(engine)
        migrations.require_newest(engine)


def _require_free(bind: str) -> None:
    """Raise SettingsError unless ``bind`` is an address that can be listened on now."""
    host, _, port = bind.rpartition(":")
    if not host or not port.isdecimal():
        raise SettingsError(f"RECEIVER_BIND: {bind!r} is not HOST:PORT, e.g. 127.0.0.1:8000.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host.strip("[]"), int(port)), family=family).close()
    except socket.gaierror as error:
        raise SettingsError(f"RECEIVER_BIND: cannot listen on {bind}: {error.strerror}.") from None
    except OSError as error:
        raise SettingsError(f"RECEIVER_BIND: cannot listen on {bind}: {os.strerror(error.errno or 0)}.") from None
    except (OverflowError, UnicodeError) as error:
        raise SettingsError(f"RECEIVER_BIND: cannot listen on {bind}: {error}.") from None


def _check_credentials(settings: Settings) -> None:
    """Raise SettingsError for credentials that no sender could ever give."""
    for name, found in settings.credentials.items():
        if found is None:
            continue
        if ":" in found.username:
            raise SettingsError(f"sources.{name}: a user name of HTTP Basic holds no colon.")
        if found.password_hash is not None and not is_usable_hash(found.password_hash.get_secret_value()):
            raise SettingsError(f"sources.{name}: password_hash is not what `receiver hash-password` prints.")


class _Server(BaseApplication):
    """gunicorn, told everything by us and nothing by files or its own environment variables."""

    def __init__(self, settings: Settings, bind: str, workers: int) -> None:
        self._settings, self._bind, self._workers = settings, bind, workers
        super().__init__()

    def load_config(self) -> None:
        env = self._settings.env
        chosen: dict[str, Any] = {
            "bind": self._bind,
            "workers": self._workers,
            "threads": env.threads,
            "worker_class": "gthread",
            "timeout": env.request_timeout,
            "graceful_timeout": env.graceful_timeout,
            "keepalive": 5,
            "worker_tmp_dir": "/dev/shm" if os.path.isdir("/dev/shm") else None,  # noqa: S108, PTH112 - heartbeats, in memory
            "forwarded_allow_ips": "",
            "proc_name": "receiver",
            "control_socket_disable": True,
            "post_fork": _after_fork(env.log_level),
            "child_exit": _child_exit,
            "logger_class": "receiver.cli.serve_log.ServerLog",
        }
        for name, value in chosen.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        # After the fork, and after the folder for shared counts is named.
        from receiver.app import create_app  # noqa: PLC0415

        return create_app(self._settings)


def _after_fork(level: str) -> Any:
    def post_fork(_server: Any, _worker: Any) -> None:
        log.configure(level)

    return post_fork


def _child_exit(_server: Any, worker: Any) -> None:
    # prometheus_client must not be imported before the folder for shared counts is named.
    from prometheus_client import multiprocess  # noqa: PLC0415

    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def _folder_for_counts() -> Path:
    """A new folder where worker processes share their counts.

    prometheus_client looks for its name when it is first imported, so it is set before the application is. One named
    from outside is where ours is made: what else is there may be someone's.
    """
    named = os.environ.get(_MULTIPROCESS)
    try:
        if named:
            Path(named).mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="receiver-metrics-", dir=named or None))
    except OSError as error:
        raise SettingsError(f"{_MULTIPROCESS}: {named}: {error.strerror}.") from None
    os.environ[_MULTIPROCESS] = str(folder)
    return folder


@click.command("serve")
@click.option("--bind", metavar="HOST:PORT", help="Address to listen on. [RECEIVER_BIND, default 127.0.0.1:8000]")
@click.option("--workers", type=click.IntRange(1, 64), help="Worker processes. [RECEIVER_WORKERS, default 2]")
def command(bind: str | None, workers: int | None) -> None:
    """Take pushes at http://HOST:PORT/push/SOURCE until stopped.

    An SQLite database is migrated first; a PostgreSQL one must be at the newest migration (`receiver migrate`).
    SIGTERM stops gracefully: what has been read is finished and answered.
    """
    settings = load_settings()
    log.configure(settings.env.log_level)
    bind = bind or settings.env.bind
    _check_credentials(settings)
    _require_free(bind)
    _prepare_database(settings)
    folder = _folder_for_counts()
    owner = os.getpid()
    structlog.get_logger().info("starting", bind=bind, sources=sorted(settings.sources))
    try:
        _Server(settings, bind, workers or settings.env.workers).run()
    finally:
        if os.getpid() == owner:
            shutil.rmtree(folder, ignore_errors=True)
