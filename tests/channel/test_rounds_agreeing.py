"""Others' signatures, and what is agreed by them."""

from dataclasses import replace

import pytest

from evmthread.channel.ballot import MAX_EARLY, Standing
from evmthread.channel.desk import ChannelOptions
from evmthread.channel.effects import Notify, Persist, Sign
from evmthread.channel.errors import RemoteProtocolError
from evmthread.channel.events import (
    CloseAsked,
    PeerFault,
    Unexecutable,
)
from evmthread.channel.messages import (
    Accept,
    Agreed,
    Hello,
    Propose,
)
from evmthread.commit import DIALECT, Agreement, Batch, SignatureSet, SignedBatch, Status
from tests.channel.endpoints import ASKS, OUTSIDER, Table, word
from tests.channel.games import START


def test_an_accept_needs_a_partys_signature() -> None:
    table = Table(3)
    proposal = table.proposal(1)
    digest = table.digest(proposal.commitment)
    stranger = table.signers[0]
    assert stranger
    table.tell(1, 0, Accept(1, digest, b"\x01" * 65))
    table.tell(1, 0, Accept(1, bytes(32), table.sign(0, proposal.commitment)))
    assert len(table.told(1, PeerFault)) == 2
    good = Accept(1, digest, table.sign(0, proposal.commitment))
    table.tell(1, 2, good)
    table.tell(1, 2, good)
    agreement = table.channel(1).agreement
    assert agreement is not None
    assert agreement.commitment.nonce == 0, "one signature told twice is one"
    table.tell(1, 0, Accept(1, digest, table.sign(2, proposal.commitment)))
    agreement = table.channel(1).agreement
    assert agreement is not None
    assert agreement.commitment.nonce == 1, "whoever brings it"


def test_a_signature_of_ours_that_others_have_is_not_our_word() -> None:
    """It may be from a store that is lost: what our user hasn't decided on, isn't decided."""
    table = Table(3, each={0: ChannelOptions(manual=True)})
    proposal = table.proposal(1)
    table.tell(0, 1, proposal)
    for index in (0, 2):
        accept = Accept(1, table.digest(proposal.commitment), table.sign(index, proposal.commitment))
        table.tell(0, 2, accept)
    assert set(table.channel(0)._desk.ballot.standing[1].signatures) == {1, 2}
    assert table.channel(0)._desk.tip_nonce == 0


def test_what_came_beside_an_agreement_is_whoevers_who_sent_it() -> None:
    table = Table(2, code=ASKS, rules={"dialect": DIALECT, "transcript": False})
    table.ask(1, 5, rest=bytes(12) + table.terms.owners[0])
    made = next(message for _, _, message in table.sent() if isinstance(message, Propose))
    assert made.suspension is not None
    signatures = SignatureSet.of({index: table.sign(index, made.commitment) for index in (0, 1)})
    agreement = Agreement(table.head.domain, table.terms, made.commitment, signatures)
    channel = table.channel(0)
    wrong = replace(made.suspension, question=b"another")
    with pytest.raises(RemoteProtocolError, match="question"):
        channel._rounds.adopt(agreement, Agreed(agreement.signed, made.batch, wrong))
    assert channel._desk.outbox.take() == []
    late = replace(made.suspension, steps=3)
    assert not channel._rounds.adopt(agreement, Agreed(agreement.signed, made.batch, late))
    (notice,) = [effect.event for effect in channel._desk.outbox.take() if isinstance(effect, Notify)]
    assert isinstance(notice, Unexecutable)
    assert channel._rounds.adopt(agreement, Agreed(agreement.signed, made.batch, made.suspension))


def test_signatures_that_come_before_the_proposal_count() -> None:
    table = Table(3)
    proposal = table.proposal(1)
    table.tell(0, 2, Accept(1, table.digest(proposal.commitment), table.sign(2, proposal.commitment)))
    table.tell(0, 1, proposal)
    agreement = table.channel(0).agreement
    assert agreement is not None
    assert agreement.commitment.nonce == 1
    agreed = [(to, message) for _, to, message in table.sent() if isinstance(message, Agreed)]
    assert agreed == [], "all have signed"


def test_whoever_has_not_signed_is_told_what_is_agreed() -> None:
    table = Table(3, threshold=2)
    table.lost = lambda sender, receiver, message: receiver == 2 and isinstance(message, Propose)
    table.ask(1)
    went = table.pump()
    assert any(receiver == 2 and isinstance(message, Agreed) for _, receiver, message in went)
    assert len(table.tips()) == 1


