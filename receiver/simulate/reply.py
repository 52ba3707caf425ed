"""A reply read strictly: yes is only what is yes by every reading of it (facts, section 1)."""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

_LONGEST = 300


@dataclass(frozen=True)
class Answer:
    """What came back: HTTP status and body, or why there is neither. ``connected``: the connection was taken."""

    status: int | None = None
    body: bytes = b""
    error: str = ""
    connected: bool = True


@dataclass(frozen=True)
class Outcome:
    """``accepted`` only where HTTP status, absence of a fault and ``status`` all say so; ``text`` is for the log.

    ``held``: accepted, but some of it waits for a person.
    """

    accepted: bool
    text: str
    held: bool = False
    connected: bool = True


def _parse(body: bytes) -> etree._Element | None:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        return etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError):
        return None


def _texts(root: etree._Element, name: str) -> list[str]:
    return [(e.text or "").strip() for e in root.iter("{*}" + name)]


def read_reply(answer: Answer) -> Outcome:
    """What the reply says. Accepted is HTTP 200, well-formed XML, no fault, and ``success`` in every ``status``."""
    if answer.status is None:
        return Outcome(False, answer.error or "no reply", connected=answer.connected)
    root = _parse(answer.body)
    if root is None:
        return Outcome(False, f"HTTP {answer.status}, no XML")
    fault = next(root.iter("{*}Fault"), None)
    said = " ".join(_texts(root, "errorMsg"))[:_LONGEST]
    if fault is not None:
        words = " ".join([*_texts(root, "faultstring"), *_texts(root, "Text")]) or said
        return Outcome(False, f"HTTP {answer.status}, fault: {words}"[:_LONGEST])
    statuses = _texts(root, "status")
    if answer.status != 200 or not statuses or any(s != "success" for s in statuses):
        words = ", ".join(s or "empty" for s in statuses) or "no status"
        return Outcome(False, f"HTTP {answer.status}, {words}: {said}"[:_LONGEST])
    return Outcome(True, f"success: {said}" if said else "success", held="held" in said.lower())
