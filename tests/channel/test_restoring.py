"""A channel as its store kept it."""

from dataclasses import replace

import pytest

from evmthread.channel.kept import SignedRecord
from evmthread.channel.messages import Accept, Propose, decode_proposal, encode_body
from evmthread.channel.phases import Phase
from evmthread.channel.restoring import restored_floor
from evmthread.channel.review import FLOOR_STEP, SECONDS_FACTOR, highest_nonce
from evmthread.errors import DecodingError
from tests.channel.endpoints import Table, word
from tests.channel.games import START


def test_the_floor_rises_with_the_clock_and_with_what_is_known() -> None:
    assert highest_nonce(START, START) == FLOOR_STEP
    assert highest_nonce(START, START + 10.9) == FLOOR_STEP + 10 * SECONDS_FACTOR
    assert highest_nonce(START, START - 10) == FLOOR_STEP
    assert restored_floor(5, START, START + 1) == FLOOR_STEP + SECONDS_FACTOR
    assert restored_floor(1 << 40, START, START + 1) == 1 << 40


def test_a_restart_in_each_phase_goes_on_where_it_was() -> None:
    """C12, C13."""
    table = Table(3)
    table.play(0)
    proposal = table.proposal(table.channel(0)._desk.ballot.leader(table.channel(0)._desk.free_nonce))
    index = (proposal.commitment.nonce + 1) % 3
    table.tell(index, proposal.commitment.nonce % 3, proposal)
    first = [message for _, _, message in table.sent() if isinstance(message, Accept)]
    before = table.channel(index)
    phase, tip = before.phase, before.thread.parent
    assert phase == Phase.PENDING
    after = table.restart(index)
    assert (after.phase, after.thread.parent) == (phase, tip)
    again = [message for _, _, message in table.sent() if isinstance(message, Accept)]
    assert set(again) == set(first)
    table.pump()
    table.wait(10)
    assert len(table.tips()) == 1


def test_a_leader_that_crashed_before_it_signed_signs_the_same() -> None:
    table = Table(2)
    table.ends[1]._signer._signer = None  # type: ignore[attr-defined] # the process ends when it comes to sign
    table.ends[1].lease.sign_log()
    with pytest.raises(AttributeError):
        table.ask(1, 9)
    channel = table.restart(1, start=False)
    assert channel.phase == Phase.READY or channel._desk.ballot.own_standing is not None
    table.ends[1].start()
    table.pump()
    table.wait(10)
    assert len(table.tips()) == 1


def test_what_was_kept_is_checked() -> None:
    table = Table(3)
    proposal = table.proposal(1)
    table.tell(0, 1, proposal)
    store = table.stores[0]
    record = store.look(table.id).load().signed[0]
    rows = next(iter(store._threads.values()))
    kept = decode_proposal(record.content, batch_bytes=table.rules.batch_bytes)

    def restarted(content: bytes, digest: bytes = record.digest) -> None:
        rows.signed[record.nonce] = SignedRecord(record.nonce, digest, False, content)
        table.opened(0)

    restarted(record.content)
    with pytest.raises(DecodingError, match="isn't what was signed"):
        restarted(record.content, word(3))
    other: Propose = replace(kept, signature=table.sign(0, kept.commitment))
    with pytest.raises(DecodingError, match="isn't the leader's"):
        restarted(encode_body(other))
    with pytest.raises(DecodingError, match="nonce 1"):
        restarted(encode_body(replace(kept, signature=bytes(65))))
