"""Folders that stay at the top of the repository and travel inside the wheel."""

from __future__ import annotations

from pathlib import Path


def packaged_folder(name: str) -> Path:
    """``migrations`` or ``schemas``: inside the installed package, or at the top of a checkout."""
    here = Path(__file__).resolve().parent
    inside = here / "_data" / name
    return inside if inside.is_dir() else here.parent / name
