"""``receiver explain``: what the receiver would make of a push."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from receiver.errors import NotFound
from receiver.fields import field_table
from receiver.intake.explaining import ExplainedRecord, Explanation, explain
from receiver.messages import Finding
from receiver.settings import load_settings
from receiver.sources import build_limits, build_sources

from .visible import visible


def _plain(value: object) -> str:
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else str(value)


def _finding(found: Finding) -> dict[str, Any]:
    value = {"line": found.line, "value": found.value, "setting": found.setting}
    return {**found.as_json(), **{k: v for k, v in value.items() if v is not None}}


def _as_json(name: str, found: Explanation) -> dict[str, Any]:
    return {
        "file": name,
        "form": found.form,
        "exit_code": found.exit_code,
        "unreadable": found.unreadable,
        "line": found.line,
        "setting": found.setting,
        "records": [
            {
                "position": r.position,
                "line": r.line,
                "kind": r.kind,
                "identity": r.identity,
                "applied": r.applied,
                "stored": r.stored,
                "problems": [_finding(p) for p in r.problems],
                "warnings": [_finding(w) for w in r.warnings],
            }
            for r in found.records
        ],
    }


def _say(name: str, found: Explanation) -> None:
    records = f"{len(found.records)} record{'' if len(found.records) == 1 else 's'}"
    click.secho(visible(f"{name}: {found.form or 'unreadable'}, {records}"), bold=True)
    for record in found.records:
        _say_record(record)
    if found.unreadable is not None:
        where = f" (line {found.line})" if found.line else ""
        click.secho(visible(f"  cannot be read: {found.unreadable}{where}"), fg="red")
        if found.setting:
            click.echo(f"    setting that would change this: {found.setting}")


def _say_record(record: ExplainedRecord) -> None:
    verdict = click.style("would be applied", fg="green") if record.applied else click.style("not valid", fg="red")
    what = visible(f"  record {record.position} (line {record.line}): {record.kind}, {record.identity}: ")
    click.echo(what + verdict)
    for table, stored in record.stored.items():
        for number, row in enumerate(stored if isinstance(stored, list) else [stored], start=1):
            place = f"{table}[{number}]" if isinstance(stored, list) else table
            shown = ", ".join(f"{k}={_plain(v)}" for k, v in row.items() if v is not None)
            click.echo(visible(f"    {place}: {shown}"))
    for word, colour, findings in (
        ("problem", "red", record.problems),
        ("warning", "yellow", record.warnings),
    ):
        for found in findings:
            where = f"line {found.line}, " if found.line else ""
            said = f"    {word}: {where}{found.field or 'record'} [{found.code}]: {found.text}"
            click.secho(visible(said), fg=colour)
            if found.setting:
                click.echo(f"      setting that would change this: {found.setting}")


@click.command("explain")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--source", help="The source whose settings count; needed when there are several.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a file, on a line of its own.")
def command(files: tuple[Path, ...], source: str | None, as_json: bool) -> None:
    """Say what the receiver would make of pushes in files, with every problem; nothing is stored.

    Exit code 0 when every record would be applied, 1 when not, 2 when a file cannot be read as a push. Use - for
    standard input.
    """
    settings, table = load_settings(), field_table()
    sources = build_sources(settings, table)
    if source is None and len(sources) > 1:
        raise click.UsageError(f"Say which source: --source {' | '.join(sorted(sources))}.")
    name = source or next(iter(sources))
    if name not in sources:
        raise NotFound(f"There is no source {name} in the settings.")
    worst = 0
    for path in files:
        try:
            body = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        except OSError as error:
            found = Explanation(unreadable=f"{error.strerror}.")
        else:
            found = explain(body, sources[name], table, build_limits(settings), settings.env.max_push_bytes)
        if as_json:
            click.echo(json.dumps(_as_json(str(path), found), default=_plain))
        else:
            _say(str(path), found)
        worst = max(worst, found.exit_code)
    raise SystemExit(worst)
