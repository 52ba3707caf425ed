"""Lanes: connections that strands share, each used by one at a time, and none lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from threading import Event

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import PoolProxiedConnection
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import QueuePool

from receiver.store import engine as engines
from receiver.store.express.lanes import Lanes
from receiver.strands import TICK_SECONDS
from tests.strands.loop import Loop

_MOST = 4


def _pool(path: Path, timeout: float = 30.0) -> QueuePool:
    found = engines.create(f"sqlite:///{path}", pool_size=_MOST, timeout=timeout).pool
    assert isinstance(found, QueuePool)
    return found


_USES = st.lists(st.sampled_from(["give", "give slowly", "lose"]), max_size=5)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plans=st.lists(_USES, max_size=10), usual=st.integers(1, _MOST), seed=st.integers(0, 2**32))
def test_any_use_by_any_number_of_strands(tmp_path: Path, plans: list[list[str]], usual: int, seed: int) -> None:
    """No connection is used by two; who asks gets one; in the end none is out but those that are kept."""
    chance, pool, used = Random(seed), _pool(tmp_path / "lanes.db"), set[int]()
    with Loop() as loop:
        lanes, strands = Lanes(pool.connect, usual), loop.strands

        def use(plan: list[str]) -> None:
            for end in plan:
                lent = lanes.take(strands)
                own = id(lent.driver_connection)
                assert own not in used
                used.add(own)
                if end == "give slowly":
                    strands.park(chance.random() / 500)
                used.remove(own)
                (lanes.lose if end == "lose" else lanes.give)(strands, lent)

        for plan in plans:
            loop.start(_with(use, plan))
        loop.run()
    assert not used
    assert pool.checkedout() <= usual
    pool.dispose()


def test_who_came_first_goes_first(tmp_path: Path) -> None:
    """One that has just come does not get ahead of those who wait, not even of one whose turn is only just there."""
    pool = _pool(tmp_path / "lanes.db")
    order: list[str] = []
    with Loop() as loop:
        lanes, strands = Lanes(pool.connect, 1), loop.strands

        def use(name: str, then: Callable[[], None]) -> None:
            lent = lanes.take(strands)
            order.append(name)
            strands.park(0)
            lanes.give(strands, lent)
            then()

        def nothing() -> None:
            pass

        # One that is there: to open it takes another thread, and who waits too long for that opens one too.
        loop.start(lambda: lanes.give(strands, lanes.take(strands)))
        loop.run()
        loop.start(lambda: use("first", lambda: loop.start(lambda: use("late", nothing))))
        for name in ("second", "third"):
            loop.start(_with(lambda plan: use(plan[0], nothing), [name]))
        loop.run()
    assert order == ["first", "second", "third", "late"]
    pool.dispose()


def test_to_wait_long_costs_nobody_their_place(tmp_path: Path) -> None:
    """As long as some are given back, those who wait for longer than a moment stay in their order."""
    pool = _pool(tmp_path / "lanes.db")
    order: list[int] = []
    with Loop() as loop:
        lanes, strands = Lanes(pool.connect, 1), loop.strands

        def use(number: int) -> None:
            lent = lanes.take(strands)
            order.append(number)
            strands.elsewhere(lambda: Event().wait(TICK_SECONDS / 3))
            lanes.give(strands, lent)

        for number in range(12):
            loop.start(lambda number=number: use(number))  # type: ignore[misc]
        loop.run()
    assert order == list(range(12))
    pool.dispose()


def test_where_none_is_given_back_there_is_one_more(tmp_path: Path) -> None:
    """The only lane is stuck: the next strand does not wait for it, and takes no lasting place."""
    pool, freed = _pool(tmp_path / "lanes.db"), Event()
    order: list[str] = []
    with Loop() as loop:
        lanes, strands = Lanes(pool.connect, 1), loop.strands

        def stuck() -> None:
            lent = lanes.take(strands)
            strands.elsewhere(freed.wait)
            order.append("stuck")
            lanes.give(strands, lent)

        def other() -> None:
            lent = lanes.take(strands)
            order.append("other")
            freed.set()
            lanes.give(strands, lent)

        loop.start(stuck)
        loop.start(other)
        loop.run()
    assert order == ["other", "stuck"]
    assert pool.checkedout() == 1
    pool.dispose()


def test_what_a_lender_raises_is_told_and_the_place_is_free_again(tmp_path: Path) -> None:
    pool = _pool(tmp_path / "lanes.db", timeout=0.01)
    taken = [pool.connect() for _ in range(_MOST)]
    failed: list[bool] = []
    with Loop() as loop:
        lanes = Lanes(pool.connect, 2)

        def use() -> None:
            for _ in range(3):
                with pytest.raises(PoolTimeout):
                    lanes.take(loop.strands)
                failed.append(True)
            taken.pop().close()
            lanes.give(loop.strands, lanes.take(loop.strands))

        loop.start(use)
        loop.run()
    assert len(failed) == 3
    for lent in taken:
        lent.close()
    pool.dispose()


def test_with_one_that_is_lost_the_idle_ones_go(tmp_path: Path) -> None:
    pool = _pool(tmp_path / "lanes.db")
    seen: list[PoolProxiedConnection] = []
    with Loop() as loop:
        lanes, strands = Lanes(pool.connect, 2), loop.strands

        def use() -> None:
            both = lanes.take(strands), lanes.take(strands)
            seen.extend(both)
            lanes.give(strands, both[0])
            lanes.lose(strands, both[1])
            lanes.give(strands, lanes.take(strands))

        loop.start(use)
        loop.run()
    assert not any(lent.is_valid for lent in seen)
    assert pool.checkedout() == 1
    pool.dispose()


def _with(use: Callable[[list[str]], None], plan: list[str]) -> Callable[[], None]:
    return lambda: use(plan)
