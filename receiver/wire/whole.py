"""The usual push, read at once: small, and one record that stands alone in what is around it.

Most pushes are that, and reading them event by event costs several times as much. What is anything else, or wrong, is
None here and read the careful way, so that there is one place that judges it.
"""

from __future__ import annotations

from typing import cast

from lxml import etree

from receiver.errors import Unreadable
from receiver.fields import Kind

from .encoding import encoding_of
from .envelope import Envelope, Soap
from .names import RootNames
from .parser import SAFE, Limits
from .record import Record

MOST_BYTES = 64 * 1024
_MOST_ATTRIBUTES = 100
# From one tag to the next: so no name is longer.
_LONGEST = 1_000
_DEEP = 8  # more than anything known needs
_is_deep = etree.XPath(f"boolean({'/*' * _DEEP})")
_has_attributes = etree.XPath("boolean(descendant-or-self::*/@*)")
_SOAPS = {f"{{{soap.value}}}Envelope": soap for soap in Soap}
# A completion's records may stand around each other (facts, section 4).
_KINDS = frozenset({Kind.CONFIRMATION, Kind.CANCELLATION, Kind.UNAVAILABILITY})


def read_whole(body: bytes, names: RootNames, limits: Limits) -> tuple[Envelope, Record] | None:
    """The envelope and the one record of a push that is plainly that; None for all others. Never raises."""
    if not _is_harmless(body, limits):
        return None
    root = _parse(body)
    if root is None or _is_deep(root):
        return None
    soap = _SOAPS.get(str(root.tag))
    payload = root if soap is None else _payload(root, soap)
    if payload is None:
        return None
    namespace, name = _split(str(payload.tag))
    record = _record(payload, name, names)
    if record is None:
        return None
    # Nothing is said by one; and a validator would look for what some of them name.
    if _has_attributes(record):
        for element in record.iter():
            element.attrib.clear()
    kind = names.roots[_split(str(record.tag))[1].lower()]
    return Envelope(soap, name, namespace), Record(kind, 1, int(record.sourceline or 0), record)


def _is_harmless(body: bytes, limits: Limits) -> bool:
    """Whether no limit can be passed, whatever the body turns out to be."""
    return (
        len(body) <= MOST_BYTES
        and body.count(b"<") <= min(limits.elements, limits.record_elements)
        and body.count(b"=") <= _MOST_ATTRIBUTES
        and limits.depth >= _DEEP
        and b"<!DOCTYPE" not in body
        and max(map(len, body.split(b"<"))) <= _LONGEST
        and b"\0" not in body
    )


def _parse(body: bytes) -> etree._Element | None:
    try:
        parser: etree.XMLParser = etree.XMLParser(encoding=encoding_of(body), **SAFE)
        return etree.fromstring(body, parser)
    except (Unreadable, etree.XMLSyntaxError, ValueError):
        return None


def _payload(root: etree._Element, soap: Soap) -> etree._Element | None:
    """The one element in the Body of an envelope whose Header, if any, is empty."""
    parts = list(root)
    if len(parts) == 2 and parts[0].tag == f"{{{soap.value}}}Header" and not len(parts[0]):
        del parts[0]
    if len(parts) != 1 or parts[0].tag != f"{{{soap.value}}}Body" or len(parts[0]) != 1:
        return None
    return parts[0][0]


def _record(payload: etree._Element, name: str, names: RootNames) -> etree._Element | None:
    """The payload, or its only child, if that is a record with nothing in it that could be one."""
    kind = names.roots.get(name.lower())
    if kind not in _KINDS or not len(payload):
        return None
    found = payload
    if len(payload) == 1:
        inner = _split(str(payload[0].tag))[1].lower()
        if inner in names.roots:
            # Text alone is no record: a field of what is around it that happens to bear the name of one.
            if names.roots[inner] is not kind or not len(payload[0]):
                return None
            found = payload[0]
            name = inner
    return found if name.lower() not in names.containers and _is_plain(found, names) else None


def _is_plain(record: etree._Element, names: RootNames) -> bool:
    """Whether none of its children is called what a record is."""
    tags = cast("list[str]", [child.tag for child in record])
    others = {tag.rpartition("}")[2].lower() for tag in tags}
    return names.roots.keys().isdisjoint(others) and names.inner.keys().isdisjoint(others)


def _split(tag: str) -> tuple[str, str]:
    """Namespace, empty for none, and local name."""
    namespace, _, name = tag.rpartition("}")
    return namespace[1:], name
