"""What the commands show on the way."""

from __future__ import annotations

from datetime import datetime
from io import StringIO

from rich.console import Console

from receiver.cli.screen import figures, line_of, shown_pushes, table_of
from receiver.simulate import Progress
from receiver.simulate.service import Figures

SOME = Progress(datetime(2021, 5, 27, 8, 30), 7, 5, 1, 0, Figures(9, 2, 1, 3, "confirmation, 1 rows: success"))


def test_held_in_part_is_held_and_the_rest_is_shown_when_it_occurs() -> None:
    assert shown_pushes({}) == {"stored": 0, "duplicate": 0, "held": 0}
    assert shown_pushes({"partly_held": 2, "held": 1, "refused": 4}) == {
        "stored": 0,
        "duplicate": 0,
        "held": 3,
        "refused": 4,
    }


def test_a_line_says_rows_and_pushes() -> None:
    said = line_of(SOME, {"stored": 6, "duplicate": 2})
    assert said.endswith("rows: 7 waiting, 5 Actioned, 1 failed; pushes: 6 stored, 2 duplicate, 0 held")
    assert line_of(SOME).endswith("9 requests")


def test_a_table_says_the_same() -> None:
    console = Console(file=StringIO(), width=120)
    console.print(table_of(SOME, {"stored": 6}))
    said = console.file.getvalue()  # type: ignore[attr-defined]
    for words in ("7 waiting", "5 Actioned", "1 failed", "6 stored", "0 held", "2 sent twice", "success"):
        assert words in said


def test_figures_are_for_programs() -> None:
    assert figures(SOME, {"stored": 6}) == {
        "simulated_time": "2021-05-27T08:30",
        "rows": {"waiting": 7, "actioned": 5, "failed": 1},
        "requests": {"sent": 9, "sent_twice": 2, "connections_dropped": 1, "partly_held": 3},
        "pushes": {"stored": 6},
    }
