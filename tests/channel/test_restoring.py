"""A channel as its store kept it."""

from dataclasses import replace
from random import Random

import pytest

from evmthread.channel.desk import Desk, History
from evmthread.channel.errors import DivergentField
from evmthread.channel.kept import SignedRecord
from evmthread.channel.line import Line, kept_back
from evmthread.channel.messages import Accept, Propose, decode_agreed, decode_proposal, encode_body
from evmthread.channel.phases import Phase
from evmthread.channel.restoring import SavedChannel, restore_thread, restored_floor
from evmthread.channel.review import FLOOR_STEP, SECONDS_FACTOR, highest_nonce
from evmthread.channel.thread import Thread
from evmthread.channel.wishes import decode_own, encode_own
from evmthread.commit import TypedData
from evmthread.commit.refusals import NotEnoughSignatures
from evmthread.errors import DecodingError
from tests.channel.endpoints import OUTSIDER, Table, word
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

    class Ends:
        def sign(self, typed_data: TypedData) -> bytes:
            raise SystemExit

    table.ends[1]._signer._signer = Ends()  # type: ignore[assignment] # the process ends when it comes to sign
    with pytest.raises(SystemExit):
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


def kept(table: Table, index: int) -> SavedChannel:
    """What a participant's store has."""
    table.ends[index].flush()
    lease = table.stores[index].look(table.id)
    loaded = lease.load()
    thread = Thread.open(table.head.domain, table.terms, table.rules, code=table.head.code)
    adoptions = restore_thread(thread, loaded.base, kept_back(table.terms) + 1)
    return SavedChannel(
        adoptions, loaded.agreed, loaded.signed, loaded.highest, loaded.final, loaded.inputs, 0, int(START)
    )


def put(table: Table, index: int, saved: SavedChannel) -> Desk:
    """A desk and its line as `saved` says."""
    thread = Thread.open(table.head.domain, table.terms, table.rules, code=table.head.code)
    base = table.stores[index].look(table.id).load().base
    restore_thread(thread, base, kept_back(table.terms) + 1)
    desk = Desk(thread, index, table.options[index], table.stores[index].look(table.id), Random(1), table.now)
    saved.put_into(desk, Line(desk))
    return desk


def test_all_that_was_kept_is_put_back() -> None:
    table = Table(3)
    table.play(0)
    leader = table.channel(0)._desk.free_nonce % 3
    proposal = table.proposal(leader)
    index = (leader + 1) % 3
    table.tell(index, leader, proposal)
    table.ask(index, 3, lasting=True)
    table.sent()
    saved, before = kept(table, index), table.channel(index)._desk
    desk = put(table, index, saved)
    nonce = proposal.commitment.nonce
    assert (desk.count, desk.begun, desk.own_floor) == (before.count, START, 0)
    assert desk.thread.parent == before.thread.parent
    assert desk.tip == before.tip
    assert (desk.owner_nonce, desk.balance) == (before.owner_nonce, before.balance)
    assert (desk.ballot.highest_signed, desk.ballot.final) == (nonce, None)
    assert desk.ballot.signed == {nonce: table.digest(proposal.commitment)}
    standing = desk.ballot.own_standing
    assert standing is not None
    assert (standing.propose, standing.signed_here) == (proposal, True)
    assert standing.signatures == {leader: proposal.signature}
    assert (desk.wants_end, desk.ready_to_close, desk.close_answers) == (False, None, {})
    assert [own.input for own in desk.pool.own] == [own.input for own in before.pool.own]
    assert desk.pool.used == before.pool.used
    other = put(table, index, replace(saved, floor=9, highest=9, begun=None, count=4))
    assert (other.own_floor, other.ballot.highest_signed, other.begun, other.count) == (9, 9, None, 4)


def test_what_stood_on_another_agreement_is_signed_but_does_not_stand() -> None:
    table = Table(3)
    proposal = table.proposal(1)
    table.tell(0, 1, proposal)
    saved = kept(table, 0)
    (record,) = saved.signed
    strange = replace(proposal, commitment=replace(proposal.commitment, parent=word(7)))
    digest = table.digest(strange.commitment)
    desk = put(table, 0, replace(saved, signed=(SignedRecord(1, digest, False, encode_body(strange)),)))
    assert desk.ballot.standing == {}
    assert desk.ballot.signed == {1: digest}
    assert desk.ballot.has_signed_aside
    assert record.digest != digest


def test_what_we_led_and_had_not_signed_yet_stands_without_a_signature() -> None:
    table = Table(3)
    proposal = table.proposal(1)
    saved = kept(table, 1)
    (record,) = saved.signed
    assert decode_proposal(record.content, batch_bytes=table.rules.batch_bytes).signature == b""
    desk = put(table, 1, saved)
    standing = desk.ballot.own_standing
    assert standing is not None
    assert (standing.digest, standing.signatures) == (table.digest(proposal.commitment), {})


