"""Alembic, driven from code: the numbered migrations travel with the package."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

from receiver.errors import BehindMigrations
from receiver.packaged import packaged_folder


def _config(engine: Engine) -> Config:
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    config.attributes["engine"] = engine
    return config


def migrations_folder() -> Path:
    """Where the numbered migrations are."""
    return packaged_folder("migrations")


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Bring the database up to ``revision``; does nothing when it is there."""
    command.upgrade(_config(engine), revision)


def downgrade(engine: Engine, revision: str) -> None:
    """Bring the database down to ``revision`` (``base`` for empty)."""
    command.downgrade(_config(engine), revision)


def newest() -> str | None:
    """The revision that this release needs."""
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    return ScriptDirectory.from_config(config).get_current_head()


def current(engine: Engine) -> str | None:
    """The revision the database is at, None when it is empty."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def require_newest(engine: Engine) -> None:
    """Raise BehindMigrations unless the database is at the revision that this release needs."""
    require(current(engine), newest())


def require(at: str | None, needed: str | None) -> None:
    """Raise BehindMigrations unless the revision ``at`` is the one needed."""
    if at != needed:
        raise BehindMigrations(
            f"The database is at migration {at or 'none'}, this release needs {needed}: run `receiver migrate`."
        )
