"""A push read from its bytes: the envelope it came in, and its records one by one, in bounded memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from lxml import etree

from receiver.errors import Unreadable
from receiver.fields import Kind

from .completion import expand_completion, shared
from .envelope import Envelope, Soap, check_header, soap_by_look, soap_of
from .names import RootNames
from .parser import Limits, events, local_name, namespace
from .record import Record
from .whole import MOST_BYTES, read_whole

_SNIPPET = 60
_MOST_IN_HEADER = 10_000
_MOST_REMEMBERED = 500
# What stands around records counts for each of them: it may add this many times what was sent.
_MOST_REPEATED = 10
_FREE_ELEMENTS, _FREE_TEXT = 10_000, 1024 * 1024


@dataclass
class _Frame:
    """An open element that is a record, or turns out to hold records: ``container`` by its name or by what it holds.

    ``depth`` is its own, the root's being 1. ``kind`` is None for an outermost element of an unknown name, which may
    only wrap records. ``held`` is the number of elements inside that are kept in memory.
    """

    element: etree._Element
    depth: int
    kind: Kind | None
    container: bool
    opened: bool = False
    held: int = 0


class Records(Iterator[Record]):
    """The records of a push in document order. Where it ``is_large`` one thread alone may ask for them: what the parser
    has made in one thread cannot be given back in another."""

    def __init__(self, found: Iterator[Record], *, is_large: bool) -> None:
        self._found, self.is_large = found, is_large

    def __iter__(self) -> Iterator[Record]:
        return self._found

    def __next__(self) -> Record:
        return next(self._found)


class Reading:
    """One pass over a push. Iterate ``records()`` once; ``envelope`` is right as far as the pass has come.

    A record's element is only good until the next record is asked for.
    """

    def __init__(self, body: bytes, names: RootNames, limits: Limits) -> None:
        self.envelope = Envelope()
        self._body, self._names, self._limits = body, names, limits
        self._frames: list[_Frame] = []
        self._met: dict[str, tuple[Kind | None, Kind | None]] = {}
        self._position = 0
        self._in_header = 0
        self._elements = self._repeated_elements = self._repeated_text = 0

    def records(self) -> Records:
        """The push's records. Asking for them raises Unreadable, also after some were given."""
        return Records(self._records(), is_large=len(self._body) > MOST_BYTES)

    def _records(self) -> Iterator[Record]:
        usual = read_whole(self._body, self._names, self._limits)
        if usual is not None:
            self.envelope, record = usual
            yield record
        else:
            yield from self._one_by_one()

    def _one_by_one(self) -> Iterator[Record]:
        payload_depth, bodies = 1, 0
        for event, element, depth in self._events():
            if event == "start":
                self._elements += 1
                if depth == 1:
                    soap = soap_of(element)
                    if soap is not None:
                        self.envelope = Envelope(soap)
                        payload_depth = 3
                        continue
                if payload_depth == 3 and depth == 2:
                    bodies += self._envelope_part(element, bodies)
                elif payload_depth == 3 and depth >= 3 and bodies == 0:
                    self._header_block(element, depth)
                elif depth == payload_depth:
                    self._start_payload(element, depth)
                elif depth > payload_depth and bodies == (payload_depth == 3):
                    self._start_inside(element, depth)
            elif self._frames and self._frames[-1].element is element:
                yield from self._end_frame()
            elif payload_depth == depth == 3 and bodies == 0:
                self._release(element)
        if self.envelope.operation is None:
            raise Unreadable("The SOAP Body is missing or holds no element.", reason="empty_body")

    def _events(self) -> Iterator[tuple[str, etree._Element, int]]:
        try:
            yield from events(self._body, self._limits)
        except Unreadable:
            if self.envelope.soap is None and self.envelope.operation is None:
                # Nothing was parsed, yet what came in an envelope is answered in one.
                self.envelope = Envelope(soap_by_look(self._body))
            raise

    def _envelope_part(self, element: etree._Element, bodies: int) -> int:
        """1 if the envelope's child is its Body, 0 if its Header."""
        assert self.envelope.soap is not None  # noqa: S101
        name = local_name(element)
        if namespace(element) == self.envelope.soap.value and bodies == 0:
            if name == "Body":
                return 1
            if name == "Header" and element.getprevious() is None:
                return 0
        raise Unreadable(
            f"The SOAP Envelope holds an unexpected {name[:_SNIPPET]}: one Header at most, then one Body.",
            reason="soap_structure",
            line=element.sourceline,
        )

    def _header_block(self, element: etree._Element, depth: int) -> None:
        assert self.envelope.soap is not None  # noqa: S101
        if depth == 3:
            check_header(element, self.envelope.soap)
        self._in_header += 1
        most = min(_MOST_IN_HEADER, self._limits.record_elements)
        if self._in_header > most:
            text = f"The SOAP Header holds more than {most} elements."
            raise Unreadable(text, reason="too_many_elements")

    def _start_payload(self, element: etree._Element, depth: int) -> None:
        name = local_name(element)
        if self.envelope.operation is None:
            self.envelope = replace(self.envelope, operation=name, operation_namespace=namespace(element))
        # Wrappers vary by site and version (facts, section 3): one of an unknown name may hold known records.
        self._open(element, depth, self._names.roots.get(name.lower()))

    def _start_inside(self, element: etree._Element, depth: int) -> None:
        if not self._frames:
            return
        frame = self._frames[-1]
        frame.held += 1
        if frame.held > self._limits.record_elements:
            raise Unreadable(
                f"One record holds more than {self._limits.record_elements} elements.",
                reason="too_many_elements",
            )
        if depth != frame.depth + 1:
            return
        kind, inner = self._met.get(str(element.tag)) or self._meaning(element)
        if kind is not None and (kind == frame.kind or frame.kind is None or frame.container):
            self._open(element, depth, kind)
        elif frame.kind is None:
            raise _unknown_root(frame.element)
        elif inner == frame.kind and (frame.container or self._is_alias(frame.element)):
            self._open(element, depth, frame.kind)

    def _meaning(self, element: etree._Element) -> tuple[Kind | None, Kind | None]:
        """The kinds of the records that it is named as, and that it is named as an item of."""
        name = local_name(element).lower()
        found = self._names.roots.get(name), self._names.inner.get(name)
        if len(self._met) < _MOST_REMEMBERED:  # anyone can invent names
            self._met[str(element.tag)] = found
        return found

    def _is_alias(self, element: etree._Element) -> bool:
        """A source's own name for a root may name a record or what holds records."""
        return local_name(element).lower() in self._names.aliases

    def _open(self, element: etree._Element, depth: int, kind: Kind | None) -> None:
        self._frames.append(_Frame(element, depth, kind, local_name(element).lower() in self._names.containers))

    def _end_frame(self) -> Iterator[Record]:
        frame = self._frames.pop()
        if self._frames:
            if not len(frame.element) and _text(frame.element):
                self._frames[-1].held += frame.held
                # Text alone is no record: a field of what is around it that happens to bear the name of one.
                return
            self._frames[-1].container = self._frames[-1].opened = True
        if frame.kind is None:
            if not frame.opened:
                raise _unknown_root(frame.element)
            return
        if self._frames and _has_more_before(frame.element):
            yield from self._strays(frame.kind, frame.element.itersiblings(preceding=True))
        if frame.opened:
            yield from self._strays(frame.kind, frame.element)
        # A container that holds something, and no record, is judged as one: it may say something.
        if not frame.opened and (not frame.container or len(frame.element) or _text(frame.element)):
            for element, context in self._units(frame.element, frame.kind):
                yield self._record(frame.kind, element, context)
        self._release(frame.element)
        if self._frames:
            self._frames[-1].held = 1

    def _record(
        self, kind: Kind, element: etree._Element, context: tuple[etree._Element, ...] = (), *, stray: bool = False
    ) -> Record:
        self._position += 1
        if self._position > self._limits.records:
            raise Unreadable(f"More than {self._limits.records} records.", reason="too_many_records")
        return Record(kind, self._position, int(element.sourceline or 0), element, context, stray)

    def _strays(self, kind: Kind, elements: Iterable[etree._Element]) -> Iterator[Record]:
        """Elements among records that are none, and hold elements of their own: nothing that may say something is
        passed over with a yes. Records that were released are empty by then."""
        found = sorted((e for e in elements if len(e)), key=lambda e: e.sourceline or 0)
        for element in found:
            yield self._record(kind, element, stray=True)

    def _units(self, element: etree._Element, kind: Kind) -> list[tuple[etree._Element, tuple[etree._Element, ...]]]:
        """The records in an element, each with what counts for it too. What counts for many is counted for each."""
        if kind is not Kind.COMPLETION:
            return [(element, ())]
        units = expand_completion(element)
        uses = Counter(around for _, context in units for around in context)
        for around, times in uses.items():
            elements, characters = shared(around)
            self._repeated_elements += (times - 1) * elements
            self._repeated_text += (times - 1) * characters
        if (
            self._repeated_elements > _FREE_ELEMENTS + _MOST_REPEATED * self._elements
            or self._repeated_text > _FREE_TEXT + _MOST_REPEATED * len(self._body)
        ):
            text = "What orders say, counted for each of their bookings, is more than a push may hold."
            raise Unreadable(text, reason="too_many_elements", line=element.sourceline)
        return units

    @staticmethod
    def _release(element: etree._Element) -> None:
        """Give the memory of a finished record back, and that of the siblings before it."""
        parent = element.getparent()
        element.clear(keep_tail=False)
        if parent is not None:
            while (before := element.getprevious()) is not None:
                parent.remove(before)


def _has_more_before(element: etree._Element) -> bool:
    """Whether anything but the last record, which is empty by now, stands before the element."""
    before = element.getprevious()
    return before is not None and (len(before) > 0 or before.getprevious() is not None)


def _unknown_root(element: etree._Element) -> Unreadable:
    name = local_name(element)[:_SNIPPET]
    return Unreadable(
        f"The element {name} is not a push that is known.", reason="unknown_root", line=element.sourceline
    )


def form_of(envelope: Envelope) -> str:
    """How the push came, in words: the SOAP version and the outermost element."""
    names = {None: "plain XML", Soap.V11: "SOAP 1.1", Soap.V12: "SOAP 1.2"}
    return f"{names[envelope.soap]}, {envelope.operation}" if envelope.operation else names[envelope.soap]


def _text(element: etree._Element) -> str:
    """The element's own text without white space around it, as XML has white space."""
    return (element.text or "").strip(" \t\r\n")
