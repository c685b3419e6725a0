"""What a user decides on, and a leader hears of it."""

import pytest

from evmthread.channel.desk import ChannelOptions
from evmthread.channel.errors import LocalProtocolError
from evmthread.channel.events import (
    Convicted,
    Proposed,
    Rejected,
)
from evmthread.channel.messages import (
    Accept,
    Propose,
    Reject,
    RejectCode,
)
from evmthread.channel.phases import Phase
from evmthread.commit import Batch, SignedBatch
from tests.channel.endpoints import OUTSIDER, Table, table_by_hand


def test_rejections_do_not_set_our_pace() -> None:
    table = Table(3)
    proposal = table.proposal(1)
    nonces = [proposal.commitment.nonce]
    for _ in range(10):
        last = nonces[-1]
        digest = table.channel(1)._desk.ballot.standing[last].digest
        table.tell(1, 0, Reject(last, digest, RejectCode.CLOCK, ""))
        made = [message.commitment.nonce for _, _, message in table.sent() if isinstance(message, Propose)]
        nonces += sorted(set(made) - set(nonces))
    assert len(nonces) == 2, "one more at once, then by the clock"
    assert len(table.told(1, Rejected)) == 2


def test_only_a_rejection_of_what_stands_is_told() -> None:
    table = Table(3)
    proposal = table.proposal(1)
    table.tell(1, 0, Reject(1, bytes(32), 0, ""))
    table.tell(1, 0, Reject(4, table.digest(proposal.commitment), 0, ""))
    assert table.told(1, Rejected) == []
    table.tell(1, 0, Reject(1, table.digest(proposal.commitment), 99, "because"))
    table.tell(1, 2, Reject(1, table.digest(proposal.commitment), 0, ""))
    assert [(event.party, event.code, event.where) for event in table.told(1, Rejected)] == [(0, 99, "because")]  # type: ignore[attr-defined]


def test_only_what_we_lead_is_rejected_to_us_and_what_follows_hangs_on_why() -> None:
    table = Table(3)
    proposal = table.proposal(1)
    table.tell(0, 1, proposal)
    table.tell(0, 1, Reject(1, table.digest(proposal.commitment), RejectCode.TOO_MANY, ""))
    assert table.told(0, Rejected) == []
    assert not table.channel(0)._rounds.empty_next
    for code, follows, empty in (
        (RejectCode.UNWANTED, False, False),
        (RejectCode.CLOCK, True, False),
        (RejectCode.STALE, True, False),
        (RejectCode.TOO_MANY, True, True),
    ):
        leading = Table(3, automatic=False)
        leading.ends[1].do(lambda channel: channel.propose(empty=True))
        made = next(message for _, _, message in leading.sent() if isinstance(message, Propose))
        leading.tell(1, 0, Reject(1, leading.digest(made.commitment), code, ""))
        rounds = leading.channel(1)._rounds
        assert (rounds.may_skip, rounds.empty_next) == (follows, empty)


def two_told() -> tuple[Table, Propose, Propose]:
    """The user of party 0 was told of one proposal of party 1, then of another."""
    table = Table(3, each={0: ChannelOptions(manual=True)})
    first = table.proposal(1)
    second = table.signed(1, first, nonce=4)
    table.tell(0, 1, first)
    table.tell(0, 1, second)
    table.sent()
    return table, first, second


def test_a_second_proposal_under_a_nonce_does_not_take_the_place_of_what_the_user_decides_on() -> None:
    table = Table(3, each={0: ChannelOptions(manual=True)})
    first = table.proposal(1)
    other = Table(3, each={0: ChannelOptions(manual=True)}).proposal(1, 6)
    assert (other.commitment.nonce, other.commitment.parent) == (first.commitment.nonce, first.commitment.parent)
    table.tell(0, 1, first)
    table.tell(0, 1, other)
    assert [reject.code for _, _, reject in table.sent() if isinstance(reject, Reject)] == [RejectCode.STALE]
    assert told(table) == [first.commitment.nonce]
    table.ends[0].do(lambda channel: channel.accept(first.commitment.nonce))
    accepts = [message.digest for _, _, message in table.sent() if isinstance(message, Accept)]
    assert set(accepts) == {table.digest(first.commitment)}
    assert len(table.told(0, Convicted)) == 1


def told(table: Table) -> list[int]:
    events = [event for event in table.told(0, Proposed) if isinstance(event, Proposed)]
    return [event.proposal.commitment.nonce for event in events]


def test_what_was_told_and_can_not_be_decided_on_any_more_is_told_again() -> None:
    table, first, second = two_told()
    assert told(table) == [1, 4]
    table.tell(0, 1, first)
    assert told(table) == [1, 4], "the user decides on the other one"
    table.tell(0, 1, second)
    assert told(table) == [1, 4, 4]
    batch = SignedBatch(Batch(table.channel(0).thread.environment(), ()), ())
    table.channel(0).thread.prepare(batch, nonce=7)
    table.tell(0, 1, second)
    assert told(table) == [1, 4, 4], "something else was executed since"
    table.ends[0].do(lambda channel: channel.reject(4))
    table.tell(0, 1, first)
    assert told(table) == [1, 4, 4, 1]
    table.ends[0].do(lambda channel: channel.accept(1))
    table.sent()
    table.tell(0, 1, first)
    sent = [message for _, _, message in table.sent()]
    assert [type(message) for message in sent] == [Accept], "what is accepted is accepted"
    assert told(table) == [1, 4, 4, 1]


