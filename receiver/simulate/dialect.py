"""How a site's DRS is set to send: wire form, SOAP version, encoding and how many rows a request holds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from receiver.fields import Kind


class Form(StrEnum):
    """The wire forms (facts, section 3)."""

    A = "a"
    B = "b"
    C = "c"
    PLAIN = "plain"


class SoapVersion(StrEnum):
    """SOAP versions. Each knows its envelope's namespace and its media type."""

    V11 = "1.1"
    V12 = "1.2"

    @property
    def namespace(self) -> str:
        """The namespace of the envelope."""
        if self is SoapVersion.V11:
            return "http://schemas.xmlsoap.org/soap/envelope/"
        return "http://www.w3.org/2003/05/soap-envelope"

    @property
    def media_type(self) -> str:
        """What Content-Type says."""
        return "text/xml" if self is SoapVersion.V11 else "application/soap+xml"


class Encoding(StrEnum):
    """The encodings that documents are written in (facts, section 3)."""

    UTF_8 = "utf-8"
    UTF_16 = "utf-16"
    ISO_8859_1 = "iso-8859-1"
    WINDOWS_1252 = "windows-1252"


@dataclass(frozen=True)
class Dialect:
    """One way of sending; ``batch`` is the most rows in one request."""

    form: Form = Form.A
    soap: SoapVersion = SoapVersion.V11
    batch: int = 1
    encoding: Encoding = Encoding.UTF_8

    def form_for(self, kind: Kind) -> Form:
        """Form B is known of completions only, form C of confirmations only; other kinds go in form A."""
        only = {Form.B: Kind.COMPLETION, Form.C: Kind.CONFIRMATION}
        return Form.A if only.get(self.form, kind) is not kind else self.form

    @property
    def content_type(self) -> str:
        """The Content-Type of a request."""
        media = "text/xml" if self.form is Form.PLAIN else self.soap.media_type
        return f"{media}; charset={self.encoding}"
