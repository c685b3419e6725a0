"""Forks: which branch counts, how far back one is followed, and what stays where it can't be."""

from dataclasses import replace

from evmthread.channel.catch_up import MAX_ORPHANS, PAGE
from evmthread.channel.events import (
    Adopted,
    Convicted,
    PeerFault,
    Stopped,
    StopReason,
    Superseded,
    Unexecutable,
)
from evmthread.channel.line import KEPT_BACK
from evmthread.channel.messages import Agreed, Fetch, Hello, Propose
from evmthread.channel.phases import Phase
from evmthread.commit import DIALECT, Batch, Input, InputKind, SignedBatch
from evmthread.commit.agreement import SignatureSet, SignedCommitment, verify
from tests.channel.endpoints import ASKS, Table, word
from tests.channel.test_catch_up import agreed_at, line_of


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


def waiting(table: Table, *agreements: Agreed) -> None:
    """Puts agreements among party 2's that wait for their parents."""
    for each in agreements:
        found = verify(table.head.domain, table.terms, each.signed)
        table.channel(2)._catch_up._orphans[found.commitment.parent] = (found, each)


def wrong_on(table: Table, below: Agreed, nonce: int) -> Agreed:
    """By parties 0 and 1, on this agreement, and not what its batch leads to."""
    signed = below.signed.commitment
    commitment = replace(signed, nonce=nonce, parent=table.digest(signed), state_root=word(7))
    signatures = SignatureSet.of({index: table.sign(index, commitment) for index in (0, 1)})
    return Agreed(SignedCommitment(commitment, signatures), below.batch, None)


def test_where_a_fork_executes_in_part_all_is_as_it_was() -> None:
    table, source = Table(3, threshold=2), Table(3, threshold=2)
    a, b, _ = fork(source)
    table.tell(2, 0, b)
    waiting(table, wrong_on(table, a, 6))
    table.tell(2, 0, a)
    assert len(table.told(2, Unexecutable)) == 1
    assert table.told(2, Superseded) == []
    channel = table.channel(2)
    assert channel._desk.tip_nonce == 4
    assert channel.thread.storage(0) == 41
    assert [each.agreement.commitment.nonce for each in channel._line._past] == [0, 4]


def test_nothing_is_superseded_by_itself() -> None:
    """What was agreed in a round may still be among what waited for its parent."""
    table, source = Table(3, threshold=2), Table(3, threshold=2)
    a, _, c = fork(source)
    table.tell(2, 0, a)
    table.tell(2, 0, c)
    channel = table.channel(2)
    for wrong in ((), (wrong_on(table, c, 9),)):
        waiting(table, c, *wrong)
        table.tell(2, 0, a)
        assert table.told(2, Superseded) == []
        assert channel._desk.tip_nonce == 6
        assert channel.thread.storage(0) == 61
    assert len(table.told(2, Unexecutable)) == 1


def test_a_genesis_that_does_not_execute_is_told_and_not_adopted() -> None:
    table, source = Table(2, begin=False), Table(2)
    genesis = agreed_at(source, 0, 0)
    commitment = replace(genesis.signed.commitment, state_root=word(7))
    table.channel(0)._desk.ballot.signed[0] = table.digest(commitment)
    signatures = SignatureSet.of({index: table.sign(index, commitment) for index in (0, 1)})
    table.tell(0, 1, Agreed(SignedCommitment(commitment, signatures), genesis.batch, None))
    assert len(table.told(0, Unexecutable)) == 1
    assert table.channel(0).agreement is None


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


def test_a_fork_further_below_than_can_be_gone_back_stops_us() -> None:
    """Where all decide, none is more than one agreement below; whoever made this one signed two on one parent."""
    table = line_of(4)
    thread = Table(2).channel(0).thread
    empty = SignedBatch(Batch(thread.environment(), ()), ())
    commitment = thread.execute(empty, nonce=9)
    table.channel(0)._desk.ballot.signed[9] = table.digest(commitment)
    signatures = SignatureSet.of({index: table.sign(index, commitment) for index in (0, 1)})
    table.tell(0, 1, Agreed(SignedCommitment(commitment, signatures), empty, None))
    (event,) = table.told(0, Stopped)
    assert isinstance(event, Stopped)
    assert event.reason == StopReason.FORKED
    assert table.channel(0)._desk.tip_nonce == 4
    assert [message for _, _, message in table.sent() if isinstance(message, Fetch)] == []


