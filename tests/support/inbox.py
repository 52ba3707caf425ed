"""What is kept of a push, asked of the receiver's database."""

from __future__ import annotations

from typing import Any

from .receiver import Answer, Receiver


def stored(receiver: Receiver, answer: Answer) -> dict[str, Any]:
    """The push that the reply names, as ``v1_pushes`` has it."""
    assert answer.push_id is not None, answer.body
    return receiver.one("SELECT * FROM v1_pushes WHERE id = :id", id=answer.push_id)


def bytes_of(receiver: Receiver, answer: Answer) -> bytes:
    """The bytes that are kept of the push that the reply names."""
    found = receiver.one("SELECT body FROM push_bodies WHERE push_id = :id", id=answer.push_id)
    return bytes(found["body"])


def counts(receiver: Receiver) -> dict[str, int]:
    """How many rows there are of everything that a push can leave."""
    names = ("pushes", "push_bodies", "notifications", "repeats", "changes", "bookings", "unavailabilities")
    return {name: receiver.one(f"SELECT count(*) AS rows FROM {name}")["rows"] for name in names}
