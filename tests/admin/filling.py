"""A year of pushes for people to look through, made by PostgreSQL itself: all of a push follows from its number.

Three sources and a small one. Nine in ten pushes bring one record: confirmations, and of some bookings a cancellation
or a completion. One in a thousand is a batch of absences, with some that were heard before. A few are refused, of some
of them nothing can be read, and are sent again; others are held, partly held or have failed; some records came late.
``python -m tests.admin.filling URL`` fills the empty database at URL.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from ..performance.fill import Say, fill_with

_DAYS = 300
_DAY = 86_400_000
BATCH = 550  # records of a push of absences; one in eleven of them was heard before
FIELDS = (
    "contract",
    "primaryOrderNumber",
    "planningWindowStart",
    "targetDate",
    "theBookingCodes[1]/quantity",
    "Action",
)
CODES = ("required", "missing", "not_a_datetime", "not_an_integer", "too_long")
UNREAD = ("not_well_formed", "unknown_root", "doctype", "empty_body", "too_deep")


@dataclass(frozen=True)
class Size:
    """How many pushes, and when the last one came: milliseconds since 1970."""

    pushes: int
    last: int

    @property
    def step(self) -> int:
        """Milliseconds from one push to the next."""
        return max(3, _DAYS * _DAY // self.pushes)


def fill(url: str, pushes: int, say: Say = lambda _: None) -> None:
    """Migrate the empty PostgreSQL database at ``url`` and fill it with that many pushes, a thousand at least.

    Half as many again are the records. Causes, counts and words are left for the receiver's own duties to make.
    """
    size = Size(pushes, int(time.time() * 1000) - 60_000)
    fill_with(url, statements(size), pushes * 2, say)


def statements(size: Size) -> dict[str, str]:
    """A query for each table that holds something, by the table's name."""
    return {
        "pushes": _pushes(size),
        "push_bodies": _bodies(size),
        "notifications": _notifications(size),
        "repeats": _repeats(size),
        "bookings": _bookings(size),
        "completions": _completions(size),
        "completion_resources": _resources(size),
        "unavailabilities": _unavailabilities(size),
        "decisions": _decisions(size),
    }


def _milliseconds(size: Size, j: str) -> str:
    return f"({size.last} + ({j} - {size.pushes}) * {size.step}::bigint)"


def _moment(size: Size, j: str) -> str:
    return f"to_timestamp({_milliseconds(size, j)} / 1000.0)"


def _id(size: Size, j: str, salt: str) -> str:
    """An id as uuid7 makes them: the millisecond, then chance."""
    at = f"lpad(to_hex({_milliseconds(size, j)}), 12, '0')"
    chance = f"md5({j} || {salt})"
    return (
        f"overlay({at} PLACING '-' FROM 9 FOR 0) || '-7' || substr({chance}, 1, 3) || '-8' || substr({chance}, 4, 3)"
        f" || '-' || substr({chance}, 7, 12)"
    )


def _key(*of: str) -> str:
    return f"encode(sha256(concat({', '.join(of)})::bytea), 'hex')"


def _among(names: Sequence[str], number: str) -> str:
    listed = ", ".join(f"'{name}'" for name in names)
    return f"(ARRAY[{listed}])[1 + ({number}) % {len(names)}]"


def _deliveries(size: Size) -> str:
    """One row a push: its number, source, kind and what it is (``what``), and how many records it brings."""
    return f"""
        (SELECT numbered.*, CASE what WHEN 'batch' THEN {BATCH} WHEN 'unread' THEN 0 WHEN 'failed' THEN 0
                                      WHEN 'again' THEN 0 WHEN 'resent' THEN 0 ELSE 1 END AS brought
           FROM (SELECT j,
                        {_source("j")} AS source,
                        CASE WHEN j % 1000 = 500 THEN 'batch' WHEN j % 200 = 3 THEN 'unread'
                             WHEN j % 100 = 17 THEN 'refused' WHEN j % 100 = 18 THEN 'resent'
                             WHEN j % 50 = 8 THEN 'again' WHEN j % 1000 = 71 THEN 'held'
                             WHEN j % 10000 = 9 THEN 'failed' WHEN j % 60 = 31 THEN 'late' ELSE 'usual' END AS what,
                        CASE WHEN j % 1000 = 500 THEN 'unavailability' WHEN j % 400 = 3 THEN NULL
                             WHEN j % 10 = 5 THEN 'cancellation' WHEN j % 10 = 6 THEN 'completion'
                             ELSE 'confirmation' END AS kind
                   FROM generate_series(1, {size.pushes}::bigint) AS j) AS numbered) AS delivery
    """


