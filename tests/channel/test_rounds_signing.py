"""What we sign: kept first, then signed, then sent, and what stops us on the way."""

from evmthread.channel.effects import Persist, Send, SetTimer, Sign
from evmthread.channel.errors import RemoteProtocolError
from evmthread.channel.events import (
    Diverged,
    Stopped,
    StopReason,
)
from evmthread.channel.messages import (
    Accept,
    Propose,
    Reject,
    RejectCode,
    encode_message,
)
from evmthread.channel.phases import Phase
from tests.channel.endpoints import OUTSIDER, Table
from tests.channel.test_rounds import rejects


def test_nothing_leaves_before_it_is_kept() -> None:
    table = Table()
    proposal = table.proposal(1)
    kept = table.stores[1].look(table.id).load()
    assert [record.nonce for record in kept.signed] == [1]
    assert proposal.commitment.nonce == 1


def test_a_proposal_is_signed_once_and_shown_again_as_the_same_bytes() -> None:
    table = Table()
    proposal = table.proposal(1)
    table.tell(0, 1, proposal)
    first = table.sent()
    accepts = [message for _, _, message in first if isinstance(message, Accept)]
    assert len(accepts) == 1
    table.tell(0, 1, proposal)
    again = [message for _, _, message in table.sent() if isinstance(message, Accept)]
    assert again in ([], accepts)


def test_what_was_kept_and_not_signed_is_signed_when_it_is_to_be_sent() -> None:
    """As after a crash between the two: by who leads it, and by who accepts it."""
    table = Table(3)
    proposal = table.proposal(1)
    table.tell(0, 1, proposal)
    table.sent()
    for index in (1, 0):
        channel = table.restart(index, start=False)
        standing = channel._desk.ballot.own_standing
        assert standing is not None
        assert index not in standing.signatures
        channel._rounds.send_standing(standing, channel._desk.others)
        (sign,) = channel._desk.outbox.take()
        assert isinstance(sign, Sign)
        assert sign.content == standing.content
        sent = channel.signed(sign.token, table.sign(index, proposal.commitment))
        assert {type(effect) for effect in sent if not isinstance(effect, SetTimer)} == {Send}
        assert standing.propose == proposal


def test_a_signature_that_comes_too_late_is_dropped() -> None:
    """A slow disk: others agree without us meanwhile, and what we were about to sign is void."""
    table = Table(3, threshold=2)
    waiting = []
    table.ends[0]._keep = lambda endpoint, persist: waiting.append(persist)
    table.ask(1)
    table.pump()
    assert len(table.tips()) == 1
    for persist in waiting:
        table.ends[0]._keep = None
        table.ends[0]._store.write([(table.ends[0].lease, persist.records)])
        table.ends[0].kept(persist.token, None)
    assert table.channel(0).phase == Phase.READY
    assert table.told(0, Stopped) == []


def test_while_a_signature_is_on_its_way_it_is_not_asked_for_again() -> None:
    """A second request would overtake what is being kept, and the store would refuse that then."""
    table = Table(3)
    waiting = []
    table.ends[0]._keep = lambda endpoint, persist: waiting.append(persist)
    proposal = table.proposal(1)
    table.tell(0, 1, proposal)
    table.tell(0, 1, proposal)
    table.ends[1].start()
    table.pump()
    assert table.stores[0].look(table.id).load().highest == 0
    assert len([persist for persist in waiting if persist.urgent]) == 1


def test_a_store_that_refuses_stops_us() -> None:
    table = Table(3)
    proposal = table.proposal(1)
    table.ends[0]._keep = lambda endpoint, persist: None
    table.tell(0, 1, proposal)
    table.ends[0].kept(max(table.channel(0)._desk.outbox._keeping), RemoteProtocolError("full"))
    (event,) = table.told(0, Stopped)
    assert isinstance(event, Stopped)
    assert (event.reason, event.detail) == (StopReason.REFUSED, "full")


def test_what_is_void_when_it_is_kept_is_not_signed() -> None:
    """Another agreement came first: no signature is made on what can't be agreed any more."""
    table = Table(3, threshold=2)
    end, waiting = table.ends[0], []
    end._keep = lambda endpoint, persist: waiting.append(persist)
    table.ask(1)
    table.pump()
    assert table.channel(0)._desk.tip_nonce == 1
    for persist in waiting:
        end._store.write([(end.lease, persist.records)])
        effects = end.channel.persisted(persist.token)
        assert not any(isinstance(each, Sign) for each in effects)
    assert [persist.urgent for persist in waiting] == [True, False]
    assert table.channel(0).phase == Phase.READY


def test_a_signer_that_refuses_stops_us_unless_it_is_void_by_then() -> None:
    for moved, reasons in ((False, [StopReason.REFUSED]), (True, [])):
        table = Table(3, threshold=2)
        proposal = table.proposal(1)
        outbox = table.channel(0)._desk.outbox
        effects = table.channel(0).receive(1, encode_message(table.id, proposal))
        (persist,) = [each for each in effects if isinstance(each, Persist)]
        (sign,) = [each for each in table.channel(0).persisted(persist.token) if isinstance(each, Sign)]
        if moved:
            table.tell(0, 2, Accept(1, table.digest(proposal.commitment), table.sign(2, proposal.commitment)))
            assert table.channel(0)._desk.tip_nonce == 1
        table.channel(0).not_signed(sign.token, "locked")
        outbox.take()
        stopped = table.channel(0)._desk.stopped
        assert [each.reason for each in (stopped,) if each is not None] == reasons
        assert stopped is None or stopped.detail == "locked"