def test_nobody_uses_up_the_nonces_of_others() -> None:
    """A signature of party 2's that everybody has, and a nonce of party 1's choice beside it."""
    table = Table(3, threshold=2)
    table.play(0)
    agreement = table.channel(0).agreement
    assert agreement is not None
    (old,) = [
        each
        for index, each in zip(agreement.signatures.indexes(), agreement.signatures.signatures, strict=True)
        if index == 2
    ] or [table.sign(2, agreement.commitment)]
    far = table.channel(0)._desk.highest_claimed
    table.tell(0, 1, Hello(far, agreement.commitment.nonce, agreement.digest))
    for number in range(MAX_EARLY):
        table.tell(0, 1, Accept(far - number, agreement.digest, old))
    ballot = table.channel(0)._desk.ballot
    assert ballot.lowest_free(agreement.commitment.nonce, 0) == agreement.commitment.nonce + 1
    assert ballot.highest_of(2) is None


def test_floods_of_signatures_stay_bounded() -> None:
    table = Table(3)
    proposal = table.proposal(1)
    for number in range(3 * MAX_EARLY):
        commitment = replace(proposal.commitment, nonce=2 + number, state_root=word(number))
        table.tell(0, 2, Accept(2 + number, table.digest(commitment), table.sign(2, commitment)))
    assert sum(map(len, table.channel(0)._desk.ballot._early.values())) == MAX_EARLY
    assert table.now == START


def test_a_final_proposal_of_another_counts_its_leader_as_bound() -> None:
    table = Table(3)
    thread = table.channel(1).thread
    batch = SignedBatch(Batch(thread.environment(), ()), ())
    final = thread.execute(batch, nonce=1, final=True)
    rest = thread.execute(batch, nonce=1)
    strange = replace(final, parent=word(7))
    bound = table.channel(0)._desk.ballot._bound
    expected: set[int] = set()
    for commitment, parties in ((rest, expected), (strange, expected), (final, {1})):
        table.tell(0, 1, Propose(commitment, batch, None, table.sign(1, commitment)))
        assert bound == parties
        assert {event.party for event in table.told(0, CloseAsked)} == parties  # type: ignore[attr-defined]
    asking = Table(3)
    asking.channel(0)._desk.wants_end = True
    asking.tell(0, 1, Propose(final, batch, None, asking.sign(1, final)))
    assert asking.told(0, CloseAsked) == []
    table.tell(0, 2, Accept(1, table.digest(final), table.sign(2, final)))
    assert bound == {1}, "nobody, where it isn't known what it accepts"


def test_who_accepts_a_final_one_is_bound() -> None:
    table = Table(4)
    table.lost = lambda sender, receiver, message: (
        isinstance(message, Accept) or (isinstance(message, Propose) and receiver != 0)
    )
    for index in range(4):
        table.ends[index].do(lambda channel: channel.close())
    table.pump()
    ballot = table.channel(0)._desk.ballot
    final = ballot.standing[1].propose.commitment
    assert final.status == Status.FINAL
    assert ballot._bound == {1}
    table.tell(0, 2, Accept(1, table.digest(final), table.sign(2, final)))
    assert ballot._bound == {1, 2}
    playing = Table(4)
    proposal = playing.proposal(1)
    playing.tell(0, 1, proposal)
    playing.tell(0, 2, Accept(1, playing.digest(proposal.commitment), playing.sign(2, proposal.commitment)))
    assert playing.channel(0)._desk.ballot._bound == set()


def test_the_highest_that_enough_have_signed_is_adopted() -> None:
    table = Table(3, threshold=2)
    first = table.proposal(1)
    second = table.signed(1, first, nonce=4)
    channel = table.channel(0)
    ballot = channel._desk.ballot
    for proposal in (first, second):
        standing = Standing(proposal, table.digest(proposal.commitment))
        standing.signatures = {1: proposal.signature, 2: table.sign(2, proposal.commitment)}
        ballot.add(standing)
    channel._rounds.settle()
    agreement = channel.agreement
    assert agreement is not None
    assert agreement.commitment == second.commitment
    assert ballot.standing == {}


def test_what_we_lead_is_not_agreed_before_we_have_signed_it() -> None:
    """Two of three have signed; without the leader's signature nobody else could take it up."""
    table = Table(3, threshold=2)
    commitment = table.channel(1).thread.execute(
        SignedBatch(Batch(table.channel(1).thread.environment(), ()), ()), nonce=1
    )
    channel = table.channel(1)
    (persist,) = [each for each in channel.propose(empty=True) if isinstance(each, Persist)]
    (sign,) = [each for each in channel.persisted(persist.token) if isinstance(each, Sign)]
    for index in (0, 2):
        accept = Accept(1, table.digest(commitment), table.sign(index, commitment))
        table.tell(1, index, accept)
        assert channel._desk.tip_nonce == 0
    channel.signed(sign.token, table.sign(1, commitment))
    assert channel._desk.tip_nonce == 1
    agreement = channel.agreement
    assert agreement is not None
    assert len(agreement.signatures.signatures) == 3


