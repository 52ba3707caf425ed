"""The rows of a filled database, as queries of PostgreSQL: everything of a notification follows from its number, k."""

from __future__ import annotations

import re
from dataclasses import dataclass

DAYS = 300
_DAY = 86_400_000
_NEVER_HEARD_AGAIN = 1000  # a booking is heard of again two thousand notifications later, about

_CODE = (
    '{"bookingCodeSORCode": "N3730@P9", "bookingId": "@B", "comments": "access by rear gate", "orderId": "90001@P",'
    ' "primaryOrderNumber": "L@B", "quantity": "1.00", "standardMinuteValue": "45", "trade": "Plumber"}'
)
_VALUES = (
    '{"bookingId": "@B", "bookingReason": "FIRST", "changedDate": "@T", "contract": "GENREP", "locationID": "38@B",'
    ' "planningWindowEnd": "2021-07-02T13:00:00", "planningWindowStart": "2021-07-02T08:00:00",'
    f' "primaryOrderNumber": "L@B", "theBookingCodes": [{_CODE.replace("@P", "1")}, {_CODE.replace("@P", "2")}],'
    ' "tokenId": "@K", "userId": "JSMITH"}'
)
_WIRE_CODE = """
        <theBookingCodes>
          <bookingCodeDescription>Renew kitchen tap and washer, test and leave in order</bookingCodeDescription>
          <bookingCodeSORCode>N3730@P9</bookingCodeSORCode>
          <bookingId>@B</bookingId>
          <comments>access by rear gate, call ahead</comments>
          <itemNumberWithinBooking>@P</itemNumberWithinBooking>
          <itemValue>12.57</itemValue>
          <orderId>90001@P</orderId>
          <primaryOrderNumber>L@B</primaryOrderNumber>
          <quantity>1.00</quantity>
          <standardMinuteValue>45</standardMinuteValue>
          <trade>Plumber</trade>
        </theBookingCodes>"""
_BODY = f"""<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:ns1="http://confirmed/">
  <soapenv:Header/>
  <soapenv:Body>
    <ns1:bookingConfirmation>
      <bookingConfirmation>
        <bookingId>@B</bookingId>
        <bookingReason>FIRST</bookingReason>
        <changedDate>@T</changedDate>
        <contract>GENREP</contract>
        <locationID>38@B</locationID>
        <numberOfOperatives>1</numberOfOperatives>
        <planningWindowEnd>2021-07-02T13:00:00</planningWindowEnd>
        <planningWindowStart>2021-07-02T08:00:00</planningWindowStart>
        <primaryOrderNumber>L@B</primaryOrderNumber>
        <targetDate>2021-08-19T07:56:00</targetDate>{_WIRE_CODE.replace("@P", "1")}{_WIRE_CODE.replace("@P", "2")}
        <tokenId>@K</tokenId>
        <userId>JSMITH</userId>
      </bookingConfirmation>
    </ns1:bookingConfirmation>
  </soapenv:Body>
</soapenv:Envelope>
"""


@dataclass(frozen=True)
class Scale:
    """How many notifications, and when the last one came: milliseconds since 1970."""

    count: int
    last: int


def statements(scale: Scale) -> dict[str, str]:
    """A query for each table that holds something, by the table's name, in the order in which they are filled."""
    return {
        "pushes": _pushes(scale),
        "push_bodies": _bodies(scale),
        "notifications": _notifications(scale),
        "repeats": _repeats(scale),
        "bookings": _bookings(scale),
        "booking_codes": _codes(scale),
        "completions": _completions(scale),
        "unavailabilities": _unavailabilities(scale),
        "changes": _changes(scale),
    }


def _milliseconds(scale: Scale, k: str) -> str:
    """When notification ``k`` came: evenly over the days."""
    return f"({scale.last} + ({k} - {scale.count}) * {max(3, DAYS * _DAY // scale.count)}::bigint)"


def _moment(scale: Scale, k: str) -> str:
    return f"to_timestamp({_milliseconds(scale, k)} / 1000.0)"


def _iso(moment: str) -> str:
    return f"""to_char({moment} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"+00:00"')"""


def _id(scale: Scale, k: str, salt: str) -> str:
    """An id as uuid7 makes them: the millisecond, then chance."""
    time = f"lpad(to_hex({_milliseconds(scale, k)}), 12, '0')"
    chance = f"md5({k} || '{salt}')"
    return (
        f"overlay({time} PLACING '-' FROM 9 FOR 0) || '-7' || substr({chance}, 1, 3) || '-8' || substr({chance}, 4, 3)"
        f" || '-' || substr({chance}, 7, 12)"
    )