def _source(j: str) -> str:
    """A push that is sent again comes from where it came the first time."""
    return f"""
        CASE WHEN {j} % 1000 = 500 THEN 'drs' WHEN {j} % 100 = 99 THEN 'test' WHEN ({j} + 1) / 2 % 7 < 4 THEN 'drs'
             WHEN ({j} + 1) / 2 % 7 < 6 THEN 'north' ELSE 'south' END
    """


def _number(j: str = "j") -> str:
    """The number of a push's booking: two pushes of each, one right after the other, and a third much later."""
    return f"(CASE WHEN {j} % 4 = 3 AND {j} > 4003 THEN ({j} - 4000) / 2 ELSE {j} / 2 END)"


def _records(size: Size) -> str:
    """One row a record that was brought."""
    held = f"what IN ('refused', 'held') OR (what = 'batch' AND j % 10000 = 500 AND position % {BATCH} = 77)"
    return f"""
        (SELECT delivery.*, position,
                CASE WHEN kind <> 'unavailability' THEN (100000000 + {_number()})::text END AS booking,
                CASE WHEN kind = 'unavailability' THEN 'W' || (j / 1000 * 7 + position * 3) % 5000 END AS resource,
                CASE WHEN {held} THEN CASE WHEN j % 1700 = 17 THEN 'discarded' ELSE 'held' END
                     WHEN what = 'late' THEN 'superseded' ELSE 'applied' END AS status
           FROM {_deliveries(size)} CROSS JOIN LATERAL generate_series(1, brought) AS position
          WHERE what <> 'batch' OR position % 11 <> 0) AS record
    """


def _pushes(size: Size) -> str:
    outcome = """
        CASE what WHEN 'unread' THEN 'refused' WHEN 'refused' THEN 'refused' WHEN 'resent' THEN 'refused'
                  WHEN 'again' THEN 'duplicate' WHEN 'held' THEN 'held' WHEN 'failed' THEN 'failed'
                  WHEN 'batch' THEN CASE WHEN j % 10000 = 500 THEN 'partly_held' ELSE 'stored' END ELSE 'stored' END
    """
    return f"""
        SELECT {_id(size, "j", "'p'")} AS id, source, {_moment(size, "j")} AS received_at,
               CASE what WHEN 'batch' THEN 250000 ELSE 2250 END::bigint AS size_bytes,
               {_key("CASE WHEN what IN ('again', 'resent') THEN j - 1 ELSE j END", "'bytes'")} AS sha256,
               'text/xml' AS content_type, 'SOAP 1.1, bookingConfirmation' AS form, kind, {outcome} AS outcome,
               CASE what WHEN 'batch' THEN {BATCH} WHEN 'unread' THEN 0 WHEN 'failed' THEN 0 ELSE 1 END AS records,
               CASE what WHEN 'refused' THEN 1 WHEN 'resent' THEN 1 WHEN 'held' THEN 1
                         WHEN 'batch' THEN (j % 10000 = 500)::int ELSE 0 END AS held,
               CASE what WHEN 'unread' THEN 400 WHEN 'refused' THEN 422 WHEN 'resent' THEN 422 WHEN 'failed' THEN 503
                         ELSE 200 END AS reply_status,
               CASE what WHEN 'unread' THEN {_among(UNREAD, "j / 200")} WHEN 'refused' THEN 'invalid'
                         WHEN 'resent' THEN 'invalid' WHEN 'failed' THEN 'internal' END AS reason,
               CASE what WHEN 'unread' THEN 'The push cannot be read (line 1)' END AS message,
               '10.20.0.' || j % 3 AS sender, (300 + j * 7919 % 4000)::bigint AS taken_microseconds
          FROM {_deliveries(size)}
    """


