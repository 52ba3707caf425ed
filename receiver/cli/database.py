"""The database for commands that need it at once: what is wrong with it is said in one line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from secrets import token_hex

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from receiver.errors import SettingsError, StoreError
from receiver.fields import field_table
from receiver.settings import Settings
from receiver.settings_told import told
from receiver.store import engine as engines
from receiver.store.changes import ChangeLog
from receiver.store.people.settings_noted import SettingsNoted
from receiver.store.store import Store

from .logged import log_to_stderr


def continue_feed(engine: Engine) -> None:
    """Have the change feed of a restored database show what it holds before the first push comes.

    Not more than that: every transaction sees for itself that its cursors are above all others, so a database that
    takes no writes now is no reason to complain.
    """
    store = Store(engine, field_table())
    with suppress(StoreError), store.transaction() as connection:
        ChangeLog(connection, store.tables).go_on()


def note_settings(engine: Engine, settings: Settings) -> None:
    """Leave an entry in the trail where the settings are other than at the last start.

    A database that takes no writes now keeps nobody from starting.
    """
    noted = SettingsNoted(Store(engine, field_table()), lambda: datetime.now(UTC), partial(token_hex, 16))
    try:
        noted.note(*told(settings))
    except StoreError as error:
        structlog.get_logger().warning("settings_not_noted", reason=error.reason)


@contextmanager
def database(settings: Settings) -> Iterator[Engine]:
    """An engine for the database of the settings, given back at the end.

    Files that this process makes from now on, an SQLite database among them, are for its own user alone. Raises
    SettingsError when it cannot be worked with.
    """
    os.umask(0o077)
    log_to_stderr(settings.env.log_level)
    engine = engines.create(settings.env.database_url, timeout=settings.env.database_timeout)
    try:
        yield engine
    except SQLAlchemyError as error:
        # No statement on anyone's data has run yet: the driver's own words can be told.
        said = " ".join(str(getattr(error, "orig", None) or error).split())
        raise SettingsError(f"RECEIVER_DATABASE_URL: {engines.shown(settings.env.database_url)}: {said}") from error
    finally:
        engine.dispose()