def test_who_signed_the_end_is_ready_for_it_again() -> None:
    table = Table(3)
    table.lost = lambda sender, receiver, message: isinstance(message, Propose)
    for end in table.ends:
        end.do(lambda channel: channel.close())
    table.pump()
    desk = put(table, 1, kept(table, 1))
    tip = desk.thread.parent
    assert desk.ballot.final == desk.ballot.standing[1].digest
    assert desk.wants_end
    assert desk.ready_to_close == tip
    assert desk.close_answers == {1: tip}


def test_only_inputs_on_the_latest_agreement_wait_again_in_their_order() -> None:
    table = Table(3)
    for number in (10, 11, 12):
        table.ask(0, number)
    saved = kept(table, 0)
    assert len(saved.inputs) == 3
    older = decode_own(saved.inputs[0].content)
    older.input = replace(older.input, parent=word(7))
    void = replace(saved.inputs[0], content=encode_own(older))
    desk = put(table, 0, replace(saved, inputs=(*reversed(saved.inputs), void)))
    assert [own.input.data for own in desk.pool.own] == [word(10), word(11), word(12)]
    assert desk.pool.used == {(0, own.input.nonce): own.input for own in desk.pool.own}


def test_a_line_is_read_back_as_far_as_it_can_be_gone_back() -> None:
    table = Table(3, threshold=2)
    thread = Thread.open(table.head.domain, table.terms, table.rules, code=table.head.code)
    assert restore_thread(thread, (), 3) == ()
    for number in range(4):
        table.play(number % 3)
    table.ends[0].flush()
    base = table.stores[0].look(table.id).load().base
    assert len(base) == 5
    adoptions = restore_thread(thread, base, 3)
    assert [each.agreement.digest for each in adoptions] == [record.digest for record in base[-3:]]
    assert thread.parent == table.channel(0).thread.parent
    whole = (*base[:-2], replace(base[-2], whole=True), base[-1])
    thread = Thread.open(table.head.domain, table.terms, table.rules, code=table.head.code)
    adoptions = restore_thread(thread, whole, 4)
    assert [each.agreement.digest for each in adoptions] == [record.digest for record in base[-2:]], "not beyond it"


def test_what_comes_before_a_whole_state_is_read_from_what_was_kept() -> None:
    table = Table(3, threshold=2, whole_every=2)
    for number in range(5):
        table.play(number % 3)
    table.ends[0].flush()
    lease = table.stores[0].look(table.id)
    base = lease.load().base
    line = lease.line_after(-1, 100)
    assert len(line) == 6
    assert [record.whole for record in base] == [True]

    def restored(most: int, history: History | None = lease) -> list[bytes]:
        thread = Thread.open(table.head.domain, table.terms, table.rules, code=table.head.code)
        adoptions = restore_thread(thread, base, most, history)
        assert thread.parent == table.channel(0).thread.parent
        return [each.agreement.digest for each in adoptions]

    digests = [record.digest for record in line]
    assert restored(4) == digests[-4:]
    assert restored(100) == digests, "down to the genesis"
    assert restored(4, None) == digests[-1:]


def test_what_was_agreed_is_verified_again() -> None:
    table = Table(3)
    table.play(0)
    table.ends[0].flush()
    base = table.stores[0].look(table.id).load().base
    agreed = decode_agreed(base[-1].content, batch_bytes=table.rules.batch_bytes)
    signatures = agreed.signed.signatures
    halved = replace(agreed.signed, signatures=replace(signatures, bitmap=3, signatures=signatures.signatures[:2]))
    forged = replace(base[-1], content=encode_body(replace(agreed, signed=halved)))
    thread = Thread.open(table.head.domain, table.terms, table.rules, code=table.head.code)
    with pytest.raises(NotEnoughSignatures):
        restore_thread(thread, (*base[:-1], forged), 2)
    with pytest.raises(DivergentField):
        restore_thread(thread, (replace(base[-1], state=base[0].state),), 2)


def test_an_operators_signature_that_was_kept_is_no_partys() -> None:
    table = Table(2, operator=OUTSIDER, operator_leads=True)
    table.lost = lambda sender, receiver, message: isinstance(message, Accept)
    table.ends[2].do(lambda channel: channel.propose(empty=True))
    table.pump()
    standing = put(table, 0, kept(table, 0)).ballot.own_standing
    assert standing is not None
    assert standing.propose.signature
    assert standing.signatures == {}
