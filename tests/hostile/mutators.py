"""What a hostile sender does to a document: to its bytes, and to its text as XML. Each a function of chance alone."""
# ruff: noqa: RUF001 - characters that look like others are what some of these are about

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Sequence
from random import Random

from .shapes import SHAPES

Mutator = Callable[[bytes, Random], bytes]
LONGEST = 200_000
_TAG = re.compile(rb"<[^<>!?/][^<>]*>")
_NAME = re.compile(rb"</?[^<>!?/\s]+")
_LEAF = re.compile(rb">([^<>]*)</")
_SLICE = 64 * 1024

_TEXTS = (
    "24:00:00", "99999-01-01T00:00:00", "-0001-01-01T00:00:00", "2021-05-27T24:00:00", "2021-05-27T14:21:01.1234567890",
    "0001-01-01T00:00:00+14:00", "9999-12-31T24:00:00", "9999-12-31T23:59:59-14:00", " 2021-07-02T08:00:00\n",
    "30-FEB-2021 08:00", "29-Feb-1900 08:00", "31/04/2021 08:00", "٢٠٢١-٠٥-٢٧T١٤:٢١:٠١", "1" * 18, "1" * 19, "+0",
    "-", "1e9", "0x10", "１２", "99999999999999999999999", "000000000000000000000000000000000000000000000000000000001",
    "&#0;", "&#xD800;", "&#xDFFF;", "&#xFFFE;", "&#x10FFFF;", "&#x1F600;", "&#1;", "&#x85;", "&#x2028;", "&amp;#0;",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\u202egnp.exe", "a\u0300" * 50, "\ufdd0", "\u200b", "{{7*7}}",
    "${jndi:ldap://127.0.0.1/a}", "%s%n%x", "'; DROP TABLE pushes; --", "=1+1", "<script>alert(1)</script>",
    "<![CDATA[<bookingId>9</bookingId>]]>", "<![CDATA[]]]]><![CDATA[>]]>", "12<!-- -->34", "12<?x y?>34", "&who;",
    "&lt;",
    "<bookingId>1</bookingId>", "<x><y><z/></y></x>", "", " ", "\t\r\n", "x" * 300, "x" * 5_000,
)  # fmt: skip
_ATTRIBUTES = (
    'xsi:nil="true" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"',
    'xsi:type="xs:int" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"',
    'xsi:schemaLocation="a http://127.0.0.1:9/a.xsd" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"',
    'xsi:noNamespaceSchemaLocation="file:///etc/hostname" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"',
    'xml:base="http://127.0.0.1:9/"', 'xml:id="a"', 'xml:id="1"', 'xml:space="preserve"', 'xml:lang="%"', 'a:b=""',
    "a='",
    'xmlns=""', 'xmlns="urn:x"', 'xmlns="not a uri"', 'xmlns="a}b"', 'xmlns:a=""', 'xmlns:xml="x"', 'xmlns:xmlns="x"',
    f'xmlns="{"u" * 2_000}"', 'xmlns="http://schemas.xmlsoap.org/soap/envelope/"', f'a="{"v" * 20_000}"', 'a="1" a="2"',
    'xmlns:p="u" xmlns:q="u" p:a="1" q:a="1"', 'href="#1"', 'id="1"', " ".join(f'a{n}="{n}"' for n in range(300)),
    'xmlns="http://www.w3.org/2003/05/soap-envelope"', " ".join(f'xmlns:n{n}="u{n}"' for n in range(1_100)),
)  # fmt: skip
_NAMES = (
    "bookingConfirmation", "bookingCancellation", "bookingConfirmations", "completedBooking", "completedBookings",
    "unavailability", "unavailabilities", "Booking", "Bookings", "ConfirmBookings", "theOrders", "theOrder", "order",
    "theBookings", "booking", "theBookingCodes", "bookingCode", "theResources", "resource", "theBusinessData", "values",
    "Envelope", "Header", "Body", "Fault", "x", "é", "\U00010000", "a:b", "a:b:c", "bookingId", "BOOKINGID", "html",
    "xml", "_", "ns1:bookingId", "n" * 999, "n" * 1_001, "text()", "-", "1", "value", "primaryOrderNumber", "Action",
    "PeriodStart", "changedDate", "numberOfOperatives", "return", "xi:include", "İ", "ſ", "bookıngId",
)  # fmt: skip
_DOCTYPES = (
    "<!DOCTYPE a>", "<!DOCTYPE html>", '<!DOCTYPE a SYSTEM "file:///etc/hostname">', "<!DOCTYPE a [<!ENTITY who 'x'>]>",
    '<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd">', "<!DOCTYPE a PUBLIC '-//x' 'ftp://127.0.0.1:9/a'>",
    '<!DOCTYPE a [<!ENTITY who SYSTEM "file:///etc/passwd">]>',
    '<!DOCTYPE a [<!ENTITY % p SYSTEM "http://[::1]:9/"> %p;]>',
    '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;"><!ENTITY who "&b;&b;&b;&b;&b;">]>',
    '<!DOCTYPE a [<!ENTITY who "&who;">]>', '<!DOCTYPE a [<!ATTLIST bookingId x CDATA "default">]>', "<!DOCTYPE",
    "<!doctype a>",
    "<!DOCTYPE a [<!ENTITY % p '<!ENTITY who \"x\">'> %p;]>", '<!DOCTYPE a [<!NOTATION n SYSTEM "x">]>',
)  # fmt: skip
_PROLOGUES = (
    '<?xml version="1.0"?>', '<?xml version="1.1"?>', '<?xml version="2.0"?>', '<?xml version="1.0" standalone="yes"?>',
    *(f'<?xml version="1.0" encoding="{name}"?>' for name in (
        "UTF-8", "utf-8", "UTF-16", "UTF-32", "UTF-7", "US-ASCII", "ISO-8859-1", "ISO-8859-15", "windows-1252",
    "EBCDIC",
        "IBM037", "UCS-4", "Shift_JIS", "GB18030", "HZ", "x", "", "a" * 60, "utf-8\t", "cp437",
    )),
    '<?xml-stylesheet href="http://127.0.0.1:9/x.xsl" type="text/xsl"?>', "<?xml?>", " ", "\n<!-- x -->", "<?a b?>",
    "x",
    '<?xml-model href="file:///etc/hostname"?>',
)  # fmt: skip
_CODECS = (
    "utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be", "utf-7", "latin-1", "cp1252", "cp037",
    "utf-8-sig",
    "gb18030", "shift_jis", "ascii",
)  # fmt: skip
_MARKS = (
    codecs.BOM_UTF8,
    codecs.BOM_UTF16_LE,
    codecs.BOM_UTF16_BE,
    codecs.BOM_UTF32_LE,
    codecs.BOM_UTF32_BE,
    b"\x1f\x8b",
)
_BYTES = b"\0\x01<>&;\"'/=:!?-[]\x80\xbf\xc0\xed\xa0\x80\xf4\x90\xff\xfe\n\r\t "


