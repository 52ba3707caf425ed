"""``receiver spool``: what waits on the local disk for the database."""

from __future__ import annotations

import json
import time
from dataclasses import asdict

import click

from receiver.app import build_drainer, build_parts
from receiver.errors import SettingsError
from receiver.settings import load_settings
from receiver.store import engine as engines


@click.command("spool")
@click.option("--drain", is_flag=True, help="Store what waits now; Ctrl-C stops between pushes.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def command(drain: bool, as_json: bool) -> None:
    """Say what waits in the spool, the folder that RECEIVER_SPOOL names.

    A running receiver empties it by itself as soon as its database takes pushes again. `--drain` does so without one,
    for example before a machine is given up. Pushes that are not what was written are set aside as *.damaged.
    """
    parts = build_parts(load_settings())
    drainer = build_drainer(parts)
    if parts.spool is None or drainer is None:
        raise SettingsError("RECEIVER_SPOOL is not set: there is no spool.")
    parts.spool.prepare(engines.identity(parts.settings.env.database_url), time.time())
    drained = drainer.drain(lambda: False) if drain else None
    state = parts.spool.state()
    if as_json:
        click.echo(json.dumps({**asdict(state), "drained": asdict(drained) if drained else None}))
        return
    if drained is not None:
        click.echo(f"{drained.stored} pushes stored, {drained.damaged} damaged.")
        if drained.left:
            click.echo(f"{drained.left} left: of unknown sources, or refused by the database.")
    share = 100 * state.size_bytes / state.most_bytes
    click.echo(f"{state.pushes} pushes wait, {state.size_bytes} bytes ({share:.1f}% of what is allowed).")
    if state.damaged:
        click.echo(f"{state.damaged} damaged pushes are set aside.")
