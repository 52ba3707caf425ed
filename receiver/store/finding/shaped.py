"""Statements that PostgreSQL is to answer from indexes, in order: planned so, whatever it takes the tables for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, text

# Everything is to be read by indexes and in order; what an index finds is met by steps from row to row. To compile or
# plan for all values at once takes longer than to read.
_SHAPE = {"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off", "jit": "off"}
_SHAPE |= {"max_parallel_workers_per_gather": "0", "plan_cache_mode": "force_custom_plan"}


@contextmanager
def shaped(connection: Connection) -> Iterator[None]:
    """Have PostgreSQL plan as pages need it, until the end of the block."""
    if connection.dialect.name != "postgresql":
        yield
        return
    kept = ", ".join(f"current_setting('{name}') AS {name}" for name in _SHAPE)
    before = connection.execute(text(f"SELECT {kept}")).one()._asdict()
    _set(connection, _SHAPE)
    yield
    _set(connection, before)


def _set(connection: Connection, values: dict[str, str]) -> None:
    settings = ", ".join(f"set_config('{name}', :{name}, true)" for name in values)
    connection.execute(text(f"SELECT {settings}"), values)
