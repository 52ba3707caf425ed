"""Replies say what they are to say, whatever that is, in the envelope that was sent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from receiver.wire import Envelope, Verdict, render
from receiver.wire.envelope import Soap
from receiver.wire.reply import one_line

ENVELOPES = st.builds(
    Envelope,
    st.sampled_from([None, *Soap]),
    st.sampled_from(["bookingConfirmations", "x"]),
    st.sampled_from(["", "http://example.org/", "urn:x"]),
)


@given(ENVELOPES, st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from(Verdict))
def test_what_is_said_is_read_again(envelope: Envelope, message: str, verdict: Verdict) -> None:
    reply = render(envelope, verdict, message)
    root = etree.fromstring(reply.body)
    said = root.xpath("string(//*[local-name() = 'errorMsg'])")
    success = verdict is Verdict.SUCCESS
    if envelope.soap is None or success:
        assert said == (one_line(message) or ("" if success or message else "The push failed."))
        assert root.xpath("string(//*[local-name() = 'status'])") == ("success" if success else "error")
    own = envelope.operation_namespace
    if success and envelope.soap is not None and own:
        assert any(etree.QName(element).namespace == own for element in root.iter())


@pytest.mark.parametrize("soap", [None, *Soap])
@pytest.mark.parametrize("message", ["Received before, on 2026-01-02T03:04:05Z.", "\ue000", "1 < 2 & 3 > 2", "\u00e9"])
def test_yes_and_more_is_yes_with_one_more_element(soap: Soap | None, message: str) -> None:
    envelope = Envelope(soap, "bookingConfirmation", "http://example.org/")
    plain = etree.fromstring(render(envelope, Verdict.SUCCESS, None).body)
    more = etree.fromstring(render(envelope, Verdict.SUCCESS, message).body)
    (said,) = more.xpath("//*[local-name() = 'errorMsg']")
    assert said.text == message
    said.getparent().remove(said)
    assert etree.tostring(more) == etree.tostring(plain)
