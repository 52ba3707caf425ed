"""What asks a parser for more than it was sent: entities, things elsewhere, and everything that comes without end.

Each is refused for its reason, or read as what it is, by a process whose memory is measured. How long each takes is
told by ``python -m tests.hostile.amplification``; a test does not know what else its machine is doing.
"""

from __future__ import annotations

import pytest

from tests.hostile.amplification import ATTACKS, MEGABYTE, Outcome, attacks

_MOST_GROWTH = 50 * MEGABYTE


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Outcome]:
    return dict(attacks(ATTACKS, MEGABYTE))


@pytest.mark.parametrize("name", ATTACKS)
def test_memory_stays_small_and_nothing_is_fetched(name: str, outcomes: dict[str, Outcome]) -> None:
    found = outcomes[name]
    assert found.reason in ATTACKS[name].reasons
    assert found.growth <= _MOST_GROWTH
    assert found.outside == []