def _key(k: str, salt: str) -> str:
    return f"encode(sha256(({k} || '{salt}')::bytea), 'hex')"


def _filled(template: str, values: dict[str, str]) -> str:
    parts = [values.get(part, f"$t${part}$t$") for part in re.split("(@[A-Z])", template)]
    return f"concat({', '.join(parts)})"


def _heard(scale: Scale) -> str:
    """One row a notification: its number, kind and booking."""
    return f"""
        (SELECT k, kind, (100000000 + CASE WHEN kind = 'unavailability' THEN NULL
                                           WHEN k % 2 = 1 OR k <= {2 * _NEVER_HEARD_AGAIN} THEN (k + 1) / 2
                                           ELSE k / 2 - {_NEVER_HEARD_AGAIN} END)::text AS booking_id,
                k % 10000 = 9999 AS held
           FROM (SELECT k, CASE WHEN k % 100 = 50 THEN 'unavailability' WHEN k % 20 = 0 THEN 'completion'
                                WHEN k % 20 = 10 THEN 'cancellation' ELSE 'confirmation' END AS kind
                   FROM generate_series(1, {scale.count}::bigint) AS k) AS numbered) AS heard
    """


def _deliveries(scale: Scale) -> str:
    """One row a delivery: most bring a notification, one in fifty repeats the last, and a few are refused."""
    variants = "CASE WHEN k % 50 = 7 THEN ARRAY['p', 'r'] WHEN k % 10000 = 3 THEN ARRAY['p', 'x'] ELSE ARRAY['p'] END"
    return f"(SELECT heard.*, salt FROM {_heard(scale)} CROSS JOIN LATERAL unnest({variants}) AS salt) AS delivery"


def _delivery_id(scale: Scale) -> str:
    """A second delivery of the same number comes a millisecond later, so that ids are in order."""
    first, second = _id(scale, "k", "p"), _id(scale, "k", "r")
    milliseconds = _milliseconds(scale, "k")
    return f"CASE salt WHEN 'p' THEN {first} ELSE {second.replace(milliseconds, f'({milliseconds} + 1)')} END"


def _pushes(scale: Scale) -> str:
    return f"""
        SELECT {_delivery_id(scale)} AS id, 'drs' AS source, {_moment(scale, "k")} AS received_at,
               2250::bigint AS size_bytes, {_key("k", "bytes")} AS sha256, 'text/xml' AS content_type,
               'SOAP 1.1, bookingConfirmation' AS form, kind,
               CASE salt WHEN 'r' THEN 'duplicate' WHEN 'x' THEN 'refused'
                         ELSE CASE WHEN held THEN 'held' ELSE 'stored' END END AS outcome,
               1 AS records, (held AND salt = 'p')::int AS held,
               CASE salt WHEN 'x' THEN 422 ELSE 200 END AS reply_status
          FROM {_deliveries(scale)}
    """


def _bodies(scale: Scale) -> str:
    values = {"@B": "coalesce(booking_id, 'W1')", "@K": _key("k", "token"), "@T": _moment(scale, "k") + "::text"}
    return f"""
        SELECT {_delivery_id(scale)} AS push_id, convert_to({_filled(_BODY, values)}, 'UTF8') AS body
          FROM {_deliveries(scale)}
    """


def _notifications(scale: Scale) -> str:
    values = {"@B": "coalesce(booking_id, 'W1')", "@K": f"left({_key('k', 'token')}, 40)"}
    values["@T"] = _moment(scale, "k") + "::text"
    return f"""
        SELECT {_id(scale, "k", "n")} AS id, {_id(scale, "k", "p")} AS push_id, 1 AS position, 'drs' AS source, kind,
               booking_id, CASE WHEN kind = 'unavailability' THEN 'W' || k / 100 % 5000 END AS resource_id,
               {_key("k", "content")} AS content_key,
               CASE WHEN kind = 'cancellation' THEN {_key("k", "event")} ELSE {_key("k", "content")} END AS event_key,
               CASE WHEN kind <> 'cancellation' THEN {_moment(scale, "k")} END AS changed_at,
               {_moment(scale, "k")} AS received_at, CASE WHEN held THEN 'held' ELSE 'applied' END AS status,
               {_filled(_VALUES, values)}::json AS "values", '[]'::json AS warnings, '[]'::json AS problems
          FROM {_heard(scale)}
    """