def test_who_reaches_what_others_have_waits_for_nobody_any_more() -> None:
    """A whole page leads to a question for the next one, at once; the last agreement to signing again."""
    table = line_of(PAGE + 3)
    records = [agreed_at(table, 0, place) for place in range(PAGE + 4)]
    other = Table(2)
    end, channel = other.ends[0], other.channel(0)
    channel._desk.ballot.signed.update(
        {each.signed.commitment.nonce: digest for each, digest in _digests(table, records)}
    )
    channel._desk.heard.discard(1)
    other.tell(0, 1, Hello(PAGE + 2, PAGE + 2, word(1)))
    other.sent()
    assert channel._desk.hears_until is not None
    asked = []
    for each in records[1 : PAGE + 3]:
        assert channel._desk.hears_until is not None
        other.tell(0, 1, each)
        asked.append([type(message) for _, _, message in other.sent()].count(Hello))
    assert asked == [0] * (PAGE - 1) + [1] + [0] * 2
    assert channel._desk.tip_nonce == PAGE + 2
    assert channel._desk.hears_until is None
    end.flush()


def _digests(table: Table, records: list[Agreed]) -> list[tuple[Agreed, bytes]]:
    return [(each, table.digest(each.signed.commitment)) for each in records]


def test_of_what_waits_for_one_parent_the_highest_stays_and_what_is_reached_goes() -> None:
    table, source = Table(3, threshold=2), Table(3, threshold=2)
    made = source.proposal(1)
    orphans = table.channel(2)._catch_up._orphans

    def orphan(nonce: int, parent: bytes) -> Agreed:
        commitment = replace(made.commitment, nonce=nonce, parent=parent)
        signatures = SignatureSet.of({index: table.sign(index, commitment) for index in (0, 1)})
        return Agreed(SignedCommitment(commitment, signatures), made.batch, None)

    for nonce, kept in ((10, 10), (12, 12), (11, 12), (12, 12)):
        table.tell(2, 0, orphan(nonce, word(1)))
        assert orphans[word(1)][0].commitment.nonce == kept
    a, b, _ = fork(source)
    table.tell(2, 0, orphan(3, word(2)))
    table.tell(2, 0, b)
    orphans = table.channel(2)._catch_up._orphans
    assert word(1) in orphans
    assert word(2) not in orphans
    table.tell(2, 0, a)
    assert table.channel(2)._desk.tip_nonce == 4


def test_what_came_beside_a_fork_leaves_the_line_as_it_was() -> None:
    """A batch that suspends, with a Suspension that nobody signed: that is whoever's who sent it."""
    rules = {"dialect": DIALECT, "transcript": False}
    table = Table(3, threshold=2, code=ASKS, rules=rules)
    source = Table(3, threshold=2, code=ASKS, rules=rules)
    a, _, _ = fork(source)
    table.tell(2, 0, a)
    assert table.channel(2)._desk.tip_nonce == 3
    other = Table(3, threshold=2, code=ASKS, rules=rules)
    other.ask(1, 5, rest=bytes(12) + table.terms.owners[1])
    proposal = next(message for _, _, message in other.sent() if isinstance(message, Propose))
    assert proposal.suspension is not None
    commitment = replace(proposal.commitment, nonce=4)
    signatures = SignatureSet.of({index: table.sign(index, commitment) for index in (0, 1)})
    signed = SignedCommitment(commitment, signatures)
    wrong = replace(proposal.suspension, question=b"another")
    table.tell(2, 0, Agreed(signed, proposal.batch, wrong))
    assert len(table.told(2, PeerFault)) == 1
    assert table.told(2, Superseded) == []
    assert table.channel(2)._desk.tip_nonce == 3
    assert table.channel(2).thread.storage(0) == 31
    table.tell(2, 0, Agreed(signed, proposal.batch, proposal.suspension))
    assert table.channel(2)._desk.tip_nonce == 4
