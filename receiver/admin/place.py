"""Where a page of a list begins, as an address has it."""

from __future__ import annotations

from datetime import datetime

from flask import abort


def place(text: str | None) -> tuple[datetime, str] | None:
    """Where a page begins: ``MOMENT/ID`` of the last row before it."""
    if not text:
        return None
    moment, _, row_id = text.partition("/")
    try:
        found = datetime.fromisoformat(moment)
    except ValueError:
        abort(400)
    if found.tzinfo is None:
        abort(400)
    return found, row_id
