"""The command ``receiver``: each command is a module of this package, loaded when it is asked for."""

from __future__ import annotations

import sys
from importlib import import_module

import click

from receiver.errors import ReceiverError

from .loading import loading

_COMMANDS = (
    "serve",
    "demo",
    "simulate",
    "migrate",
    "explain",
    "replay",
    "spool",
    "housekeeping",
    "user",
    "audit",
    "schemas",
    "hash-password",
)


class _Lazy(click.Group):
    """Loads a command's module only when it is needed, so that short commands start at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in _COMMANDS:
            return None
        with loading():
            command: click.Command = import_module(f"receiver.cli.{cmd_name.replace('-', '_')}").command
        return command


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="drs-receiver", prog_name="receiver")
def group() -> None:
    """Receive the pushes of DRS, keep them whole, and answer.

    Settings are environment variables RECEIVER_*; see the README's table. Try `receiver demo` first.
    """


def main() -> None:
    """Run the command; what is wrong is said in one line on standard error, with exit code 2."""
    try:
        group(prog_name="receiver")
    except ReceiverError as error:
        click.echo(f"receiver: {error}", err=True)
        sys.exit(2)
