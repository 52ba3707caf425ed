"""XSDs made from the field table: each kind's canonical form, alone or as a part of the service description."""

from __future__ import annotations

from lxml import etree
from lxml.builder import ElementMaker

from . import patterns
from .table import Field, FieldTable, FieldType, Group, Kind, KindTable

XSD = "http://www.w3.org/2001/XMLSchema"
_X = ElementMaker(namespace=XSD, nsmap={"xs": XSD})
_RECONSTRUCTED = "The vendor publishes no field table for this record: it is reconstructed from observed messages."


def type_name(field: Field) -> str:
    """The XSD type of a field, e.g. ``Text50``; fields that identify have one that refuses emptiness."""
    match field.type:
        case FieldType.TEXT:
            base = f"Text{field.length or ''}"
        case FieldType.INTEGER:
            base = "Integer"
        case FieldType.DATETIME:
            base = "DateTime"
        case FieldType.BOOKING_ID:
            return "BookingId"
        case FieldType.TEXTS:
            return "Texts"
    return base + "Required" if field.identifies else base


def _documented(element: etree._Element, text: str) -> etree._Element:
    element.insert(0, _X.annotation(_X.documentation(text)))
    return element


def _restriction(name: str, doc: str, found: list[tuple[str, str]]) -> etree._Element:
    facets = [etree.Element(f"{{{XSD}}}{facet}", value=value) for facet, value in found]
    return _documented(_X.simpleType(_X.restriction(*facets, base="xs:string"), name=name), doc)


def _simple_type(name: str, field: Field) -> etree._Element:
    empty = [] if field.identifies else [("pattern", "")]
    length = [("maxLength", str(field.length))] if field.length else []
    match field.type:
        case FieldType.TEXT:
            blank = [("pattern", patterns.not_blank())] if field.identifies else []
            most = f"at most {field.length} characters" if field.length else "any length"
            return _restriction(name, f"Text of {most}, kept as sent.", length + blank)
        case FieldType.INTEGER:
            number = [("pattern", patterns.integer()), ("maxLength", "50")]
            return _restriction(name, "A whole number of at most 18 digits.", number + empty)
        case FieldType.DATETIME:
            forms = [("pattern", p) for p in patterns.datetime_patterns()]
            doc = "DD-MMM-YYYY HH:MM[:SS], ISO 8601, or DD/MM/YYYY HH:MM[:SS]; local time of the site without a zone."
            return _restriction(name, doc, forms + empty)
        case FieldType.BOOKING_ID | FieldType.TEXTS:
            found = [*length, ("pattern", patterns.booking_id())]
            return _restriction(name, "Text holding an integer; leading zeros are kept.", found)


def _texts_type() -> etree._Element:
    value = _X.element(name="value", type="xs:string", minOccurs="0", maxOccurs="unbounded")
    return _documented(_X.complexType(_X.sequence(value), name="Texts"), "Repeated values.")


def _element(field: Field, prefix: str) -> etree._Element:
    found = _X.element(name=field.name, type=prefix + type_name(field), minOccurs="1" if field.identifies else "0")
    return _documented(found, field.meaning)


def _group_element(group: Group, prefix: str) -> etree._Element:
    parts = [_element(f, prefix) for f in group.fields] + [_group_element(g, prefix) for g in group.groups]
    most = "unbounded" if group.many else "1"
    element = _X.element(_X.complexType(_X.sequence(*parts)), name=group.name, minOccurs="0", maxOccurs=most)
    return _documented(element, f"{group.title}.")


def record_element(kind: KindTable, prefix: str = "") -> etree._Element:
    """The declaration of one record in canonical form. ``prefix`` goes before type names, e.g. ``tns:``."""
    parts = [_element(f, prefix) for f in kind.fields] + [_group_element(g, prefix) for g in kind.groups]
    element = _X.element(_X.complexType(_X.sequence(*parts)), name=kind.root)
    doc = f"{kind.title}, canonical form." + (f" {_RECONSTRUCTED}" if kind.reconstructed else "")
    return _documented(element, doc)


def _fields_of(kind: KindTable) -> list[Field]:
    def inside(group: Group) -> list[Field]:
        return [*group.fields, *(f for g in group.groups for f in inside(g))]

    return [*kind.fields, *(f for g in kind.groups for f in inside(g))]


def simple_types(kinds: list[KindTable]) -> list[etree._Element]:
    """The type declarations that the records of those kinds need, by name."""
    needed = {type_name(f): f for kind in kinds for f in _fields_of(kind)}
    return [_texts_type() if name == "Texts" else _simple_type(name, needed[name]) for name in sorted(needed)]


def schema(kind: KindTable) -> etree._Element:
    """The whole schema of one kind: no target namespace, one global element."""
    return _X.schema(record_element(kind), *simple_types([kind]), elementFormDefault="unqualified", version="1")


def schema_files(table: FieldTable) -> dict[str, bytes]:
    """What belongs in ``schemas/``: file name to content."""
    files = {}
    for kind in Kind:
        document = schema(table.kinds[kind])
        etree.indent(document, "  ")
        files[f"{kind}.xsd"] = etree.tostring(document, xml_declaration=True, encoding="UTF-8") + b"\n"
    return files
