"""Who lacks what: greetings, pages of agreements, forks, and stores that are older than they say."""

from dataclasses import replace

import pytest

from evmthread.channel.catch_up import MAX_ORPHANS, PAGE
from evmthread.channel.desk import NEVER, ChannelOptions
from evmthread.channel.errors import LocalProtocolError, NotNow
from evmthread.channel.events import (
    Adopted,
    Convicted,
    PeerFault,
    Proposed,
    Stopped,
    StopReason,
    Superseded,
    Unexecutable,
)
from evmthread.channel.line import KEPT_BACK
from evmthread.channel.messages import Accept, Agreed, Fetch, Hello, Propose, Request, decode_agreed
from evmthread.channel.phases import Phase
from evmthread.commit import Batch, Input, InputKind, SignedBatch
from evmthread.commit.agreement import SignatureSet, SignedCommitment
from evmthread.store.memory_threads import MemoryThreadStore
from tests.channel.endpoints import OUTSIDER, Table, word


def far(table: Table, count: int, *, without: int) -> None:
    """So many agreements that one participant gets nothing of."""
    table.lost = lambda sender, receiver, message: without in (sender, receiver)
    others = [index for index in range(len(table.terms.keys)) if index != without]
    for number in range(count):
        table.ask(others[number % len(others)], 10 + number, lasting=True)
        table.pump()
        table.wait(12)
    table.lost = lambda sender, receiver, message: False
    table.net.clear()


def agreed_at(table: Table, index: int, place: int) -> Agreed:
    table.ends[index].flush()
    record = table.stores[index].look(table.id).line_after(-1, 1000)[place]
    return decode_agreed(record.content, batch_bytes=table.rules.batch_bytes)


def test_nothing_is_signed_before_enough_have_said_what_they_have() -> None:
    table = Table(3, threshold=2)
    proposal = table.proposal(1)
    table.restart(0)
    table.sent()
    table.tell(0, 1, proposal)
    assert [message for _, _, message in table.sent() if isinstance(message, Accept)] == []
    table.tell(0, 2, Hello(0, 0, table.channel(0).thread.parent))
    table.tell(0, 1, proposal)
    assert table.channel(0)._desk.tip_nonce == 1, "the leader's signature and ours are two"


def test_the_genesis_waits_for_all() -> None:
    table = Table(3, threshold=2, begin=False)
    table.ends[0].start()
    table.tell(0, 1, Hello(-1, -1, bytes(32)))
    assert not table.channel(0)._desk.may_sign
    table.tell(0, 2, Hello(-1, -1, bytes(32)))
    assert table.channel(0)._desk.may_sign


def test_a_greeting_is_answered_once() -> None:
    table = Table(2)
    tip = table.channel(0).thread.parent
    table.ends[0].tick(table.now + 10)
    table.sent()
    hello = Hello(0, 0, tip)
    counts = []
    for _ in range(3):
        table.tell(0, 1, hello)
        counts.append(len(table.sent()))
    assert counts == [1, 0, 0]


def test_whoever_is_behind_gets_what_it_lacks_page_by_page() -> None:
    table = Table(3, threshold=2)
    far(table, PAGE + 5, without=2)
    behind = table.channel(2)._desk.tip_nonce
    ahead = table.channel(0)._desk.tip_nonce
    assert ahead >= behind + PAGE + 5
    table.restart(2)
    table.pump()
    assert len(table.tips()) == 1
    table.ends[2].flush()
    assert len(table.told(2, Adopted)) >= PAGE + 5
    assert table.channel(2).thread.storage(0) == table.channel(0).thread.storage(0)


def test_an_agreement_whose_parent_is_missing_waits_and_asks_for_it() -> None:
    table = Table(3, threshold=2)
    far(table, 2, without=2)
    first, second = agreed_at(table, 0, 1), agreed_at(table, 0, 2)
    table.tell(2, 0, second)
    (answer,) = [message for _, _, message in table.sent() if isinstance(message, Fetch)]
    assert answer.digest == table.digest(first.signed.commitment)
    table.tell(2, 1, first)
    assert table.channel(2).thread.parent == table.digest(second.signed.commitment)


