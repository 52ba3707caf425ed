"""Text of a push on a terminal: what would move the cursor, hide, or turn the line around is shown by its code."""

from __future__ import annotations


def visible(text: str) -> str:
    """``text`` on one line, all of it to be seen: control and format characters as ``\\x9b``, ``\\u202e``."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
