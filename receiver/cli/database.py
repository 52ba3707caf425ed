"""The database for commands that need it at once: what is wrong with it is said in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from alembic.util import CommandError
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from receiver.errors import BehindMigrations, SettingsError
from receiver.settings import Settings
from receiver.store import engine as engines


@contextmanager
def database(settings: Settings) -> Iterator[Engine]:
    """An engine for the database of the settings, given back at the end.

    Raises SettingsError when it cannot be worked with, BehindMigrations when it is of another release.
    """
    engine = engines.create(settings.env.database_url, timeout=settings.env.database_timeout)
    try:
        yield engine
    except SQLAlchemyError as error:
        # No statement on anyone's data has run yet: the driver's own words can be told.
        said = " ".join(str(getattr(error, "orig", None) or error).split())
        raise SettingsError(f"RECEIVER_DATABASE_URL: {engine.url.render_as_string()}: {said}") from error
    except CommandError as error:
        raise BehindMigrations(f"The database is of another release: {' '.join(str(error).split())}") from error
    finally:
        engine.dispose()
