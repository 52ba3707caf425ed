"""The door's replies, read as strictly as the contract words them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from lxml import etree

from .pushes import BACKGROUND, SOAP11, SOAP12, soap
from .receiver import Answer


class Wrapping(Enum):
    """How a push is sent, and so how it is answered."""

    PLAIN = None
    SOAP11 = SOAP11
    SOAP12 = SOAP12

    def push(self, operation: str, *records: str, namespace: str = BACKGROUND) -> str:
        """The records in an operation element of that namespace."""
        inner = f'<n:{operation} xmlns:n="{namespace}">{"".join(records)}</n:{operation}>'
        return self.around(inner)

    def around(self, inner: str) -> str:
        return inner if self is Wrapping.PLAIN else soap(inner, self.value)

    @property
    def media_type(self) -> str:
        """The reply's content type."""
        return f"{'application/soap+xml' if self is Wrapping.SOAP12 else 'text/xml'}; charset=utf-8"

    @property
    def sender_fault(self) -> int:
        """HTTP status of what the sender did wrong, in SOAP."""
        return {Wrapping.SOAP11: 500, Wrapping.SOAP12: 400}[self]


@dataclass(frozen=True)
class Said:
    """What a reply says: the fault's code without its prefix, if it is a fault, and the content of ``return``.

    A fault that is about a header has no ``return``.
    """

    fault: str | None
    operation: str | None
    status: str | None
    error: str | None


def read_reply(answer: Answer, wrapping: Wrapping) -> Said:
    """Read the reply to a push sent that way; any departure from the contract's structure is an AssertionError."""
    assert answer.headers["content-type"] == wrapping.media_type
    root = etree.fromstring(answer.body)
    if wrapping is Wrapping.PLAIN:
        return Said(None, None, *_return(root))
    assert root.tag == f"{{{wrapping.value}}}Envelope"
    (body,) = root
    assert body.tag == f"{{{wrapping.value}}}Body"
    (inner,) = body
    if inner.tag != f"{{{wrapping.value}}}Fault":
        (result,) = inner
        return Said(None, str(inner.tag), *_return(result))
    return _fault11(inner) if wrapping is Wrapping.SOAP11 else _fault12(inner)


def read_return(answer: Answer) -> Said:
    """The reply of a door that has not seen an envelope."""
    return read_reply(answer, Wrapping.PLAIN)


def _return(element: etree._Element) -> tuple[str, str | None]:
    """``status`` and ``errorMsg`` of an un-namespaced ``return``."""
    assert element.tag == "return"
    names = [child.tag for child in element]
    assert names in (["id", "status"], ["id", "status", "errorMsg"])
    texts = [child.text or "" for child in element]
    assert texts[0] == "0"
    error = texts[2] if len(texts) > 2 else None
    if error is not None:
        assert error.strip()
        assert len(error.splitlines()) == 1
    return texts[1], error


def _code(element: etree._Element, namespace: str) -> str:
    """A fault's code: a qualified name in the envelope's namespace."""
    prefix, _, name = (element.text or "").partition(":")
    assert element.nsmap[prefix] == namespace
    return name


def _detail(found: list[etree._Element], reason: str | None) -> tuple[str | None, str | None]:
    if not found:
        return None, reason
    ((result,),) = found
    status, error = _return(result)
    assert (status, error) == ("error", reason)
    return status, error


def _fault11(fault: etree._Element) -> Said:
    code, text, *detail = fault
    assert [e.tag for e in fault][:2] == ["faultcode", "faultstring"]
    assert [e.tag for e in detail] in ([], ["detail"])
    return Said(_code(code, SOAP11), None, *_detail(detail, text.text))


def _fault12(fault: etree._Element) -> Said:
    code, reason, *detail = fault
    names = [f"{{{SOAP12}}}{name}" for name in ("Code", "Reason", "Detail")]
    assert [e.tag for e in fault] == names[: len(fault)]
    (value,), (text,) = code, reason
    assert (value.tag, text.tag) == (f"{{{SOAP12}}}Value", f"{{{SOAP12}}}Text")
    assert text.get("{http://www.w3.org/XML/1998/namespace}lang") == "en"
    return Said(_code(value, SOAP12), None, *_detail(detail, text.text))
