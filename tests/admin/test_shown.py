"""What pages are made of, apart from any page: filters in addresses, charts, calendars, marked lines, masks."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.admin.asked import read_filter
from receiver.admin.chart import HEIGHT, WIDTH, stacked
from receiver.admin.find_csv import safe_cell
from receiver.admin.look import lasting, moment_text
from receiver.admin.marked import marked
from receiver.admin.masking import MASK, Masking
from receiver.admin.pages.resource import month_asked, weeks
from receiver.fields import Kind, field_table
from receiver.messages.story import differences
from receiver.store.pushes import Outcome
from receiver.wire import Limits, as_text, laid_out
from tests.support.corridor import make_source
from tests.support.pushes import CODE, confirmation

LONDON = ZoneInfo("Europe/London")
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=40)


@pytest.mark.parametrize(
    ("typed", "since", "until"),
    [
        ({"since": "2026-07-01", "until": "2026-07-01"}, datetime(2026, 6, 30, 23), datetime(2026, 7, 1, 23)),
        ({"since": "2026-12-01 08:00"}, datetime(2026, 12, 1, 8), None),
        ({"since": "2026-07-01T08:00:30"}, datetime(2026, 7, 1, 7, 0, 30), None),
        ({"since": "2026-07-01T08:00:00+02:00"}, datetime(2026, 7, 1, 6), None),
    ],
)
def test_times_are_those_of_the_source(typed: dict[str, str], since: datetime, until: datetime | None) -> None:
    found = read_filter(typed, None, LONDON)
    assert found.problems == ()
    assert found.filter.since == since.replace(tzinfo=UTC)
    assert found.filter.until == (until and until.replace(tzinfo=UTC))


def test_what_cannot_be_read_is_said_by_its_part() -> None:
    typed = {"since": "yesterday", "kind": "letter", "outcome": "stored", "order": " L1 "}
    found = read_filter(typed, None, LONDON)
    assert [name for name, _ in found.problems] == ["kind", "since"]
    assert found.filter.outcome is Outcome.STORED
    assert found.filter.order == "L1"
    assert read_filter({"since": "2026-07-02", "until": "2026-07-01"}, None, LONDON).problems


def test_a_filter_never_reaches_beyond_what_may_be_seen() -> None:
    assert read_filter({}, ["a"], LONDON).filter.sources == ("a",)
    assert read_filter({"source": "b"}, ["a"], LONDON).filter.sources == ()
    assert read_filter({"source": "b"}, None, LONDON).filter.sources == ("b",)


@given(st.dictionaries(st.sampled_from(["since", "until", "kind", "order", "words", "cause", "status"]), TEXT))
def test_any_address_is_read(typed: dict[str, str]) -> None:
    found = read_filter(typed, None, LONDON)
    assert {name for name, _ in found.problems} <= set(typed) | {"until"}


@given(st.lists(st.tuples(TEXT, st.dictionaries(st.sampled_from(["a", "b", "c"]), st.integers(0, 10**9))), max_size=60))
def test_bars_stay_inside_their_chart_and_stand_on_each_other(columns: list[tuple[str, dict[str, int]]]) -> None:
    chart = stacked(columns, ["a", "b", "c"])
    assert all(0 <= b.x <= b.x + b.width <= WIDTH + 1 and 0 <= b.y <= b.y + b.height <= HEIGHT for b in chart.bars)
    assert len(chart.bars) == sum(1 for _, counts in columns for count in counts.values() if count)


@given(
    st.dates(date(2000, 1, 1), date(2090, 1, 1)),
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 1)),
    st.integers(1, 60 * 24 * 40),
)
def test_an_absence_is_on_each_day_that_it_touches(any_day: date, start: datetime, minutes: int) -> None:
    begins = start.replace(tzinfo=UTC)
    ends = begins + timedelta(minutes=minutes)
    row = {"period_start": begins, "period_end": ends}
    month = begins.astimezone(LONDON).date().replace(day=1)
    days = [day for week in weeks(month, LONDON, [row], []) for day in week]
    first, last = begins.astimezone(LONDON).date(), (ends - timedelta(microseconds=1)).astimezone(LONDON).date()
    assert [d.date for d in days if d.absences] == [d.date for d in days if first <= d.date <= last]
    assert weeks(any_day.replace(day=1), LONDON, [], [])[0][0].date.weekday() == 0


def test_hours_of_a_day_when_clocks_change() -> None:
    # 29 March 2026 has 23 hours in London.
    row = {"period_start": datetime(2026, 3, 29, 0, tzinfo=UTC), "period_end": datetime(2026, 3, 29, 23, tzinfo=UTC)}
    days = {d.date.isoformat(): d for week in weeks(date(2026, 3, 1), LONDON, [row], []) for d in week}
    assert [hours for hours, _ in days["2026-03-29"].absences] == ["all day"]
    assert month_asked("2026-13", date(2026, 5, 9)) == date(2026, 5, 1)


def test_problems_stand_at_their_lines_also_of_a_push_in_one_line() -> None:
    source, table = make_source(), field_table()
    body = confirmation(bookingId="nine", codes=[CODE], userId="x" * 51).replace("\n", "").replace("  ", "").encode()
    assert body.count(b"\n") == 0
    laid = marked(body, source, table, Limits(), 10**6, as_sent=False)
    wrong = {line.text.strip().split(">")[0].strip("<"): line.problems for line in laid.lines if line.problems}
    assert set(wrong) == {"bookingId", "userId"}
    sent = marked(body, source, table, Limits(), 10**6, as_sent=True)
    assert [len(line.problems) for line in sent.lines] == [2]
    assert sent.lines[0].text == body.decode()


@pytest.mark.parametrize("body", [b"", b"<a", b"{}", b"\xff\xfe\x00", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"])
def test_what_is_no_push_is_shown_as_it_came(body: bytes) -> None:
    assert laid_out(body, Limits()) is None
    found = marked(body, make_source(), field_table(), Limits(), 10**6, as_sent=False)
    assert found.explanation.unreadable is not None
    assert found.general or any(line.problems for line in found.lines)


@given(st.binary(max_size=200))
def test_any_bytes_are_text_and_laid_out_or_not(body: bytes) -> None:
    assert isinstance(as_text(body), str)
    laid_out(body, Limits())


def test_masks_hide_what_is_personal_and_what_is_unknown() -> None:
    masking = Masking(field_table())
    values = {
        "bookingId": "9",
        "userId": "jsmith",
        "theBookingCodes": [{"bookingCodeSORCode": "N1", "comments": "Mrs Smith"}],
        "theBookingCodes/count": "1",
        "phone": "0749",
    }
    found = masking.values(values)
    assert found["bookingId"] == "9"
    assert found["userId"] == found["phone"] == found["theBookingCodes/count"] == MASK
    assert found["theBookingCodes"] == [{"bookingCodeSORCode": "N1", "comments": MASK}]
    assert masking.value("code 2: comments", "x") == MASK
    assert masking.value("code 2: sor_code", "N1") == "N1"
    assert masking.value("user_id", "x") == MASK
    personal = [f for part in field_table().kinds[Kind.COMPLETION].groups for f in part.fields if f.personal]
    assert personal
    assert all(masking.value(f.name, "x") == MASK == masking.value(f.column, "x") for f in personal)


def test_differences_say_what_came_changed_and_went() -> None:
    found = differences({"a": 1, "b": 2, "gone": 3}, {"a": 1, "b": 4, "new": 5})
    assert [(d.name, d.before, d.after) for d in found] == [("b", 2, 4), ("new", None, 5), ("gone", 3, None)]


def test_moments_name_their_zone() -> None:
    summer, winter = datetime(2026, 7, 1, 12, tzinfo=UTC), datetime(2026, 12, 1, 12, tzinfo=UTC)
    assert moment_text(summer, LONDON) == "1 July 2026, 13:00:00 BST"
    assert moment_text(winter, LONDON) == "1 December 2026, 12:00:00 GMT"
    assert [lasting(s) for s in (None, 0.5, 61, 90_000)] == [
        *("never", "less than a second", "1 minute 1 second", "1 day 1 hour")
    ]


@given(TEXT)
def test_no_cell_of_an_export_is_a_formula(text: str) -> None:
    found = safe_cell(text)
    assert isinstance(found, str)
    assert found.lstrip("'") == text.lstrip("'")
    assert not found.startswith(("=", "+", "-", "@", "\t", "\r"))