def _bodies(size: Size) -> str:
    return f"""
        SELECT {_id(size, "j", "'p'")} AS push_id,
               convert_to('<bookingConfirmation><bookingId>' || 100000000 + {_number()}
                          || '</bookingId></bookingConfirmation>', 'UTF8') AS body
          FROM {_deliveries(size)}
    """


def _values(size: Size) -> str:
    """What records say: words that all have, that many have, that few have, and that one has."""
    started = f"to_char({_moment(size, 'j')}, 'YYYY-MM-DD\"T\"HH24:MI:SS')"
    comments = """
        CASE WHEN j % 100000 = 11 THEN 'zebra crossing outside' WHEN j % 1000 = 12 THEN 'dog in the yard'
             WHEN j % 20 = 13 THEN 'no lift, call ahead' ELSE 'access by rear gate' END
    """
    code = f"""
        json_build_object('bookingCodeSORCode', 'N37' || j % 500, 'comments', {comments}, 'quantity', '1.00',
                          'orderId', 900000 + j % 9000, 'trade', {_among(("PLUMBER", "CARPENTER", "ELECTRICIAN"), "j")})
    """
    booked = f"""
        json_strip_nulls(json_build_object(
            'bookingId', booking, 'primaryOrderNumber', 'L' || booking,
            'secondaryOrderNumber', CASE WHEN j % 20 = 4 THEN 'S' || {_number()} % 2500 END,
            'tertiaryOrderNumber', CASE WHEN j % 100 = 44 THEN 'P' || {_number()} % 40 END,
            'contract', {_among(("GENREP", "VOIDS", "GAS"), "j")}, 'locationID', '38' || booking,
            'changedDate', {started}, 'planningWindowStart', {started}, 'planningWindowEnd', {started},
            'userId', {_among(("JSMITH", "AJONES", "PPATEL", "MKHAN"), "j / 3")}, 'tokenId', left(md5(booking), 20),
            'theBookingCodes', json_build_array({code})))
    """
    return f"""
        CASE WHEN kind = 'unavailability'
             THEN json_build_object('Action', 'New', 'ResourceId', resource, 'OperativeId', 'OP' || position,
                                    'PeriodStart', {started}, 'PeriodEnd', {started},
                                    'Reason', {_among(("SICK", "TRAINING", "LEAVE"), "position")})
             ELSE {booked} END
    """


def _problems() -> str:
    field, code = _among(FIELDS, "j / 100"), _among(CODES, "j / 600")
    problem = f"json_build_object('field', {field}, 'code', {code}, 'text', {field} || ' is wrong: ' || {code} || '.')"
    return f"CASE WHEN status IN ('held', 'discarded') THEN json_build_array({problem}) ELSE '[]'::json END"


def _notifications(size: Size) -> str:
    content = _key("j", "'/'", "position")
    return f"""
        SELECT {_id(size, "j", "'n' || position")} AS id, {_id(size, "j", "'p'")} AS push_id, position, source, kind,
               booking AS booking_id, resource AS resource_id, {content} AS content_key,
               {content} AS event_key, {_moment(size, "j")} AS changed_at, {_moment(size, "j")} AS received_at, status,
               {_values(size)} AS "values", '[]'::json AS warnings, {_problems()} AS problems
          FROM (SELECT id_of.*, coalesce(id_of.kind_of, 'confirmation') AS kind FROM
                 (SELECT j, source, what, kind AS kind_of, position, booking, resource, status FROM {_records(size)})
                 AS id_of) AS record
    """


