"""The campaign in short: a walk and a rebuild killed three times each end as they do undisturbed."""

from __future__ import annotations

import random

from tests.conftest import NewDatabase

from .replaying import compare, fill


def test_replays_that_are_killed_end_as_those_that_are_not(
    postgres_url: str, new_postgres_database: NewDatabase
) -> None:
    url = new_postgres_database()
    fill(url, 3000, processes=1, apart=4)
    walk, again, rebuild, killed, _, rebuilt = compare(
        postgres_url, url, 3, random.Random(7), lambda _: None, at_once=True
    )
    assert walk.replay.counts["applied"] > 0
    assert again.replay.counts.get("applied", 0) == 0
    assert rebuild.replay.counts["rebuilt"] > 100
    assert killed.kills > 0
    assert rebuilt.replay.counts == rebuild.replay.counts
    assert killed.outcomes == walk.outcomes > 0