def test_who_decides_on_nothing_is_told_of_nothing() -> None:
    """An operator that is no party, and whose user would decide if it were one."""
    table = Table(3, operator=OUTSIDER, each={3: ChannelOptions(manual=True)})
    proposal = table.proposal(1)
    table.tell(3, 1, proposal)
    table.tell(3, 0, Accept(1, table.digest(proposal.commitment), table.sign(0, proposal.commitment)))
    table.tell(3, 1, proposal)
    assert table.told(3, Proposed) == []
    assert set(table.channel(3)._desk.ballot.standing[1].signatures) == {0, 1}


def test_a_user_decides() -> None:
    manual = ChannelOptions(manual=True)
    table = Table(3, each={0: manual})
    table.ends[0].do(lambda channel: channel.accept(0)) if table.told(0, Proposed) else None
    table.pump()
    table.ask(1)
    table.pump()
    (event,) = [each for each in table.told(0, Proposed) if each.proposal.commitment.nonce == 1]  # type: ignore[attr-defined]
    assert event
    with pytest.raises(LocalProtocolError, match="no proposal of nonce 2"):
        table.ends[0].do(lambda channel: channel.accept(2))
    table.ends[0].do(lambda channel: channel.reject(1, "too dear"))
    table.pump()
    assert [each.where for each in table.told(1, Rejected)][-1:] == ["too dear"]  # type: ignore[attr-defined]
    with pytest.raises(LocalProtocolError):
        table.ends[0].do(lambda channel: channel.accept(1))
    assert table.stores[0].look(table.id).load().highest == 0


def test_a_decision_that_can_not_be_taken_now_waits() -> None:
    table = Table(3, each={0: ChannelOptions(manual=True)}, begin=False)
    table.greet()
    table.ends[0].do(lambda channel: channel.propose())
    table.pump()
    table.ask(1)
    table.pump()
    table.channel(0)._desk.hears_until = table.now + 20
    with pytest.raises(LocalProtocolError, match="what it has"):
        table.ends[0].do(lambda channel: channel.accept(1))
    table.wait(80)
    asked = [event for event in table.told(0, Proposed) if event.proposal.commitment.nonce == 1]  # type: ignore[attr-defined]
    assert len(asked) > 1, "asked again with each try"
    last = table.told(0, Proposed)[-1].proposal.commitment.nonce  # type: ignore[attr-defined]
    table.ends[0].do(lambda channel: channel.accept(last))
    table.pump()
    assert len(table.tips()) == 1
    assert table.channel(0)._desk.tip_nonce == last


def test_a_decision_is_on_what_still_stands() -> None:
    table = table_by_hand(3, 0, 1, 2)
    table.ask(1)
    table.pump()
    assert table.channel(0)._desk.ballot.undecided
    del table.channel(0)._desk.ballot.standing[1]
    assert not table.channel(0)._desk.ballot.undecided
    with pytest.raises(LocalProtocolError, match="no proposal of nonce 1"):
        table.ends[0].do(lambda channel: channel.accept(1))
    assert table.stores[0].look(table.id).load().highest == 0


def test_showing_a_proposal_again_decides_nothing() -> None:
    table = table_by_hand(3, 0, 1, 2)
    proposal = table.proposal(1)
    for _ in range(2):
        table.tell(0, 1, proposal)
    assert table.sent() == []
    assert table.stores[0].look(table.id).load().signed == ()
    assert len([event for event in table.told(0, Proposed) if event.proposal == proposal]) == 2  # type: ignore[attr-defined]


def test_a_final_one_needs_no_decision_of_the_user() -> None:
    """The user has wanted the end."""
    table = table_by_hand(2, 0, 1)
    for index in (0, 1):
        table.ends[index].do(lambda channel: channel.close())
    table.pump()
    assert table.channel(0).phase == table.channel(1).phase == Phase.CLOSED
    assert [event.proposal.commitment.nonce for event in table.told(0, Proposed)] == []  # type: ignore[attr-defined]


def test_a_user_can_not_accept_what_may_not_be_signed_any_more() -> None:
    table = Table(3, each={0: ChannelOptions(manual=True)}, begin=False)
    table.greet()
    table.ends[0].do(lambda channel: channel.propose())
    table.pump()
    proposal = table.proposal(1)
    table.tell(0, 1, proposal)
    channel = table.channel(0)
    assert channel._desk.ballot.undecided
    channel._desk.ready_to_close = channel.thread.parent
    with pytest.raises(LocalProtocolError, match="closing"):
        channel._proposals.decide(1, accept=True)
    assert channel._desk.ballot.signed == {}
    assert channel._desk.outbox.take() == []


def test_what_a_user_rejects_is_refused() -> None:
    table = Table(3, each={0: ChannelOptions(manual=True)}, begin=False)
    table.greet()
    table.ends[0].do(lambda channel: channel.propose())
    table.pump()
    table.tell(0, 1, table.proposal(1))
    table.ends[0].do(lambda channel: channel.reject(1, "no"))
    ballot = table.channel(0)._desk.ballot
    assert (ballot.refused, ballot.standing) == ({1}, {})
