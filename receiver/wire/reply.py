"""What DRS is answered, right by every reading: HTTP status, SOAP fault, and the text of ``status``."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import Enum
from functools import lru_cache
from xml.sax.saxutils import escape

from lxml import etree
from lxml.builder import ElementMaker

from .envelope import Envelope, Soap

# Beside what XML cannot hold: control characters, and those that turn the direction of a line around.
_NOT_SHOWN = re.compile("[^\t\u0020-\u007e\u00a0-\u2029\u202f-\u2065\u206a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]+")
_LONGEST = 4000
_PLACE = "\ue000"  # private: no name has it


class Verdict(Enum):
    """How a push ended, as far as its sender is concerned. The value is the HTTP status outside SOAP."""

    SUCCESS = 200
    INVALID = 422
    UNREADABLE = 400
    NOT_UNDERSTOOD = -400
    OUR_FAULT = 503


@dataclass(frozen=True)
class Reply:
    """An HTTP reply: status, media type and body."""

    status: int
    content_type: str
    body: bytes


def one_line(text: str) -> str:
    """``text`` as a single line of what XML can hold and people see, cut at a length that no log or column minds."""
    line = " ".join(_NOT_SHOWN.sub(" ", text).split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def _return(status: str, message: str | None) -> etree._Element:
    maker = ElementMaker()
    parts = [maker.id("0"), maker.status(status)]
    if message:
        parts.append(maker.errorMsg(one_line(message)))
    return maker("return", *parts)


def _bytes(element: etree._Element) -> bytes:
    return etree.tostring(element, xml_declaration=True, encoding="UTF-8")


def _http_status(verdict: Verdict, soap: Soap | None) -> int:
    sender = verdict in (Verdict.INVALID, Verdict.UNREADABLE, Verdict.NOT_UNDERSTOOD)
    if soap is not None and sender:
        return 500 if soap is Soap.V11 else 400
    return abs(verdict.value)


def _response(envelope: Envelope, result: etree._Element) -> etree._Element:
    ns = envelope.operation_namespace
    name = f"{envelope.operation}Response"
    response = etree.Element(f"{{{ns}}}{name}", nsmap={"ns": ns}) if ns else etree.Element(name)
    response.append(result)
    return response


def _fault(verdict: Verdict, soap: Soap, message: str, result: etree._Element) -> etree._Element:
    e = ElementMaker(namespace=soap.value, nsmap={"soap": soap.value})
    plain = ElementMaker()
    blame = {
        Verdict.OUR_FAULT: ("Server", "Receiver"),
        Verdict.NOT_UNDERSTOOD: ("MustUnderstand", "MustUnderstand"),
    }
    code11, code12 = blame.get(verdict, ("Client", "Sender"))
    if soap is Soap.V11:
        code, reason = plain.faultcode(f"soap:{code11}"), plain.faultstring(message)
        # SOAP 1.1, 4.4: detail speaks of the body, and must be absent when a header was at fault.
        detail = [] if verdict is Verdict.NOT_UNDERSTOOD else [plain.detail(result)]
        return e.Fault(code, reason, *detail)
    text = e.Text(message)
    text.set("{http://www.w3.org/XML/1998/namespace}lang", "en")
    return e.Fault(e.Code(e.Value(f"soap:{code12}")), e.Reason(text), e.Detail(result))


# Most replies say nothing but yes, to the few kinds of envelope that a site sends.
@lru_cache(maxsize=64)
def _yes(envelope: Envelope) -> Reply:
    return _rendered(envelope, Verdict.SUCCESS, None)


@lru_cache(maxsize=64)
def _yes_and(envelope: Envelope) -> tuple[Reply, bytes, bytes]:
    """A reply that says yes and something else, and what of it stands before and behind that."""
    reply = _rendered(envelope, Verdict.SUCCESS, _PLACE)
    before, _, behind = reply.body.rpartition(_PLACE.encode())
    return reply, before, behind


def render(envelope: Envelope, verdict: Verdict, message: str | None) -> Reply:
    """The reply to a push that came in ``envelope``: in SOAP when it came in SOAP, of the same version.

    ``message`` is what there is to say; it is made one line. Errors always say something.
    """
    if verdict is not Verdict.SUCCESS:
        return _rendered(envelope, verdict, message)
    if not message or not (said := one_line(message)):
        return _yes(envelope)
    reply, before, behind = _yes_and(envelope)
    return replace(reply, body=before + escape(said).encode() + behind)


def _rendered(envelope: Envelope, verdict: Verdict, message: str | None) -> Reply:
    success = verdict is Verdict.SUCCESS
    result = _return("success" if success else "error", message if success else message or "The push failed.")
    soap = envelope.soap
    status = _http_status(verdict, soap)
    if soap is None:
        return Reply(status, "text/xml; charset=utf-8", _bytes(result))
    if success and envelope.operation is not None:
        inner = _response(envelope, result)
    else:
        inner = _fault(verdict, soap, one_line(message or "The push failed."), result)
    e = ElementMaker(namespace=soap.value, nsmap={"soap": soap.value})
    media = "text/xml" if soap is Soap.V11 else "application/soap+xml"
    return Reply(status, f"{media}; charset=utf-8", _bytes(e.Envelope(e.Body(inner))))


def refusal(status: int, message: str) -> Reply:
    """The reply to a request that was turned away before its body was read: no envelope is known yet."""
    return Reply(status, "text/xml; charset=utf-8", _bytes(_return("error", message)))
