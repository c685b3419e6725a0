"""Who lacks what: greetings, pages of agreements, forks, and stores that are older than they say."""

from dataclasses import replace

import pytest

from evmthread.channel.catch_up import MAX_ORPHANS, PAGE, PATIENCE
from evmthread.channel.desk import NEVER, ChainHead, ChannelOptions, Mode
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
from evmthread.channel.messages import Accept, Agreed, Fetch, Hello, Message, Propose, Request, decode_agreed
from evmthread.channel.phases import Phase
from evmthread.commit import DIALECT, Batch, Input, InputKind, SignedBatch
from evmthread.commit.agreement import SignatureSet, SignedCommitment, verify
from evmthread.store.memory_threads import MemoryThreadStore
from tests.channel.endpoints import ASKS, OUTSIDER, Table, word
from tests.channel.games import START


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


def test_before_the_genesis_nothing_is_fetched() -> None:
    """In a dispute it is asked for, too: zero stands for no agreement."""
    table = Table(2, begin=False, on_chain=True)
    table.ends[0].head(ChainHead(6, int(START), Mode.CHALLENGED, 5, Mode.LIVE))
    assert table.channel(0).phase == Phase.DISPUTED
    table.sent()
    table.tell(0, 1, Fetch(bytes(32)))
    assert table.sent() == []


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


# Greetings ------------------------------------------------------------------------------------------------------------
def hellos(table: Table, sender: int) -> list[int]:
    """To whom a participant has said hello."""
    return [to for one, to, message in table.sent() if one == sender and isinstance(message, Hello)]


def test_parties_are_greeted_until_they_have_greeted_us() -> None:
    table = Table(3, operator=OUTSIDER, begin=False)
    table.ends[0].start()
    assert hellos(table, 0) == [1, 2, 3]
    catch_up = table.channel(0)._catch_up
    assert catch_up.unheard == (1, 2)
    table.tell(0, 1, Hello(-1, -1, bytes(32)))
    assert catch_up.unheard == (2,)
    table.sent()
    table.wait(4, pump=False)
    assert set(hellos(table, 0)) == {2}
    for peer in (3, 2):
        table.tell(0, peer, Hello(-1, -1, bytes(32)))
    assert catch_up.unheard == ()


def test_a_greeting_is_answered_where_it_was_not_or_says_something_new_or_time_has_passed() -> None:
    table = Table(3, begin=False, trusts_others=True)
    hello = Hello(-1, -1, bytes(32))
    table.tell(0, 1, hello)
    assert hellos(table, 0) == [1], "we hadn't begun"
    table.tell(0, 1, hello)
    assert hellos(table, 0) == []
    table.channel(0)._desk.ballot.highest_signed = 7
    table.tell(0, 1, hello)
    assert hellos(table, 0) == [1], "there is news"
    for seconds, answers in ((1.5, []), (0.5, [1])):
        table.ends[0].tick(table.now + seconds)
        table.now += seconds
        table.sent()
        table.tell(0, 1, hello)
        assert hellos(table, 0) == answers


def test_who_is_ahead_is_asked_and_nobody_else() -> None:
    table = Table(3)
    channel = table.channel(0)
    channel._catch_up._ahead = {1: 5, 2: 0}
    assert channel._catch_up.is_behind
    channel._catch_up.ask_those_ahead()
    table.ends[0].do(lambda each: each._desk.outbox.take())
    assert hellos(table, 0) == [1]
    channel._catch_up._ahead = {1: 0, 2: -1}
    assert not channel._catch_up.is_behind


def test_what_a_greeting_claims_is_remembered() -> None:
    table = Table(3)
    tip = table.channel(0).thread.parent
    desk = table.channel(0)._desk
    for hello, used in ((Hello(3, 0, tip), 3), (Hello(0, 0, tip, 7), 7), (Hello(9, 11, word(1)), 11)):
        table.tell(0, 1, hello)
        assert desk.ballot._used[1] == used
    assert desk.floors[1] == {7}
    assert desk.hears_until is None, "who has greeted us before keeps us from nothing"
    desk.heard.discard(1)
    table.tell(0, 1, Hello(9, 11, word(1)))
    assert desk.hears_until == table.now + PATIENCE * 2.0


def test_who_has_what_we_have_gets_what_we_signed_above_it() -> None:
    table = Table(3)
    proposal = table.proposal(1)
    table.ends[1].tick(table.now + 5)
    table.sent()

    def got(hello: Hello) -> list[Message]:
        table.tell(1, 0, hello)
        return [message for _, to, message in table.sent() if to == 0 and not isinstance(message, Hello)]

    tip = table.channel(1)._desk.tip
    assert got(Hello(0, 0, table.channel(1).thread.parent)) == [proposal]
    assert got(Hello(9, 9, word(9))) == [], "it has more"
    assert got(Hello(0, 0, word(9))) == [tip], "it has something else"
    table.tell(0, 1, Hello(0, 0, table.channel(0).thread.parent))
    assert not [message for _, _, message in table.sent() if not isinstance(message, Hello)], "nothing was signed"
    early = Table(3, begin=False)
    early.tell(0, 1, Hello(-1, -1, word(9)))
    assert [type(message) for _, _, message in early.sent()] == [Hello]


def test_only_what_we_have_of_a_signature_can_be_shown() -> None:
    """Of one that came before its proposal we know what was signed by its digest alone."""
    table = Table(3)
    proposal = table.proposal(1)
    commitment = replace(proposal.commitment, nonce=5)
    table.tell(0, 2, Accept(5, table.digest(commitment), table.sign(2, commitment)))
    table.sent()
    table.tell(0, 2, Hello(0, 0, table.channel(0).thread.parent))
    assert [type(message) for _, _, message in table.sent()] == [Hello]