def _repeats(size: Size) -> str:
    """One push that is sent again repeats the one before; a batch repeats what batches of the day before brought."""
    single = f"""
        SELECT {_id(size, "j", "'p'")} AS push_id, 1 AS position, {_id(size, "(j - 1)", "'n1'")} AS notification_id
          FROM {_deliveries(size)}
         WHERE what IN ('again', 'resent') AND j > 1
    """
    batch = f"""
        SELECT {_id(size, "j", "'p'")} AS push_id, position,
               {_id(size, "(j - 1000)", "'n' || position - 1")} AS notification_id
          FROM {_deliveries(size)} CROSS JOIN LATERAL generate_series(11, {BATCH}, 11) AS position
         WHERE what = 'batch' AND j > 1000
    """
    return f"SELECT * FROM ({single} UNION ALL {batch}) AS repeated"


def _bookings(size: Size) -> str:
    first = f"least(b * 2, {size.pushes})"
    return f"""
        SELECT {_source("(b * 2)")} AS source, (100000000 + b)::text AS booking_id,
               'L' || 100000000 + b AS primary_order_number,
               CASE WHEN b % 10 = 2 THEN 'S' || b % 2500 END AS secondary_order_number,
               CASE WHEN b % 50 = 22 THEN 'P' || b % 40 END AS tertiary_order_number,
               'GENREP' AS contract, 'FIRST' AS booking_reason, 'JSMITH' AS user_id,
               {_moment(size, first)} + interval '20 days' AS planning_window_start,
               CASE WHEN b % 5 = 2 THEN 'cancelled' WHEN b % 5 = 3 THEN 'completed' ELSE 'confirmed' END AS status,
               true AS ever_confirmed, {_moment(size, first)} AS first_received_at,
               {_moment(size, first)} AS last_received_at
          FROM generate_series(1, {size.pushes}::bigint / 2) AS b
    """


def _completed(size: Size) -> str:
    return f"""
        (SELECT source, booking, max(j) AS j FROM {_records(size)}
          WHERE kind = 'completion' AND status = 'applied' GROUP BY source, booking) AS completed
    """


def _completions(size: Size) -> str:
    return f"""
        SELECT source, booking AS booking_id, {_id(size, "j", "'n1'")} AS notification_id FROM {_completed(size)}
    """


def _resources(size: Size) -> str:
    return f"""
        SELECT source, booking AS booking_id, 1 AS position, 'W' || j * 13 % 5000 AS resource_id
          FROM {_completed(size)}
    """


def _unavailabilities(size: Size) -> str:
    start = f"date_trunc('second', {_moment(size, 'j')})"
    return f"""
        SELECT DISTINCT ON (1, 2, 3, 4) source, resource AS resource_id, {start} AS period_start,
               {start} + interval '8 hours' AS period_end, 'SICK' AS reason, 'created' AS action, 'active' AS status,
               {_moment(size, "j")} AS first_received_at, {_moment(size, "j")} AS last_received_at
          FROM {_records(size)}
         WHERE kind = 'unavailability' AND status = 'applied'
    """


def _decisions(size: Size) -> str:
    return f"""
        SELECT {_id(size, "j", "'d'")} AS id, {_id(size, "j", "'p'")} AS push_id, 1 AS position,
               {_id(size, "j", "'n1'")} AS notification_id, 'discarded' AS decision,
               {_moment(size, "j")} + interval '1 hour' AS made_at, 'anna' AS made_by, 'a test booking' AS reason,
               1 AS version
          FROM {_records(size)}
         WHERE status = 'discarded'
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Fill a database and say how long that took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="an empty PostgreSQL database")
    parser.add_argument("--pushes", type=int, default=1_000_000)
    options = parser.parse_args(arguments)
    began = time.monotonic()
    fill(options.url, options.pushes, lambda said: print(f"{time.monotonic() - began:6.1f} s  {said}", flush=True))
    print(f"{time.monotonic() - began:6.1f} s  done")
    return 0


if __name__ == "__main__":
    sys.exit(main())
