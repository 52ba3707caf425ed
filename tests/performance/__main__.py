"""``python -m tests.performance``: starts everything itself, measures in turns, prints medians of ratios."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from . import pushes, report
from .cluster import DURABLE, SIZING, bench_cluster, filesystem
from .figures import Figure
from .load import LoadFailed
from .parts import PARTS
from .pushes import Bench
from .reading import RowsMissing

_QUICK = ("floor", "latency", "forms", "duplicates", "sqlite")
_NO_DISK = ("tmpfs", "ramfs")


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    names = (*pushes.GROUPS, *PARTS)
    parser = argparse.ArgumentParser(prog="python -m tests.performance", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=names, default=None, metavar="NAME", help=", ".join(names))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each turn")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write everything there")
    parser.add_argument("--history", type=Path, metavar="FILE", default=report.HISTORY, help="of full runs")
    parser.add_argument("--quick", action="store_true", help="one short round without peers, to see that it works")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run it; 0 when everything was measured, whatever the figures say."""
    arguments = _arguments(argv)
    is_full = arguments.only is None and not arguments.quick
    chosen = arguments.only or (_QUICK if arguments.quick else (*pushes.GROUPS, *PARTS))
    rounds, seconds = (1, min(arguments.seconds, 0.4)) if arguments.quick else (arguments.rounds, arguments.seconds)
    try:
        figures, legs, disk = _measure(chosen, rounds, seconds)
    except (LoadFailed, RowsMissing) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    setting = {"rounds": rounds, "seconds": seconds, "filesystem": disk, "postgresql": {**SIZING, **DURABLE}}
    found = report.result(figures, legs, setting)
    print(report.table(figures))
    print(report.client_line(legs, pushes.CLIENT_BOUND))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if is_full:
        report.remember(found, figures, arguments.history)
    return 0


def _measure(chosen: Sequence[str], rounds: int, seconds: float) -> tuple[list[Figure], dict[str, object], str]:
    groups = [name for name in pushes.GROUPS if name in chosen]
    figures: list[Figure] = []
    legs: dict[str, object] = {}
    with bench_cluster() as cluster, tempfile.TemporaryDirectory(prefix="receiver-bench-") as folder:
        disk = filesystem(cluster.folder)
        if disk in _NO_DISK:
            print(f"{cluster.folder} is on {disk}: a commit costs nothing there. Set TMPDIR.", file=sys.stderr)
        bench = Bench(cluster, Path(folder), rounds, seconds, _say)
        if groups:
            figures, legs = pushes.measure(bench, groups)
        for name, part in PARTS.items():
            if name in chosen:
                _say(name)
                figures += part(bench)
    return figures, legs, disk


def _say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
