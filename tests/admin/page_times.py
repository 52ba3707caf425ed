"""How long every page takes with a year of pushes behind it, as a person's browser sees it.

``python -m tests.admin.page_times`` fills a database of its own with 1,000,000 pushes; ``--database URL`` uses one that
``tests.admin.filling`` has filled. Prints p50 and p95 of each kind of page in milliseconds, and the worst addresses.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import quantiles
from urllib.parse import urlencode

import requests
from sqlalchemy import text

from receiver.store.finding.filter import Filter
from receiver.store.store import Store
from tests.support.receiver import Receiver

from .conftest import add_people
from .finding_times import _filled, filters, pairs
from .test_gate_of_every_page import Client

_SAMPLE = "SELECT {columns} FROM {table} TABLESAMPLE SYSTEM (1) LIMIT 20"


def query(found: Filter) -> str:
    """The filter as an address has it."""
    said = {name: value for name, value in found.to_json().items() if name != "sources"}
    if found.sources:
        said["source"] = found.sources[0]
    return urlencode({name: str(value) for name, value in said.items()})


def addresses(receiver: Receiver, store: Store, most_pairs: int) -> Iterator[tuple[str, str]]:
    """Pages by their kind."""

    def sample(table: str, columns: str) -> Sequence[Sequence[str]]:
        rows = receiver.rows(_SAMPLE.format(columns=columns, table=table))
        return [tuple(str(value) for value in row.values()) for row in rows]

    single = filters(store)
    for path in ("/", "/?by=day", "/held", "/replays", "/trail", "/people"):
        yield path, path
    for found in single:
        yield "/find, one criterion", f"/find?{query(found)}"
        yield "/find records, one criterion", f"/find?list=records&{query(found)}"
    for found in list(pairs(single))[:: max(1, len(list(pairs(single))) // most_pairs)]:
        yield "/find, two criteria", f"/find?{query(found)}"
    for (push_id,) in sample("pushes", "id"):
        yield "/pushes/ID", f"/pushes/{push_id}"
    for (push_id,) in sample("pushes", "id")[:5]:
        yield "/replays/plan", f"/replays/plan?plan=walk&push_id={push_id}"
    for source, booking, order in sample("bookings", "source, booking_id, primary_order_number"):
        yield "/bookings/SOURCE/ID", f"/bookings/{source}/{booking}"
        yield "/orders/NUMBER", f"/orders/{order}"
        yield "/search", f"/search?q={order}"
    for source, resource in sample("unavailabilities", "source, resource_id"):
        yield "/resources/SOURCE/ID", f"/resources/{source}/{resource}"
    for (cause,) in [tuple(row.values()) for row in receiver.rows("SELECT id FROM causes LIMIT 20")]:
        yield "/held/CAUSE", f"/held/{cause}"
    for kind in ("walk", "discard", "tell", "rebuild"):
        yield "/replays/plan", f"/replays/plan?plan={kind}&status=held"
        yield "/replays/plan", f"/replays/plan?plan={kind}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status: 1 when a kind of page takes more than 200 ms at p95."""
    parser = argparse.ArgumentParser(prog="python -m tests.admin.page_times", description=__doc__)
    parser.add_argument("--database", help="a database that is filled already")
    parser.add_argument("--pushes", type=int, default=1_000_000)
    parser.add_argument("--tries", type=int, default=3)
    parser.add_argument("--pairs", type=int, default=60, help="so many pairs of criteria")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(arguments)
    times: dict[str, list[tuple[float, str]]] = {}
    with ExitStack() as stack:
        store = stack.enter_context(_filled(given.database, given.pushes))
        url = store.engine.url.render_as_string(hide_password=False)
        names = sorted(_sources(store))
        config = "\n".join(f"[sources.{name}]\nallow_from = ['127.0.0.0/8']" for name in names)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        receiver = stack.enter_context(Receiver(url, folder, config=config))
        add_people(receiver)
        client = Client(f"{receiver.url}/admin")
        client.sign_in("anna")
        for _ in range(given.tries):
            for kind, path in addresses(receiver, store, given.pairs):
                began = time.perf_counter()
                reply: requests.Response = client.get(path)
                took = (time.perf_counter() - began) * 1000
                assert reply.status_code in (200, 302), (path, reply.status_code)
                times.setdefault(kind, []).append((took, path))
    return _tell(times, given.json)


def _sources(store: Store) -> set[str]:
    with store.reading() as connection:
        return {row[0] for row in connection.execute(text("SELECT DISTINCT source FROM bookings"))}


def _tell(times: dict[str, list[tuple[float, str]]], into: Path | None) -> int:
    found = {}
    print(f"{'page':34} {'asked':>6} {'p50':>8} {'p95':>8} {'most':>8}  slowest")
    for kind, all_taken in times.items():
        taken = sorted(took for took, _ in all_taken)
        cuts = quantiles(taken, n=100, method="inclusive") if len(taken) > 1 else [taken[0]] * 99
        found[kind] = {"p50": round(cuts[49], 1), "p95": round(cuts[94], 1), "most": round(taken[-1], 1)}
        print(f"{kind:34} {len(taken):6} {cuts[49]:8.1f} {cuts[94]:8.1f} {taken[-1]:8.1f}  {max(all_taken)[1][:90]}")
    if into is not None:
        into.write_text(json.dumps(found, indent=1))
    return int(any(row["p95"] > 200 for row in found.values()))


if __name__ == "__main__":
    sys.exit(main())
