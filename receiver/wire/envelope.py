"""SOAP envelopes, 1.1 and 1.2: which one it is, what its headers demand, and what the body's element was called."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from lxml import etree

from receiver.errors import NotUnderstood, Unreadable

from .parser import local_name, namespace


class Soap(Enum):
    """A SOAP version, by the namespace of its envelope."""

    V11 = "http://schemas.xmlsoap.org/soap/envelope/"
    V12 = "http://www.w3.org/2003/05/soap-envelope"


@dataclass(frozen=True)
class Envelope:
    """How a push came wrapped: its SOAP version (None: plain XML), and its outermost own element."""

    soap: Soap | None = None
    operation: str | None = None
    operation_namespace: str = ""


_OURS = {
    Soap.V11: ("actor", frozenset({"", "http://schemas.xmlsoap.org/soap/actor/next"})),
    Soap.V12: (
        "role",
        frozenset(
            {
                "",
                "http://www.w3.org/2003/05/soap-envelope/role/next",
                "http://www.w3.org/2003/05/soap-envelope/role/ultimateReceiver",
            }
        ),
    ),
}


def soap_of(root: etree._Element) -> Soap | None:
    """The SOAP version whose envelope ``root`` is, or None when it is no envelope."""
    if local_name(root) != "Envelope":
        return None
    try:
        return Soap(namespace(root))
    except ValueError:
        raise Unreadable(
            "The Envelope is of no SOAP version that is known: 1.1 or 1.2.",
            reason="soap_version",
            line=root.sourceline,
        ) from None


_BEFORE = b"\0 \t\r\n\xef\xbb\xbf\xfe\xff"
_PROLOGUE = rb"(?:\s++|<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>\[]*+(?:\[.*?\]\s*+)?>)*+"
_OPENING = re.compile(_PROLOGUE + rb"<(?:([\w.\-]+):)?Envelope\b([^>]*)", re.DOTALL)


def soap_by_look(body: bytes) -> Soap | None:
    """The SOAP version that bytes seem to be in when they are not parsed at all; None when unsure."""
    opening = _OPENING.match(body.lstrip(_BEFORE).replace(b"\0", b""))
    if opening is None:
        return None
    declaration = rb"xmlns:" + re.escape(opening[1]) if opening[1] else rb"xmlns"
    declared = re.search(rb"\s" + declaration + rb"""\s*=\s*(?:"([^"<]*)"|'([^'<]*)')""", opening[2])
    name = declared[declared.lastindex or 0] if declared else b""
    return next((soap for soap in Soap if soap.value.encode() == name), None)


def check_header(header: etree._Element, soap: Soap) -> None:
    """Raise NotUnderstood for a header block meant for us that must be understood; we understand none."""
    role_name, ours = _OURS[soap]
    must = header.get(f"{{{soap.value}}}mustUnderstand", "").strip()
    role = header.get(f"{{{soap.value}}}{role_name}", "").strip()
    if must in ("1", "true") and role in ours:
        raise NotUnderstood(
            f"The SOAP header {local_name(header)} must be understood, and is not.",
            reason="must_understand",
            line=header.sourceline,
        )
