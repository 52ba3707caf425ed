"""Whether pushes could be stored now."""

from __future__ import annotations

from sqlalchemy.exc import SQLAlchemyError

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
        except SQLAlchemyError as error:
            raise failure(error) from error
        migrations.require(at, self._needed)
