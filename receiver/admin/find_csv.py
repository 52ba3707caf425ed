"""Rows as CSV that a spreadsheet may open."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from datetime import datetime

_FLUSH = 64 * 1024


def csv_lines(rows: Iterator[Sequence[object]]) -> Iterator[str]:
    """Rows as CSV, a good part at a time."""
    written = io.StringIO()
    writer = csv.writer(written)
    for row in rows:
        writer.writerow([safe_cell(cell) for cell in row])
        if written.tell() > _FLUSH:
            yield written.getvalue()
            written.seek(0)
            written.truncate()
    yield written.getvalue()


def safe_cell(cell: object) -> object:
    """The cell as a spreadsheet shows it: what begins as a formula does would be worked out, not shown."""
    if isinstance(cell, datetime):
        return cell.isoformat()
    if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{cell}"
    return cell
