"""Which element names mean which kind of record (facts, section 3), with a source's own names added."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from receiver.fields import FieldTable, Kind


@dataclass(frozen=True)
class RootNames:
    """Root element names, lower-cased. ``containers`` may be empty; ``inner`` are records only inside their kind.

    ``aliases`` are the names that a source has added.
    """

    roots: Mapping[str, Kind]
    containers: frozenset[str]
    inner: Mapping[str, Kind]
    aliases: frozenset[str] = frozenset()

    @classmethod
    def of(cls, table: FieldTable, aliases: Mapping[str, Kind] | None = None) -> RootNames:
        """The table's names and ``aliases`` (a source's other names for a root)."""
        roots: dict[str, Kind] = {}
        containers: set[str] = set()
        inner: dict[str, Kind] = {}
        for kind, entry in table.kinds.items():
            roots.update({n.lower(): kind for n in (entry.root, *entry.records, *entry.containers)})
            containers.update(n.lower() for n in entry.containers)
            inner.update({n.lower(): kind for n in entry.inner_records})
        own = {name.lower(): kind for name, kind in (aliases or {}).items()}
        return cls({**roots, **own}, frozenset(containers), inner, frozenset(own))
