"""Strategies for any document that the field table allows, in every form, with what must be read from it.

Driven by the field table: a new field or group is covered by being in it. Nothing here uses the code that reads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from hypothesis import strategies as st

from receiver.fields import Field, FieldType, Group, Kind, KindTable, field_table

from .pushes import BACKGROUND, SOAP11, SOAP12
from .values import Sent, field_values, texts
from .writing import ENCODINGS, Look, Node, prefixed

NEC = "http://www.sx3.com/XMB-CONFIRM-BOOKINGS"
SOAPS = {"1.1": SOAP11, "1.2": SOAP12}
ORDER = "theOrder"
NUMBER = "primaryOrderNumber"
_UNKNOWN = ("messageId", "Foo.bar-1", "é_x")

Values = dict[str, object]
ValuesOf = Callable[[Field], st.SearchStrategy[Sent]]


@dataclass(frozen=True)
class Part:
    """Elements, and the values they stand for."""

    nodes: list[Node] = field(default_factory=list)
    values: Values = field(default_factory=dict)


@dataclass(frozen=True)
class Document:
    """A push: its bytes, and what they say. ``soap`` is "1.1", "1.2" or "" for plain; ``operation`` as spelled."""

    body: bytes
    kind: Kind
    records: tuple[Values, ...]
    soap: str
    operation: str
    namespace: str


# Fields and groups


def _unknown(look: Look, names: Sequence[str]) -> st.SearchStrategy[Part]:
    """Elements that no table knows: texts, empty ones, nested ones, and repeated ones."""

    def part(name: str, text: str, shape: int) -> Part:
        leaf = Node("inner", text, exact=True)
        shapes: list[tuple[list[Node], object]] = [
            ([Node(name, text, exact=True)], text),
            ([Node(name, "", exact=True)], None),
            ([Node(name, [leaf, Node("Other", exact=True)], exact=True)], {"inner": text, "Other": None}),
            ([Node(name, text, exact=True), Node(name, "0", exact=True)], [text, "0"]),
        ]
        nodes, value = shapes[shape]
        return Part(nodes, {name: value})

    found = st.builds(part, st.sampled_from(names), texts(20), st.integers(0, 3))
    return st.just(Part()) if not look.chance(0.3) else found


def _field_node(look: Look, found: Field, content: str | Sequence[Node]) -> Node:
    return Node(look.pick((found.name, *found.aliases)), content)


@st.composite
def _repeated_texts(draw: st.DrawFn) -> tuple[str | list[Node], list[str] | None]:
    """A wrapper of ``value`` elements, or the one text in its place."""
    found = draw(st.lists(st.just("") | texts(20), max_size=3))
    if len(found) == 1 and found[0].strip(" \t\r\n") and draw(st.booleans()):
        return found[0], found
    return [Node("value", text) for text in found], found or None


@cache
def _some(fields: tuple[Field, ...]) -> st.SearchStrategy[list[Field]]:
    """A few of the fields, or all."""
    if not fields:
        return st.just([])
    return st.lists(st.sampled_from(fields), unique=True, max_size=5) | st.just(list(fields))


@st.composite
def _fields(draw: st.DrawFn, fields: Sequence[Field], look: Look, values: ValuesOf) -> Part:
    """Some of the fields, or all; those that identify always; empty ones among the others."""
    optional = [f for f in fields if not f.identifies]
    some = draw(_some(tuple(optional)))
    part = Part()
    for f in [f for f in fields if f.identifies or f in some]:
        if f.type is FieldType.TEXTS:
            content, value = draw(_repeated_texts())
            part.nodes.append(_field_node(look, f, content))
            part.values[f.name] = value
        elif not f.identifies and draw(st.integers(0, 5)) == 0:
            part.nodes.append(_field_node(look, f, ""))
            part.values[f.name] = None
        else:
            sent = draw(values(f))
            part.nodes.append(_field_node(look, f, sent.wire))
            part.values[f.name] = sent.value
    return part


def _joined(*parts: Part) -> Part:
    return Part([n for p in parts for n in p.nodes], {k: v for p in parts for k, v in p.values.items()})


@st.composite
def _many(draw: st.DrawFn, group: Group, look: Look, values: ValuesOf) -> Part:
    """A list: the wrapper repeated with direct fields, or wrappers of items; an empty wrapper for an empty list."""
    entries = draw(st.lists(_inside(group, look, values).filter(lambda p: bool(p.nodes)), max_size=3))
    name = look.pick((group.name, *group.aliases))
    listed = [look.shuffled(e.nodes) for e in entries]
    wrapped = draw(st.sampled_from(["repeated", "one", "each"])) if listed else "one"
    if wrapped == "repeated":
        nodes = [Node(name, inside) for inside in listed]
    elif wrapped == "one":
        nodes = [Node(name, [Node(group.item, inside) for inside in listed])]
    else:
        nodes = [Node(name, [Node(group.item, inside)]) for inside in listed]
    return Part(nodes, {group.name: [e.values for e in entries]})


@st.composite
def _one(draw: st.DrawFn, group: Group, look: Look, values: ValuesOf) -> Part:
    inside = draw(_inside(group, look, values))
    return Part([Node(group.name, look.shuffled(inside.nodes))], {group.name: inside.values})


@st.composite
def _inside(draw: st.DrawFn, part: KindTable | Group, look: Look, values: ValuesOf) -> Part:
    """What stands inside a record or group. A completion's order is put in by others."""
    groups = [g for g in part.groups if g.name != ORDER and draw(st.booleans())]
    return _joined(
        draw(_fields(part.fields, look, values)),
        *[draw((_many if g.many else _one)(g, look, values)) for g in groups],
        draw(_unknown(look, [n for n in _UNKNOWN if look.can_name(n)])),
    )


