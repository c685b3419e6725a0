"""Stores that are older than they say: what stops them, what they sign, and who gives them ground."""

from dataclasses import replace

import pytest

from evmthread.channel.desk import NEVER, ChannelOptions
from evmthread.channel.errors import LocalProtocolError, NotNow
from evmthread.channel.events import (
    PeerFault,
    Proposed,
    Stopped,
    StopReason,
)
from evmthread.channel.messages import Accept, Agreed, Hello, Propose, Request
from evmthread.channel.phases import Phase
from evmthread.commit import Batch, SignedBatch
from evmthread.commit.agreement import SignatureSet, SignedCommitment
from evmthread.store.memory_threads import MemoryThreadStore
from tests.channel.endpoints import OUTSIDER, Table, word


def stale(table: Table, index: int, backup: MemoryThreadStore) -> None:
    table.stores[index] = backup
    table.ends[index] = table.opened(index)
    table.ends[index].start()


def test_an_agreement_with_our_signature_that_we_lack_stops_us() -> None:
    """C22."""
    table = Table(2)
    backup = table.stores[0].copy(restored=False)
    table.play(0)
    table.net.clear()
    stale(table, 0, backup)
    table.pump()
    (event,) = table.told(0, Stopped)
    assert isinstance(event, Stopped)
    assert event.reason == StopReason.STALE_STORE
    assert table.channel(0)._desk.tip_nonce == 1, "it still reads"


def test_a_signature_above_the_agreement_is_shown_to_who_forgot_it() -> None:
    table = Table(3)
    backup = table.stores[1].copy(restored=False)
    proposal = table.proposal(1)
    table.tell(0, 1, proposal)
    table.sent()
    stale(table, 1, backup)
    table.pump()
    assert table.channel(1).phase == Phase.STOPPED


def test_an_operator_who_forgot_a_proposal_is_shown_it() -> None:
    """It is no party: what it signed comes as the proposal that it was."""
    table = Table(2, operator=OUTSIDER, operator_leads=True)
    backup = table.stores[2].copy(restored=False)
    table.lost = lambda sender, receiver, message: receiver == 2 and not isinstance(message, Request)
    table.ask(0)
    table.pump()
    table.net.clear()
    table.lost = lambda sender, receiver, message: isinstance(message, Agreed)
    stale(table, 2, backup)
    table.pump()
    (event,) = table.told(2, Stopped)
    assert isinstance(event, Stopped)
    assert event.reason == StopReason.STALE_STORE
    assert table.told(2, PeerFault) == []


def test_what_was_only_seen_counts_as_well() -> None:
    """The peer refused the proposal, and remembers that its leader signed it."""
    table = Table(2)
    backup = table.stores[1].copy(restored=False)
    proposal = table.proposal(1)
    table.ends[0].tick(table.now + 10_000)
    table.tell(0, 1, proposal)
    assert table.channel(0).phase == Phase.READY
    table.sent()
    stale(table, 1, backup)
    table.lost = lambda sender, receiver, message: isinstance(message, Agreed)
    table.pump()
    table.ask(1, 99)
    made = [message for _, _, message in table.sent() if isinstance(message, Propose)]
    assert all(each.commitment.nonce > 1 for each in made), "the greeting alone keeps it from signing the nonce again"


def test_a_marked_copy_only_reads() -> None:
    """Its store may lack an end that was signed: nobody can tell, so nothing is signed any more. It hears the news."""
    table = Table(3, threshold=2)
    backup = table.stores[0].copy(restored=True)
    table.play(1)
    table.net.clear()
    table.lost = lambda sender, receiver, message: isinstance(message, Hello)
    stale(table, 0, backup)
    assert backup.look(table.id).floor is not None
    table.pump()
    (event,) = table.told(0, Stopped)
    assert isinstance(event, Stopped)
    assert event.reason == StopReason.RESTORED
    with pytest.raises(NotNow):
        table.ask(0, 9)
    table.lost = lambda sender, receiver, message: False
    table.wait(20)
    table.play(2, 11)
    went = table.play(1, 12) or []
    assert table.channel(0).thread.storage(0) == 13
    assert went == []
    assert table.stores[0].look(table.id).load().signed == ()
    tip = table.channel(0)._desk.tip
    assert tip is not None
    assert tip.signed.signatures.indexes() == (1, 2)


def test_nobody_is_asked_for_ground_that_all_would_have_to_sign_where_one_only_reads() -> None:
    for threshold in (2, 3):
        table = Table(3, threshold=threshold)
        backup = table.stores[0].copy(restored=True)
        stale(table, 0, backup)
        table.pump()
        assert (table.channel(0)._desk.hello(-1).floor > 0) == (threshold == 2)
        table.wait(60)
        assert table.channel(1)._desk.ballot.open_proposals == 0
        assert (table.channel(1)._desk.tip_nonce > 0) == (threshold == 2)
        assert (table.channel(1)._desk.ballot.own_standing is None) or threshold == 2


