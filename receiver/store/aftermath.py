"""What is to be done once a transaction has been committed, and not if it is not."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection

_KEY = "receiver_after_commit"


def after_commit(connection: Connection, call: Callable[[], object]) -> None:
    """Have ``call`` made when the transaction that ``Store.transaction`` gave has been committed."""
    connection.info.setdefault(_KEY, []).append(call)


def forget(connection: Connection) -> None:
    """Forget what was to be done: a transaction begins."""
    connection.info.pop(_KEY, None)


def run(connection: Connection) -> None:
    """Do it: the transaction is committed."""
    for call in connection.info.pop(_KEY, ()):
        call()
