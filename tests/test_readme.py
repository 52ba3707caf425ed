"""What the README says can be run."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

from receiver.settings import environment_names
from tests.conftest import StartReceiver
from tests.support.pushes import cancellation, confirmation, element, fields, unavailability
from tests.support.receiver import Receiver

_README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
_SQL = re.findall(r"```sql\n(.*?)```", _README, re.DOTALL)
_ANSWERS: list[tuple[dict[str, object], str, list[str]]] = [
    ({"order_number": "L835574"}, "booking_id", ["731904"]),
    ({"after": 0}, "change", ["created", "created", "cancelled", "completed"]),
    (
        {"start_of_day": datetime(2021, 7, 2, tzinfo=UTC), "end_of_day": datetime(2021, 7, 3, tzinfo=UTC)},
        "resource_id",
        ["W123"],
    ),
    ({"since": datetime(2021, 1, 1, tzinfo=UTC)}, "booking_id", ["8"]),
    ({"since": datetime(2021, 1, 1, tzinfo=UTC)}, "completion_status", ["REFUSAL"]),
]


def _given(parameters: dict[str, object], sqlite: bool) -> dict[str, object]:
    """SQLite keeps times as text: a reader there writes them so."""
    return {
        name: value.strftime("%Y-%m-%d %H:%M:%S") if sqlite and isinstance(value, datetime) else value
        for name, value in parameters.items()
    }


def test_the_five_questions_have_their_answers(database_url: str, start_receiver: StartReceiver) -> None:
    receiver = start_receiver(database_url, config='[sources.drs.outcomes]\nsuccess = ["CO"]\n')
    done = {"bookingId": "9", "primaryOrderNumber": "L9", "taskCompletionStatus": "REFUSAL"}
    done["taskCompletionDate"] = "2021-07-02T11:40:00"
    receiver.push(confirmation())
    receiver.push(unavailability())
    receiver.push(cancellation(bookingId="8", primaryOrderNumber="L8"))
    receiver.push(element("bookingCompletion", fields(done)))
    for query, (parameters, column, expected) in zip(_SQL, _ANSWERS, strict=True):
        rows = receiver.rows(query, **_given(parameters, database_url.startswith("sqlite")))
        assert [row[column] for row in rows] == expected, query


def test_every_setting_is_in_the_table() -> None:
    missing = [name for name in environment_names() if f"`{name}`" not in _README]
    assert missing == []


def test_the_settings_file_shown_is_valid(tmp_path: Path) -> None:
    receiver = Receiver(f"sqlite:///{tmp_path / 'x.db'}", tmp_path, env={"DRS_PUSH_PASSWORD": "x"})
    receiver.config = re.findall(r"```toml\n(.*?)```", _README, re.DOTALL)[0]
    done = receiver.command("explain", "-", stdin=b"<JobCancelled><bookingId>1</bookingId></JobCancelled>")
    assert done.returncode == 1, done.stderr