def test_a_marked_copy_is_at_the_table_again_when_the_others_agreed_above_its_floor() -> None:
    table = Table(3, threshold=2)
    backup = table.stores[0].copy(restored=True)
    stale(table, 0, backup)
    table.pump()
    table.wait(60)
    floor = backup.look(table.id).floor
    assert floor is not None
    assert table.channel(0)._desk.tip_nonce > floor, "the others led to there"
    assert table.channel(0).phase == Phase.STOPPED
    table.restart(0)
    table.pump()
    table.ask(0, 21)
    table.wait(20)
    assert table.channel(1).thread.storage(0) == 22


def test_who_leads_always_signs_first_and_so_a_copy_of_its_store_only_reads() -> None:
    keys = Table(2, begin=False).terms.keys
    table = Table(2, operator=keys[1], operator_leads=True, trusts_others=True)
    backup = table.stores[1].copy(restored=True)
    stale(table, 1, backup)
    assert [event.reason for event in table.told(1, Stopped)] == [StopReason.RESTORED]  # type: ignore[attr-defined]


def test_a_marked_copy_signs_what_all_others_have_signed_and_then_like_all() -> None:
    """With threshold - 1 others, of whom one is honest, who signed something above the floor no lost end is agreed."""
    table = Table(3, trusts_others=True)
    backup = table.stores[0].copy(restored=True)
    stale(table, 0, backup)
    table.pump()
    floor = backup.look(table.id).floor
    assert floor is not None
    with pytest.raises(LocalProtocolError, match="what others have signed"):
        table.ends[0].do(lambda channel: channel.propose(empty=True))
    table.lost = lambda sender, receiver, message: receiver == 0 and isinstance(message, Accept)
    table.wait(120)
    assert table.channel(1)._desk.ballot.own_standing is not None
    assert table.channel(1)._desk.ballot.own_standing.nonce > floor
    assert table.stores[0].look(table.id).load().signed == ()
    assert table.channel(0)._desk.tip_nonce == 0
    table.lost = lambda sender, receiver, message: False
    table.wait(200)
    assert table.channel(0)._desk.tip_nonce > floor
    assert not table.channel(0)._desk.is_restored
    table.play(0, 50)
    assert table.channel(1).thread.storage(0) == 51


def test_a_manual_marked_copy_signs_last_what_its_user_accepted() -> None:
    table = Table(3, each={0: ChannelOptions(trusts_others=True, manual=True)})
    backup = table.stores[0].copy(restored=True)
    stale(table, 0, backup)
    table.lost = lambda sender, receiver, message: receiver == 0 and isinstance(message, Accept)
    table.wait(60)
    nonce = table.told(0, Proposed)[-1].proposal.commitment.nonce  # type: ignore[attr-defined]
    table.ends[0].do(lambda channel: channel.accept(nonce))

    def told() -> int:
        nonces = [event.proposal.commitment.nonce for event in table.told(0, Proposed)]  # type: ignore[attr-defined]
        return nonces.count(nonce)

    before = told()
    table.wait(30)
    assert table.stores[0].look(table.id).load().signed == ()
    assert told() == before, "what is decided isn't told again"
    table.lost = lambda sender, receiver, message: False
    table.wait(200)
    latest = table.told(0, Proposed)[-1].proposal.commitment.nonce  # type: ignore[attr-defined]
    table.ends[0].do(lambda channel: channel.accept(latest))
    table.wait(200)
    assert table.channel(0)._desk.tip_nonce == latest


def test_a_copy_that_is_told_where_ground_is_given_tells_its_floor_until_it_has_some() -> None:
    """Its greeting was lost, and nothing else is on its way: it greets again."""
    table = Table(2, trusts_others=True)
    backup = table.stores[0].copy(restored=True)
    table.lost = lambda sender, receiver, message: isinstance(message, Hello) and message.floor > 0
    stale(table, 0, backup)
    table.pump()
    table.wait(10)
    assert table.channel(1)._desk.floors_ahead == []
    table.lost = lambda sender, receiver, message: False
    table.wait(300)
    assert not table.channel(0)._desk.is_restored
    table.wait(10)
    assert table.ends[0].timer is None
    assert table.ends[1].timer is None


