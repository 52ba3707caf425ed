"""`receiver explain`: what would become of a push, without a database."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.pushes import CODE, confirmation, element, fields, soap, unavailability
from tests.support.receiver import Receiver


@pytest.fixture
def explainer(tmp_path: Path) -> Receiver:
    """Never started: explaining needs neither server nor database, so its URL leads nowhere."""
    return Receiver("postgresql://nobody@127.0.0.1:1/none", tmp_path)


def _explain(explainer: Receiver, push: str, *arguments: str) -> tuple[int, dict[str, Any]]:
    done = explainer.command("explain", "-", "--json", *arguments, stdin=push.encode())
    assert done.stderr == b"", done.stderr
    return done.returncode, json.loads(done.stdout)


def test_a_good_push_shows_what_would_be_stored(explainer: Receiver) -> None:
    code, found = _explain(explainer, soap(confirmation(codes=[CODE])))
    assert (code, found["form"]) == (0, "SOAP 1.1, bookingConfirmation")
    (record,) = found["records"]
    assert (record["kind"], record["applied"], record["problems"]) == ("confirmation", True, [])
    assert record["stored"]["bookings"]["planning_window_start"] == "2021-07-02T07:00:00Z"
    assert record["stored"]["booking_codes"][0]["sor_code"] == "N373049"


def test_every_problem_has_line_path_value_and_reason(explainer: Receiver) -> None:
    push = (
        "<bookingConfirmation>\n<bookingId>7x</bookingId>\n<contract>" + "c" * 51 + "</contract>\n"
        "<theBookingCodes>\n<quantity>1</quantity>\n</theBookingCodes>\n"
        "<targetDate>31-JUN-2021 08:00</targetDate>\n</bookingConfirmation>"
    )
    code, found = _explain(explainer, push)
    assert code == 1
    problems = {p["field"]: p for p in found["records"][0]["problems"]}
    assert {f: (p["code"], p["line"]) for f, p in problems.items()} == {
        "bookingId": ("not_an_integer", 2),
        "contract": ("too_long", 3),
        "theBookingCodes[1]/bookingCodeSORCode": ("missing", 4),
        "targetDate": ("not_a_datetime", 7),
        "primaryOrderNumber": ("missing", 1),
    }
    assert problems["bookingId"]["value"] == "7x"
    assert "31-JUN-2021 08:00" in problems["targetDate"]["text"]


@pytest.mark.parametrize(
    ("push", "setting", "config"),
    [
        (unavailability(Action="Swapped"), "[sources.drs.actions]", '[sources.drs.actions]\nswapped = "amended"\n'),
        (
            unavailability().replace("unavailability", "absence"),
            "[sources.drs.roots]",
            '[sources.drs.roots]\nABSENCE = "unavailability"\n',
        ),
        (
            unavailability().replace("ResourceId", "wer"),
            "[sources.drs.fields]",
            '[sources.drs.fields]\nwer = "resourceid"\n',
        ),
    ],
)
def test_the_setting_that_is_named_changes_the_outcome(
    explainer: Receiver, push: str, setting: str, config: str
) -> None:
    code, found = _explain(explainer, push)
    assert code in (1, 2)
    assert setting in json.dumps(found)
    explainer.config = config
    assert _explain(explainer, push)[0] == 0


def test_what_a_source_requires(explainer: Receiver) -> None:
    push = confirmation(contract=None)
    assert _explain(explainer, push)[0] == 0
    explainer.config = '[sources.drs]\nrequired = ["contract"]\n'
    code, found = _explain(explainer, push)
    assert code == 1
    assert [(p["field"], p["code"]) for p in found["records"][0]["problems"]] == [("contract", "required")]
    assert _explain(explainer, unavailability())[0] == 0


def test_each_file_is_explained_and_the_worst_decides(explainer: Receiver, tmp_path: Path) -> None:
    good, bad, junk = tmp_path / "good.xml", tmp_path / "bad.xml", tmp_path / "junk.xml"
    good.write_text(confirmation())
    bad.write_text(element("bookingCancellation", fields({"bookingId": "1"})))
    junk.write_text("<open>")
    names = [str(good), str(bad), str(junk), str(tmp_path / "none.xml")]
    done = explainer.command("explain", "--json", *names)
    assert [json.loads(line)["exit_code"] for line in done.stdout.splitlines()] == [0, 1, 2, 2]
    assert done.returncode == 2
    assert explainer.command("explain", *names[:2]).returncode == 1
    shown = explainer.command("explain", str(bad)).stdout.decode()
    assert "primaryOrderNumber" in shown
    assert "missing" in shown


def test_several_sources_must_be_told_apart(explainer: Receiver) -> None:
    explainer.config = '[sources.north]\n[sources.south]\ntimezone = "Europe/Dublin"\n'
    done = explainer.command("explain", "-", stdin=b"<x/>")
    assert done.returncode == 2
    assert b"--source north | south" in done.stderr
    assert _explain(explainer, confirmation(), "--source", "south")[0] == 0
    assert explainer.command("explain", "-", "--source", "west", stdin=b"<x/>").returncode == 2
