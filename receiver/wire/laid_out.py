"""A push as text for people: as it was sent, and laid out with an element a line."""

from __future__ import annotations

import codecs

from lxml import etree

from receiver.errors import Unreadable

from .encoding import encoding_of
from .parser import SAFE, Limits, events


def as_text(body: bytes) -> str:
    """The bytes as text, in the encoding they declare or else one that has a character for every byte."""
    try:
        name = codecs.lookup(encoding_of(body)).name
    except (Unreadable, LookupError):
        name = "utf-8"
    try:
        return body.decode(name)
    except UnicodeDecodeError:
        return body.decode("iso-8859-1")


def laid_out(body: bytes, limits: Limits) -> str | None:
    """The document with an element a line, without its declaration: for it to be read, and to be pointed into.

    None for what is no document that is taken. Texts and the order of elements stay as they are.
    """
    try:
        for _ in events(body, limits):
            pass
        parser = etree.XMLParser(encoding=encoding_of(body), **{**SAFE, "remove_comments": False, "remove_pis": False})
        root = etree.fromstring(body, parser)
    except (Unreadable, etree.XMLSyntaxError):
        return None
    etree.indent(root, space="  ")
    return etree.tostring(root, encoding="unicode")