def test_what_we_accept_stays_as_its_leader_signed_it() -> None:
    table = Table(3)
    proposal = table.proposal(1)
    table.tell(0, 1, proposal)
    standing = table.channel(0)._desk.ballot.standing[1]
    assert standing.propose == proposal
    assert standing.signatures == {0: table.sign(0, proposal.commitment), 1: proposal.signature}
    assert not standing.signing


def test_a_signature_that_comes_after_another_agreement_is_not_sent() -> None:
    table = Table(3, threshold=2)
    proposal = table.proposal(1)
    channel = table.channel(0)
    effects = channel.receive(1, encode_message(table.id, proposal))
    (persist,) = [each for each in effects if isinstance(each, Persist)]
    (sign,) = [each for each in channel.persisted(persist.token) if isinstance(each, Sign)]
    table.tell(0, 2, Accept(1, table.digest(proposal.commitment), table.sign(2, proposal.commitment)))
    assert channel._desk.tip_nonce == 1
    table.sent()
    assert [
        each for each in channel.signed(sign.token, table.sign(0, proposal.commitment)) if isinstance(each, Send)
    ] == []


def test_a_proposal_is_sent_to_those_whose_signature_is_missing() -> None:
    table = Table(3)
    proposal = table.proposal(1)
    table.tell(1, 2, Accept(1, table.digest(proposal.commitment), table.sign(2, proposal.commitment)))
    table.sent()
    rounds = table.channel(1)._rounds
    standing = table.channel(1)._desk.ballot.standing[1]
    rounds.send_standing(standing, (0, 2))
    table.ends[1].do(lambda channel: channel._desk.outbox.take())
    assert [(to, message) for _, to, message in table.sent()] == [(0, proposal)]
    standing.signing = True
    rounds.send_standing(standing, (0, 2))
    assert table.channel(1)._desk.outbox.take() == []


def test_whoever_shows_its_proposal_again_gets_our_signature_again() -> None:
    table = Table(3)
    proposal = table.proposal(1)
    accept = Accept(1, table.digest(proposal.commitment), table.sign(0, proposal.commitment))
    table.tell(0, 1, proposal)
    assert [(to, message) for _, to, message in table.sent()] == [(1, accept), (2, accept)]
    table.tell(0, 2, proposal)
    assert [(to, message) for _, to, message in table.sent()] == [(1, accept)]


def test_what_we_signed_stands_whatever_else_comes_under_its_nonce() -> None:
    table = Table(3)
    proposal = table.proposal(1)
    other = table.signed(1, proposal, nonce=1, gas_used=proposal.commitment.gas_used + 1)
    table.tell(0, 1, proposal)
    ballot = table.channel(0)._desk.ballot
    standing = ballot.own_standing
    table.sent()
    table.tell(0, 1, other)
    assert ballot.own_standing is standing is ballot.standing[1]
    accept = Accept(1, table.digest(proposal.commitment), table.sign(0, proposal.commitment))
    answers = [message for _, to, message in table.sent() if to == 1]
    assert [type(each) for each in answers] == [Reject, Propose, Accept], "and proves that the nonce is used up"
    assert answers[1:] == [proposal, accept]
    assert isinstance(answers[0], Reject)
    assert answers[0].agreed is None, "it has our agreement, whose child this is"
    assert ballot.refused == set()
    assert table.told(0, Diverged) == [], "it isn't even executed"


def test_what_may_not_be_signed_does_not_stand() -> None:
    table = Table(3, rules={"open_proposals": 1})
    first = table.proposal(1)
    table.tell(0, 1, first)
    second = table.signed(1, first, nonce=4)
    table.sent()
    table.tell(0, 1, second)
    ballot = table.channel(0)._desk.ballot
    assert set(ballot.standing) == {1}
    assert ballot.refused == {4}
    (reject,) = rejects(table, 0)
    assert (reject.nonce, reject.digest, reject.code) == (4, table.digest(second.commitment), RejectCode.TOO_MANY)
    assert reject.agreed is None
    assert [record.nonce for record in table.stores[0].look(table.id).load().signed] == [1]


def test_an_operator_that_does_not_lead_signs_nothing() -> None:
    table = Table(2, operator=OUTSIDER)
    table.lost = lambda sender, receiver, message: isinstance(message, Accept) and receiver != 2
    table.ask(1)
    went = table.pump()
    assert [message for sender, _, message in went if sender == 2 and isinstance(message, Accept | Propose)] == []
    assert table.stores[2].look(table.id).load().highest == -1
    ballot = table.channel(2)._desk.ballot
    assert (ballot.highest_signed, ballot.own_standing) == (-1, None)
    assert len(table.tips()) == 2, "it has both signatures, and knows that they agree"
