"""What can be set and asked for is written down."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from receiver.cli import group
from receiver.settings import environment_names

README = Path(__file__).parents[2] / "README.md"
COMMANDS = group.list_commands(click.Context(group))
PROMISED = {"serve", "demo", "simulate", "migrate", "explain", "replay", "schemas"}


def table_rows() -> dict[str, str]:
    """The README's table of settings: the line of each, by name."""
    lines = README.read_text(encoding="utf-8").splitlines()
    rows = {}
    for line in lines:
        first = line.split("|")[1] if line.startswith("|") else ""
        rows.update(dict.fromkeys(re.findall(r"`(RECEIVER_[A-Z_]+)`", first), line))
    return rows


def shown(default: object) -> str:
    """A default as the table has it: nothing for none."""
    if default is None:
        return ""
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


@pytest.mark.parametrize(("name", "default"), sorted(environment_names().items()), ids=sorted(environment_names()))
def test_every_setting_is_in_the_readme(name: str, default: object) -> None:
    rows = table_rows()
    assert name in rows, f"README.md's table has no line for {name}"
    _, _, told, meaning, *_ = (cell.strip() for cell in rows[name].split("|"))
    assert told == shown(default)
    assert meaning


def test_the_readme_has_no_setting_that_is_not_read() -> None:
    own = {"RECEIVER_TEST_DATABASE_URL"}
    assert set(table_rows()) - own <= set(environment_names())


def help_of(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "receiver", *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_help_names_every_command() -> None:
    said = help_of("--help")
    for command in COMMANDS:
        assert re.search(rf"^  {command}  +\S", said, re.MULTILINE), command


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_helps(command: str) -> None:
    said = help_of(command, "--help")
    assert said.startswith(f"Usage: receiver {command} ")
    assert "--help" in said


def test_every_promised_command_is_there() -> None:
    assert set(COMMANDS) >= PROMISED