@pytest.mark.parametrize(
    ("shown_by", "trusts_others"),
    [("greeting", False), ("greeting", True), ("agreement", False), ("agreement", True), ("proposal", True)],
)
def test_an_end_that_a_copy_lacks_binds_it_for_ever(shown_by: str, trusts_others: bool) -> None:
    """Signer law, 3: whoever signed the end signs nothing else, above no floor, nor after another restart."""
    table = Table(2, trusts_others=trusts_others)
    backup = table.stores[0].copy(restored=True)
    signed = SignedBatch(Batch(table.channel(0).thread.environment(), ()), ())
    end = table.channel(0).thread.execute(signed, nonce=2, final=True)
    stale(table, 0, backup)
    table.sent()
    if shown_by == "proposal":
        table.tell(0, 1, Propose(end, signed, None, table.sign(0, end)))
    else:
        signers = (0,) if shown_by == "greeting" else (0, 1)
        orphan = replace(end, parent=word(8)) if shown_by == "agreement" else end
        signatures = SignatureSet.of({index: table.sign(index, orphan) for index in signers})
        table.tell(0, 1, Agreed(SignedCommitment(orphan, signatures), signed, None))
    reason = StopReason.STALE_STORE if trusts_others else StopReason.RESTORED
    assert [event.reason for event in table.told(0, Stopped)] == [reason]  # type: ignore[attr-defined]
    assert backup.look(table.id).floor == NEVER
    channel = table.restart(0)
    assert channel.phase == Phase.STOPPED
    table.pump()
    assert channel._desk.hello(0).floor == 0
    with pytest.raises(NotNow):
        table.ask(0, 9)
    full = SignatureSet.of({index: table.sign(index, end) for index in (0, 1)})
    table.tell(0, 1, Agreed(SignedCommitment(end, full), signed, None))
    assert channel.phase == Phase.CLOSED


def test_a_marked_copy_goes_on_above_its_floor() -> None:
    table = Table(2, trusts_others=True)
    backup = table.stores[0].copy(restored=True)
    table.play(0)
    table.play(1)
    table.net.clear()
    stale(table, 0, backup)
    floor = backup.look(table.id).floor
    assert floor is not None
    assert floor >= 1 << 32
    table.now += 5
    table.pump()
    assert table.told(0, Stopped) == []
    table.wait(10)
    table.ask(0, 77, lasting=True)
    table.wait(60)
    assert table.channel(1).thread.storage(0) == 78
    tip = table.channel(1).agreement
    assert tip is not None
    assert tip.commitment.nonce > floor
    assert not backup.look(table.id).restored


def test_a_marked_copy_without_the_genesis_waits_for_it() -> None:
    table = Table(3, begin=False, trusts_others=True)
    backup = table.stores[0].copy(restored=True)
    table.greet()
    table.ends[0].do(lambda channel: channel.propose())
    table.pump()
    stale(table, 0, backup)
    assert backup.look(table.id).floor is None
    table.pump()
    assert backup.look(table.id).floor is not None
    assert table.told(0, Stopped) == []


def test_nothing_is_signed_while_others_are_known_to_have_more() -> None:
    table = Table(2)
    table.play(0)
    table.restart(0)
    table.sent()
    table.tell(0, 1, Hello(5, 5, word(5)))
    table.ask(0, 50)
    assert table.sent() == [] or not any(isinstance(message, Propose) for _, _, message in table.sent())
    assert not table.channel(0)._desk.may_sign
    table.wait(20, pump=False)
    assert table.channel(0)._desk.may_sign, "but not for ever"


def test_whoever_signs_the_last_nonce_still_hears_us() -> None:
    table = Table(2)
    proposal = table.proposal(1)
    table.tell(0, 1, table.signed(1, proposal, nonce=2**64 - 1))
    table.sent()
    table.now += 10
    table.ends[0].tick(table.now)
    table.sent()
    table.tell(0, 1, Hello(0, 0, table.channel(0).thread.parent))
    assert [message.highest for _, _, message in table.sent() if isinstance(message, Hello)] == [2**64 - 2]


def test_an_agreement_on_the_last_nonce_is_told() -> None:
    """So many as decide may end a thread in this way; all others still understand each other."""
    table = Table(3, threshold=2)
    thread = table.channel(0).thread
    batch = SignedBatch(Batch(thread.environment(), ()), ())
    commitment = thread.execute(batch, nonce=2**64 - 1)
    signatures = SignatureSet.of({index: table.sign(index, commitment) for index in (1, 2)})
    table.tell(0, 1, Agreed(SignedCommitment(commitment, signatures), batch, None))
    table.ends[0].flush()
    table.restart(0)
    assert [message.agreed for _, _, message in table.sent() if isinstance(message, Hello)] == [2**64 - 2] * 2
    table.wait(40)
