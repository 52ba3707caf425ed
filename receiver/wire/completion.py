"""Form B: one completion holds orders, each with bookings; each booking is a record of its own (facts, section 4)."""

from __future__ import annotations

from lxml import etree

from .parser import local_name


def _children(element: etree._Element, wrapper: str, item: str) -> list[etree._Element]:
    """Items under ``wrapper`` elements, or the wrappers themselves where they hold fields directly, or bare items."""
    found: list[etree._Element] = []
    for child in element:
        name = local_name(child).lower()
        if name == item:
            found.append(child)
        elif name == wrapper:
            items = [c for c in child if local_name(c).lower() == item]
            found.extend(items or ([child] if len(child) else []))
    return found


# Elements of a completion that hold other records, not fields of this one.
AROUND = frozenset({"theorders", "order", "thebookings", "booking"})


def shared(context: etree._Element) -> tuple[int, int]:
    """The elements and characters of what stands around bookings and counts for each of them."""
    elements = characters = 0
    for child in context:
        if local_name(child).lower() not in AROUND:
            for inner in child.iter():
                elements += 1
                characters += len(inner.text or "")
    return elements, characters


def expand_completion(root: etree._Element) -> list[tuple[etree._Element, tuple[etree._Element, ...]]]:
    """Each booking of each order with the order (and the root) as its context, then those that stand in no order.

    A completion without orders or bookings is itself the record; so is an order without bookings, in which case
    what is missing is said of it.
    """
    orders = _children(root, "theorders", "order")
    around: list[tuple[etree._Element, tuple[etree._Element, ...]]] = [(order, (root,)) for order in orders]
    if not orders or _children(root, "thebookings", "booking"):
        around.append((root, ()))
    units: list[tuple[etree._Element, tuple[etree._Element, ...]]] = []
    for order, outer in around:
        bookings = _children(order, "thebookings", "booking")
        units.extend((booking, (*outer, order)) for booking in bookings)
        if not bookings:
            units.append((order, outer))
    return units
