"""The trail from outside: the command that verifies it, and what servers and commands leave in it."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from sqlalchemy import text

from receiver.app import utc_now
from receiver.settings import load_settings
from receiver.settings_told import told
from receiver.store import engine as engines
from receiver.store.people.chain import Action
from receiver.store.people.settings_noted import SettingsNoted
from receiver.store.people.trail import Trail
from tests.conftest import StartReceiver
from tests.support.corridor import corridor
from tests.support.pushes import confirmation
from tests.support.receiver import Receiver

from .surfer import store_of


def audit(receiver: Receiver, *arguments: str, code: int = 0) -> Any:
    """What `receiver audit` says as JSON; a list of its lines for `show`."""
    done = receiver.command("audit", *arguments, "--json")
    assert done.returncode == code, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return lines if arguments[0] == "show" else lines[0]


def change(receiver: Receiver, statement: str) -> None:
    engine = engines.create(receiver.database_url)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def test_what_was_changed_is_named_and_the_command_fails(receiver: Receiver) -> None:
    with store_of(receiver) as store:
        noted = [Trail(store, utc_now).note("jo", Action.VIEWED, about_kind="push", about=f"p{n}") for n in range(4)]
    end = f"{noted[3].number}:{noted[3].hash}"
    said = receiver.command("audit", "verify", "--expect", end)
    assert said.returncode == 0
    assert said.stdout.decode() == f"4 entries, as it was written, ending with {end}.\n"
    change(receiver, "UPDATE trail SET person = 'al' WHERE number = 2")
    change(receiver, "DELETE FROM trail WHERE number = 4")
    found = audit(receiver, "verify", "--expect", end, code=1)
    assert found["problems"] == 4
    assert {(broken["number"], broken["damage"]) for broken in found["broken"]} == {
        *((2, "changed"), (4, "missing"), (4, "end"), (4, "otherwise_noted")),
    }


def test_what_commands_do_is_noted_without_whom_it_was_about_and_logged_by_its_hash(
    start_receiver: StartReceiver, sqlite_url: str
) -> None:
    receiver = start_receiver(sqlite_url)
    receiver.push(confirmation(bookingId="731904"))
    done = receiver.command("housekeeping", "erase", "--booking", "731904", "--reason", "booked in error", "--yes")
    assert done.returncode == 0, done.stderr
    assert receiver.command("housekeeping", "--json").returncode == 0
    house, erased = audit(receiver, "show", "--since", "2021-01-01", "--limit", "2")
    assert (erased["action"], erased["reason"]) == ("erased", "booked in error")
    assert erased["details"]["kind"] == "booking"
    assert erased["details"]["counts"]["bookings"] == 1
    assert house["action"] == "kept_house"
    assert {entry["person"][:4] for entry in (house, erased)} == {"cli:"}
    assert "731904" not in json.dumps(erased)
    logged = json.loads(done.stderr.splitlines()[-1])
    assert {name: logged[name] for name in ("event", "number", "action", "hash")} == {
        "event": "trail_entry",
        **{name: erased[name] for name in ("number", "action", "hash")},
    }
    assert receiver.command("audit", "verify", "--expect", "4:nothing").returncode == 2


# Settings


def test_a_start_with_other_settings_leaves_an_entry_without_secrets(
    start_receiver: StartReceiver, sqlite_url: str
) -> None:
    env = {"RECEIVER_PUSH_USERNAME": "drs", "RECEIVER_PUSH_PASSWORD": "the old password"}
    receiver = start_receiver(sqlite_url, env=env, workers=2)
    receiver.stop()
    receiver.env = {**env, "RECEIVER_MAX_RECORDS": "1000", "RECEIVER_PUSH_PASSWORD": "the new password"}
    receiver.start()
    receiver.stop()
    receiver.start()
    first, second = reversed(audit(receiver, "show", "--action", "settings_changed"))
    assert first["details"]["first"]
    assert first["details"]["changed"]["RECEIVER_MAX_RECORDS"] == {"from": None, "to": "200000"}
    assert second["details"] == {
        "first": False,
        "changed": {"RECEIVER_MAX_RECORDS": {"from": "200000", "to": "1000"}},
        "secrets_changed": ["RECEIVER_PUSH_PASSWORD", "sources.drs.password"],
    }
    assert second["person"] == "system:receiver"
    for table in ("trail", "keys"):
        assert "new password" not in str(receiver.rows(f"SELECT * FROM {table}"))


def test_servers_that_start_at_once_leave_one_entry(database_url: str) -> None:

    with corridor(database_url) as found:
        noted = [SettingsNoted(found.store, utc_now, lambda: "salt") for _ in range(4)]
        for plain in ({"a": "1"}, {"a": "2", "b": "1"}, {"b": "1"}):
            done: list[bool] = []

            def note(one: SettingsNoted, values: dict[str, str] = plain, done: list[bool] = done) -> None:
                done.append(one.note(values, {"password": "x"}))

            threads = [threading.Thread(target=note, args=(one,)) for one in noted]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert sorted(done) == [False, False, False, True]


def test_every_setting_is_compared_and_no_secret_is_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    config = tmp_path / "receiver.toml"
    config.write_text(
        '[sources.drs]\nusername = "drs"\npassword_env = "DRS_PASSWORD"\n[sources.drs.fields]\njobRef = "contract"\n'
        '[people]\nroles = {a = "viewer"}\n[people.oidc]\nissuer = "https://idp.example.org"\nclient_id = "x"\n'
        'client_secret_env = "IDP_SECRET"\n'
    )
    secrets = {"DRS_PASSWORD": "s3cret-one", "IDP_SECRET": "s3cret-two"}
    address = "postgresql://receiver:s3cret-three@db.example.org/receiver"
    for name, value in {**secrets, "RECEIVER_CONFIG": str(config), "RECEIVER_DATABASE_URL": address}.items():
        monkeypatch.setenv(name, value)
    plain, secret = told(load_settings())
    assert set(secret) == {"RECEIVER_DATABASE_URL", "sources.drs.password", "people.oidc.client_secret"}
    assert "s3cret" not in str(plain)
    assert plain["sources.drs.fields"] == '{"jobRef": "contract"}'
    assert plain["people.roles"] == '{"a": "viewer"}'
    assert plain["people.oidc.issuer"] == "https://idp.example.org"
    assert plain["RECEIVER_SESSION_IDLE_MINUTES"] == "30"
