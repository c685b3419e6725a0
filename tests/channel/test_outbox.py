"""What a channel asks of the outside, in order, and what goes on when it is answered."""

import pytest

from evmthread.channel.effects import Notify, Persist, Send, SetTimer
from evmthread.channel.errors import LocalProtocolError
from evmthread.channel.events import CloseFailed
from evmthread.channel.kept import EvidenceRecord
from evmthread.channel.local import LOCAL_DOMAIN
from evmthread.channel.messages import Close, encode_message
from evmthread.channel.outbox import Outbox
from evmthread.commit import TypedData
from tests.channel.games import Match

RECORD = EvidenceRecord("Equivocation", 1, b"{}")
THREAD = bytes(32)


def test_effects_come_once_and_in_order() -> None:
    outbox = Outbox(THREAD)
    outbox.send(1, Close())
    outbox.notify(CloseFailed())
    outbox.send_all((2, 3), Close())
    data = encode_message(THREAD, Close())
    assert outbox.take() == [Send(1, data), Notify(CloseFailed()), Send(2, data), Send(3, data)]
    assert outbox.take() == []


def test_an_answer_goes_on_with_what_waited_for_it_and_with_nothing_else() -> None:
    outbox = Outbox(THREAD)
    done: list[str] = []
    outbox.persist(RECORD, urgent=True, then=lambda: done.append("first"), failed=done.append)
    outbox.persist(RECORD, urgent=False, then=lambda: done.append("second"), failed=done.append)
    first, second = outbox.take()
    assert isinstance(first, Persist)
    assert isinstance(second, Persist)
    assert (first.urgent, second.urgent) == (True, False)
    assert first.token != second.token
    outbox.answered(second.token, None)
    outbox.failed(first.token, "full")
    assert done == ["second", "full"]
    for token in (first.token, second.token, 99):
        with pytest.raises(LocalProtocolError, match="nothing waits"):
            outbox.answered(token, None)
        with pytest.raises(LocalProtocolError, match="nothing waits"):
            outbox.failed(token, "")


def test_a_signature_answers_what_is_to_be_signed_and_no_record() -> None:
    outbox = Outbox(THREAD)
    got: list[object] = []
    outbox.persist(RECORD, urgent=True, then=lambda: got.append("kept"), failed=got.append)
    outbox.sign(TypedData(LOCAL_DOMAIN, Match(b"\x00").input(0).input), None, then=got.append, failed=got.append)
    kept, signed = outbox.take()
    with pytest.raises(LocalProtocolError):
        outbox.answered(kept.token, b"signature")  # type: ignore[union-attr]
    with pytest.raises(LocalProtocolError):
        outbox.answered(signed.token, None)  # type: ignore[union-attr]
    outbox.answered(signed.token, b"signature")  # type: ignore[union-attr]
    outbox.answered(kept.token, None)  # type: ignore[union-attr]
    assert got == [b"signature", "kept"]


def test_a_signature_that_is_refused_is_told_and_waited_for_no_longer() -> None:
    outbox = Outbox(THREAD)
    told: list[object] = []
    outbox.sign(TypedData(LOCAL_DOMAIN, Match(b"\x00").input(0).input), None, then=told.append, failed=told.append)
    assert outbox.waits
    outbox.failed(1, "the device is locked")
    assert told == ["the device is locked"]
    assert not outbox.waits


def test_only_what_something_hangs_on_is_waited_for() -> None:
    outbox = Outbox(THREAD)
    assert not outbox.waits
    outbox.persist(RECORD, urgent=False, then=lambda: None, failed=lambda why: None)
    assert not outbox.waits
    outbox.persist(RECORD, urgent=True, then=lambda: None, failed=lambda why: None)
    assert outbox.waits
    outbox.answered(2, None)
    assert not outbox.waits
    outbox.persist(RECORD, urgent=True, then=lambda: None, failed=lambda why: None)
    outbox.failed(1, "full")
    assert outbox.waits
    outbox.failed(3, "full")
    assert not outbox.waits


def test_a_timer_is_asked_for_once_and_again_when_nothing_was_to_be_waited_for_in_between() -> None:
    outbox = Outbox(THREAD)
    outbox.set_timer(5.0)
    outbox.set_timer(5.0)
    assert outbox.take() == [SetTimer(5.0)]
    outbox.set_timer(7.0)
    assert outbox.take() == [SetTimer(7.0)]
    outbox.set_timer(None)
    assert outbox.take() == []
    outbox.set_timer(7.0)
    assert outbox.take() == [SetTimer(7.0)]
