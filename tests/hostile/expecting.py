"""What must hold of every reply, whatever was sent: found out from the bytes alone, by means of its own."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from tests.support.pushes import SOAP11, SOAP12
from tests.support.receiver import Answer
from tests.support.replies import Wrapping, read_reply

_MEDIA = {"text/xml; charset=utf-8": SOAP11, "application/soap+xml; charset=utf-8": SOAP12}


def envelope_of(body: bytes) -> str | None:
    """The SOAP namespace of a well-formed document's envelope, "" for none, None when it cannot be told."""
    parser = etree.XMLParser(resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False)
    try:
        root = etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError, LookupError):
        return None
    name = etree.QName(root)
    if name.localname != "Envelope":
        return ""
    return name.namespace if name.namespace in (SOAP11, SOAP12) else ""


def wrong_reply(body: bytes, status: int, content_type: str, reply: bytes) -> Iterator[str]:
    """What is wrong with a reply to ``body``."""
    if status not in (200, 400, 422, 500):
        yield f"status {status}"
        return
    try:
        root = etree.fromstring(reply)
    except etree.XMLSyntaxError as error:
        yield f"reply is not well-formed: {error}"
        return
    name = etree.QName(root)
    soap = name.namespace if name.localname == "Envelope" else None
    wanted = envelope_of(body)
    if wanted is not None and (wanted or None) != soap:
        yield f"answered in {soap or 'no envelope'}, sent in {wanted or 'none'}"
    if soap is not None and wanted is None and soap.encode() not in body.replace(b"\0", b""):
        yield f"answered in {soap}, which the push does not name"
    yield from _wrong_form(status, content_type, soap, reply)


def _wrong_form(status: int, content_type: str, soap: str | None, reply: bytes) -> Iterator[str]:
    wrapping = Wrapping(soap)
    try:
        said = read_reply(Answer(status, {"content-type": content_type}, reply), wrapping)
    except (AssertionError, ValueError) as error:
        yield f"reply is not as the contract words it: {type(error).__name__}"
        return
    refused = 422 if wrapping is Wrapping.PLAIN else wrapping.sender_fault
    if status not in (200, 400 if wrapping is Wrapping.PLAIN else refused, refused):
        yield f"status {status} in {wrapping.name}"
    if said.fault in ("Server", "Receiver"):
        yield "a fault of ours"
    if (status == 200) != (said.status == "success"):
        yield f"status {status} says {said.status}"
