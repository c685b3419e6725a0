"""Parties: who proposes, what is refused and why, and that nothing is signed that wasn't executed."""

from dataclasses import replace

import pytest

from evmthread.channel.errors import (
    ClockDrift,
    DivergentField,
    InvalidBatch,
    LocalProtocolError,
    NonceTooFar,
)
from evmthread.channel.local import LOCAL_DOMAIN
from evmthread.channel.party import Acceptance, Party, Proposal, agree_on
from evmthread.channel.review import leader_of
from evmthread.channel.thread import Thread
from evmthread.commit import (
    DIALECT,
    AlreadyFinal,
    Commitment,
    EquivocationError,
    GuardedSigner,
    InputEquivocationError,
    InputKind,
    LocalSigner,
    MemorySignLog,
    SignedBatch,
    Status,
    TypedData,
    digest,
    verify,
)
from evmthread.commit.refusals import (
    BrokenParent,
    ContractTimeoutTooShort,
    Decreased,
    FinalDiffers,
    IllFormedCommitment,
    NonceOrder,
    NotEnoughSignatures,
    Refusal,
    WrongSignature,
    WrongThread,
)
from evmthread.errors import InvalidInput
from tests.assembler import assemble
from tests.channel.endpoints import ASKS
from tests.channel.games import CALL_GAS, DEPOSIT, START, Match, ruleset, terms_of

STORE = assemble("PUSH 32 CALLDATALOAD PUSH 0 CALLDATALOAD SSTORE STOP")
MAXIMUM = {"uint8": 2**8 - 1, "uint64": 2**64 - 1, "uint256": 2**256 - 1}


def words(*values: int) -> bytes:
    return b"".join(value.to_bytes(32, "big") for value in values)


def opened(parties: int = 2, **options: object) -> Match:
    match = Match(STORE, parties=parties, **options)  # type: ignore[arg-type]
    match.agree()
    return match


def proposed(match: Match) -> Proposal:
    """What party 1 proposes at nonce 1: one call."""
    return match.parties[1].propose([match.input(0, words(1, 2))], match.environment())


def forged(match: Match, proposal: Proposal, **changes: object) -> Proposal:
    """The proposal with other fields, signed by its leader without any guard."""
    commitment = replace(proposal.commitment, **changes)  # type: ignore[arg-type]
    leader = match.signers[leader_of(commitment.nonce, len(match.signers))]
    return replace(proposal, commitment=commitment, signature=leader.sign(TypedData(LOCAL_DOMAIN, commitment)))


def test_a_round_by_hand() -> None:
    match = opened(parties=3)
    leader, *others = match.parties[1], match.parties[0], match.parties[2]
    proposal = proposed(match)
    signatures = {1: proposal.signature}
    for party in others:
        acceptance = party.review(proposal, now=START + 1)
        assert acceptance == Acceptance(1, digest(LOCAL_DOMAIN, proposal.commitment), party.index, acceptance.signature)
        signatures[party.index] = acceptance.signature
    agreements = [party.agree(signatures) for party in match.parties]
    assert agreements[0] == agreements[1] == agreements[2]
    assert verify(LOCAL_DOMAIN, match.terms, agreements[0].signed) == agreements[0]
    assert leader.agreement == agreements[1]
    assert all(party.thread.storage(1) == 2 for party in match.parties)


def test_a_party_is_who_holds_a_session_key() -> None:
    match = opened()
    assert [party.index for party in match.parties] == [0, 1]
    assert [party.owner for party in match.parties] == list(match.terms.owners)
    with pytest.raises(InvalidInput, match="no session key"):
        Party(match.open(), GuardedSigner(LocalSigner.generate(), MemorySignLog()))


def test_owners_need_not_be_their_keys() -> None:
    owners = (b"\1" * 20, b"\2" * 20)
    match = Match(STORE, owners=owners)
    match.agree()
    commitment = match.call(1, words(5, 6), value=4).commitment
    assert match.parties[1].owner == owners[1]
    assert commitment.balances == (5000, 4996)


def test_the_leader_of_a_nonce_is_its_remainder() -> None:
    match = opened(parties=3)
    for _ in range(7):
        nonce = match.thread.next_nonce
        for party in match.parties:
            if party.index != nonce % 3:
                with pytest.raises(LocalProtocolError, match=f"nonce {nonce} is party {nonce % 3}'s"):
                    party.propose([])
        match.agree()