def _repeats(scale: Scale) -> str:
    return f"""
        SELECT {_delivery_id(scale)} AS push_id, 1 AS position, {_id(scale, "k", "n")} AS notification_id
          FROM {_deliveries(scale)}
         WHERE salt = 'r'
    """


def _bookings(scale: Scale) -> str:
    """A booking's first notification is 2b - 1, its last 2b - 1 too or 2 (b + 1000)."""
    again = 2 * _NEVER_HEARD_AGAIN
    return f"""
        SELECT 'drs' AS source, (100000000 + b)::text AS booking_id, 'L' || 100000000 + b AS primary_order_number,
               '38' || 100000000 + b AS location_id, 'GENREP' AS contract, 'FIRST' AS booking_reason,
               left({_key("first", "token")}, 40) AS token_id, 'JSMITH' AS user_id,
               {_moment(scale, "first")} + interval '20 days' AS planning_window_start,
               {_moment(scale, "first")} + interval '20 days 5 hours' AS planning_window_end,
               CASE WHEN last % 20 = 10 THEN 'cancelled' WHEN last % 20 = 0 THEN 'completed' ELSE 'confirmed' END
                 AS status,
               {_moment(scale, "last")} AS changed_at, true AS ever_confirmed,
               {_moment(scale, "first")} AS first_received_at, {_moment(scale, "last")} AS last_received_at,
               {_id(scale, "last", "n")} AS applied_id, {_key("last", "content")} AS applied_key,
               {_moment(scale, "last")} AS last_event_at, 0 AS last_event_rank,
               {_moment(scale, "last")} AS last_event_received_at, {_id(scale, "last", "n")} AS last_event_id
          FROM (SELECT b, 2 * b - 1 AS first, CASE WHEN 2 * b + {again} <= {scale.count} AND 2 * b % 100 <> 50
                                                   THEN 2 * b + {again} ELSE 2 * b - 1 END AS last
                  FROM generate_series(1, ({scale.count}::bigint + 1) / 2) AS b) AS booked
    """


def _codes(scale: Scale) -> str:
    return f"""
        SELECT 'drs' AS source, (100000000 + b)::text AS booking_id, position, 900010 + position::bigint AS order_id,
               'N3730' || position || '9' AS sor_code, 'L' || 100000000 + b AS primary_order_number,
               '1.00' AS quantity, '45' AS standard_minute_value, 'Plumber' AS trade,
               'access by rear gate, call ahead' AS comments
          FROM generate_series(1, ({scale.count}::bigint + 1) / 2) AS b
         CROSS JOIN LATERAL generate_series(1, 2) AS position
    """


def _completions(scale: Scale) -> str:
    return f"""
        SELECT 'drs' AS source, booking_id, {_id(scale, "k", "n")} AS notification_id, 'COMP' AS completion_status,
               {_moment(scale, "k")} AS completed_at
          FROM {_heard(scale)}
         WHERE kind = 'completion' AND k > {2 * _NEVER_HEARD_AGAIN}
    """


def _unavailabilities(scale: Scale) -> str:
    return f"""
        SELECT 'drs' AS source, 'W' || k / 100 % 5000 AS resource_id,
               date_trunc('second', {_moment(scale, "k")}) AS period_start,
               date_trunc('second', {_moment(scale, "k")}) + interval '8 hours' AS period_end, 'SICK' AS reason,
               'created' AS action, 'active' AS status, {_moment(scale, "k")} AS first_received_at,
               {_moment(scale, "k")} AS last_received_at,
               {_id(scale, "k", "n")} AS applied_id, {_key("k", "content")} AS applied_key
          FROM {_heard(scale)}
         WHERE kind = 'unavailability'
    """


def _changes(scale: Scale) -> str:
    start = f"date_trunc('second', {_moment(scale, 'k')})"
    absence = " || '/' || ".join(["'W' || k / 100 % 5000", _iso(start), _iso(f"({start} + interval '8 hours')")])
    return f"""
        SELECT k << 22 AS "cursor", 'drs' AS source,
               CASE WHEN kind = 'unavailability' THEN kind ELSE 'booking' END AS entity,
               coalesce(booking_id, {absence}) AS entity_key,
               CASE WHEN kind = 'cancellation' THEN 'cancelled' WHEN kind = 'completion' THEN 'completed'
                    WHEN k % 2 = 1 OR kind = 'unavailability' THEN 'created' ELSE 'updated' END AS change,
               {_id(scale, "k", "n")} AS notification_id, {_moment(scale, "k")} AS occurred_at,
               {_moment(scale, "k")} AS recorded_at
          FROM {_heard(scale)}
    """
