"""``receiver hash-password``: a password as the settings file may hold it."""

from __future__ import annotations

import click
from werkzeug.security import generate_password_hash

# Three passes over 32 MiB: no more memory than werkzeug's own choice, three times the work for whoever guesses.
_METHOD = "scrypt:32768:8:3"


@click.command("hash-password")
@click.password_option("--password", help="The password; asked for when not given.")
def command(password: str) -> None:
    """Print a hash of a password, for `password_hash` of a source in the settings file."""
    click.echo(generate_password_hash(password, _METHOD))
