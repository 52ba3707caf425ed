"""The simulated DRS stands for the other side: it shares the field table with the receiver, and nothing else."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import receiver.simulate

FOLDER = Path(receiver.simulate.__file__).parent


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module)
    return names


def test_it_imports_nothing_else_of_the_receiver() -> None:
    found = {name for path in FOLDER.glob("*.py") for name in imported(path)}
    others = {name for name in found if name.partition(".")[0] not in sys.stdlib_module_names}
    assert others == {"lxml", "receiver.fields", "receiver.errors"}
