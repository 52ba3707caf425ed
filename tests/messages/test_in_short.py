"""Very many invalid records: each is told what is wrong with it, at a cost that no sender can drive up."""

from __future__ import annotations

import pytest
from lxml import etree

from receiver.fields import Kind
from receiver.intake.judging import judged as judged_all
from receiver.messages import Finding
from receiver.wire import Limits, Reading
from tests.support.corridor import make_source
from tests.support.pushes import element, unavailability
from tests.support.reading import schemas


def _both(inner: str) -> tuple[list[Finding], list[Finding]]:
    document = etree.fromstring(element("unavailability", inner))
    found = schemas()
    return (
        found.in_short(Kind.UNAVAILABILITY, document, {}, 100),
        found.problems(Kind.UNAVAILABILITY, document, {}, 100),
    )


@pytest.mark.parametrize(
    "inner",
    [
        "",
        "<ResourceId>W1</ResourceId>",
        "<ResourceId/><PeriodStart>2021-07-02T08:00:00</PeriodStart><PeriodEnd>2021-07-02T09:00:00</PeriodEnd>",
        "<ResourceId>W1</ResourceId><PeriodStart>no</PeriodStart><PeriodEnd>25</PeriodEnd>",
        "<ResourceId><a/></ResourceId><PeriodStart/>",
    ],
)
def test_in_short_is_the_same_words(inner: str) -> None:
    short, full = _both(inner)
    assert short
    assert {(f.field, f.code, f.text) for f in short} == {(f.field, f.code, f.text) for f in full}


def test_in_short_may_be_less_and_is_never_else() -> None:
    short, full = _both("<ResourceId>W1</ResourceId><ResourceId>W2</ResourceId><PeriodStart>no</PeriodStart>")
    assert short
    assert set(short) <= set(full)


def test_every_one_of_very_many_invalid_records_has_its_problems() -> None:
    source = make_source()
    inner = element("unavailability", unavailability(PeriodEnd="never"))
    body = element("unavailabilities", inner * 1_002).encode()
    found = list(judged_all(source, Reading(body, source.names, Limits()).records()))
    assert len(found) == 1_002
    assert {n.problems[0].code for n in found} == {"not_a_datetime"}
    assert [n.position for n in found if n.valid] == []