# Records


def _order_values(*of: Values) -> Values:
    """What is said of an order, the nearest first."""
    return {k: v for values in reversed(of) for k, v in values.items()}


def _with_order(values: Values, order: Values) -> Values:
    number = {NUMBER: order[NUMBER]} if values.get(NUMBER) is None and NUMBER in order else {}
    return {**values, **number, **({ORDER: order} if order else {})}


@st.composite
def _flat_completion(draw: st.DrawFn, look: Look, values: ValuesOf) -> Part:
    """A completion of one booking: what it says of the order stands beside its own, or in an element of its own."""
    entry = field_table().kinds[Kind.COMPLETION]
    own = draw(_inside(entry, look, values))
    if draw(st.booleans()):
        return own
    group = entry.group(ORDER)
    order = draw(_inside(group, look, values))
    if draw(st.booleans()):
        element = Node(ORDER, look.shuffled(order.nodes))
        return Part([*own.nodes, element], _with_order(own.values, order.values))
    known = {f.name for f in entry.fields} | {g.name for g in entry.groups}
    beside = {f.name for f in group.fields} | {g.name for g in group.groups}
    names = (beside - known) & set(order.values)
    nodes = [n for n in order.nodes if n.name in names]
    return Part([*own.nodes, *nodes], _with_order(own.values, {n: order.values[n] for n in names}))


@st.composite
def _form_b(draw: st.DrawFn, look: Look, values: ValuesOf) -> tuple[Node, list[Values]]:
    """``completedBooking`` with orders, each with bookings; what these say counts where a booking is silent."""
    entry = field_table().kinds[Kind.COMPLETION]
    group = entry.group(ORDER)
    of_order = {f.name for f in group.fields}
    of_booking = [f for f in entry.fields if f.name not in of_order and not f.identifies]
    root = draw(_fields([f for f in group.fields if f.name != NUMBER], look, values))
    orders, records = [], []
    for _ in range(draw(st.integers(1, 2))):
        own = draw(_inside(group, look, values))
        number = next(f for f in entry.fields if f.name == NUMBER)
        if not str(own.values.get(NUMBER) or "").strip(" \t\r\n"):
            own = Part([n for n in own.nodes if n.name != NUMBER], {k: v for k, v in own.values.items() if k != NUMBER})
            own = _joined(own, draw(_fields([number], look, values)))
        shared = draw(_fields(of_booking, look, values))
        bookings = []
        for _ in range(draw(st.integers(1, 2))):
            booking = draw(_inside(entry, look, values))
            if draw(st.booleans()):
                kept = {k: v for k, v in booking.values.items() if k != NUMBER}
                booking = Part([n for n in booking.nodes if n.name != NUMBER], kept)
            bookings.append(look.shuffled(booking.nodes))
            merged = {**shared.values, **booking.values}
            records.append(_with_order(merged, _order_values(own.values, root.values)))
        inside = [*own.nodes, *shared.nodes, *_listed(look, "theBookings", "booking", bookings)]
        orders.append(look.shuffled(inside))
    name = look.pick(["completedBooking", "bookingCompletion"])
    return Node(name, look.shuffled([*root.nodes, *_listed(look, "theOrders", "order", orders)])), records


def _listed(look: Look, wrapper: str, item: str, found: Sequence[list[Node]]) -> list[Node]:
    """One wrapper of items, a wrapper for each, wrappers with the fields directly, or bare items."""
    items = [Node(item, inside) for inside in found]
    ways = [
        [Node(wrapper, items)],
        [Node(wrapper, [i]) for i in items],
        [replace(i, name=wrapper) for i in items],
        items,
    ]
    return look.pick(ways)


# Documents


def record_names(kind: Kind) -> tuple[str, ...]:
    """Names of one record, wherever it stands."""
    entry = field_table().kinds[kind]
    return (entry.root, *entry.records)


