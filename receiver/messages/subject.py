"""Whom or what an erasure is about, and which values tell of it."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from itertools import chain

from receiver.fields import Field, FieldTable, FieldType, Kind
from receiver.wire.redaction import ERASED

SHORTEST_PERSON = 3
_CUT = "…"
_NUMBERS = {
    "order": frozenset({"primaryordernumber", "secondaryordernumber", "tertiaryordernumber"}),
    "booking": frozenset({"bookingid", "originalbookingid"}),
}
_TELLING_LETTERS, _TELLING_DIGITS = 5, 7


class SubjectKind(StrEnum):
    """What an erasure is about."""

    PERSON = "person"
    ORDER = "order"
    BOOKING = "booking"


def digest(text: str, salt: bytes) -> bytes:
    """What a proof keeps of a subject: slow to make, so that whom it is about cannot be guessed from a list."""
    return hashlib.scrypt(plain(text).encode(), salt=salt, n=2**14, r=8, p=1, dklen=32)


def plain(text: str) -> str:
    """A text as all its spellings agree: one form of each character, no case, single spaces."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


@dataclass(frozen=True)
class Names:
    """Every name of a field, of the wire and of columns, lower-cased, with what it may hold."""

    fields: Mapping[str, Field] = field(hash=False)

    @classmethod
    def of(cls, table: FieldTable) -> Names:
        """The names of the field table."""
        found: dict[str, Field] = {}
        parts = [g.fields for g in table.groups.values()] + [k.fields for k in table.kinds.values()]
        for f in chain.from_iterable(parts):
            for name in (f.column, f.name, *f.aliases):
                found.setdefault(name.lower(), f)
        return cls(found)

    def canonical(self, name: str) -> str:
        """The field's name on the wire, lower-cased; the name itself where it is no field."""
        found = self.fields.get(name.lower())
        return found.name.lower() if found else name.lower()

    def is_text(self, name: str) -> bool:
        """Whether the field holds text, as everything does that is not known."""
        found = self.fields.get(name.lower())
        return found is None or found.type in (FieldType.TEXT, FieldType.TEXTS, FieldType.BOOKING_ID)


@dataclass(frozen=True)
class Subject:
    """A person (by id, name or number), an order or a booking, by any of ``texts``."""

    kind: SubjectKind
    texts: tuple[str, ...]
    names: Names = field(repr=False)

    @cached_property
    def _plain(self) -> frozenset[str]:
        return frozenset(plain(t) for t in self.texts)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile("|".join(_whole_words(t) for t in sorted(self._plain)))

    @cached_property
    def _is_telling(self) -> bool:
        """Whether the number alone, in a text, says that the text is about this: short ones stand for too much."""
        return all(len(t) >= (_TELLING_DIGITS if t.isdecimal() else _TELLING_LETTERS) for t in self._plain)

    def equals(self, value: object) -> bool:
        """Whether the value is one of the texts, whatever its spelling."""
        return isinstance(value, str) and plain(value) in self._plain

    def within(self, text: str) -> bool:
        """Whether one of the texts stands in ``text``, as whole words."""
        return self._pattern.search(unicodedata.normalize("NFKC", text).casefold()) is not None

    def mentioned(self, text: str) -> bool:
        """Whether a free text tells of the subject."""
        return (self.kind is SubjectKind.PERSON or self._is_telling) and self.within(text)

    def concerns(self, name: str, value: str) -> bool:
        """Whether the value of the field or column ``name`` tells of the subject."""
        if self.kind is SubjectKind.PERSON:
            return self.within(value)
        if self.names.canonical(name) in _NUMBERS[self.kind]:
            return self.equals(value) or self.mentioned(value)
        return self.mentioned(value)

    def in_wreck(self, text: str) -> bool:
        """Whether a document that cannot be read tells of the subject; a short number only right after its name."""
        if self.kind is SubjectKind.PERSON or self._is_telling:
            return self.within(text)
        names = "|".join(sorted(_NUMBERS[self.kind]))
        after = re.compile(rf"(?:{names})[^\w]{{1,20}}(?:{self._pattern.pattern})")
        return after.search(unicodedata.normalize("NFKC", text).casefold()) is not None

    def is_number(self, number: int) -> bool:
        """Whether one of the texts is this number."""
        return any(t.isdecimal() and int(t) == number for t in self._plain)

    def owns(self, kind: Kind, values: Mapping[str, object]) -> bool:
        """Whether the whole record is about the subject: an order's or booking's, or a person's absence."""
        if self.kind is SubjectKind.PERSON:
            return kind is Kind.UNAVAILABILITY and any(
                self.equals(v) or (n == "resourceid" and self.within(v)) for n, v in self._of(values, _ABSENT)
            )
        if kind is Kind.UNAVAILABILITY:
            return False
        wanted = _NUMBERS[self.kind] - {"originalbookingid"}
        return any(self.equals(v) for _, v in self._of(values, wanted))

    def _of(self, values: object, wanted: frozenset[str], name: str = "") -> Iterator[tuple[str, str]]:
        """Every text under one of the wanted names, at any depth."""
        if isinstance(values, Mapping):
            for key, value in values.items():
                yield from self._of(value, wanted, self.names.canonical(str(key).rpartition("/")[2]))
        elif isinstance(values, list):
            for value in values:
                yield from self._of(value, wanted, name)
        elif isinstance(values, str) and name in wanted:
            yield name, values


_ABSENT = frozenset({"resourceid", "operativeid"})


def _whole_words(text: str) -> str:
    words = r"\s+".join(re.escape(word) for word in text.split(" "))
    before = r"(?<!\w)" if text[:1].isalnum() or text[:1] == "_" else ""
    after = r"(?!\w)" if text[-1:].isalnum() or text[-1:] == "_" else ""
    return before + words + after


def texts(value: object) -> Iterator[str]:
    """Every text in a stored value, names included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield str(key)
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)


def redacted(subject: Subject, value: object, name: str = "") -> object:
    """A stored value without what tells of the subject: texts become ``[erased]``, what must be a number or a time
    becomes None. Gives the same object when there is nothing to erase."""
    if isinstance(value, str):
        if not subject.concerns(name, value):
            return value
        return ERASED if subject.names.is_text(name) else None
    if isinstance(value, list):
        items = [redacted(subject, v, name) for v in value]
        return value if all(a is b for a, b in zip(items, value, strict=True)) else items
    if isinstance(value, Mapping):
        inner = {k: redacted(subject, v, str(k)) for k, v in value.items()}
        kept = {ERASED if subject.kind is SubjectKind.PERSON and subject.within(str(k)) else k: inner[k] for k in inner}
        return value if kept.keys() == value.keys() and all(kept[k] is value[k] for k in kept) else kept
    return value


def redacted_findings(subject: Subject, found: list[dict[str, str]], *, cut: bool) -> list[dict[str, str]]:
    """Problems or warnings without what tells of the subject; with ``cut``, shortened quotes go too."""
    result = []
    for finding in found:
        kept = dict(finding)
        text = str(finding.get("text", ""))
        if subject.mentioned(text) or (cut and _CUT in text):
            kept["text"] = ERASED
        if subject.mentioned(str(finding.get("field", ""))):
            kept["field"] = ERASED
        result.append(kept)
    return found if result == found else result