def _span(body: bytes, chance: Random) -> tuple[int, int]:
    a = chance.randrange(len(body) + 1)
    return a, min(len(body), a + int(chance.expovariate(1 / 20)) + 1)


def _place(found: Sequence[re.Match[bytes]], body: bytes, chance: Random, group: int = 0) -> tuple[int, int]:
    return chance.choice(found).span(group) if found else _span(body, chance)


def _put(body: bytes, at: tuple[int, int], what: str | bytes) -> bytes:
    return body[: at[0]] + (what.encode() if isinstance(what, str) else what) + body[at[1] :]


# Bytes


def cut_end(body: bytes, chance: Random) -> bytes:
    return body[: chance.randrange(len(body) + 1)]


def cut_out(body: bytes, chance: Random) -> bytes:
    return _put(body, _span(body, chance), b"")


def change(body: bytes, chance: Random) -> bytes:
    a, _ = _span(body, chance)
    return _put(body, (a, a + 1), bytes([chance.choice(_BYTES) if chance.random() < 0.7 else chance.randrange(256)]))


def insert(body: bytes, chance: Random) -> bytes:
    a, _ = _span(body, chance)
    return _put(body, (a, a), bytes(chance.choice(_BYTES) for _ in range(chance.randint(1, 4))))


def double(body: bytes, chance: Random) -> bytes:
    a, b = _span(body, chance)
    return body[:b] + body[a:b] * chance.choice([1, 2, 10, 300]) + body[b:]


def swap(body: bytes, chance: Random) -> bytes:
    a, b = sorted((chance.randrange(len(body) + 1), chance.randrange(len(body) + 1)))
    return body[:a] + body[b:] + body[a:b]


def mark(body: bytes, chance: Random) -> bytes:
    return chance.choice(_MARKS) + body


def recode(body: bytes, chance: Random) -> bytes:
    """In another encoding than it says, or says nothing of."""
    text = body.decode("utf-8", errors="replace").lstrip("\ufeff")
    return text.encode(chance.choice(_CODECS), errors="replace")


def across_a_slice(body: bytes, chance: Random) -> bytes:
    """Pushed so far down that it lies across what is read at a time."""
    return b" " * max(0, _SLICE * chance.choice([1, 2]) - chance.randrange(len(body) + 1)) + body


# XML


def prologue(body: bytes, chance: Random) -> bytes:
    without = re.sub(rb"^\s*<\?xml[^>]*\?>", b"", body)
    return chance.choice(_PROLOGUES).encode() + (without if chance.random() < 0.8 else body)


def doctype(body: bytes, chance: Random) -> bytes:
    root = _TAG.search(body)
    at = root.start() if root else 0
    return _put(body, (at, at), chance.choice(_DOCTYPES))


def hidden_doctype(body: bytes, chance: Random) -> bytes:
    """A DOCTYPE where a search of the bytes does not find it."""
    return recode(doctype(text(body, chance), chance), chance)


def text(body: bytes, chance: Random) -> bytes:
    return _put(body, _place(list(_LEAF.finditer(body)), body, chance, 1), chance.choice(_TEXTS))


