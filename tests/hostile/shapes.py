"""Documents that cost more than they look: each shape, grown to a number of bytes.

Most are valid XML; what they share is that something in them comes without end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count, islice, product

from tests.support.pushes import CANCELLATION, CODE, CONFIRMATION, SOAP11, element, fields

Shape = Callable[[int], bytes]
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_IDS = element("bookingId", "1") + element("primaryOrderNumber", "A1")


def names() -> Iterator[str]:
    """The shortest names, each once."""
    for length in count(1):
        yield from map("".join, product(_LETTERS, repeat=length))


def fill(before: str, of: Callable[[int], str], after: str, size: int) -> bytes:
    """``of(1)``, ``of(2)`` and so on between the two, as many as ``size`` bytes hold."""
    parts, left = [before], size - len(before) - len(after)
    for number in count(1):
        part = of(number)
        left -= len(part.encode())
        if left < 0:
            break
        parts.append(part)
    return "".join([*parts, after]).encode()


def repeated(before: str, part: str, after: str, size: int) -> bytes:
    """The same part as often as ``size`` bytes hold."""
    times = (size - len(before) - len(after)) // len(part.encode())
    return (before + part * times + after).encode()


def record(inside: str) -> tuple[str, str]:
    """A cancellation with ``inside`` in it still open: what stands before, and after."""
    return f"<bookingCancellation>{_IDS}{inside}", "</bookingCancellation>"


def _of_record(part: str) -> Shape:
    return lambda size: repeated(record("")[0], part, record("")[1], size)


def _in_field(name: str, part: str) -> Shape:
    root = "unavailability" if name in ("Comments", "PeriodStart") else "bookingConfirmation"
    return lambda size: repeated(f"<{root}>{_IDS}<{name}>", part, f"</{name}></{root}>", size)


def many_records(size: int) -> bytes:
    """Honest bulk: a booking each."""

    def one(number: int) -> str:
        return element("bookingCancellation", fields({**CANCELLATION, "bookingId": str(number)}))

    return fill("<bookingCancellations>", one, "</bookingCancellations>", size)


def many_confirmations(size: int) -> bytes:
    """Honest bulk of the usual size of record."""

    def one(number: int) -> str:
        codes = element("theBookingCodes", fields(CODE))
        return element("bookingConfirmation", fields({**CONFIRMATION, "bookingId": str(number)}) + codes)

    return fill("<bookingConfirmations>", one, "</bookingConfirmations>", size)


def bad_records(size: int) -> bytes:
    """Every record with something wrong in most of its fields."""
    one = element("bookingConfirmation", fields(dict.fromkeys(CONFIRMATION, "x" * 60)))
    return repeated("<bookingConfirmations>", one, "</bookingConfirmations>", size)


def empty_records(size: int) -> bytes:
    return repeated("<bookingCancellations>", "<bookingCancellation/>", "</bookingCancellations>", size)


def leaves_named_as_records(size: int) -> bytes:
    """Records of text alone, which are none: fields of what is around them."""
    part = "<bookingCancellation>x</bookingCancellation>"
    return repeated("<bookingCancellations>", part, "</bookingCancellations>", size)


def bad_codes(size: int) -> bytes:
    """One record, and every code in it wrong."""
    part = element("theBookingCodes", "<bookingId>x</bookingId>")
    return repeated(f"<bookingConfirmation>{_IDS}", part, "</bookingConfirmation>", size)


def bad_items(size: int) -> bytes:
    """The same in the other wrapper."""
    part = element("bookingCode", "<bookingId>x</bookingId>")
    before = f"<bookingConfirmation>{_IDS}<theBookingCodes>"
    return repeated(before, part, "</theBookingCodes></bookingConfirmation>", size)


def repeated_codes(size: int) -> bytes:
    """Codes that each say the same field many times."""
    part = element("theBookingCodes", "<bookingId>1</bookingId>" * 50)
    return repeated(f"<bookingConfirmation>{_IDS}", part, "</bookingConfirmation>", size)


def strays(size: int) -> bytes:
    """What looks like a record among records, and is none."""
    return repeated("<bookingCancellations>", "<x><y/></x>", "<bookingCancellation/></bookingCancellations>", size)


def strays_between(size: int) -> bytes:
    part = "<x><y/></x>" * 3 + element("bookingCancellation", _IDS)
    return repeated("<bookingCancellations>", part, "</bookingCancellations>", size)


def unknown_names(size: int) -> bytes:
    found = names()
    before, after = record("")
    return fill(before, lambda _: f"<{next(found)}/>", after, size)


def attributes(size: int) -> bytes:
    """One element of nothing but attributes."""
    found = names()
    return fill("<bookingCancellation ", lambda _: f'{next(found)}="" ', f">{_IDS}</bookingCancellation>", size)


def attributes_in_tags(size: int) -> bytes:
    """The same in many elements, each shorter than what a parser takes for too long."""
    tag = "<x " + "".join(f'{name}="" ' for name in islice(names(), 100_000)) + "/>"
    return repeated(*_around(tag), size)


def attributes_each(size: int) -> bytes:
    """Many elements of many attributes."""
    tag = "<x " + "".join(f'{name}="" ' for name in islice(names(), 52)) + "/>"
    return repeated(*_around(tag), size)


def _around(part: str) -> tuple[str, str, str]:
    before, after = record("")
    return before, part, after


def declarations(size: int) -> bytes:
    """One element of nothing but namespaces."""
    found = names()
    after = f">{_IDS}</bookingCancellation>"
    return fill("<bookingCancellation ", lambda _: f'xmlns:{next(found)}="u" ', after, size)


def declarations_nested(size: int) -> bytes:
    """Namespaces at every depth, then elements in the outermost one."""
    found = names()
    depth = 50
    share = size // 2 // depth
    opened = []
    for _ in range(depth):
        part = [f'xmlns:{next(found)}="u"' for _ in range(share // 12)]
        opened.append(f"<x {' '.join(part)}>")
    before = record("")[0] + "".join(opened)
    after = "</x>" * depth + record("")[1]
    return repeated(before, "<a:b/>", after, size)


def declarations_each(size: int) -> bytes:
    """An element, and a namespace of its own, again and again."""
    return _of_record('<a:b xmlns:a="u"/>')(size)


def wrong_namespaces(size: int) -> bytes:
    """Names of namespaces that are no URIs: a parser has something to say of each."""
    return _of_record('<x xmlns:a="% %"/>')(size)


def long_namespace(size: int) -> bytes:
    """One namespace with a very long name, and everything in it."""
    name = "u" * min(size // 2, 9_000_000)
    return repeated(f'<bookingCancellation xmlns="{name}">', "<b/>", "</bookingCancellation>", size)


def undeclared_prefixes(size: int) -> bytes:
    return _of_record("<x a:b=''/>")(size)


def long_name(size: int) -> bytes:
    name = "n" * 49_000
    return repeated(*_around(f"<{name}/>"), size)


def long_envelope_name(size: int) -> bytes:
    name = "n" * min(size // 3, 49_998)
    inner = f"<{name}>{element('bookingCancellation', _IDS)}</{name}>"
    return f'<e:Envelope xmlns:e="{SOAP11}"><e:Body>{inner}</e:Body></e:Envelope>'.encode()


def header(size: int) -> bytes:
    """An envelope that is all header."""
    before = f'<e:Envelope xmlns:e="{SOAP11}"><e:Header>'
    after = f"</e:Header><e:Body>{element('bookingCancellation', _IDS)}</e:Body></e:Envelope>"
    return repeated(before, "<x/>", after, size)


def header_nested(size: int) -> bytes:
    before = f'<e:Envelope xmlns:e="{SOAP11}"><e:Header><h>'
    after = f"</h></e:Header><e:Body>{element('bookingCancellation', _IDS)}</e:Body></e:Envelope>"
    return repeated(before, "<x/> ", after, size)


def header_demands(size: int) -> bytes:
    before = f'<e:Envelope xmlns:e="{SOAP11}"><e:Header>'
    after = f"</e:Header><e:Body>{element('bookingCancellation', _IDS)}</e:Body></e:Envelope>"
    return repeated(before, '<x e:mustUnderstand="1" e:actor="a"/>', after, size)


def deep(size: int) -> bytes:
    """As deep as is taken, again and again."""
    return _of_record("<x>" * 62 + "</x>" * 62)(size)


def too_deep(size: int) -> bytes:
    return ("<x>" * (size // 3)).encode()


def comments(size: int) -> bytes:
    return _in_field("userId", "<!---->")(size)


def comments_in_text(size: int) -> bytes:
    return _in_field("userId", "a<!---->")(size)


def comments_before(size: int) -> bytes:
    return repeated("", "<!---->", element("bookingCancellation", _IDS), size)


def comments_between(size: int) -> bytes:
    return _of_record("<!----><x/>")(size)


def one_comment(size: int) -> bytes:
    before, after = record("<!--")
    return repeated(before, "x" * 100, "-->" + after, size)


def instructions(size: int) -> bytes:
    return _in_field("userId", "a<?b?>")(size)


def cdata(size: int) -> bytes:
    return _in_field("userId", "<![CDATA[a]]>")(size)


def cdata_empty(size: int) -> bytes:
    return _in_field("userId", "<![CDATA[]]>")(size)


def references(size: int) -> bytes:
    return _in_field("userId", "&#65;")(size)


def named_references(size: int) -> bytes:
    return _in_field("userId", "&lt;")(size)


def references_in_attribute(size: int) -> bytes:
    before, after = record('<x a="')
    return repeated(before, "&#65;", '"/>' + after, min(size, 9_000_000))


def text(size: int) -> bytes:
    """One value as long as a parser takes."""
    return _in_field("userId", "x" * 100)(min(size, 9_900_000))


def texts(size: int) -> bytes:
    """Values as long as a parser takes, as many as fit."""
    value = element("userId", "x" * 9_900_000)
    return repeated(f"<bookingConfirmation>{_IDS}", value, "</bookingConfirmation>", max(size, 9_990_000))


def text_too_long(size: int) -> bytes:
    return _in_field("userId", "x" * 100)(max(size, 10_100_000))


def digits(size: int) -> bytes:
    return _in_field("changedDate", "1")(min(size, 9_900_000))


def zeros(size: int) -> bytes:
    return _in_field("numberOfOperatives", "0")(min(size, 9_900_000))


def long_id(size: int) -> bytes:
    return _in_field("bookingId", "1")(min(size, 9_900_000))


def fraction(size: int) -> bytes:
    """A valid time of very many digits."""
    inside = "<ResourceId>1</ResourceId><PeriodEnd>2021-07-02T08:00:00</PeriodEnd>"
    before = f"<unavailability>{inside}<PeriodStart>2021-07-02T08:00:00."
    return repeated(before, "1", "</PeriodStart></unavailability>", min(size, 9_900_000))


def blank(size: int) -> bytes:
    return _in_field("primaryOrderNumber", " ")(min(size, 9_900_000))


def blanks_between(size: int) -> bytes:
    return _of_record("\n")(min(size, 9_900_000))


def blanks_before(size: int) -> bytes:
    return repeated("", "\n", element("bookingCancellation", _IDS), size)


def blanks_in_tag(size: int) -> bytes:
    before, after = record("<x")
    return repeated(before, " ", "/>" + after, size)


def values(size: int) -> bytes:
    """A list of repeated values without end."""
    before = f"<bookingCompletion>{_IDS}<theBusinessData><values>"
    return repeated(before, "<value/>", "</values></theBusinessData></bookingCompletion>", size)


def orders(size: int) -> bytes:
    """Form B: bookings of one order, which says much."""
    order = "".join(f"<x{n}>y</x{n}>" for n in range(2_000))
    before = f"<completedBooking><theOrders><order><primaryOrderNumber>A1</primaryOrderNumber>{order}<theBookings>"
    after = "</theBookings></order></theOrders></completedBooking>"
    return repeated(before, "<booking><bookingId>1</bookingId></booking>", after, size)


def orders_just_so(size: int) -> bytes:
    """The same, of a size that is still taken."""
    order = "".join(f"<x{n}>y</x{n}>" for n in range(100))
    before = f"<completedBooking><theOrders><order><primaryOrderNumber>A1</primaryOrderNumber>{order}<theBookings>"
    after = "</theBookings></order></theOrders></completedBooking>"
    return repeated(before, "<booking><bookingId>1</bookingId></booking>", after, min(size, 6_500))


def wide_text(size: int) -> bytes:
    """Elements with text around each: twice as many nodes."""
    return _of_record("<x>y</x>z")(size)


def twin_fields(size: int) -> bytes:
    """One field again and again."""
    return _of_record("<userId>a</userId>")(size)


def groups(size: int) -> bytes:
    """A group that may stand once, again and again."""
    part = "<theOrder><status>a</status></theOrder>"
    return repeated(f"<bookingCompletion>{_IDS}", part, "</bookingCompletion>", size)


def action_fields(size: int) -> bytes:
    inside = (
        "<ResourceId>1</ResourceId><PeriodEnd>2021-07-02T08:00</PeriodEnd><PeriodStart>2021-07-02T07:00</PeriodStart>"
    )
    return repeated(f"<unavailability>{inside}<Action>", "New ", "</Action></unavailability>", min(size, 9_900_000))


HONEST: dict[str, Shape] = {f.__name__: f for f in (many_records, many_confirmations)}
SHAPES: dict[str, Shape] = {
    f.__name__: f
    for f in (
        action_fields, attributes, attributes_each, attributes_in_tags, bad_codes, bad_items, bad_records, blank,
        blanks_before, blanks_between, blanks_in_tag, cdata, cdata_empty, comments, comments_before, comments_between,
        comments_in_text, declarations, declarations_each, declarations_nested, deep, digits, empty_records, fraction,
        groups, header, header_demands, header_nested, instructions, leaves_named_as_records, long_envelope_name,
        long_id, long_name, long_namespace, named_references, one_comment, orders, orders_just_so, references,
        references_in_attribute, repeated_codes, strays, strays_between, text, text_too_long, texts, too_deep,
        twin_fields, undeclared_prefixes, unknown_names, values, wide_text, wrong_namespaces, zeros,
    )
}  # fmt: skip
