"""Which encoding a document is in, decided before the parser sees it: few are taken, and labels must be true."""

from __future__ import annotations

import codecs
import re

from receiver.errors import Unreadable

_DECLARED = re.compile(rb"""<\?xml\s[^>]{0,100}?encoding\s*=\s*["']([A-Za-z0-9._\-]{1,40})["']""")
# Names as people write them -> the name libxml2 is given. Facts, section 3: plain XML.
_TAKEN = {
    "utf-8": "UTF-8",
    "utf8": "UTF-8",
    "us-ascii": "UTF-8",
    "ascii": "UTF-8",
    "iso-8859-1": "ISO-8859-1",
    "iso8859-1": "ISO-8859-1",
    "latin1": "ISO-8859-1",
    "latin-1": "ISO-8859-1",
    "windows-1252": "windows-1252",
    "cp1252": "windows-1252",
}
_UTF16 = frozenset({"utf-16", "utf16", "utf-16le", "utf-16be"})


def _refuse(text: str) -> Unreadable:
    return Unreadable(text, reason="encoding", line=1)


def _declared(head: bytes) -> str | None:
    found = _DECLARED.match(head)
    return found.group(1).decode("ascii").lower() if found else None


def _utf16(head: bytes, codec: str) -> str:
    text = head[: len(head) & ~1].decode(codec, errors="replace").lstrip("\ufeff")
    declared = _declared(text.encode("utf-8", errors="replace"))
    if declared is not None and declared not in _UTF16:
        raise _refuse(f"The document is in UTF-16 but declares encoding {declared}.")
    return "UTF-16LE" if codec == "utf-16-le" else "UTF-16BE"


def encoding_of(body: bytes) -> str:
    """The encoding to parse ``body`` with.

    UTF-8, UTF-16, ISO-8859-1 and Windows-1252 are taken (facts, section 3); a byte order mark, or the width of the
    first characters, must agree with the declaration. Raises Unreadable (``encoding``) otherwise.
    """
    head = body[:512]
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)) or head[:4] in (b"<\0\0\0", b"\0\0\0<"):
        raise _refuse("The document is in UTF-32, which is not taken: send UTF-8.")
    if head.startswith(codecs.BOM_UTF16_LE) or head[:2] == b"<\0":
        return _utf16(head, "utf-16-le")
    if head.startswith(codecs.BOM_UTF16_BE) or head[:2] == b"\0<":
        return _utf16(head, "utf-16-be")
    marked = head.startswith(codecs.BOM_UTF8)
    declared = _declared(head[3:] if marked else head)
    if declared is None:
        return "UTF-8"
    if declared in _UTF16:
        raise _refuse(f"The document declares encoding {declared} but is not in UTF-16.")
    if declared not in _TAKEN:
        raise _refuse(f"Encoding {declared} is not taken: send UTF-8, UTF-16, ISO-8859-1 or Windows-1252.")
    if marked and _TAKEN[declared] != "UTF-8":
        raise _refuse(f"The document begins with a UTF-8 byte order mark but declares encoding {declared}.")
    return _TAKEN[declared]