def test_what_is_fetched_is_sent_and_the_unknown_is_not() -> None:
    table = Table(2)
    table.play(0)
    old = agreed_at(table, 0, 0)
    for digest, got in (
        (table.digest(old.signed.commitment), [old]),
        (table.channel(0).thread.parent, None),
        (word(1), []),
    ):
        table.tell(0, 1, Fetch(digest))
        sent = [message for _, _, message in table.sent()]
        assert sent == ([table.channel(0)._desk.tip] if got is None else got)


def test_what_too_few_signed_is_refused() -> None:
    """C2 to C4: too few; one signature many times; another's place."""
    table = Table(3)
    table.lost = lambda sender, receiver, message: receiver == 2
    table.ask(1)
    table.pump()
    proposal = table.channel(1)._desk.ballot.standing[1].propose
    table.net.clear()
    signatures = {index: table.sign(index, proposal.commitment) for index in range(3)}
    bad = [
        {0: signatures[0], 1: signatures[1]},
        dict.fromkeys(range(3), signatures[0]),
        {0: signatures[1], 1: signatures[0], 2: signatures[2]},
        signatures | {2: b"\x01" * 65},
        {},
    ]
    for each in bad:
        signed = SignedCommitment(proposal.commitment, SignatureSet.of(each))
        table.tell(0, 1, Agreed(signed, proposal.batch, None))
    assert len(table.told(0, PeerFault)) == len(bad)
    assert table.channel(0)._desk.tip_nonce == 0
    good = Agreed(SignedCommitment(proposal.commitment, SignatureSet.of(signatures)), proposal.batch, None)
    other = SignedBatch(Batch(proposal.batch.batch.environment, ()), ())
    table.tell(0, 1, replace(good, batch=other))
    table.tell(0, 1, replace(good, batch=SignedBatch(proposal.batch.batch, (bytes(65),))))
    assert len(table.told(0, PeerFault)) == len(bad) + 2
    assert table.told(0, Unexecutable) == []
    table.tell(0, 1, good)
    assert table.channel(0)._desk.tip_nonce == 1


def test_what_all_signed_and_does_not_execute_is_told_and_not_adopted() -> None:
    table = Table(2)
    made = table.proposal(1)
    table.channel(0)
    commitment = replace(made.commitment, state_root=word(3), nonce=3)
    signatures = {index: table.sign(index, commitment) for index in range(2)}
    table.channel(0)._desk.ballot.signed[3] = table.digest(commitment)
    table.tell(0, 1, Agreed(SignedCommitment(commitment, SignatureSet.of(signatures)), made.batch, None))
    assert len(table.told(0, Unexecutable)) == 1
    assert table.channel(0)._desk.tip_nonce == 0


def fork(table: Table) -> tuple[Agreed, Agreed, Agreed]:
    """Of three parties, two of which decide: a and b on one parent, and c on a. Nobody has them."""
    thread = table.channel(0).thread
    made = []

    def agreed(nonce: int, number: int) -> Agreed:
        from evmthread.commit import Input, InputKind

        thread.discard()
        owner = table.terms.owners[0]
        each = Input(
            table.id,
            thread.account_nonce(owner),
            thread.parent,
            InputKind.CALL,
            owner,
            thread.address,
            0,
            100_000,
            word(number),
        )
        batch = Batch(thread.environment(timestamp=int(table.now)), (each,))
        signed = SignedBatch(batch, (table.sign(0, each),))
        commitment = thread.prepare(signed, nonce=nonce)
        signatures = SignatureSet.of({index: table.sign(index, commitment) for index in (0, 1)})
        return Agreed(SignedCommitment(commitment, signatures), signed, None)

    made.append(agreed(4, 40))
    made.append(agreed(3, 30))
    from evmthread.commit.agreement import verify

    thread.adopt(verify(table.head.domain, table.terms, made[1].signed))
    made.append(agreed(6, 60))
    thread.discard()
    return made[1], made[0], made[2]


