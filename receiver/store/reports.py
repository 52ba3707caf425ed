"""Read-only questions to the documented views, for people and for checking what came of a simulated day."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from . import engine as engines


def rows(url: str, query: str, **parameters: object) -> list[dict[str, Any]]:
    """The rows of one SELECT on the views, as mappings; times come as the database gives them, in UTC."""
    engine = engines.create(url)
    try:
        with engine.connect() as connection:
            return [dict(row) for row in connection.execute(text(query), parameters).mappings()]
    finally:
        engine.dispose()


def push_outcomes(url: str) -> dict[str, int]:
    """How many deliveries ended in each outcome."""
    found = rows(url, "SELECT outcome, count(*) AS pushes FROM v1_pushes GROUP BY outcome")
    return {row["outcome"]: row["pushes"] for row in found}