def test_a_nonce_can_be_skipped_to_one_that_another_leads() -> None:
    match = opened()
    proposal = match.parties[0].propose([], nonce=2)
    signature = match.parties[1].review(proposal).signature
    assert match.parties[0].agree({1: signature}).commitment.nonce == 2


@pytest.mark.parametrize("member", Commitment.STRUCT.members, ids=lambda member: member.name)
def test_each_field_that_differs_is_refused(member: object) -> None:
    match = opened()
    proposal = proposed(match)
    name, kind = member.attribute, member.type_name  # type: ignore[attr-defined]
    value = getattr(proposal.commitment, name)
    if kind == "uint256[]":
        other: object = (value[0] - 1, *value[1:])
    elif kind in MAXIMUM:
        other = int(value) + 2 if name == "nonce" else int(value) + 1
    else:
        other = bytes((value[0] ^ 1,)) + value[1:]
    expected: type[Exception] = {
        "thread_id": WrongThread,
        "parent": BrokenParent,
        "status": IllFormedCommitment,
        "awaiting": IllFormedCommitment,
        "machine_hash": IllFormedCommitment,
        "batch_hash": DivergentField,
        "fee": IllFormedCommitment,
    }.get(name, DivergentField)
    forgery = forged(match, proposal, **{name: other})
    if name == "nonce":
        # another nonce that its leader signed is no lie: it is a proposal for that nonce
        match.parties[0].review(forgery)
        return
    reviewer = match.parties[0]
    with pytest.raises(expected) as caught:
        reviewer.review(forgery)
    if isinstance(caught.value, DivergentField):
        assert caught.value.field == member.name  # type: ignore[attr-defined]
        assert caught.value.expected == value
        assert caught.value.got == other
        assert caught.value.field in str(caught.value)
    assert reviewer.thread.prepared is None
    with pytest.raises(LocalProtocolError):
        reviewer.agree({1: forgery.signature})
    reviewer.review(proposal)  # nothing was signed for this nonce yet


def test_the_first_field_that_differs_is_named() -> None:
    match = opened()
    forgery = forged(match, proposed(match), state_root=b"\1" * 32, gas_used=10**6)
    with pytest.raises(DivergentField, match="stateRoot"):
        match.parties[0].review(forgery)


def test_a_batch_that_is_not_the_one_committed_to_diverges() -> None:
    match = opened()
    proposal = proposed(match)
    other = match.batch([match.input(0, words(1, 3), nonce=0)])
    with pytest.raises(DivergentField):
        match.parties[0].review(replace(proposal, signed=other))


def test_a_proposal_that_its_leader_did_not_sign() -> None:
    match = opened()
    proposal = proposed(match)
    own = match.signers[0].sign(TypedData(LOCAL_DOMAIN, proposal.commitment))
    with pytest.raises(WrongSignature, match="nonce 1: signature 1"):
        match.parties[0].review(replace(proposal, signature=own))


def test_an_input_without_its_actors_signature() -> None:
    match = opened()
    proposal = proposed(match)
    stranger = match.signers[1].sign(TypedData(LOCAL_DOMAIN, proposal.signed.batch.inputs[0]))
    with pytest.raises(WrongSignature):
        match.parties[0].review(replace(proposal, signed=SignedBatch(proposal.signed.batch, (stranger,))))


def test_an_invalid_batch_is_refused_with_its_input() -> None:
    match = opened()
    with pytest.raises(InvalidBatch, match="input 0: nonce too high"):
        match.parties[1].propose([match.input(0, nonce=3)], match.environment())
    assert match.parties[1].thread.prepared is None
    proposed(match)  # the leader can still use the nonce


def test_low_and_far_nonces_are_refused() -> None:
    match = opened()
    proposal = proposed(match)
    for nonce, kind in ((0, IllFormedCommitment), (2**40 + 1, NonceTooFar)):
        with pytest.raises(kind):
            match.parties[0].review(forged(match, proposal, nonce=nonce))
    with pytest.raises(NonceTooFar):
        match.parties[0].propose([], nonce=2**40 + 2)
    match.parties[0].review(proposal)
    match.parties[0].agree({1: proposal.signature})
    with pytest.raises(NonceOrder):
        match.parties[0].review(proposal)


def test_cumulative_fields_never_fall() -> None:
    match = opened()
    match.call(0, words(1, 1))
    proposal = match.parties[0].propose([], match.thread.environment())
    with pytest.raises(Decreased, match="gasUsed"):
        match.parties[1].review(forged(match, proposal, gas_used=0))


def test_a_final_proposal_repeats_its_parent() -> None:
    match = opened()
    proposal = match.parties[1].propose([], final=True)
    with pytest.raises(FinalDiffers):
        match.parties[0].review(forged(match, proposal, gas_used=3))
    match.parties[0].review(proposal)


