"""``receiver serve``: gunicorn, with the settings that suit a small receiver."""

from __future__ import annotations

import os
import socket
import time

import click
import structlog

from receiver import log
from receiver.errors import SettingsError
from receiver.jobs.caretaker import Caretaker
from receiver.server.application import Build, Server
from receiver.settings import Settings, load_settings
from receiver.spool import Spool
from receiver.store import engine as engines
from receiver.store import migrations
from receiver.web.guard import is_usable_hash

from .counts import folder_for_counts
from .database import continue_feed, database, note_settings
from .loading import loading


def _prepare_database(settings: Settings) -> None:
    """SQLite is migrated at once; PostgreSQL must be at the newest migration, which is a step of its own.

    A receiver with a spool starts without its database: pushes wait on the disk until it is there and ready.
    """
    try:
        with database(settings) as engine:
            if engine.dialect.name == "sqlite":
                migrations.upgrade(engine)
            migrations.require_newest(engine)
            continue_feed(engine)
    except SettingsError as error:
        if settings.env.spool is None:
            raise
        structlog.get_logger().error("starting_without_database", detail=str(error))


def _note_settings(settings: Settings) -> None:
    """Once nothing stops the start any more: have the trail say so where they are others than last time."""
    try:
        with database(settings) as engine:
            note_settings(engine, settings)
    except SettingsError as error:
        structlog.get_logger().error("settings_not_noted", detail=str(error))


def _prepare_spool(settings: Settings) -> None:
    if settings.env.spool is not None:
        database_named = engines.identity(settings.env.database_url)
        Spool(settings.env.spool, settings.env.spool_max_bytes).prepare(database_named, time.time())


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


def _builder() -> Build:
    """What makes the application and what works beside it, in each worker process.

    What they are made of is loaded here, once for all workers; what they hold (connections, threads, counts) is each
    worker's own.
    """
    with loading():
        # After the folder for shared counts is named.
        from receiver.app import build_caretaker, build_parts, create_app  # noqa: PLC0415

    def build(settings: Settings) -> tuple[object, Caretaker]:
        parts = build_parts(settings)
        return create_app(parts), build_caretaker(parts)

    return build


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
    _prepare_spool(settings)
    _prepare_database(settings)
    with folder_for_counts():
        _note_settings(settings)
        structlog.get_logger().info("starting", bind=bind, sources=sorted(settings.sources))
        Server(settings, bind, workers or settings.env.workers, _builder()).run()
