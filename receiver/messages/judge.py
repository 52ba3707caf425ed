"""Record -> notification: canonical form, validity, the source's own rules, and every problem in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from receiver.fields import FieldTable, Kind
from receiver.wire import Record

from .canonical import Canonical, canonical, levels
from .document import Values
from .finding import Finding, quoted
from .identity import content_key
from .moments import Oddity
from .plain import Plain, PlainReader
from .rules import Action, Rules
from .schemas import Schemas
from .typed import moment_of, moments

_ODD = {
    Oddity.AMBIGUOUS: "{path} {value} happens twice, as the clocks go back: the earlier is taken.",
    Oddity.NONEXISTENT: "{path} {value} does not happen, as the clocks go forward: read with the offset from before.",
    Oddity.OUT_OF_RANGE: "{path} {value} lies outside the years that can be stored: the text alone is kept.",
}
_WINDOWS = (
    ("planningWindowStart", "planningWindowEnd"),
    ("PeriodStart", "PeriodEnd"),
    ("assignedStart", "assignedEnd"),
)
# A completion takes what it lacks from the order around it, and its outcome may be odd.
_PLAIN = frozenset({Kind.CONFIRMATION, Kind.CANCELLATION, Kind.UNAVAILABILITY})
_LONGEST_ID = 50


@dataclass(frozen=True)
class Notification:
    """A record judged. With ``problems`` it is not applied, and of the rest only what could be read is set.

    ``plain`` is what else is known of one that was read in one pass.
    ``changed_at`` is the time the sender gave (changedDate, or taskCompletionDate; design: event time), in UTC, None
    where there is none. ``values`` are as sent, by canonical name.
    """

    kind: Kind
    position: int
    line: int
    values: Values
    content_key: str
    booking_id: str | None
    resource_id: str | None
    changed_at: datetime | None
    warnings: tuple[Finding, ...]
    problems: tuple[Finding, ...]
    action: Action | None = None
    period_start: datetime | None = None
    period_end: datetime | None = None
    plain: Plain | None = field(default=None, compare=False, repr=False)

    @property
    def valid(self) -> bool:
        """Whether it can be applied."""
        return not self.problems


class Judge:
    """Judges the records of one source by its rules."""

    def __init__(self, table: FieldTable, schemas: Schemas, rules: Rules) -> None:
        self._table, self._schemas, self.rules = table, schemas, rules
        self._levels = levels(table, rules.field_aliases)
        self._required = {k: [f.name for f in table.kinds[k].fields if f.name in rules.required] for k in Kind}
        self._plain = {k: PlainReader(table.kinds[k], self._levels[k], rules, schemas) for k in Kind if k in _PLAIN}

    def judge(self, record: Record) -> Notification:
        """What the record is, with every problem and warning."""
        return self._usual(record) or self.judge_carefully(record)

    def judge_in_short(self, record: Record) -> Notification:
        """The same at a small part of the cost when it is invalid: perhaps not every problem is told."""
        return self._usual(record) or self.judge_carefully(record, in_short=True)

    def _usual(self, record: Record) -> Notification | None:
        """What a record is that is as most are; None where there may be something to say of it."""
        reader = self._plain.get(record.kind)
        if reader is None or record.stray or record.context:
            return None
        found = reader.read(record.element)
        if found is None:
            return None
        values, moments = found.values, found.moments
        if any(values.get(name) is None for name in self._required[record.kind]):
            return None
        if any(moments[last] < moments[first] for first, last in _WINDOWS if first in moments and last in moments):
            return None
        action = None
        if record.kind is Kind.UNAVAILABILITY:
            word = values.get("Action")
            action = Action.CREATED if word is None else self.rules.actions.get(str(word).strip().lower())
            if action is None:
                return None
        return Notification(
            kind=record.kind,
            position=record.position,
            line=record.line,
            values=values,
            content_key=reader.key(found),
            booking_id=_booking_id(record.kind, values),
            resource_id=_resource_id(record.kind, values),
            changed_at=moments.get(_event_field(record.kind)),
            warnings=(),
            problems=(),
            action=action,
            period_start=moments.get("PeriodStart"),
            period_end=moments.get("PeriodEnd"),
            plain=found,
        )

    def judge_carefully(self, record: Record, *, in_short: bool = False) -> Notification:
        """The same for every record, however it is."""
        table = self._table.kinds[record.kind]
        found = canonical(record, self._levels[record.kind], table)
        # What is no record is not asked for what a record must have: that would only say it is none again.
        problems = [*self._stray(record)] or self._invalid(found, in_short=in_short)
        problems += self._missing(found)
        action, unknown_word = self._action(found)
        problems += unknown_word
        warnings: list[Finding] = []
        start = end = changed = None
        if not problems:
            warnings += self._odd_times(found)
            warnings += self._odd_values(found)
            start = moment_of(found.values, "PeriodStart", self.rules.zone)
            end = moment_of(found.values, "PeriodEnd", self.rules.zone)
            changed = moment_of(found.values, _event_field(record.kind), self.rules.zone)
            problems += self._no_period(found, start, end)
        warnings += self._unknown(found)
        return Notification(
            kind=record.kind,
            position=record.position,
            line=record.line,
            values=found.values,
            content_key=content_key(found.values, table, self.rules.zone),
            booking_id=_booking_id(record.kind, found.values),
            resource_id=_resource_id(record.kind, found.values),
            changed_at=changed,
            warnings=tuple(warnings[: self.rules.most_problems]),
            problems=tuple(problems[: self.rules.most_problems]),
            action=action,
            period_start=start,
            period_end=end,
        )

    def _stray(self, record: Record) -> Iterator[Finding]:
        if record.stray:
            name = str(record.element.tag).rpartition("}")[2]
            text = f"{quoted(name)} stands where a record belongs, and is no record that is known."
            yield Finding("", "unknown_record", text, record.line, setting=f"[sources.{self.rules.source}.roots]")

    def _invalid(self, found: Canonical, *, in_short: bool) -> list[Finding]:
        problems: list[Finding] = []
        explain = self._schemas.in_short if in_short else self._schemas.problems
        for before, document in found.documents():
            if self._schemas.accepts(found.kind, document):
                continue
            most = self.rules.most_problems - len(problems)
            told = explain(found.kind, document, found.lines, most, before)
            problems += told or [Finding("", "invalid", "The record is not valid by the XSD.")]
            if len(problems) >= self.rules.most_problems:
                break
        return problems

    def _missing(self, found: Canonical) -> Iterator[Finding]:
        """Fields that this source must send beyond what identifies, where the kind has them."""
        has = {f.name for f in self._table.kinds[found.kind].fields}
        order = found.values.get("theOrder")
        around = order if isinstance(order, dict) else {}
        for name in self.rules.required:
            if name in has and found.values.get(name) is None and around.get(name) is None:
                setting = f"[sources.{self.rules.source}] required"
                yield Finding(name, "required", f"{name} is missing, and this source requires it.", setting=setting)

    def _action(self, found: Canonical) -> tuple[Action | None, list[Finding]]:
        """Facts, section 2, Action: missing means created; an unknown word is held for a person."""
        if found.kind is not Kind.UNAVAILABILITY:
            return None, []
        word = found.values.get("Action")
        if word is None:
            return Action.CREATED, []
        action = self.rules.actions.get(str(word).strip().lower())
        if action is not None or not isinstance(word, str) or len(word) > 50:
            return action, []
        text = f"Action {quoted(word)} is not a word that this source's settings know."
        setting = f"[sources.{self.rules.source}.actions]"
        return None, [Finding("Action", "unknown_action", text, found.lines.get("Action"), word, setting)]

    def _odd_times(self, found: Canonical) -> Iterator[Finding]:
        table = self._table.kinds[found.kind]
        for path, value, moment in moments(found.values, table, self.rules.zone):
            if moment.oddity is not None:
                text = _ODD[moment.oddity].format(path=path, value=quoted(value))
                setting = f"[sources.{self.rules.source}] timezone"
                yield Finding(path, moment.oddity.value, text, found.lines.get(path), value, setting)

    def _odd_values(self, found: Canonical) -> Iterator[Finding]:
        for first, last in _WINDOWS:
            start = moment_of(found.values, first, self.rules.zone)
            end = moment_of(found.values, last, self.rules.zone)
            if start is not None and end is not None and end < start:
                yield Finding(last, "ends_before_start", f"{last} is before {first}.", found.lines.get(last))
        word = found.values.get("taskLifeCycleStatus")
        if isinstance(word, str) and word.strip().lower() not in self.rules.complete_words:
            text = f"taskLifeCycleStatus is {quoted(word)}, not COMPLETED: the booking is not counted as completed."
            setting = f"[sources.{self.rules.source}.outcomes] completed"
            line = found.lines.get("taskLifeCycleStatus")
            yield Finding("taskLifeCycleStatus", "not_completed", text, line, word, setting)

    @staticmethod
    def _no_period(found: Canonical, start: datetime | None, end: datetime | None) -> Iterator[Finding]:
        if found.kind is Kind.UNAVAILABILITY:
            for name, moment in (("PeriodStart", start), ("PeriodEnd", end)):
                if moment is None:
                    text = f"{name} lies outside the years that can be stored."
                    yield Finding(name, Oddity.OUT_OF_RANGE.value, text, found.lines.get(name))

    def _unknown(self, found: Canonical) -> Iterator[Finding]:
        setting = f"[sources.{self.rules.source}.fields]"
        for path in islice(dict.fromkeys(found.unknown), self.rules.most_problems):
            text = f"{path} is no field that is known: it is kept with the record."
            yield Finding(path, "unknown_element", text, found.lines.get(path), setting=setting)


def _event_field(kind: Kind) -> str:
    return "taskCompletionDate" if kind is Kind.COMPLETION else "changedDate"


def _booking_id(kind: Kind, values: Values) -> str | None:
    """What an event of a booking is found by. An absence may say something under that name: it is unknown there."""
    return None if kind is Kind.UNAVAILABILITY else _text(values.get("bookingId"))


def _resource_id(kind: Kind, values: Values) -> str | None:
    """What an absence is found by."""
    return _text(values.get("ResourceId")) if kind is Kind.UNAVAILABILITY else None


def _text(value: object) -> str | None:
    """An id to find the record by; an invalid one may be any length, and is then only in the values."""
    return value if isinstance(value, str) and len(value) <= _LONGEST_ID else None
