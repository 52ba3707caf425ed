"""The settings of a source's rhythm: its working hours, and how long each kind of push may stay away."""

from __future__ import annotations

import re
from datetime import time, timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

from receiver.fields import Kind
from receiver.rhythm import WEEK, Expected, Rhythm

_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_LONGEST = timedelta(days=365)
_USUAL = Rhythm()


def _duration(value: object) -> object:
    """``4h``, ``90m``, ``2d``; ``never`` is None: nothing is expected."""
    if value is None or isinstance(value, timedelta):
        return value
    if value == "never":
        return None
    found = re.fullmatch(r"(\d{1,5})([mhd])", value.strip()) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f'{value!r} is no duration, e.g. "4h", "90m", "2d" or "never"')
    duration = int(found[1]) * _UNITS[found[2]]
    if not timedelta() < duration <= _LONGEST:
        raise ValueError(f"{value!r} is not between one minute and 365 days")
    return duration


def _hour(value: object) -> object:
    found = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", value) if isinstance(value, str) else None
    if value == "24:00":
        return time(0)
    if found is None:
        raise ValueError(f'{value!r} is no time of day, e.g. "08:00"')
    return time(int(found[1]), int(found[2]))


Duration = Annotated[timedelta | None, BeforeValidator(_duration)]
Hour = Annotated[time, BeforeValidator(_hour)]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class RhythmSettings(BaseModel):
    """One ``[sources.NAME.rhythm]`` of the TOML file. Unavailabilities count all hours, the others working hours."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    working_days: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri")
    working_hours: tuple[Hour, Hour] = (_USUAL.begin, _USUAL.end)
    confirmation: Duration = _USUAL.expected[Kind.CONFIRMATION].allowed
    cancellation: Duration = None
    completion: Duration = None
    unavailability: Duration = _USUAL.expected[Kind.UNAVAILABILITY].allowed

    @model_validator(mode="after")
    def _in_order(self) -> RhythmSettings:
        begin, end = self.working_hours
        if end != time(0) and end <= begin:
            raise ValueError("working_hours end before they begin")
        return self

    def rhythm(self) -> Rhythm:
        """The rhythm itself."""
        durations = {kind: getattr(self, kind.value) for kind in Kind}
        expected = {k: Expected(d, all_hours=k is Kind.UNAVAILABILITY) for k, d in durations.items() if d is not None}
        days = frozenset(day for day in WEEK if day in self.working_days)
        return Rhythm(days, *self.working_hours, expected)
