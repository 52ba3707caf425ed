"""Alembic, driven from code: the numbered migrations travel with the package.

Where a database is at, and whether that is enough, is asked at every start and again and again while serving: that is
read without Alembic, which takes longer to load than all else that a server needs.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine, inspect, text

from receiver.errors import BehindMigrations
from receiver.packaged import packaged_folder

if TYPE_CHECKING:
    from alembic.config import Config

_VERSIONS = "alembic_version"
_LATEST = "head"


def _config(engine: Engine) -> Config:
    from alembic.config import Config  # noqa: PLC0415 - only for who migrates; see above

    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    config.attributes["engine"] = engine
    return config


def migrations_folder() -> Path:
    """Where the numbered migrations are."""
    return packaged_folder("migrations")


def upgrade(engine: Engine, revision: str = _LATEST) -> None:
    """Bring the database up to ``revision``; does nothing when it is there.

    Raises BehindMigrations when the database is at a revision that this release does not know.
    """
    if revision == _LATEST and current(engine) == newest():
        return
    from alembic import command  # noqa: PLC0415 - only for who migrates; see above
    from alembic.util import CommandError  # noqa: PLC0415 - the same

    try:
        command.upgrade(_config(engine), revision)
    except CommandError as error:
        raise BehindMigrations(f"The database is of another release: {' '.join(str(error).split())}") from error


def downgrade(engine: Engine, revision: str) -> None:
    """Bring the database down to ``revision`` (``base`` for empty)."""
    from alembic import command  # noqa: PLC0415 - only for who migrates; see above

    command.downgrade(_config(engine), revision)


def newest() -> str | None:
    """The revision that this release needs: migrations are numbered, and their files are named by it."""
    numbered = (migrations_folder() / "versions").glob("[0-9]*_*.py")
    return max((file.name.partition("_")[0] for file in numbered), default=None)


def current(engine: Engine) -> str | None:
    """The revision the database is at, None when it is empty."""
    with engine.connect() as connection:
        if not inspect(connection).has_table(_VERSIONS):
            return None
        found: str | None = connection.scalars(text(f"SELECT version_num FROM {_VERSIONS}")).one_or_none()  # noqa: S608 - a constant
        return found


def require_newest(engine: Engine) -> None:
    """Raise BehindMigrations unless the database is at the revision that this release needs."""
    require(current(engine), newest())


def require(at: str | None, needed: str | None) -> None:
    """Raise BehindMigrations unless the revision ``at`` is the one needed."""
    if at != needed:
        raise BehindMigrations(
            f"The database is at migration {at or 'none'}, this release needs {needed}: run `receiver migrate`."
        )
