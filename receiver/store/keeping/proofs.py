"""Proofs of erasure: that it was done, when and why, without whom it was about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select

from ..tables import Tables


@dataclass(frozen=True)
class Proof:
    """One erasure. ``digest`` is of the subject with ``salt``; ``source`` None means all; ``counts`` by table or column
    at the time it was done (UTC)."""

    id: str
    erased_at: datetime
    kind: str
    salt: bytes
    digest: bytes
    source: str | None
    reason: str
    done_by: str | None
    counts: Mapping[str, int]


def add(connection: Connection, tables: Tables, proof: Proof) -> None:
    """Store a proof."""
    connection.execute(insert(tables.erasures).values(**{**vars(proof), "counts": dict(proof.counts)}))


def proofs(connection: Connection, tables: Tables) -> list[Proof]:
    """All proofs, the oldest first."""
    e = tables.erasures
    rows = connection.execute(select(e).order_by(e.c.erased_at, e.c.id)).mappings()
    return [Proof(**{**row, "salt": bytes(row["salt"]), "digest": bytes(row["digest"])}) for row in rows]
