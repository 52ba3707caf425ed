"""What a cause is called: one sentence for each rule's code, without anything of the records that it holds."""

from __future__ import annotations

import re

_OF_FIELDS = {
    "missing": "{field} is missing or empty: without it the record cannot be identified.",
    "required": "{field} is missing, and this source requires it.",
    "not_a_datetime": "{field} is no date and time.",
    "not_an_integer": "{field} is no whole number.",
    "too_long": "{field} is longer than is allowed.",
    "repeated": "{field} stands more than once.",
    "unexpected_elements": "{field} holds elements where only text belongs.",
    "out_of_range": "{field} lies outside the years that can be stored.",
    "unknown_action": "{field} is a word that this source's settings do not know.",
    "invalid": "{field} is not valid by the XSD.",
    "unknown_record": "An element stands where a record belongs, and is no record that is known.",
    "internal": "The receiver failed to read the record.",
}
_OF_PUSHES = {
    "not_well_formed": "The push is no well-formed XML.",
    "not_xml": "The push is something else than XML.",
    "empty_body": "The push is empty.",
    "encoding": "The push's encoding is not known, or not the one that it names.",
    "doctype": "The push has a DOCTYPE, which is not taken.",
    "unknown_root": "The push's element is none that is known.",
    "soap_version": "The push's envelope is of a SOAP version that is not known.",
    "soap_structure": "The push's envelope is not built as SOAP says.",
    "must_understand": "The push has a SOAP header that must be understood, and is not.",
    "too_deep": "The push's elements are nested too deep.",
    "too_long": "The push has a text that is too long.",
    "too_many_elements": "The push has too many elements.",
    "too_many_attributes": "The push has an element with too many attributes.",
    "too_many_records": "The push has too many records.",
    "internal": "The receiver failed to apply the push.",
}
_PLACE = re.compile(r"\[\d+\]")


def without_places(path: str) -> str:
    """A field's path without the places in lists: what is wrong with the third of them is so with any."""
    return _PLACE.sub("", path)


def record_text(field: str, code: str) -> str:
    """Why a record is held."""
    text = _OF_FIELDS.get(code, "{field} breaks the rule " + code + ".")
    return text.replace("{field}", field or "The record")


def push_text(reason: str) -> str:
    """Why nothing of a push could be read."""
    return _OF_PUSHES.get(reason, f"The push cannot be read: {reason}.")
