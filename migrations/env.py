"""Alembic's environment: online only, on the engine that the caller hands over.

On SQLite all migrations are one transaction. On PostgreSQL each is one of its own, so that no lock of an earlier one
stands in the way when a later one builds an index on the side.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from alembic import context
from sqlalchemy import Connection

engine = context.config.attributes["engine"]


@contextmanager
def alone(connection: Connection) -> Iterator[None]:
    """Two that migrate at once take turns; the second then finds nothing to do."""
    connection.exec_driver_sql("SELECT pg_advisory_lock(hashtext('receiver migrations'))")
    connection.commit()
    try:
        yield
    finally:
        connection.rollback()
        connection.exec_driver_sql("SELECT pg_advisory_unlock(hashtext('receiver migrations'))")
        connection.commit()


def run(connection: Connection, *, one_by_one: bool) -> None:
    context.configure(
        connection=connection,
        target_metadata=context.config.attributes.get("metadata"),
        transactional_ddl=True,
        transaction_per_migration=one_by_one,
    )
    with context.begin_transaction():
        context.run_migrations()


with engine.connect() as plain:
    # The option makes an SQLite transaction take its write lock at once (receiver.store.engine).
    connection = plain.execution_options(receiver_writes=True)
    if connection.dialect.name == "postgresql":
        with alone(connection):
            run(connection, one_by_one=True)
    else:
        with connection.begin():
            run(connection, one_by_one=False)
