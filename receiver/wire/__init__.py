"""Bytes and envelopes: the only XML parser, and the replies. Pure: no database, no Flask, no clock, no settings."""

from .envelope import Envelope, Soap
from .names import RootNames
from .parser import Limits
from .reading import Reading, Records, form_of
from .record import Record
from .reply import Reply, Verdict, refusal, render
from .wsdl import wsdl

__all__ = [
    "Envelope",
    "Limits",
    "Reading",
    "Record",
    "Records",
    "Reply",
    "RootNames",
    "Soap",
    "Verdict",
    "form_of",
    "refusal",
    "render",
    "wsdl",
]
