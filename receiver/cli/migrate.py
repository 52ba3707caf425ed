"""``receiver migrate``: the database to the newest schema."""

from __future__ import annotations

import json

import click

from receiver.settings import load_settings
from receiver.store import migrations

from .database import continue_feed, database


@click.command("migrate")
@click.option("--json", "as_json", is_flag=True, help="Say what was done as JSON.")
def command(as_json: bool) -> None:
    """Bring the database of RECEIVER_DATABASE_URL to the newest schema.

    Safe to run again and while receivers run; does nothing when there is nothing to do.
    """
    settings = load_settings()
    with database(settings) as engine:
        before = migrations.current(engine)
        migrations.upgrade(engine)
        after = migrations.current(engine)
        continue_feed(engine)
    if as_json:
        click.echo(json.dumps({"before": before, "after": after}))
    else:
        click.echo(f"The database is at migration {after}" + (" already." if before == after else f", was {before}."))
