"""Builds the styles and scripts of the pages for people, when the package is built or installed from source.

They come from ``pages/`` and, by npm, from the GOV.UK Design System, and become ``receiver/admin/static``. Where that
is up to date nothing is done, so that a source distribution, which has it, needs no npm.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_STAMP = "made-from.txt"
_MISSING = (
    "npm is needed to build the pages' styles and was not found: install Node.js 20 or newer (Debian: apt-get install "
    "npm), or install a built wheel, which needs none"
)


class PagesHook(BuildHookInterface[Any]):
    """Runs npm before the wheel is put together."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's
        build(Path(self.root))


def build(root: Path) -> None:
    """Make ``receiver/admin/static`` anew where it was not made from what is in ``pages/`` now."""
    source, made = root / "pages", root / "receiver" / "admin" / "static"
    inputs = sorted((p for p in source.iterdir() if p.is_file()), key=lambda p: p.name)
    digest = hashlib.sha256(b"".join(p.name.encode() + p.read_bytes() for p in inputs)).hexdigest()
    stamp = made / _STAMP  # written by pages/copy.mjs
    if stamp.is_file() and stamp.read_text(encoding="utf-8").strip() == digest:
        return
    npm = shutil.which("npm")
    if npm is None:
        sys.exit(_MISSING)
    made.mkdir(parents=True, exist_ok=True)
    for command in (["ci", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund"], ["run", "build"]):
        done = subprocess.run([npm, *command], cwd=source, capture_output=True, text=True, check=False)  # noqa: S603 - our own
        if done.returncode:
            sys.exit(f"npm {command[0]} failed in pages/: {(done.stderr or done.stdout).strip()[-2000:]}")


if __name__ == "__main__":
    build(Path(__file__).parent)