def test_a_proposal_of_a_suspension_that_never_was_is_refused() -> None:
    match = opened()
    changes = {"status": Status.SUSPENDED, "machine_hash": b"\1" * 32, "awaiting": match.terms.owners[0]}
    with pytest.raises(DivergentField, match="status"):
        match.parties[0].review(forged(match, proposed(match), **changes))


def test_timestamps_are_compared_with_the_clock_that_is_given() -> None:
    match = opened(rules=ruleset(clock_drift=10))
    proposal = proposed(match)
    for now in (START - 11, START + 11):
        with pytest.raises(ClockDrift, match=str(now)):
            match.parties[0].review(proposal, now=now)
    match.parties[0].review(proposal, now=START + 10)


def test_before_the_genesis_only_the_genesis_is_reviewed() -> None:
    match, other = opened(), Match(STORE)
    with pytest.raises(BrokenParent):
        other.parties[0].review(proposed(match))


def test_agreeing_needs_enough_signatures_of_the_right_keys() -> None:
    match = opened()
    proposal = proposed(match)
    own = match.parties[0].review(proposal)
    with pytest.raises(NotEnoughSignatures):
        match.parties[0].agree({})
    with pytest.raises(WrongSignature):
        match.parties[0].agree({1: own.signature})
    assert match.parties[0].agree({1: proposal.signature}).commitment == proposal.commitment


def test_two_of_three_are_enough_where_the_terms_say_so() -> None:
    match = opened(parties=3, threshold=2)
    proposal = proposed(match)
    signature = match.parties[0].review(proposal).signature
    assert match.parties[1].agree({0: signature}).signatures.indexes() == (0, 1)


def test_the_guard_never_signs_two_proposals_for_a_nonce() -> None:
    match = opened()
    proposed(match)
    with pytest.raises(EquivocationError):
        match.parties[1].propose([match.input(0, words(1, 3), nonce=0)], match.environment())
    assert match.parties[1].thread.prepared is None


def test_the_same_proposal_has_the_same_bytes() -> None:
    match = opened()
    assert proposed(match) == proposed(match)


def test_after_a_final_one_nothing_is_signed() -> None:
    match = opened()
    match.agree(final=True)
    with pytest.raises(AlreadyFinal):
        match.parties[0].sign_input(b"", gas=CALL_GAS)


def test_sign_log_has_what_must_be_sent_again() -> None:
    match = Match(STORE)
    log = MemorySignLog()
    party = Party(match.open(), GuardedSigner(match.signers[0], log))
    proposal = party.propose([], match.environment())
    content = log.content(match.thread.thread_id, 0)
    assert content is not None
    assert proposal.commitment.to_rlp() in content
    assert proposal.signed.to_rlp() in content


def test_inputs_are_bound_to_the_latest_agreement() -> None:
    match = opened()
    each = match.parties[0].sign_input(words(1, 1), gas=CALL_GAS)
    assert each.input.parent == match.tip.digest
    match.agree()
    with pytest.raises(Refusal, match="parent"):
        agree_on(match.parties, [each], match.environment())
    match.agree()  # the failed round left nobody with anything pending


@pytest.mark.parametrize("kind", [4, -1, "CALL", None])
def test_an_input_of_no_kind_is_not_signed(kind: InputKind) -> None:
    with pytest.raises(InvalidInput, match="no kind of input"):
        Match(STORE).parties[0].sign_input(b"", gas=CALL_GAS, kind=kind)


def test_no_second_input_is_signed_for_a_place() -> None:
    match = Match(STORE)
    party = match.parties[0]
    before = [party.sign_input(words(1, value), gas=CALL_GAS) for value in (1, 2)]
    assert [each.input.parent for each in before] == [bytes(32)] * 2, "which any state may take"
    match.agree()
    first = party.sign_input(words(1, 1), gas=CALL_GAS)
    with pytest.raises(InputEquivocationError) as caught:
        party.sign_input(words(1, 2), gas=CALL_GAS)
    error = caught.value
    assert (error.thread_id, error.parent) == (match.thread.thread_id, match.tip.digest)
    assert (error.kind, error.nonce, error.signed) == (0, 0, digest(LOCAL_DOMAIN, first.input))
    assert party.sign_input(words(1, 1), gas=CALL_GAS) == first
    second = party.sign_input(words(1, 2), gas=CALL_GAS, nonce=1)
    match.agree(first, second)
    assert match.thread.storage(1) == 2
    party.sign_input(words(1, 3), gas=CALL_GAS)
    with pytest.raises(InputEquivocationError):
        party.sign_input(words(1, 4), gas=CALL_GAS)
    match.agree()
    party.sign_input(words(1, 4), gas=CALL_GAS)