def test_an_operators_signature_is_no_partys_however_often_it_is_shown() -> None:
    table = Table(2, operator=OUTSIDER, operator_leads=True)
    table.ask(0)
    table.pump()
    table.lost = lambda sender, receiver, message: isinstance(message, Accept)
    table.ends[2].do(lambda channel: channel.propose(empty=True))
    table.pump()
    standing = table.channel(0)._desk.ballot.own_standing
    assert standing is not None
    for _ in range(2):
        table.tell(0, 2, standing.propose)
        assert set(standing.signatures) == {0}
    agreement = table.channel(0).agreement
    assert agreement is not None
    assert agreement.commitment.nonce < standing.nonce


def test_a_leaders_signature_that_is_missing_comes_with_its_proposal() -> None:
    table = Table(3)
    proposal = table.proposal(1)
    table.tell(0, 1, proposal)
    signatures = table.channel(0)._desk.ballot.standing[1].signatures
    del signatures[1]
    table.tell(0, 1, proposal)
    assert signatures[1] == proposal.signature
    assert table.channel(0)._desk.tip_nonce == 0
    del signatures[1]
    signatures[2] = table.sign(2, proposal.commitment)
    table.tell(0, 1, proposal)
    assert table.channel(0)._desk.tip_nonce == 1, "and enough have signed then"


def test_what_a_signature_shows_as_used_is_believed_as_far_as_it_can_be_honest() -> None:
    table = Table(3)
    proposal = table.proposal(1)
    highest = table.channel(0)._desk.highest_claimed
    leader = highest % 3
    receiver = (leader + 1) % 3
    used = table.channel(receiver)._desk.ballot._used
    table.tell(receiver, leader, table.signed(leader, proposal, nonce=highest))
    assert used[leader] == highest
    other = (highest + 1) % 3
    reader = (other + 1) % 3
    table.tell(reader, other, table.signed(other, proposal, nonce=highest + 1))
    assert table.channel(reader)._desk.ballot._used.get(other, -1) < highest
    accepting = Table(3)
    used = accepting.channel(0)._desk.ballot._used
    for nonce, known in ((highest + 1, False), (highest, True)):
        commitment = replace(proposal.commitment, nonce=nonce)
        accepting.tell(0, 2, Accept(nonce, accepting.digest(commitment), accepting.sign(2, commitment)))
        assert (used.get(2, -1) == nonce) is known


def test_an_operators_proposal_has_no_partys_signature() -> None:
    table = Table(2, operator=OUTSIDER, operator_leads=True)
    table.lost = lambda sender, receiver, message: isinstance(message, Accept)
    table.ends[2].do(lambda channel: channel.propose(empty=True))
    table.pump()
    for index in (0, 1):
        standing = table.channel(index)._desk.ballot.own_standing
        assert standing is not None
        assert set(standing.signatures) == {index}
    own = table.channel(2)._desk.ballot.own_standing
    assert own is not None
    assert own.signatures == {}, "it leads, and is no party"
    assert own.propose.signature == table.sign(2, own.propose.commitment)


def test_who_signs_nothing_adopts_what_all_had_signed_before_the_proposal_came() -> None:
    table = Table(2, operator=OUTSIDER)
    proposal = table.proposal(1)
    table.tell(2, 0, Accept(1, table.digest(proposal.commitment), table.sign(0, proposal.commitment)))
    assert table.channel(2)._desk.tip_nonce == 0
    table.tell(2, 1, proposal)
    assert table.channel(2)._desk.tip_nonce == 1


def test_who_accepts_what_is_agreed_is_told_of_it_and_nobody_else() -> None:
    table = Table(3)
    proposal = table.proposal(1)
    table.tell(0, 1, proposal)
    accept = Accept(1, table.digest(proposal.commitment), table.sign(2, proposal.commitment))
    table.tell(0, 2, accept)
    tip = table.channel(0)._desk.tip
    assert table.channel(0)._desk.tip_nonce == 1
    table.sent()
    table.tell(0, 2, accept)
    assert [(to, message) for _, to, message in table.sent()] == [(2, tip)]
    table.tell(0, 1, accept)
    assert table.sent() == [], "another's word for it"
    other = replace(proposal.commitment, state_root=word(1))
    table.tell(0, 2, Accept(1, table.digest(other), table.sign(2, other)))
    assert table.sent() == []
