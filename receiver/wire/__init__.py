"""Bytes and envelopes: the only XML parser, and the replies. Pure: no database, no Flask, no clock, no settings."""

from .cutting import Cut, cut, text_bytes
from .envelope import Envelope, Soap
from .laid_out import as_text, laid_out
from .names import RootNames
from .parser import Limits
from .reading import Reading, Records, form_of
from .record import Record
from .reply import Reply, Verdict, refusal, render
from .wsdl import wsdl

__all__ = [
    "Cut",
    "Envelope",
    "Limits",
    "Reading",
    "Record",
    "Records",
    "Reply",
    "RootNames",
    "Soap",
    "Verdict",
    "as_text",
    "cut",
    "form_of",
    "laid_out",
    "refusal",
    "render",
    "text_bytes",
    "wsdl",
]
