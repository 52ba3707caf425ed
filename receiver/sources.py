"""Sources and bounds as the corridor needs them, made of the settings: all that it takes to read and judge a push."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from receiver.fields import FieldTable
from receiver.intake.source import Source
from receiver.messages import Judge, Rules, Schemas
from receiver.messages.rules import usual_actions
from receiver.settings import Settings, SourceSettings
from receiver.wire import Limits, RootNames


def build_source(name: str, settings: SourceSettings, table: FieldTable, schemas: Schemas) -> Source:
    """A source as the corridor needs it."""
    outcomes = settings.outcomes
    rules = Rules(
        source=name,
        zone=ZoneInfo(settings.timezone),
        required=settings.required,
        field_aliases=settings.fields,
        actions={**usual_actions(), **{w.strip().lower(): a for w, a in settings.actions.items()}},
        success_codes=None if outcomes.success is None else frozenset(c.strip().lower() for c in outcomes.success),
        on_invalid=settings.on_invalid,
        complete_words=frozenset(w.strip().lower() for w in outcomes.completed),
    )
    names = RootNames.of(table, settings.roots)
    return Source(name, names, rules, Judge(table, schemas, rules))


def build_sources(settings: Settings, table: FieldTable) -> dict[str, Source]:
    """Every source of the settings, by name."""
    schemas = Schemas(table)
    return {name: build_source(name, found, table, schemas) for name, found in settings.sources.items()}


def build_limits(settings: Settings) -> Limits:
    """The parser's bounds."""
    env = settings.env
    return Limits(env.max_depth, env.max_elements, env.max_record_elements, env.max_records)
