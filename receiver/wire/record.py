"""One record as it stands in a push."""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from receiver.fields import Kind


@dataclass(frozen=True)
class Record:
    """A record's kind, its ``position`` in the push from 1, its ``line`` in the bytes from 1, and its element.

    ``context`` holds the elements around it whose fields count for it too, the outermost first (form B: the order
    around a booking; facts, section 4). ``stray`` says that its name is that of no record, though it stands where one
    belongs.
    """

    kind: Kind
    position: int
    line: int
    element: etree._Element
    context: tuple[etree._Element, ...] = ()
    stray: bool = False