def test_a_failed_round_leaves_nobody_with_anything_pending() -> None:
    match = opened(parties=3)
    each = match.parties[0].sign_input(words(1, 1), gas=CALL_GAS)
    with pytest.raises(ClockDrift):
        agree_on(match.parties, [each], match.environment(), now=START + 10**6)
    assert [party.thread.prepared for party in match.parties] == [None] * 3
    with pytest.raises(LocalProtocolError, match="nothing is pending"):
        match.parties[1].agree({})


def test_what_was_discarded_is_not_agreed_on() -> None:
    match = opened()
    proposed(match)
    match.parties[1].thread.discard()
    with pytest.raises(LocalProtocolError, match="nothing is pending"):
        match.parties[1].agree({})


def test_a_genesis_from_another_time_is_not_signed() -> None:
    match = Match(STORE)
    proposal = match.parties[0].propose([], match.environment())
    with pytest.raises(ClockDrift):
        match.parties[1].review(proposal, now=START + 10**6)
    match.parties[1].review(proposal, now=START)


def test_an_input_may_go_to_another_account() -> None:
    match = opened()
    each = match.parties[0].sign_input(to=match.terms.owners[1], value=3, gas=CALL_GAS)
    match.agree(each)
    assert match.tip.commitment.balances == (DEPOSIT - 3, DEPOSIT + 3)


def test_an_open_call_is_answered_by_who_is_asked_and_dropped_by_whom_it_concerns() -> None:
    match = Match(ASKS, parties=3, rules=ruleset(dialect=DIALECT))
    match.agree()
    asker, asked, other = match.parties
    for party in match.parties:
        for go_on in (party.answer, party.abort):
            with pytest.raises(LocalProtocolError, match="no call is open"):
                go_on()
    each = asker.sign_input(words(5) + bytes(12) + match.terms.owners[1], gas=CALL_GAS)
    proposal = asked.propose([each], match.environment())
    opened_call = asked.thread.open_call
    assert opened_call is not None
    assert proposal.suspension == opened_call.suspension
    log = asked._signer._log
    assert isinstance(log, MemorySignLog)
    kept = log.content(match.thread.thread_id, 1)
    assert kept is not None
    assert proposal.suspension.to_rlp() in kept
    for party in match.parties:
        party.drop()
    match.agree(each)
    for party, go_on in ((asker, Party.answer), (other, Party.answer), (other, Party.abort)):
        with pytest.raises(LocalProtocolError, match=r"waits for|may abort"):
            go_on(party)
    machine = opened_call.machine_hash
    answers = [asked.answer(b"yes"), asked.abort(), asker.abort()]
    assert [(made.input.kind, made.input.data, made.input.nonce, made.input.to) for made in answers] == [
        (InputKind.ANSWER, machine + b"yes", 0, bytes(20)),
        (InputKind.ABORT, machine, 0, bytes(20)),
        (InputKind.ABORT, machine, 0, bytes(20)),
    ]
    match.agree(answers[0])
    assert match.tip.commitment.status == Status.REST


def test_what_this_party_neither_proposed_nor_reviewed_is_not_agreed_on() -> None:
    match = opened()
    match.parties[0].thread.prepare(match.batch([]))
    with pytest.raises(LocalProtocolError, match="nothing is pending"):
        match.parties[0].agree({})


def test_a_contract_without_time_to_come_back_is_not_opened() -> None:
    with pytest.raises(ContractTimeoutTooShort):
        Match(STORE, rules=ruleset(contract_timeout=600))
    match = opened()
    rules = ruleset(contract_timeout=7_441)  # 3,600 + 120, twice, and one second
    terms = terms_of(STORE, rules)
    threads = [Thread.open(LOCAL_DOMAIN, terms, rules, code=STORE) for _ in range(2)]
    guards = [GuardedSigner(signer, MemorySignLog()) for signer in match.signers]
    with pytest.raises(ContractTimeoutTooShort):
        Party(threads[0], guards[0])
    parties = [Party(*pair, inclusion=0) for pair in zip(threads, guards, strict=True)]
    agree_on(parties, [], parties[0].thread.environment(timestamp=START))
    assert Party(threads[0], guards[0]).agreement is not None  # opened long ago: no party is kept out of it
