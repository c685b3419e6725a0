"""Who lacks what: what is waited for, asked for, sent and refused."""

from dataclasses import replace

from evmthread.channel.catch_up import PAGE
from evmthread.channel.desk import ChainHead, Mode
from evmthread.channel.events import (
    Adopted,
    PeerFault,
    Unexecutable,
)
from evmthread.channel.messages import Accept, Agreed, Fetch, Hello, decode_agreed
from evmthread.channel.phases import Phase
from evmthread.commit import Batch, SignedBatch
from evmthread.commit.agreement import SignatureSet, SignedCommitment
from tests.channel.endpoints import Table, word
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


def line_of(length: int) -> Table:
    """A table of two with so many agreements above the genesis, of empty batches."""
    table = Table(2)
    for _ in range(length):
        leader = table.channel(0)._desk.free_nonce % 2
        table.ends[leader].do(lambda channel: channel.propose(empty=True))
        table.pump()
    assert table.channel(0)._desk.tip_nonce == length
    return table


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