def test_the_higher_nonce_wins_and_the_lower_is_superseded() -> None:
    table, source = Table(3, threshold=2), Table(3, threshold=2)
    a, b, _ = fork(source)
    table.tell(2, 0, a)
    assert table.channel(2).thread.storage(0) == 31
    table.tell(2, 0, b)
    assert table.channel(2).thread.storage(0) == 41
    assert [event.agreement.commitment.nonce for event in table.told(2, Superseded)] == [3]  # type: ignore[attr-defined]
    table.tell(2, 0, a)
    assert table.channel(2).thread.storage(0) == 41
    table.ends[2].flush()
    assert table.restart(2)._desk.tip_nonce == 4


def test_a_fork_is_followed_from_below() -> None:
    """c stands on a, which is lower than b: whoever has b takes a and c together, and goes back for neither alone."""
    table, source = Table(3, threshold=2), Table(3, threshold=2)
    a, b, c = fork(source)
    table.tell(2, 0, b)
    table.tell(2, 0, a)
    assert table.channel(2)._desk.tip_nonce == 4
    table.tell(2, 0, c)
    assert [message for _, _, message in table.sent() if isinstance(message, Fetch)] == [
        Fetch(table.digest(a.signed.commitment))
    ]
    table.tell(2, 0, a)
    assert table.channel(2)._desk.tip_nonce == 6
    assert table.channel(2).thread.storage(0) == 61
    table.ends[2].flush()
    channel = table.restart(2)
    assert channel._desk.tip_nonce == 6
    assert channel.thread.storage(0) == 61


def twins(table: Table) -> tuple[Agreed, Agreed]:
    """Two agreements of one nonce on one parent, as a party makes them that signs both; the one that counts is last."""
    thread = table.channel(0).thread
    made = []
    for seconds, pair in ((0, (0, 1)), (1, (0, 2))):
        batch = Batch(thread.environment(timestamp=int(table.now) + seconds), (_call(table, 7),))
        signed = SignedBatch(batch, tuple([table.sign(0, each) for each in batch.inputs]))
        commitment = thread.execute(signed, nonce=3)
        signatures = SignatureSet.of({index: table.sign(index, commitment) for index in pair})
        made.append(Agreed(SignedCommitment(commitment, signatures), signed, None))
    one, other = sorted(made, key=lambda each: table.digest(each.signed.commitment))
    return one, other


def _call(table: Table, number: int) -> Input:
    thread, owner = table.channel(0).thread, table.terms.owners[0]
    nonce = thread.account_nonce(owner)
    return Input(table.id, nonce, thread.parent, InputKind.CALL, owner, thread.address, 0, 100_000, word(number))


def test_of_two_agreements_with_one_nonce_all_go_on_from_the_same() -> None:
    """The higher digest counts, whichever comes first, and after a restart too; both are evidence."""
    for swapped in (False, True):
        table = Table(3, threshold=2)
        lower, higher = twins(table)
        for agreed in (higher, lower) if swapped else (lower, higher):
            table.tell(1, 0, agreed)
        assert table.channel(1).thread.parent == table.digest(higher.signed.commitment)
        assert len(table.told(1, Superseded)) == (not swapped)
        table.ends[1].flush()
        assert [event.party for event in table.told(1, Convicted)] == [0]  # type: ignore[attr-defined]
        assert table.restart(1).thread.parent == table.digest(higher.signed.commitment)


def test_two_who_hold_different_agreements_of_one_nonce_find_together() -> None:
    table = Table(3, threshold=2)
    lower, higher = twins(table)
    table.tell(1, 0, lower)
    table.tell(2, 0, higher)
    table.lost = lambda sender, receiver, message: 0 in (sender, receiver)
    for index in (1, 2):
        table.restart(index)
    table.pump()
    table.ask(1, 9, lasting=True)
    table.pump()
    table.wait(40)
    assert table.channel(1).thread.parent == table.channel(2).thread.parent
    assert table.channel(1).thread.storage(0) == 10


