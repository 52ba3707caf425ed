"""Whether pushes could be stored now."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from receiver.errors import StoreUnavailable

from . import migrations
from .store import Store, failure


class Readiness:
    """Asks the database; the revision that is needed is looked up once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._needed = migrations.newest()

    def require(self) -> None:
        """Raise StoreUnavailable while the database cannot be reached, BehindMigrations while it is behind."""
        try:
            at = migrations.current(self._store.engine)
            read_only = self._reads_only()
        except SQLAlchemyError as error:
            raise failure(error) from error
        if read_only:
            raise StoreUnavailable("The database takes no writes now.")
        migrations.require(at, self._needed)

    def _reads_only(self) -> bool:
        """Whether this server takes no writes: a standby, or one set to read only."""
        engine = self._store.engine
        if engine.dialect.name != "postgresql":
            return False
        with engine.connect() as connection:
            return bool(connection.scalar(text("SHOW transaction_read_only")) == "on")
