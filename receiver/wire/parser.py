"""The only XML parser: bytes to a bounded stream of element events. Nothing of the outside is ever fetched."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from lxml import etree

from receiver.errors import Unreadable

from .encoding import encoding_of

_SLICE = 64 * 1024
_SNIPPET = 60
_LONGEST_NAME = 1_000
_MOST_ATTRIBUTES = 1_000
_SPARE_NAMESPACES = 10_000
# Names that were found to be right are not looked at again, as far as there are few of them.
_MOST_REMEMBERED = 500
# A start tag with too many attributes, whatever they are called: a parser only says so once it holds them all.
_ATTRIBUTE = r"""\s++[^\s<>=/"']++\s*+=\s*+(?:"[^"<]*+"|'[^'<]*+')"""
_TAG = rf"""<[^\s<>=/!?"']++(?:{_ATTRIBUTE}){{{_MOST_ATTRIBUTES + 1}}}"""


@dataclass(frozen=True)
class Limits:
    """Bounds of one document: nesting, elements in all, elements of one record held in memory at a time, records."""

    depth: int = 64
    elements: int = 2_000_000
    record_elements: int = 100_000
    records: int = 200_000


# Of every parser. Not collect_ids=False: with it libxml2 opens the files that a DOCTYPE names, whatever else is said.
SAFE: dict[str, Any] = {
    "resolve_entities": False,
    "load_dtd": False,
    "dtd_validation": False,
    "attribute_defaults": False,
    "no_network": True,
    "huge_tree": False,
    "recover": False,
    "remove_comments": True,
    "remove_pis": True,
}


def _pull_parser(encoding: str) -> etree.XMLPullParser:
    return etree.XMLPullParser(
        events=("start", "end", "start-ns"),
        encoding=encoding,
        **SAFE,
    )


def _not_well_formed(error: etree.XMLSyntaxError) -> Unreadable:
    line = error.lineno
    if "Excessive depth" in str(error):
        return Unreadable("Elements are nested too deep.", reason="too_deep", line=line)
    if "XML_PARSE_HUGE" in str(error):
        return Unreadable("One text or attribute is longer than 10 MB.", reason="too_long", line=line)
    said = " ".join(str(error.msg).split())
    if said == "no element found":
        said = "it ends too early, or uses an entity that is not declared"
    return Unreadable(f"Not well-formed XML: {said}.", reason="not_well_formed", line=line)


def _check_name(element: etree._Element) -> None:
    """A prefix that stands for nothing is reported by the parser only at the end; its element has no usable name."""
    name = local_name(element)
    if ":" in name:
        text = f"Not well-formed XML: the prefix of {name[:_SNIPPET]} is not declared."
        raise Unreadable(text, reason="not_well_formed", line=element.sourceline)
    if len(name) > _LONGEST_NAME:
        text = f"The name {name[:_SNIPPET]}… is longer than {_LONGEST_NAME} characters."
        raise Unreadable(text, reason="too_long", line=element.sourceline)


def _check_attributes(body: bytes, encoding: str) -> None:
    """Elements of very many attributes cost a parser thirty times their size before it says a word."""
    if body.count(b"=") <= _MOST_ATTRIBUTES:
        return
    if encoding.startswith("UTF-16"):
        codec = "utf-16-le" if encoding == "UTF-16LE" else "utf-16-be"
        flooded = re.search(_TAG, body.decode(codec, errors="replace")) is not None
    else:
        flooded = re.search(_TAG.encode(), body) is not None
    if flooded:
        raise Unreadable(f"An element has more than {_MOST_ATTRIBUTES} attributes.", reason="too_many_attributes")


def _sanity(body: bytes) -> None:
    """Name the usual mistakes better than a parser would."""
    head = body[:1024].lstrip(b"\xef\xbb\xbf \t\r\n")
    if not head and len(body) <= 1024:
        raise Unreadable("The body is empty.", reason="empty_body")
    if head[:1] in (b"{", b"["):
        raise Unreadable("The body looks like JSON; a push is XML.", reason="not_xml", line=1)
    if head[:5].lower() == b"<html" or head[:14].lower() == b"<!doctype html":
        raise Unreadable("The body is an HTML page; a push is XML.", reason="not_xml", line=1)


def events(body: bytes, limits: Limits) -> Iterator[tuple[str, etree._Element, int]]:
    """Yield ``("start" | "end", element, depth)`` in document order; the root's depth is 1.

    Comments and processing instructions are gone, so they split no text. Raises Unreadable: ``not_well_formed``,
    ``encoding``, ``doctype``, ``too_deep``, ``too_many_elements``, ``too_many_attributes``, ``too_long``,
    ``empty_body``, ``not_xml``.

    Attributes are there at the start of their element and gone once the next event is asked for: nothing in a
    push is said by one, and they are what memory fills with.
    """
    _sanity(body)
    depth = count = namespaces = 0
    right: set[str] = set()
    for event, found in _raw_events(body):
        element = cast("etree._Element", found)
        if event == "end":
            yield event, element, depth
            depth -= 1
            continue
        if event == "start-ns":
            namespaces += 1
            _check_namespace(cast("tuple[str, str]", found), _SPARE_NAMESPACES + count - namespaces)
            continue
        if element.tag not in right:
            _check_name(element)
            if len(right) < _MOST_REMEMBERED:
                right.add(str(element.tag))
        depth, count = depth + 1, count + 1
        if depth > limits.depth:
            text = f"Elements are nested more than {limits.depth} deep."
            raise Unreadable(text, reason="too_deep", line=element.sourceline)
        if count > limits.elements:
            raise Unreadable(f"More than {limits.elements} elements.", reason="too_many_elements")
        doctype = depth == 1 and element.getroottree().docinfo.doctype
        yield event, element, depth
        if element.keys():
            element.attrib.clear()
        if doctype:  # said once the root has been seen: an envelope is answered in one
            raise Unreadable("A DOCTYPE is not taken: a push has none.", reason="doctype", line=1)


def _raw_events(body: bytes) -> Iterator[tuple[str, object]]:
    """Events slice by slice; those before a syntax error come before it is raised."""
    encoding = encoding_of(body)
    _check_attributes(body, encoding)
    parser = _pull_parser(encoding)
    view = memoryview(body)
    for start in range(0, len(body) + 1, _SLICE):
        failure = None
        try:
            parser.feed(bytes(view[start : start + _SLICE]))
            if start + _SLICE > len(body):
                parser.close()
        except etree.XMLSyntaxError as error:
            failure = error
        yield from parser.read_events()
        if failure is not None:
            raise _not_well_formed(failure)


def _check_namespace(declared: tuple[str, str], spare: int) -> None:
    """Namespaces are kept for as long as the document is, and their names are a part of every element's."""
    if len(declared[1]) > _LONGEST_NAME:
        text = f"A namespace's name is longer than {_LONGEST_NAME} characters."
        raise Unreadable(text, reason="too_long")
    if spare < 0:
        text = "The document declares more namespaces than it has elements for."
        raise Unreadable(text, reason="too_many_attributes")


def local_name(element: etree._Element) -> str:
    """The element's name without its namespace."""
    tag = element.tag
    return str(tag).rpartition("}")[2]


def namespace(element: etree._Element) -> str:
    """The element's namespace name, empty when it has none."""
    tag = str(element.tag)
    return tag[1:].partition("}")[0] if tag.startswith("{") else ""