def test_nothing_supersedes_the_end() -> None:
    """Two who signed the end with all others sign something higher beside it: who holds the end stays there."""
    table, source = Table(3, threshold=2), Table(3, threshold=2)
    a, _, _ = fork(source)
    for end in table.ends:
        end.do(lambda channel: channel.close())
    table.pump()
    assert table.channel(2).phase == Phase.CLOSED
    assert table.channel(2)._desk.tip_nonce < a.signed.commitment.nonce
    tip = table.channel(2).thread.parent
    table.tell(2, 0, a)
    assert table.channel(2).phase == Phase.CLOSED
    assert table.channel(2).thread.parent == tip


def test_a_branch_that_was_left_is_gone_on_from_again() -> None:
    """b superseded a, which is kept; then c, on a, is higher than b: a is taken from the store, and nothing fetched."""
    table, source = Table(3, threshold=2), Table(3, threshold=2)
    a, b, c = fork(source)
    table.tell(2, 0, a)
    table.tell(2, 0, b)
    table.ends[2].flush()
    table.sent()
    table.tell(2, 0, c)
    table.ends[2].flush()
    assert not [message for _, _, message in table.sent() if isinstance(message, Fetch)]
    assert table.channel(2)._desk.tip_nonce == 6
    assert [event.agreement.commitment.nonce for event in table.told(2, Superseded)] == [3, 4]  # type: ignore[attr-defined]
    assert [event.agreement.commitment.nonce for event in table.told(2, Adopted)][-4:] == [3, 4, 3, 6]  # type: ignore[attr-defined]
    channel = table.restart(2)
    assert channel._desk.tip_nonce == 6
    assert channel.thread.storage(0) == 61


def test_where_a_fork_does_not_execute_all_is_as_it_was() -> None:
    table, source = Table(3, threshold=2), Table(3, threshold=2)
    a, b, _ = fork(source)
    table.tell(2, 0, a)
    wrong = replace(b.signed.commitment, state_root=word(7))
    signatures = SignatureSet.of({index: table.sign(index, wrong) for index in (0, 1)})
    table.tell(2, 0, Agreed(SignedCommitment(wrong, signatures), b.batch, None))
    assert len(table.told(2, Unexecutable)) == 1
    assert table.channel(2)._desk.tip_nonce == 3
    assert table.channel(2).thread.storage(0) == 31
    table.tell(2, 0, b)
    assert table.channel(2)._desk.tip_nonce == 4


def test_who_left_the_line_gets_it_from_before() -> None:
    table = Table(3, threshold=2)
    table.play(1)
    tip = table.channel(0)._desk.tip_nonce
    table.tell(0, 2, Hello(9, tip, word(9)))
    table.tell(0, 2, Hello(9, 0, word(9)))
    nonces = [message.signed.commitment.nonce for _, _, message in table.sent() if isinstance(message, Agreed)]
    assert 0 in nonces
    assert tip in nonces
    assert KEPT_BACK >= PAGE


def test_orphans_are_bounded() -> None:
    table = Table(3, threshold=2)
    made = table.proposal(1)
    for number in range(MAX_ORPHANS + 10):
        commitment = replace(made.commitment, nonce=10 + number, parent=word(100 + number))
        signatures = SignatureSet.of({index: table.sign(index, commitment) for index in (1, 2)})
        table.tell(0, 1, Agreed(SignedCommitment(commitment, signatures), made.batch, None))
    orphans = table.channel(0)._catch_up._orphans
    assert len(orphans) == MAX_ORPHANS
    assert word(100 + MAX_ORPHANS + 9) in orphans


# Stores that are older than they say ----------------------------------------------------------------------------------
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
