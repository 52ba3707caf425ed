"""The field table: what the vendor documents, and everything made from it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

import pytest
import xmlschema
from lxml import etree
from sqlalchemy import JSON, BigInteger, Column, Table, Text

from receiver.fields import Field, FieldType, Group, Kind, KindTable, field_table
from receiver.fields.reference import reference_page
from receiver.fields.xsd import XSD, schema_files
from receiver.messages.absence import absence_columns
from receiver.messages.booking import booking_columns
from receiver.store.tables import Tables, build_tables
from receiver.store.types import UtcDateTime

ROOT = Path(__file__).parents[2]
TABLE = field_table()
TABLES: Tables = build_tables(TABLE)
PARTS: list[KindTable | Group] = [*TABLE.kinds.values(), *TABLE.groups.values()]
EVERY_FIELD = [pytest.param(part, f, id=f"{part.title}-{f.name}") for part in PARTS for f in part.fields]
NS = {"xs": XSD}

# What the vendor documents, written down once more: name -> type and length, * for what identifies.
WORDS = {"id": FieldType.BOOKING_ID, "text": FieldType.TEXT, "date": FieldType.DATETIME, "integer": FieldType.INTEGER}
DOCUMENTED: dict[str, str] = {
    "confirmation": """
        bookingId* id 50, primaryOrderNumber* text 50, secondaryOrderNumber text 50, tertiaryOrderNumber text 50,
        tokenId text 50, planningWindowStart date, planningWindowEnd date, targetDate date, bookingReason text 50,
        bookingSequence text 50, originalBookingId text 50, numberOfOperatives integer, userId text 50,
        changedDate date, contract text 50""",
    "cancellation": """
        bookingId* id 50, primaryOrderNumber* text 50, secondaryOrderNumber text 50, tertiaryOrderNumber text 50,
        tokenId text 50, planningWindowStart date, planningWindowEnd date, targetDate date, userId text 50,
        changedDate date, contract text 50""",
    "unavailability": """
        Action text 50, ResourceId* text 50, OperativeId text 50, PeriodStart* date, PeriodEnd* date, Reason text 50,
        Comments text 50""",
    "theBookingCodes": """
        orderId integer, bookingId integer, bookingCodeSORCode* text 50, primaryOrderNumber text 50, quantity text 50,
        standardMinuteValue text 50, itemNumberWithinBooking text 50, itemValue text 50, trade text 50,
        bookingCodeDescription text 250, comments text 250, reference text 50""",
}
# Seen on the wire or pieced together; the vendor documents no table: names, and * for what identifies.
RECONSTRUCTED: dict[str, str] = {
    "confirmation": "locationID",
    "completion": """
        bookingId* orderId tokenId primaryOrderNumber* planningWindowStart planningWindowEnd userId bookingReason
        contract taskLifeCycleStatus taskCompletionStatus taskCompletionDate assignedStart assignedEnd operatorComments
        plannerComments""",
    "theOrder": """
        orderId primaryOrderNumber secondaryOrderNumber tertiaryOrderNumber contract locationID priority targetDate
        earliestBookingDate orderComments userId message orderComplete status""",
    "theLocation": """
        locationId name address1 address2 address3 address4 address5 postCode city country contract agency latitude
        longitude workflowType""",
    "theBusinessData": "name description mandatory defaultValue dataTypeList type value values",
    "theResources": "resourceID externalResourceCode resourceName",
    "theBookingCodes": "quantityUsed timeRemaining",
}


def part(name: str) -> KindTable | Group:
    return TABLE.kinds[Kind(name)] if name in list(Kind) else TABLE.groups[name]


# The facts


@pytest.mark.parametrize("name", DOCUMENTED)
def test_the_vendor_s_fields_have_the_vendor_s_types_and_lengths(name: str) -> None:
    written = [line.split() for line in DOCUMENTED[name].split(",")]
    expected = [
        (words[0].rstrip("*"), WORDS[words[1]], int(words[2]) if words[2:] else None, words[0].endswith("*"))
        for words in written
    ]
    found = [(f.name, f.type, f.length, f.identifies) for f in part(name).fields if f.sure == "documented"]
    assert found == expected


@pytest.mark.parametrize("name", RECONSTRUCTED)
def test_the_other_fields_are_marked_as_observed_or_inferred(name: str) -> None:
    others = [f for f in part(name).fields if f.sure != "documented"]
    assert sorted(f.name + "*" * f.identifies for f in others) == sorted(RECONSTRUCTED[name].split())
    assert {f.sure for f in others} <= {"observed", "inferred"}


def test_no_part_of_the_table_is_without_a_transcript() -> None:
    assert set(DOCUMENTED) | set(RECONSTRUCTED) == {*Kind, *TABLE.groups}


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("bookingLifeCycleStatus", "taskLifeCycleStatus"),
        ("bookingCompletionStatus", "taskCompletionStatus"),
        ("bookingCode", "bookingCodeSORCode"),
        ("itemNumber", "itemNumberWithinBooking"),
    ],
)
def test_fields_have_the_other_names_of_the_facts(alias: str, name: str) -> None:
    assert [f.name for p in PARTS for f in p.fields if alias in f.aliases] == [name]


def test_roots_and_containers_are_those_of_the_facts() -> None:
    names = {kind: {e.root, *e.records, *e.containers, *e.inner_records} for kind, e in TABLE.kinds.items()}
    assert names[Kind.CONFIRMATION] >= {"bookingConfirmation", "ConfirmBookings", "Bookings", "Booking"}
    assert names[Kind.CANCELLATION] >= {"bookingCancellation"}
    assert names[Kind.COMPLETION] >= {"bookingCompletion", "completedBooking", "completedBookings"}
    assert names[Kind.UNAVAILABILITY] >= {"unavailability", "unavailabilityNotification", "unavailabilities"}
    for kind, entry in TABLE.kinds.items():
        assert entry.containers, kind


def test_names_do_not_clash_when_case_is_not_looked_at() -> None:
    for p in PARTS:
        names = [n.lower() for f in p.fields for n in (f.name, *f.aliases)]
        names += [n.lower() for g in p.groups for n in (g.name, *g.aliases)]
        assert len(names) == len(set(names)), p.title
    roots = [n.lower() for e in TABLE.kinds.values() for n in (e.root, *e.records, *e.containers)]
    assert len(roots) == len(set(roots))


def test_what_may_be_of_a_person_is_marked() -> None:
    """Every free text and every name of a person; a new field that sounds like one must say so too."""
    sounds = re.compile(
        r"comment|userid|resourcename|address|postcode|latitude|longitude|message|reason", re.IGNORECASE
    )
    unmarked = {f.name for p in PARTS for f in p.fields if sounds.search(f.name) and not f.personal}
    assert unmarked == {"bookingReason"}


# Columns


def _tables_of(p: KindTable | Group) -> list[Table]:
    of_kind = {Kind.UNAVAILABILITY: [TABLES.unavailabilities], Kind.COMPLETION: [TABLES.completions]}
    if isinstance(p, KindTable):
        return of_kind.get(p.kind, [TABLES.bookings])
    return [TABLES.metadata.tables[p.table]]


def _column(p: KindTable | Group, f: Field) -> Column[object]:
    [table] = _tables_of(p)
    assert f.column in table.columns, f"{table.name} has no column {f.column}"
    found: Column[object] = table.columns[f.column]
    return found


@pytest.mark.parametrize(("of", "f"), EVERY_FIELD)
def test_every_field_has_its_column(of: KindTable | Group, f: Field) -> None:
    kind = _column(of, f).type
    match f.type:
        case FieldType.DATETIME:
            assert isinstance(kind, UtcDateTime)
        case FieldType.INTEGER:
            assert isinstance(kind, BigInteger)
        case FieldType.TEXT | FieldType.BOOKING_ID:
            assert isinstance(kind, Text)
        case FieldType.TEXTS:
            assert isinstance(kind, JSON)
    if not f.identifies:
        assert _column(of, f).nullable


def test_no_two_fields_of_one_table_share_a_column() -> None:
    for table, parts in _by_table().items():
        columns = [f.column for p in parts for f in p.fields]
        assert len(columns) == len(set(columns)), table


def _by_table() -> dict[str, list[KindTable | Group]]:
    found: dict[str, list[KindTable | Group]] = {}
    for p in PARTS:
        # A cancellation's fields are a confirmation's, and share its columns.
        if p is not TABLE.kinds[Kind.CANCELLATION]:
            found.setdefault(_tables_of(p)[0].name, []).append(p)
    return found


def test_bookings_and_absences_know_which_columns_are_theirs() -> None:
    """The fold reads these lists: a field that is in neither would be sent, stored and never shown."""
    booked = {f.column for k in (Kind.CONFIRMATION, Kind.CANCELLATION) for f in TABLE.kinds[k].fields}
    assert {*booking_columns(TABLE), "booking_id", "changed_at"} == booked
    absent = {f.column for f in TABLE.kinds[Kind.UNAVAILABILITY].fields}
    assert {*absence_columns(TABLE), "resource_id", "period_start", "period_end"} == absent


# XSDs


def _schema(kind: Kind) -> etree._Element:
    return etree.fromstring(schema_files(TABLE)[f"{kind}.xsd"])


def _one(found: object) -> etree._Element:
    assert isinstance(found, list)
    assert len(found) == 1, found
    element = found[0]
    assert isinstance(element, etree._Element)
    return element


def _declared(root: etree._Element, path: Sequence[str]) -> etree._Element:
    """The element declaration at a path of names from the record down."""
    at = root
    for n, name in enumerate(path):
        step = "xs:element" if n == 0 else "xs:complexType/xs:sequence/xs:element"
        at = _one(at.xpath(f"{step}[@name=$name]", namespaces=NS, name=name))
    return at


def _walk(p: KindTable | Group, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Field]]:
    for f in p.fields:
        yield path, f
    for group in p.groups:
        yield from _walk(group, (*path, group.name))


IN_XSD = [
    pytest.param(kind, path, f, id="/".join([*path, f.name]))
    for kind, entry in TABLE.kinds.items()
    for path, f in _walk(entry, (entry.root,))
]


@pytest.mark.parametrize(("kind", "path", "f"), IN_XSD)
def test_every_field_has_its_element_with_its_type_and_length(kind: Kind, path: tuple[str, ...], f: Field) -> None:
    root = _schema(kind)
    element = _declared(root, [*path, f.name])
    assert element.get("minOccurs") == ("1" if f.identifies else "0")
    assert element.get("maxOccurs", "1") == "1"
    assert f.meaning in "".join(str(t) for t in element.itertext())
    name = str(element.get("type"))
    if f.type is FieldType.TEXTS:
        return
    declared = _one(root.xpath("xs:simpleType[@name=$name]", namespaces=NS, name=name))
    most = [int(str(e.get("value"))) for e in declared.iter(f"{{{XSD}}}maxLength")]
    assert most == ([f.length] if f.length else [50] if f.type is FieldType.INTEGER else [])


def _valid(kind: Kind, changes: Iterable[tuple[str, str]]) -> tuple[bool, bool]:
    """Whether lxml and xmlschema take the least record with these changes."""
    entry, document = TABLE.kinds[kind], etree.Element(TABLE.kinds[kind].root)
    values = {f.name: "2021-07-02T08:00:00" if f.type is FieldType.DATETIME else "1" for f in entry.identifying}
    values |= dict(changes)
    for f in entry.fields:
        if f.name in values:
            etree.SubElement(document, f.name).text = values[f.name]
    source = etree.tostring(_schema(kind), encoding="unicode")
    by_xmlschema = xmlschema.XMLSchema(source).is_valid(etree.tostring(document, encoding="unicode"))
    return etree.XMLSchema(_schema(kind)).validate(document), by_xmlschema


@pytest.mark.parametrize("kind", list(Kind))
def test_the_schemas_are_schemas_to_both_and_take_the_least_record(kind: Kind) -> None:
    assert _valid(kind, []) == (True, True)
    assert xmlschema.XMLSchema.meta_schema is not None
    xmlschema.XMLSchema.meta_schema.validate(etree.tostring(_schema(kind), encoding="unicode"))


@pytest.mark.parametrize(
    ("kind", "name", "value", "valid"),
    [
        (Kind.CANCELLATION, "tokenId", "x" * 50, True),
        (Kind.CANCELLATION, "tokenId", "x" * 51, False),
        (Kind.CANCELLATION, "tokenId", "", True),
        (Kind.CANCELLATION, "bookingId", "007", True),
        (Kind.CANCELLATION, "bookingId", "", False),
        (Kind.CANCELLATION, "bookingId", "x", False),
        (Kind.CANCELLATION, "bookingId", "\u0662", False),
        (Kind.CANCELLATION, "bookingId", "9" * 50, True),
        (Kind.CANCELLATION, "bookingId", "9" * 51, False),
        (Kind.CANCELLATION, "primaryOrderNumber", "L835574", True),
        (Kind.CANCELLATION, "primaryOrderNumber", " ", False),
        (Kind.CANCELLATION, "changedDate", "01-JUN-2005 13:30", True),
        (Kind.CANCELLATION, "changedDate", "01-Apr-2021 07:56:59", True),
        (Kind.CANCELLATION, "changedDate", "14/06/2016 13:53:38", True),
        (Kind.CANCELLATION, "changedDate", "2021-05-27T14:21:01.5+01:00", True),
        (Kind.CANCELLATION, "changedDate", "", True),
        (Kind.CANCELLATION, "changedDate", "06/14/2016 13:53:38", False),
        (Kind.CONFIRMATION, "numberOfOperatives", "2", True),
        (Kind.CONFIRMATION, "numberOfOperatives", "", True),
        (Kind.CONFIRMATION, "numberOfOperatives", "2.0", False),
        (Kind.CONFIRMATION, "numberOfOperatives", "\u0662", False),
        (Kind.CONFIRMATION, "numberOfOperatives", "-" + "0" * 31 + "9" * 18, True),
        (Kind.CONFIRMATION, "numberOfOperatives", "-" + "0" * 32 + "9" * 18, False),
        (Kind.CONFIRMATION, "numberOfOperatives", "9" * 19, False),
        (Kind.CONFIRMATION, "locationID", "x" * 1000, True),
        (Kind.UNAVAILABILITY, "Comments", "x" * 51, False),
        (Kind.UNAVAILABILITY, "PeriodEnd", "", False),
    ],
)
def test_the_schemas_say_what_the_vendor_says(kind: Kind, name: str, value: str, valid: bool) -> None:
    assert _valid(kind, [(name, value)]) == (valid, valid)


def test_the_completion_says_that_it_is_reconstructed() -> None:
    said = {kind: "reconstructed" in "".join(str(t) for t in _schema(kind).itertext()) for kind in Kind}
    assert said == {kind: kind is Kind.COMPLETION for kind in Kind}


# What is on disk


def test_the_schemas_on_disk_are_those_of_the_table() -> None:
    found = {path.name: path.read_bytes() for path in (ROOT / "schemas").iterdir()}
    assert found == schema_files(TABLE)


def test_the_reference_page_on_disk_is_that_of_the_table() -> None:
    assert (ROOT / "docs" / "fields.md").read_text(encoding="utf-8") == reference_page(TABLE)


@pytest.mark.parametrize(("of", "f"), EVERY_FIELD)
def test_every_field_has_its_line_in_the_reference(of: KindTable | Group, f: Field) -> None:
    page = reference_page(TABLE)
    [section] = [
        s for s in page.split("\n## ") if s.splitlines()[0] in (of.title, f"{of.title}: `{getattr(of, 'name', '')}`")
    ]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("| ")
    ]
    [row] = [r for r in rows if r[0].strip("*") == f.name]
    assert row[1:6] == [", ".join(f.aliases), f.type, str(f.length or ""), f.column, f.sure]
    assert row[6].startswith(f.meaning)
    assert row[0].startswith("**") == f.identifies


def test_the_table_is_read_once() -> None:
    assert field_table() is TABLE
    assert set(chain.from_iterable([p.name for p in e.groups] for e in TABLE.kinds.values())) < set(TABLE.groups)