def test_a_signature_that_is_shown_to_us_has_to_be_ours_and_of_this_thread() -> None:
    table = Table(3)
    proposal = table.proposal(1)
    elsewhere = replace(proposal.commitment, thread_id=word(1))
    for commitment, signature in (
        (elsewhere, table.sign(0, elsewhere)),
        (proposal.commitment, table.sign(1, proposal.commitment)),
    ):
        signed = SignedCommitment(commitment, SignatureSet.of({0: signature}))
        table.tell(0, 1, Agreed(signed, proposal.batch, None))
    assert len(table.told(0, PeerFault)) == 2
    assert table.told(0, Stopped) == []
    signed = SignedCommitment(proposal.commitment, SignatureSet.of({0: table.sign(0, proposal.commitment)}))
    table.tell(0, 1, Agreed(signed, proposal.batch, None))
    assert len(table.told(0, Stopped)) == 1


# Pages ----------------------------------------------------------------------------------------------------------------
def line_of(length: int) -> Table:
    """A table of two with so many agreements above the genesis, of empty batches."""
    table = Table(2)
    for _ in range(length):
        leader = table.channel(0)._desk.free_nonce % 2
        table.ends[leader].do(lambda channel: channel.propose(empty=True))
        table.pump()
    assert table.channel(0)._desk.tip_nonce == length
    return table


def nonces_sent(table: Table, hello: Hello) -> list[int]:
    """The agreements that party 0 answers with."""
    table.tell(0, 1, hello)
    return [message.signed.commitment.nonce for _, _, message in table.sent() if isinstance(message, Agreed)]


def test_a_page_has_what_follows_and_the_last_one_ends_with_the_latest() -> None:
    table = line_of(PAGE + 3)
    digests = [record.digest for record in table.stores[0].look(table.id).line_after(-1, 100)]
    assert nonces_sent(table, Hello(99, -1, bytes(32))) == list(range(PAGE))
    assert nonces_sent(table, Hello(99, 0, digests[0])) == list(range(1, PAGE + 1))
    for nonce in (2, 3, 4, PAGE + 2):
        found = nonces_sent(table, Hello(99, nonce, digests[nonce]))
        assert found == list(range(nonce + 1, min(nonce + PAGE, PAGE + 3) + 1))
    assert nonces_sent(table, Hello(99, PAGE + 3, digests[-1])) == []
    left = nonces_sent(table, Hello(99, PAGE + 3, word(9)))
    assert left == list(range(PAGE + 3 - KEPT_BACK, PAGE + 3 - KEPT_BACK + PAGE))


def test_the_latest_agreement_is_told_of_before_it_is_durable() -> None:
    table = Table(2)
    table.ask(0)
    while table.net:
        sender, receiver, data = table.net.popleft()
        table.ends[receiver].receive(sender, data)
    tip = table.channel(0)._desk.tip
    assert table.stores[0].look(table.id).agreed(table.channel(0).thread.parent) is None
    assert nonces_sent(table, Hello(1, 1, word(9))) == [0, 1]
    table.tell(0, 1, Fetch(table.channel(0).thread.parent))
    assert [message for _, _, message in table.sent()] == [tip]


def test_an_agreement_tells_what_each_of_its_signers_signed() -> None:
    table, source = Table(3, threshold=2), Table(3, threshold=2)
    a, _, _ = fork(source)
    table.tell(2, 0, a)
    watch = table.channel(2)._watch
    for party in (0, 1):
        seen = watch.highest_of(party)
        assert seen is not None
        assert seen[:2] == (3, a.signed.commitment)
    assert table.told(2, Stopped) == [], "we signed nothing"
    table.tell(0, 1, a)
    (event,) = table.told(0, Stopped)
    assert isinstance(event, Stopped)
    assert event.reason == StopReason.STALE_STORE
    assert table.channel(0)._desk.tip_nonce == 3, "and still read"


def test_what_is_far_below_is_of_no_use_but_where_something_waits_for_it() -> None:
    table = Table(3, threshold=2)
    source = table.channel(0).thread

    def agreed(nonce: int, *, on: Agreed | None = None, again: int = 0) -> Agreed:
        """By parties 1 and 2, on the genesis or another agreement on it."""
        other = Table(3, threshold=2).channel(0).thread
        if on is not None:
            other.prepare(on.batch, nonce=on.signed.commitment.nonce)
            other.adopt(verify(table.head.domain, table.terms, on.signed))
        empty = SignedBatch(Batch(other.environment(), ()), ())
        commitment = replace(other.execute(empty, nonce=nonce), fee=again)
        signatures = SignatureSet.of({index: table.sign(index, commitment) for index in (1, 2)})
        return Agreed(SignedCommitment(commitment, signatures), empty, None)

    high = agreed(MAX_ORPHANS + 10)
    table.tell(0, 1, high)
    assert source.parent == table.digest(high.signed.commitment)
    remembered = table.channel(0)._watch._commitments
    for nonce, known in ((9, False), (10, True), (11, True)):
        table.tell(0, 1, agreed(nonce))
        assert ((1, nonce) in remembered) == known
    low = agreed(5)
    above = agreed(MAX_ORPHANS + 20, on=low)
    table.tell(0, 1, low)
    assert (1, 5) not in remembered
    table.tell(0, 1, above)
    table.tell(0, 1, low)
    assert (1, 5) in remembered
    assert source.parent == table.digest(above.signed.commitment)


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
