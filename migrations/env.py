"""Alembic's environment: online only, on the engine that the caller hands over, in one transaction."""

from alembic import context

engine = context.config.attributes["engine"]

with engine.connect() as plain:
    # The option makes an SQLite transaction take its write lock at once (receiver.store.engine).
    connection = plain.execution_options(receiver_writes=True)
    context.configure(
        connection=connection,
        target_metadata=context.config.attributes.get("metadata"),
        transactional_ddl=True,
    )
    with connection.begin():
        if connection.dialect.name == "postgresql":
            # Two that migrate at once take turns; the second then finds nothing to do.
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('receiver migrations'))")
        context.run_migrations()
