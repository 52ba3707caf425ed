-- What both peers send, in this order, in one transaction, each a prepared statement: the rows that the receiver makes of a
-- new confirmation. Left out: folding of late events, held records, replaced codes, the feed's offset after a restore.

-- name: push
INSERT INTO pushes (id, source, received_at, size_bytes, sha256, content_type, form, kind, outcome, records, held,
                    reply_status)
VALUES ($1, 'drs', $2, $3, $4, $5, 'A', 'confirmation', 'stored', 1, 0, 200)

-- name: body
INSERT INTO push_bodies (push_id, body) VALUES ($1, $2)

-- name: notification
INSERT INTO notifications (id, push_id, position, source, kind, booking_id, content_key, event_key, changed_at,
                           received_at, status, "values", warnings, problems)
VALUES ($1, $2, 1, 'drs', 'confirmation', $3, $4, $4, $5::timestamp AT TIME ZONE 'Europe/London', $6, 'applied', $7,
        '[]', '[]')
ON CONFLICT (source, event_key) DO NOTHING

-- name: booking
INSERT INTO bookings (source, booking_id, primary_order_number, secondary_order_number, tertiary_order_number, token_id,
                      planning_window_start, planning_window_end, target_date, booking_reason, booking_sequence,
                      original_booking_id, number_of_operatives, user_id, contract, location_id, status, changed_at,
                      ever_confirmed, first_received_at, last_received_at, applied_id, applied_key, last_event_at,
                      last_event_rank, last_event_received_at, last_event_id)
VALUES ('drs', $1, $2, $3, $4, $5, $6::timestamp AT TIME ZONE 'Europe/London',
        $7::timestamp AT TIME ZONE 'Europe/London', $8::timestamp AT TIME ZONE 'Europe/London', $9, $10, $11, $12, $13,
        $14, $15, 'confirmed', $16::timestamp AT TIME ZONE 'Europe/London', true, $17, $17, $18, $19,
        $16::timestamp AT TIME ZONE 'Europe/London', 0, $17, $18)
ON CONFLICT (source, booking_id) DO UPDATE
   SET primary_order_number = excluded.primary_order_number, secondary_order_number = excluded.secondary_order_number,
       tertiary_order_number = excluded.tertiary_order_number, token_id = excluded.token_id,
       planning_window_start = excluded.planning_window_start, planning_window_end = excluded.planning_window_end,
       target_date = excluded.target_date, booking_reason = excluded.booking_reason,
       booking_sequence = excluded.booking_sequence, original_booking_id = excluded.original_booking_id,
       number_of_operatives = excluded.number_of_operatives, user_id = excluded.user_id, contract = excluded.contract,
       location_id = excluded.location_id, status = excluded.status, changed_at = excluded.changed_at,
       last_received_at = excluded.last_received_at, applied_id = excluded.applied_id,
       applied_key = excluded.applied_key, last_event_at = excluded.last_event_at,
       last_event_received_at = excluded.last_event_received_at, last_event_id = excluded.last_event_id
 WHERE bookings.last_event_at <= excluded.last_event_at

-- name: codes
INSERT INTO booking_codes (source, booking_id, position, order_id, code_booking_id, sor_code, primary_order_number,
                           quantity, standard_minute_value, item_number, item_value, trade, description, comments,
                           reference)
SELECT 'drs', $1, position, "orderId", "bookingId", "bookingCodeSORCode", "primaryOrderNumber", quantity,
       "standardMinuteValue", "itemNumberWithinBooking", "itemValue", trade, "bookingCodeDescription", comments,
       reference
  FROM ROWS FROM (json_to_recordset($2) AS ("orderId" bigint, "bookingId" bigint, "bookingCodeSORCode" text,
                  "primaryOrderNumber" text, quantity text, "standardMinuteValue" text, "itemNumberWithinBooking" text,
                  "itemValue" text, trade text, "bookingCodeDescription" text, comments text, reference text))
       WITH ORDINALITY AS c("orderId", "bookingId", "bookingCodeSORCode", "primaryOrderNumber", quantity,
                            "standardMinuteValue", "itemNumberWithinBooking", "itemValue", trade,
                            "bookingCodeDescription", comments, reference, position)
ON CONFLICT DO NOTHING

-- name: change
INSERT INTO changes (cursor, source, entity, entity_key, change, notification_id, occurred_at, recorded_at)
VALUES (pg_current_xact_id()::text::bigint << 22, 'drs', 'booking', $1, 'created', $2,
        $3::timestamp AT TIME ZONE 'Europe/London', $4)

-- name: repeat
INSERT INTO repeats (push_id, position, notification_id)
SELECT $1, 1, id FROM notifications WHERE source = 'drs' AND event_key = $2
