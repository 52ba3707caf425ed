"""Documents guided by what they reach in the receiver's code (atheris), mutated by our own means and by its.

A program: ``python -m tests.hostile.guided DATABASE_URL SEED SECONDS``; tells its progress in lines of JSON. It ends
when its time is over, or when it is stopped.
"""

from __future__ import annotations

import base64
import json
import sys
import time
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import cast

_SEEDS = 200
_LONGEST = 50_000
_BETWEEN_REPORTS = 2.0
_WARM_UP = 20_000


def available() -> bool:
    """Whether atheris is there: it has no wheels for every Python and machine."""
    return find_spec("atheris") is not None


def main() -> None:
    """Run until the time is over."""
    import atheris  # noqa: PLC0415 - not there on every Python; imported once that is known

    url, seed, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    with atheris.instrument_imports(include=["receiver"]):
        from .driving import TOO_SLOW, driver, resident  # noqa: PLC0415 - what is imported here is measured
        from .mutators import mutated  # noqa: PLC0415
        from .seeds import seeds  # noqa: PLC0415
        from .working import Progress, smallest  # noqa: PLC0415
    made = seeds(_SEEDS, seed)
    progress, told = Progress("guided"), set()
    last, warm = time.monotonic(), cast("int | None", None)

    def mutator(data: bytes, most: int, number: int) -> bytes:
        chance = Random(number)
        if chance.random() < 0.3:
            return bytes(atheris.Mutate(data, most))
        return mutated(data, chance.choice(made), chance)[:most]

    with driver(url) as drive, TemporaryDirectory() as folder:

        def one(data: bytes) -> None:
            nonlocal last, warm
            drive.drive(data)
            drive.findings.pop(TOO_SLOW, None)  # code that is watched is slow: the other processes look at the time
            for what in list(drive.findings):
                if what not in told:
                    told.add(what)
                    smallest(what, data, drive.drive)
            if warm is None and drive.documents >= _WARM_UP:
                warm = resident()
            if time.monotonic() - last > _BETWEEN_REPORTS:
                last = time.monotonic()
                progress.documents["guided"] = drive.documents
                progress.outcomes, progress.slowest = dict(drive.outcomes), drive.slowest
                progress.growth = resident() - warm if warm is not None else None
                line = asdict(progress)
                line["findings"] = [(w, base64.b64encode(b).decode()) for w, b in drive.findings.items()]
                print(json.dumps(line), flush=True)

        for number, body in enumerate(made):
            Path(folder, str(number)).write_bytes(body)
        options = [
            f"-max_total_time={seconds}",
            f"-seed={seed}",
            f"-max_len={_LONGEST}",
            "-rss_limit_mb=0",
            "-timeout=60",
        ]
        atheris.Setup([sys.argv[0], *options, folder], one, custom_mutator=mutator)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
