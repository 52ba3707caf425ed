"""One record cut out of a stored push, so that it can be read, and put right, alone; and a person's text as bytes."""

from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import dataclass
from itertools import pairwise

from lxml import etree

from receiver.errors import Unreadable

from .completion import AROUND
from .names import RootNames
from .parser import Limits, events, local_name
from .reading import Reading
from .record import Record
from .redaction import Numbered, is_erased

_ENCODING = re.compile(r"""^(<\?xml\b[^>]*?)\s+encoding\s*=\s*(?:"[^"]*"|'[^']*')""")


@dataclass(frozen=True)
class Cut:
    """One record as XML that can be read alone, with what stands around it as far as that counts for it.

    ``line`` is where it begins in the push, from 1. Comments and attributes, which say nothing in a push, are left out.
    """

    text: str
    line: int


@dataclass(frozen=True)
class _Wanted:
    """The record's element and those around it that count for it, by their numbers, and what the record says."""

    element: int
    context: frozenset[int]
    said: tuple[object, ...]
    line: int


def cut(body: bytes, names: RootNames, limits: Limits, position: int) -> Cut | None:
    """The record at ``position``; None when there is none, or nothing is left of it but its place.

    Raises Unreadable where the bytes end to be readable before it.
    """
    wanted = _find(body, names, limits, position)
    if wanted is None:
        return None
    path = _path(body, limits, wanted)
    texts = [_written(element) for element in _candidates(path)]
    for text in texts:
        if _said_alone(text, names, limits) == wanted.said:
            return Cut(text, wanted.line)
    # Something that is no record where records are: what was around it tells what it may have been meant to be.
    return Cut(texts[-1], wanted.line)


def _find(body: bytes, names: RootNames, limits: Limits, position: int) -> _Wanted | None:
    reading = Numbered(body, names, limits)
    for record in reading.records():
        if record.position == position:
            if is_erased(record):
                return None
            around = frozenset(reading.number(e) for e in record.context)
            return _Wanted(reading.number(record.element), around, _said(record), record.line)
    return None


def _said(record: Record) -> tuple[object, ...]:
    """What a record says, however it is wrapped."""
    around = tuple(_plain(c) for e in record.context for c in e if local_name(c).lower() not in AROUND)
    return record.kind, record.stray, _plain(record.element), around


def _plain(element: etree._Element) -> tuple[object, ...]:
    return tuple((str(e.tag), e.text or "", len(e)) for e in element.iter())


def _said_alone(text: str, names: RootNames, limits: Limits) -> tuple[object, ...] | None:
    """What the only record in ``text`` says; None when there is none, or more than one."""
    found: list[tuple[object, ...]] = []
    try:
        found.extend(_said(record) for record in Reading(text.encode(), names, limits).records())
    except Unreadable:
        return None
    return found[0] if len(found) == 1 else None


@dataclass(frozen=True)
class _Step:
    """An element on the way to the record, and whether what it says counts for the record too."""

    element: etree._Element
    counts: bool


def _path(body: bytes, limits: Limits, wanted: _Wanted) -> list[_Step]:
    """The elements from the outermost to the record, without what is about other records; in bounded memory."""
    path: list[_Step] = []
    open_: list[_Step] = []
    kept = 0
    number = 0
    for event, element, _ in events(body, limits):
        if event == "start":
            number += 1
            is_kept = number == wanted.element or number in wanted.context
            kept += is_kept
            open_.append(_Step(element, is_kept))
            if number == wanted.element:
                path = [*open_]
            continue
        step = open_.pop()
        kept -= step.counts
        if not kept:
            _release(element, path)
        if path and step.element is path[0].element:
            break
    for step, following in pairwise(path):
        _prune(step, following.element)
    return path


def _release(element: etree._Element, path: list[_Step]) -> None:
    """Give the memory of what is not wanted back; an element itself cannot be taken out while it is being read."""
    on_path = [step.element for step in path]
    if any(element is found for found in on_path):
        return
    element.clear(keep_tail=False)
    parent = element.getparent()
    while parent is not None and (before := element.getprevious()) is not None:
        if any(before is found for found in on_path):
            return
        parent.remove(before)


def _prune(step: _Step, following: etree._Element) -> None:
    for child in list(step.element):
        if child is not following and (not step.counts or local_name(child).lower() in AROUND):
            step.element.remove(child)


def _candidates(path: list[_Step]) -> list[etree._Element]:
    """The record with what counts for it, then with more and more around it; an envelope is never needed."""
    payload = 2 if local_name(path[0].element) == "Envelope" and len(path) > 2 else 0
    first = next(n for n, step in enumerate(path) if step.counts)
    return [step.element for step in path[payload : first + 1]][::-1]


def _written(element: etree._Element) -> str:
    alone = deepcopy(element)
    alone.tail = None
    etree.cleanup_namespaces(alone)
    return etree.tostring(alone, encoding="unicode")


def text_bytes(text: str) -> bytes:
    """What a person has written as the bytes of a push: UTF-8, whatever its declaration said of the bytes it was."""
    lines = text.lstrip("\ufeff").replace("\r\n", "\n")
    return _ENCODING.sub(r"\1", lines).encode("utf-8", errors="replace")
