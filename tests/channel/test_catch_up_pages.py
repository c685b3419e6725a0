"""What greetings claim and are answered with, and pages of what somebody lacks."""

from dataclasses import replace

from evmthread.channel.catch_up import MAX_ORPHANS, PAGE, PATIENCE
from evmthread.channel.events import (
    PeerFault,
    Stopped,
    StopReason,
)
from evmthread.channel.line import KEPT_BACK
from evmthread.channel.messages import Accept, Agreed, Fetch, Hello, Message
from evmthread.commit import Batch, SignedBatch
from evmthread.commit.agreement import SignatureSet, SignedCommitment, verify
from tests.channel.endpoints import OUTSIDER, Table, word
from tests.channel.test_catch_up import line_of
from tests.channel.test_catch_up_forks import fork


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
