"""A statement that is run over and over, prepared once a connection, by PostgreSQL's own protocol.

A driver's cursor finds out anew each time what the parameters are and how to write them; here that is known before.
Waiting for the answer stays the connection's, with its bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg import Connection, DatabaseError, Error, errors, generators, pq
from psycopg.pq.abc import PGresult

_FINE = (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK)


class Prepared:
    """``text`` has its parameters as ``$1``; ``binary`` are the places, from 0, of those that are given as bytes."""

    def __init__(self, name: str, text: str, parameters: int, binary: Sequence[int] = ()) -> None:
        self._name, self._text = name.encode(), text.encode()
        self._formats = [pq.Format.BINARY if n in binary else pq.Format.TEXT for n in range(parameters)]

    def run(self, connection: Connection[Any], known: dict[Any, Any], values: Sequence[bytes | None]) -> PGresult:
        """What comes of it, as a transaction of its own. ``known`` is the connection's own memory.

        Raises psycopg's errors, as a cursor does.
        """
        if self._name in known:
            try:
                return self._run(connection, values)
            except errors.InvalidSqlStatementName:
                # The driver's own cursors forget all that is prepared, in the server too, after some rollbacks.
                del known[self._name]
        connection.pgconn.send_prepare(self._name, self._text)
        _checked(connection.wait(generators.execute(connection.pgconn)))
        known[self._name] = True
        return self._run(connection, values)

    def _run(self, connection: Connection[Any], values: Sequence[bytes | None]) -> PGresult:
        connection.pgconn.send_query_prepared(self._name, values, self._formats)
        return _checked(connection.wait(generators.execute(connection.pgconn)))


def _checked(results: Sequence[PGresult]) -> PGresult:
    result = results[0]
    if result.status in _FINE:
        return result
    state = (result.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode()
    try:
        kind: type[Error] = errors.lookup(state)
    except KeyError:
        kind = DatabaseError
    raise kind("The database refused a prepared statement.")  # its own text can quote rows
