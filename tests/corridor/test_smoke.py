from tests.support.pushes import CODE, confirmation
from tests.support.receiver import Receiver


def test_a_confirmation_is_stored_and_answered(receiver: Receiver) -> None:
    answer = receiver.push(confirmation(codes=[CODE]))
    assert (answer.status, answer.said("status")) == (200, "success"), answer.body
    booking = receiver.booking("731904")
    assert booking["status"] == "confirmed"
    assert receiver.one("SELECT id, outcome FROM v1_pushes") == {"id": answer.push_id, "outcome": "stored"}
