"""``receiver schemas``: what is made from the field table, written or checked."""

from __future__ import annotations

from pathlib import Path

import click

from receiver.fields import field_table
from receiver.fields.reference import reference_page
from receiver.fields.xsd import schema_files
from receiver.packaged import packaged_folder


def _wanted() -> dict[Path, bytes]:
    table = field_table()
    folder = packaged_folder("schemas")
    wanted = {folder / name: content for name, content in schema_files(table).items()}
    docs = folder.parent / "docs"
    if docs.is_dir():
        wanted[docs / "fields.md"] = reference_page(table).encode()
    return wanted


@click.command("schemas")
@click.option("--check", is_flag=True, help="Write nothing; exit 1 when something differs from the field table.")
def command(check: bool) -> None:
    """Write the XSDs in schemas/ (and docs/fields.md in a checkout) from the field table."""
    stale = [path for path, content in _wanted().items() if not path.is_file() or path.read_bytes() != content]
    if check:
        for path in stale:
            click.echo(f"{path.name} differs from the field table: run `receiver schemas`.", err=True)
        raise SystemExit(1 if stale else 0)
    for path, content in _wanted().items():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        click.echo(f"{path.parent.name}/{path.name}")
