"""The table for people, JSON for machines, and a line of history for each commit."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from .figures import Figure

ROOT = Path(__file__).parents[2]
HISTORY = ROOT / "docs" / "performance-history.jsonl"


def table(figures: Sequence[Figure]) -> str:
    """A line for each figure: its median, what is required, what is aimed at, whether that is reached, every round."""
    lines = [f"{'':74} {'ratio':>7} {'required':>9} {'aim':>7}  rounds"]
    for figure in figures:
        sign = "<=" if figure.at_most else ">="
        bounds = [f"{sign}{b:g}" if b is not None else "" for b in (figure.required, figure.aim)]
        rounds = " ".join(f"{ratio:.2f}" for ratio in figure.ratios)
        lines.append(
            f"{figure.name:74} {figure.ratio:7.2f} {bounds[0]:>9} {bounds[1]:>7}  {rounds}  {_verdict(figure)}"
        )
    return "\n".join(lines)


def _verdict(figure: Figure) -> str:
    if figure.required is None and figure.aim is None:
        return ""
    if figure.reaches(figure.required) is False:
        return "BELOW WHAT IS REQUIRED"
    return "below the aim" if figure.reaches(figure.aim) is False else "ok"


def client_line(legs: Mapping[str, object], bound: float) -> str:
    """What the load itself took of a processor, beside its bound (seconds a push).

    The bound is for the leg with the most pushes a second, where the load presses ratios together most; where less is
    done in a second, each push also pays for waking up.
    """
    found = [leg for leg in legs.values() if isinstance(leg, dict)]
    if not found:
        return ""
    each = [float(leg["client_cpu_us"]) for leg in found]
    fastest = float(max(found, key=lambda leg: float(leg["per_second"]))["client_cpu_us"])
    verdict = "" if fastest <= bound * 1e6 else ": TOO MUCH, the ratios are pressed together"
    return (
        f"The load's own processor time: {min(each):.0f} to {max(each):.0f} us a push; of the fastest leg "
        f"{fastest:.0f} us, bound {bound * 1e6:.0f} us{verdict}."
    )


def machine() -> dict[str, object]:
    """What the figures were measured on."""
    return {
        "cores": os.cpu_count(),
        "usable_cores": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "python": platform.python_version(),
        "system": platform.platform(),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def commit() -> dict[str, object]:
    """The commit that was measured, and whether files differ from it; no commit outside a repository."""
    head, status = _git("rev-parse", "HEAD"), _git("status", "--porcelain", "--untracked-files=no")
    return {"commit": head, "changed": None if status is None else bool(status)}


def _git(*arguments: str) -> str | None:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def result(figures: Sequence[Figure], legs: Mapping[str, object], setting: Mapping[str, object]) -> dict[str, object]:
    """All that is written as JSON."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        **commit(),
        "machine": machine(),
        **setting,
        "figures": [figure.as_json() for figure in figures],
        "legs": legs,
    }


def remember(found: Mapping[str, object], figures: Sequence[Figure], history: Path) -> None:
    """Append one line: when, which commit, on how many cores, and each figure's ratio."""
    machine_found = found["machine"]
    assert isinstance(machine_found, dict)
    line = {
        "at": found["at"],
        "commit": found["commit"],
        "changed": found["changed"],
        "cores": machine_found["usable_cores"],
        "rounds": found.get("rounds"),
        "seconds": found.get("seconds"),
        "ratios": {figure.name: round(figure.ratio, 3) for figure in figures},
    }
    with history.open("a", encoding="utf-8") as out:
        out.write(json.dumps(line) + "\n")
