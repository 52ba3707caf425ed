"""PostgreSQL connections that do not wait for ever: a server that is frozen or cut off says nothing, for hours."""

from __future__ import annotations

from typing import cast

from psycopg import Connection, OperationalError
from psycopg.abc import RV, PQGen
from psycopg.rows import TupleRow
from psycopg.waiting import Ready

from receiver.strands import Strands, current


class BoundedConnection(Connection[TupleRow]):
    """Waits for each answer of the server at most ``seconds``, then takes the connection for lost.

    The server's own bounds cannot see to this: they are the server's to keep. What was asked may still happen there
    once it wakes, as with any connection that is lost.
    """

    seconds: float

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """As psycopg's, within the bound. Raises OperationalError, with the connection closed, when it has passed."""
        bound = self.seconds if timeout is None else min(timeout, self.seconds)
        here = current()
        try:
            return super().wait(gen, interval, bound) if here is None else _give_way(here, gen, self.fileno(), bound)
        except OperationalError as error:
            if error.sqlstate is None:
                self.close()
            raise


def _give_way(strands: Strands, gen: PQGen[RV], descriptor: int, seconds: float) -> RV:
    """As psycopg's own ways to wait, while other strands go on; each wait takes at most the seconds."""
    try:
        wanted = next(gen)
        while strands.wait(descriptor, wanted, seconds):
            wanted = gen.send(Ready(wanted))
    except StopIteration as done:
        return cast("RV", done.value)
    raise OperationalError("The server gave no answer in time.")


def bounded(seconds: float) -> type[BoundedConnection]:
    """Connections with that bound, in seconds."""
    return type("BoundedConnection", (BoundedConnection,), {"seconds": seconds})