def _forms(kind: Kind) -> list[str]:
    extra = {Kind.COMPLETION: ["B"], Kind.CONFIRMATION: ["C"]}
    return ["plain", "A", *extra.get(kind, [])]


@st.composite
def _payload(
    draw: st.DrawFn, kind: Kind, form: str, look: Look, values: ValuesOf, most: int
) -> tuple[Node, list[Values], str]:
    """The outermost own element, the records in it, and the namespace that the form calls for."""
    entry = field_table().kinds[kind]
    if form == "B":
        found = draw(st.lists(_form_b(look, values), min_size=1, max_size=max(1, most // 4)))
        records = [r for _, of in found for r in of]
        nodes = [n for n, _ in found]
        container = Node("completedBookings", nodes)
        return (nodes[0] if len(nodes) == 1 and draw(st.booleans()) else container), records, ""
    one = _flat_completion(look, values) if kind is Kind.COMPLETION else _inside(entry, look, values)
    parts = draw(st.lists(one, min_size=1, max_size=most))
    listed, records = [look.shuffled(p.nodes) for p in parts], [p.values for p in parts]
    if form == "C":
        bookings = [Node("Booking", inside) for inside in listed]
        return (
            look.pick([Node("ConfirmBookings", [Node("Bookings", bookings)]), Node("Bookings", bookings)]),
            records,
            NEC,
        )
    names = record_names(kind)
    if form == "A":
        outer = draw(st.sampled_from([*names, *entry.containers]))
        return Node(outer, [Node(look.pick(names), i) for i in listed]), records, BACKGROUND
    if len(listed) == 1 and draw(st.booleans()):
        return Node(draw(st.sampled_from(names)), listed[0]), records, ""
    inner = (*names, *entry.inner_records)
    outer = draw(st.sampled_from(entry.containers))
    return Node(outer, [Node(look.pick(inner), i) for i in listed]), records, ""


def _namespaced(look: Look, payload: Node, namespace: str, form: str, inherited: bool) -> tuple[Node, str]:
    """The payload in a namespace, its children in none (form A) or in the same. ``inherited``: a default namespace of
    the envelope must be undone."""
    undone = 'xmlns=""' if inherited else ""
    if not namespace and not look.chance(0.2):
        return replace(payload, attributes=undone), ""
    namespace = namespace or "urn:any"
    children = [] if isinstance(payload.content, str) else list(payload.content)
    prefix = look.pick(["ns1", "n", "_x.1"])
    if form == "C":
        if look.chance(0.5):
            return replace(prefixed(payload, prefix), attributes=f'xmlns:{prefix}="{namespace}"'), namespace
        return replace(payload, attributes=f'xmlns="{namespace}"'), namespace
    if look.chance(0.5):
        free = [replace(c, attributes='xmlns=""') for c in children]
        return replace(payload, attributes=f'xmlns="{namespace}"', content=free), namespace
    return replace(payload, prefix=prefix, attributes=f'{undone} xmlns:{prefix}="{namespace}"'), namespace


def _enveloped(look: Look, payload: Node, soap: str, prefix: str) -> Node:
    """A SOAP envelope around the payload, with headers that need not be understood."""
    names = SOAPS[soap]
    declared = f'xmlns:{prefix}="{names}"' if prefix else f'xmlns="{names}"'
    block = Node("trace", [Node("bookingConfirmation", "x")], exact=True, attributes='xmlns="urn:t"')
    one = [Node("Header", [block] if look.chance(0.3) else "", exact=True, prefix=prefix)]
    body = Node("Body", [payload], exact=True, prefix=prefix)
    return Node("Envelope", [*look.pick([one, []]), body], exact=True, prefix=prefix, attributes=declared)


@st.composite
def documents(
    draw: st.DrawFn,
    kinds: Sequence[Kind] = tuple(Kind),
    *,
    values: ValuesOf = field_values,
    most: int = 3,
) -> Document:
    """Any push of at most ``most`` records (form B: a few more) whose values come from ``values``."""
    encoding = ENCODINGS[draw(st.sampled_from(sorted(ENCODINGS)))]
    look = Look(draw(st.integers(0, 2**20)), encoding)
    kind = draw(st.sampled_from(kinds))
    form = draw(st.sampled_from(_forms(kind)))
    payload, records, namespace = draw(_payload(kind, form, look, values, most))
    soap = draw(st.sampled_from(["1.1", "1.2"] if form == "A" else ["", "1.1", "1.2"]))
    prefix = look.pick(["soapenv", "S", "", "e"])
    root, namespace = _namespaced(look, payload, namespace, form, inherited=bool(soap) and not prefix)
    root = replace(root, name=look.spelled(root.name), exact=True)
    tree = _enveloped(look, root, soap, prefix) if soap else root
    return Document(look.document(tree), kind, tuple(records), soap, root.name, namespace)
