"""XML as vendors and their gateways write it: case, prefixes, comments, CDATA, references, encodings, all by a seed."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import TypeVar

T = TypeVar("T")

_MISC = ("<!-- <bookingId>9</bookingId> -->", "<?drs <bookingId>9</bookingId> ?>", "\n", "\t ", "\r\n")


@dataclass(frozen=True)
class Node:
    """An element: ``content`` is its text or its children. ``exact`` names keep their case."""

    name: str
    content: str | Sequence[Node] = ""
    exact: bool = False
    prefix: str = ""
    attributes: str = ""


@dataclass(frozen=True)
class Encoding:
    """How text becomes bytes. ``labels`` are what an XML declaration may say, "" for nothing of the encoding."""

    codec: str
    mark: bytes = b""
    labels: tuple[str, ...] = ("",)
    may_be_undeclared: bool = True

    def holds(self, text: str) -> bool:
        """Whether the text can be written without references."""
        try:
            text.encode(self.codec)
        except UnicodeEncodeError:
            return False
        return True

    def encode(self, text: str) -> bytes:
        """The bytes; what the encoding lacks becomes a character reference."""
        return self.mark + text.encode(self.codec, "xmlcharrefreplace")


ENCODINGS = {
    "UTF-8": Encoding("utf-8", labels=("", "UTF-8", "utf-8")),
    "UTF-8 with BOM": Encoding("utf-8", codecs.BOM_UTF8, ("", "UTF-8")),
    "UTF-16 LE": Encoding("utf-16-le", codecs.BOM_UTF16_LE, ("", "UTF-16", "utf-16le")),
    "UTF-16 BE": Encoding("utf-16-be", codecs.BOM_UTF16_BE, ("", "UTF-16", "UTF-16BE")),
    "ISO-8859-1": Encoding("latin-1", labels=("ISO-8859-1", "iso-8859-1", "latin1"), may_be_undeclared=False),
    "Windows-1252": Encoding("cp1252", labels=("windows-1252", "Windows-1252", "cp1252"), may_be_undeclared=False),
    "US-ASCII": Encoding("ascii", labels=("US-ASCII",)),
}


class Look:
    """Choices of spelling, made by ``seed``; seed 0 makes the plainest of each."""

    def __init__(self, seed: int, encoding: Encoding) -> None:
        self._random = Random(seed) if seed else None
        self._encoding = encoding

    def chance(self, of: float) -> bool:
        return self._random is not None and self._random.random() < of

    def pick(self, options: Sequence[T]) -> T:
        return self._random.choice(options) if self._random is not None else options[0]

    def shuffled(self, nodes: Sequence[Node]) -> list[Node]:
        """Any order, but for nodes of one name, whose own order means something."""
        if self._random is None:
            return list(nodes)
        places = self._random.sample(list(nodes), len(nodes))
        turns = {name: iter([n for n in nodes if n.name == name]) for name in {n.name for n in nodes}}
        return [next(turns[n.name]) for n in places]

    def can_name(self, name: str) -> bool:
        """Whether an element may have this name: names know no references."""
        return self._encoding.holds(name)

    def spelled(self, name: str) -> str:
        """The name in another case."""
        if self._random is None or self._random.random() < 0.6:
            return name
        return self._random.choice([name.upper(), name.lower(), name.swapcase(), name.capitalize()])

    def misc(self) -> str:
        """What may stand between elements and means nothing."""
        return "".join(self.pick(_MISC) for _ in range(self.pick([0, 0, 0, 1, 2])))

    def document(self, root: Node) -> bytes:
        """The whole document in the encoding."""
        text = self.element(root)
        if self._random is not None:
            text = f"{self.misc()}{text}{self.misc()}"
        return self._encoding.encode(self._declaration() + text)

    def _declaration(self) -> str:
        if self._encoding.may_be_undeclared and (self._random is None or self._random.random() < 0.4):
            return ""
        label, quote = self.pick(self._encoding.labels), self.pick("\"'")
        encoding = f" encoding={quote}{label}{quote}" if label else ""
        alone = self.pick(["", ' standalone="yes"', " standalone='no' "])
        return f'<?xml version="1.0"{encoding}{alone}?>'

    def element(self, node: Node) -> str:
        """The element with all that it holds. Known names may change their case."""
        name = (f"{node.prefix}:" if node.prefix else "") + (node.name if node.exact else self.spelled(node.name))
        start = name + (f" {node.attributes}" if node.attributes else "")
        if isinstance(node.content, str):
            if not node.content and not self.chance(0.5):
                return f"<{start}/>"
            return f"<{start}>{self.text(node.content)}</{name}>"
        inside = "".join(self.element(child) + self.misc() for child in node.content)
        return f"<{start}>{self.misc()}{inside}</{name}>"

    def text(self, text: str) -> str:
        """The text, in pieces that a parser must put together again."""
        if self._random is None or self._random.random() < 0.5:
            return self._escaped(text)
        cuts = sorted(self._random.sample(range(len(text) + 1), min(len(text), self._random.randrange(3))))
        pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        between = self.pick(["", "<!-- - -->", "<?a b?>", "<![CDATA[]]>"])
        return between.join(self._piece(p) for p in pieces)

    def _piece(self, text: str) -> str:
        plain = "\r" not in text and "]]>" not in text and self._encoding.holds(text)
        if plain and self.chance(0.4):
            return f"<![CDATA[{text}]]>"
        return self._escaped(text)

    def _escaped(self, text: str) -> str:
        if self.chance(0.1):
            return "".join(f"&#x{ord(c):X};" for c in text)
        text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")
        return text.replace('"', "&quot;").replace("'", "&apos;") if self.chance(0.3) else text


def prefixed(node: Node, prefix: str) -> Node:
    """The element and all below it in the prefix's namespace."""
    if isinstance(node.content, str):
        return replace(node, prefix=prefix)
    return replace(node, prefix=prefix, content=[prefixed(c, prefix) for c in node.content])