def attribute(body: bytes, chance: Random) -> bytes:
    _, at = _place(list(_NAME.finditer(body)), body, chance)
    return _put(body, (at, at), " " + chance.choice(_ATTRIBUTES))


def rename(body: bytes, chance: Random) -> bytes:
    """An element by another name, its end tag too."""
    found = list(_NAME.finditer(body))
    if not found:
        return body
    name = chance.choice(found).group().strip(b"</")
    new = (
        chance.choice(_NAMES) if chance.random() < 0.6 else chance.choice(found).group().strip(b"</").decode("latin-1")
    )
    boundary = rb"(?=[\s/>])" if chance.random() < 0.9 else b""
    return re.sub(rb"(</?)" + re.escape(name) + boundary, lambda m: m.group(1) + new.encode(), body)


def element(body: bytes, chance: Random) -> bytes:
    """An element before, inside or around others."""
    at, end = _place(list(_TAG.finditer(body)), body, chance)
    name, inside = chance.choice(_NAMES), chance.choice(_TEXTS)
    place = chance.choice([at, end])
    return _put(body, (place, place), f"<{name}>{inside}</{name}>" * chance.choice([1, 1, 1, 2, 40]))


def _balanced(body: bytes, chance: Random) -> tuple[int, int] | None:
    """From a start tag to the end tag of its name, near enough."""
    found = list(_TAG.finditer(body))
    if not found:
        return None
    start = chance.choice(found)
    name = start.group()[1:-1].split()[:1]
    end = body.find(b"</" + name[0] + b">", start.end()) if name else -1
    return (start.start(), end + len(name[0]) + 3) if end >= 0 else start.span()


def repeat(body: bytes, chance: Random) -> bytes:
    found = _balanced(body, chance)
    if found is None:
        return body
    return _put(body, (found[1], found[1]), body[found[0] : found[1]] * chance.choice([1, 1, 2, 5, 30, 120]))


def move(body: bytes, chance: Random) -> bytes:
    """An element somewhere else, or there too."""
    found = _balanced(body, chance)
    if found is None:
        return body
    what = body[found[0] : found[1]]
    rest = body if chance.random() < 0.5 else _put(body, found, b"")
    place = _place(list(_TAG.finditer(rest)), rest, chance)[chance.randrange(2)]
    return _put(rest, (place, place), what)


def nest(body: bytes, chance: Random) -> bytes:
    found = _balanced(body, chance)
    if found is None:
        return body
    name, depth = chance.choice(_NAMES), chance.choice([1, 1, 2, 30, 60, 64, 300, 1_000])
    return _put(body, found, f"<{name}>".encode() * depth + body[slice(*found)] + f"</{name}>".encode() * depth)


def wrap(body: bytes, chance: Random) -> bytes:
    """In one more envelope, its header, or another wrapper."""
    inner = re.sub(rb"^\s*<\?xml[^>]*\?>", b"", body)
    soap = chance.choice(
        ["http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope", "urn:x"]
    )
    part = chance.choice(["Body", "Body", "Body", "Header"])
    more = chance.choice(["", "", "<e:Body/>", '<e:Header><h e:mustUnderstand="1"/></e:Header>'])
    first = chance.choice(["", "<e:Header/>", '<e:Header><h e:mustUnderstand="true" e:role="x"/></e:Header>'])
    before = f'<e:Envelope xmlns:e="{soap}">{first}<e:{part}>'
    return before.encode() + inner + f"</e:{part}>{more}</e:Envelope>".encode()


def _shapes() -> list[str]:
    return sorted(set(SHAPES) - {"texts", "text_too_long"})


def shape(_body: bytes, chance: Random) -> bytes:
    """One of the shapes that cost most, at a small size."""
    return SHAPES[chance.choice(_shapes())](int(chance.choice([600, 2_000, 20_000])))


OF_BYTES: tuple[Mutator, ...] = (cut_end, cut_out, change, insert, double, swap, mark, recode, across_a_slice)
OF_XML: tuple[Mutator, ...] = (
    prologue, doctype, hidden_doctype, text, text, text, attribute, attribute, rename, rename, element, element, repeat,
    repeat, move, nest, wrap,
)  # fmt: skip


def _once(body: bytes, chance: Random) -> bytes:
    if chance.random() < 0.2:
        return chance.choice(OF_BYTES)(body, chance)
    for bom, codec in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if body.startswith(bom):
            plain = body[2:].decode(codec, errors="replace").encode("utf-8", errors="replace")
            after = chance.choice(OF_XML)(plain, chance)
            return bom + after.decode("utf-8", errors="replace").encode(codec, errors="replace")
    return chance.choice(OF_XML)(body, chance)


def mutated(body: bytes, other: bytes, chance: Random) -> bytes:
    """``body`` after a few mutations; now and then spliced with ``other``, or another document altogether."""
    if chance.random() < 0.003:
        return shape(body, chance)
    if chance.random() < 0.05:
        a, b = chance.randrange(len(body) + 1), chance.randrange(len(other) + 1)
        body = body[:a] + other[b:]
    for _ in range(min(6, 1 + int(chance.expovariate(0.8)))):
        body = _once(body, chance)[:LONGEST]
    return body
