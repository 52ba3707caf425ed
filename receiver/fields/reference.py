"""The reference page of the field table, for people."""

from __future__ import annotations

from collections.abc import Iterable

from .table import Field, FieldTable, Group

_HEAD = """# Fields

What each kind of push can hold, made from the field table by `receiver schemas`. Names are compared without case.
**Bold** fields identify a record: it cannot be without them. Everything else may be missing (an earlier value stays) or
empty (it is cleared), unless a source's settings require it. *Sure* says how a field is known: documented by the
vendor, observed in a public integration, or inferred.
"""


def _row(field: Field) -> str:
    name = f"**{field.name}**" if field.identifies else field.name
    also = ", ".join(field.aliases)
    length = str(field.length or "")
    meaning = field.meaning + (" (personal data)" if field.personal else "")
    limits = f"; {', '.join(field.only)} only" if field.only else ""
    return f"| {name} | {also} | {field.type} | {length} | {field.column} | {field.sure} | {meaning}{limits} |"


def _table(fields: Iterable[Field]) -> list[str]:
    head = "| field | also | type | length | column | sure | meaning |"
    return [head, "|---|---|---|---|---|---|---|", *(_row(f) for f in fields), ""]


def _places(table: FieldTable, group: Group) -> str:
    inside = [k.title for k in table.kinds.values() if k.has_group(group.name)]
    inside += [g.title for g in table.groups.values() if group.name in {x.name for x in g.groups}]
    return ", ".join(inside)


def reference_page(table: FieldTable) -> str:
    """The page as Markdown."""
    lines = [_HEAD]
    for kind in table.kinds.values():
        names = ", ".join(f"`{n}`" for n in (kind.root, *kind.records, *kind.containers))
        lines += [f"## {kind.title}", "", f"Elements: {names}. XSD: `schemas/{kind.kind}.xsd`.", ""]
        if kind.reconstructed:
            lines += ["Reconstructed: the vendor publishes no field table for it.", ""]
        lines += _table(kind.fields)
    for group in table.groups.values():
        lines += [
            f"## {group.title}: `{group.name}`",
            "",
            f"In: {_places(table, group)}. Table `{group.table}`.",
            "",
        ]
        lines += _table(group.fields)
    return "\n".join(lines).rstrip("\n") + "\n"
