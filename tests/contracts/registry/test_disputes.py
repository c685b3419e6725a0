"""Checkpoint, challenge, respond, exit and resume: the highest commitment posted in time, and a deadline that stays."""

import pytest

from evmthread.commit import Resume, Terms, digest, thread_id
from evmthread.primitives.keccak import keccak256
from tests.commit.commit_samples import private_key, sign_record, signers
from tests.contracts.registry.deployed import STRANGER, Deployed, Mode, key_of, spread


def test_checkpoint_records_without_a_clock(registry: Deployed) -> None:
    terms = registry.opened()
    for nonce in (0, 3, 2**64 - 1):
        commitment = registry.commitment(terms, nonce)
        receipt = registry.done(STRANGER, "checkpoint", *registry.signed(terms, commitment))
        assert registry.events(receipt) == ["RECORDED"]
        state = registry.thread(terms)
        assert (state.digest, state.nonce) == (digest(registry.domain, commitment), nonce)
        assert (state.deadline, state.held, state.mode) == (0, sum(terms.deposits), Mode.LIVE)


def test_challenge_starts_the_clock(registry: Deployed) -> None:
    terms = registry.opened()
    commitment = registry.commitment(terms)
    receipt = registry.done(key_of(terms, 1), "challenge", *registry.signed(terms, commitment))
    assert registry.events(receipt) == ["RECORDED", "CHALLENGED"]
    state = registry.thread(terms)
    assert (state.digest, state.nonce) == (digest(registry.domain, commitment), 5)
    assert (state.deadline, state.mode) == (receipt.timestamp + terms.challenge_period, Mode.CHALLENGED)


def test_challenge_with_what_is_recorded(registry: Deployed) -> None:
    terms = registry.opened()
    commitment = registry.commitment(terms)
    registry.done(STRANGER, "checkpoint", *registry.signed(terms, commitment))
    receipt = registry.done(key_of(terms, 0), "challenge", *registry.signed(terms, commitment))
    assert registry.events(receipt) == ["CHALLENGED"]
    assert registry.thread(terms).mode is Mode.CHALLENGED


def test_only_a_party_starts_the_clock(registry: Deployed) -> None:
    terms = registry.opened()
    commitment = registry.commitment(terms)
    registry.refused("NotAParty", STRANGER, "challenge", *registry.signed(terms, commitment))
    registry.refused("NotAParty", STRANGER, "exit", terms)


def test_an_owner_and_its_session_key_are_both_parties(registry: Deployed) -> None:
    named = signers(4)
    terms = registry.opened(
        keys=(named[0].address, named[3].address), owners=(named[1].address, named[2].address), salt=11
    )
    start = registry.chain.snapshot()
    for key in map(private_key, range(4)):
        registry.done(key, "exit", terms)
        registry.chain.restore(start)


def test_respond_replaces_and_the_deadline_never_moves(registry: Deployed) -> None:
    terms = registry.opened()
    registry.done(key_of(terms, 0), "challenge", *registry.signed(terms, registry.commitment(terms, 1)))
    deadline = registry.thread(terms).deadline
    for nonce in (2, 9, 10):
        commitment = registry.commitment(terms, nonce)
        receipt = registry.done(STRANGER, "respond", *registry.signed(terms, commitment))
        assert registry.events(receipt) == ["RECORDED"]
        state = registry.thread(terms)
        assert (state.digest, state.deadline) == (digest(registry.domain, commitment), deadline)


def test_respond_is_possible_until_the_second_before_the_deadline(registry: Deployed) -> None:
    terms = registry.opened()
    registry.done(key_of(terms, 0), "exit", terms)
    deadline = registry.thread(terms).deadline
    registry.chain.wait_until(deadline - 1)
    registry.done(STRANGER, "respond", *registry.signed(terms, registry.commitment(terms, 0)))
    registry.chain.wait_until(deadline)
    registry.refused("TooLate", STRANGER, "respond", *registry.signed(terms, registry.commitment(terms, 7)))


def test_c06_lower_and_equal_nonces(registry: Deployed) -> None:
    terms = registry.opened()
    commitment = registry.commitment(terms, 5)
    lower = registry.commitment(terms, 4)
    other = registry.commitment(terms, 5, state_root=keccak256(b"other"))
    registry.done(STRANGER, "checkpoint", *registry.signed(terms, commitment))
    for name in ("checkpoint", "challenge"):
        registry.refused("StaleNonce", key_of(terms, 0), name, *registry.signed(terms, lower))
        evidence = registry.refused("Equivocation", key_of(terms, 0), name, *registry.signed(terms, other))
        assert tuple(evidence) == (5, digest(registry.domain, commitment), digest(registry.domain, other))
    before = registry.thread(terms)
    assert registry.done(STRANGER, "checkpoint", *registry.signed(terms, commitment)).logs == ()
    assert registry.thread(terms) == before
    registry.done(key_of(terms, 0), "exit", terms)
    registry.refused("StaleNonce", STRANGER, "respond", *registry.signed(terms, lower))
    registry.refused("Equivocation", STRANGER, "respond", *registry.signed(terms, other))
    before = registry.thread(terms)
    assert registry.done(STRANGER, "respond", *registry.signed(terms, commitment)).logs == ()
    assert registry.thread(terms) == before


def test_functions_are_for_their_modes_alone(registry: Deployed) -> None:
    terms = registry.terms()
    party = key_of(terms, 0)
    final = registry.final(terms)

    def refused_now(*names: str) -> None:
        calls = {
            "checkpoint": registry.signed(terms, registry.commitment(terms, 9)),
            "challenge": registry.signed(terms, registry.commitment(terms, 9)),
            "respond": registry.signed(terms, registry.commitment(terms, 9)),
            "exit": (terms,),
            "refund": (terms,),
            "settle": registry.signed(terms, final),
            "resume": (terms, 0, ()),
            "claim": (terms, final, bytes(19) + b"\x55", ()),
            "materialize": (terms, final, (), (), b"", ()),
        }
        for name in names:
            registry.refused("WrongMode", party, name, *calls[name])

    every = ("checkpoint", "challenge", "respond", "exit", "refund", "settle", "resume", "claim", "materialize")
    refused_now(*every)
    registry.done(STRANGER, "open", terms, 0, value=terms.deposits[0])
    refused_now(*(name for name in every if name != "refund"))
    registry.done(STRANGER, "open", terms, 1, value=terms.deposits[1])
    refused_now("respond", "refund", "resume", "claim", "materialize")
    registry.refused("WrongMode", party, "settle", *registry.unsigned(terms, final))
    registry.done(party, "challenge", *registry.signed(terms, registry.commitment(terms, 1)))
    refused_now("checkpoint", "challenge", "exit", "refund", "claim", "materialize")
    registry.done(party, "settle", *registry.signed(terms, final))
    refused_now("checkpoint", "challenge", "respond", "exit", "refund", "settle", "resume")
    registry.refused("WrongMode", party, "settle", *registry.unsigned(terms, final))


def _resume(registry: Deployed, terms: Terms, deadline: int) -> tuple[object, ...]:
    word = Resume(thread_id(registry.domain, terms), deadline)
    return terms, deadline, spread(sign_record(registry.domain, terms, word))[1]


def test_all_parties_call_a_challenge_off(registry: Deployed) -> None:
    terms = registry.opened(3, threshold=2)
    commitment = registry.commitment(terms)
    registry.done(key_of(terms, 0), "challenge", *registry.signed(terms, commitment))
    deadline = registry.thread(terms).deadline
    receipt = registry.done(STRANGER, "resume", *_resume(registry, terms, deadline))
    assert registry.events(receipt) == ["RESUMED"]
    state = registry.thread(terms)
    assert (state.mode, state.deadline) == (Mode.LIVE, 0)
    assert (state.nonce, state.digest) == (5, digest(registry.domain, commitment))
    registry.refused("WrongMode", STRANGER, "resume", *_resume(registry, terms, deadline))
    registry.done(STRANGER, "checkpoint", *registry.signed(terms, registry.commitment(terms, 6)))


def test_c10_a_resume_is_for_one_deadline_and_by_all(registry: Deployed) -> None:
    terms = registry.opened(3, threshold=2)
    registry.done(key_of(terms, 0), "exit", terms)
    deadline = registry.thread(terms).deadline
    registry.refused("WrongDeadline", STRANGER, "resume", *_resume(registry, terms, deadline + 1))
    words = _resume(registry, terms, deadline)
    signatures = words[2]
    assert isinstance(signatures, tuple)
    registry.refused("SignatureCount", STRANGER, "resume", terms, deadline, signatures[:2])
    registry.refused("SignatureCount", STRANGER, "resume", terms, deadline, ())
    twice = (signatures[0], signatures[0], signatures[2])
    registry.refused("WrongSignature", STRANGER, "resume", terms, deadline, twice)
    older = _resume(registry, terms, deadline - 1)[2]
    registry.refused("WrongSignature", STRANGER, "resume", terms, deadline, older)


def test_c09_a_signature_on_another_type_counts_for_nothing(registry: Deployed) -> None:
    """What all signed as one type is no other, whatever function it is given to."""
    terms = registry.opened()
    party = key_of(terms, 0)
    commitment, final = registry.commitment(terms), registry.final(terms)
    of_resume = _resume(registry, terms, 1)[2]
    of_terms = spread(sign_record(registry.domain, terms, terms))[1]
    for made in (of_resume, of_terms):
        for name, said in (("checkpoint", commitment), ("challenge", commitment), ("settle", final)):
            registry.refused("WrongSignature", party, name, terms, said, 3, made)
    registry.done(party, "exit", terms)
    deadline = registry.thread(terms).deadline
    for made in (registry.signed(terms, commitment)[3], registry.signed(terms, final)[3], of_terms):
        registry.refused("WrongSignature", STRANGER, "resume", terms, deadline, made)
    registry.refused("WrongSignature", STRANGER, "respond", terms, commitment, 3, _resume(registry, terms, deadline)[2])
    registry.done(STRANGER, "resume", *_resume(registry, terms, deadline))


def test_a_challenge_called_off_can_begin_again_later(registry: Deployed) -> None:
    terms = registry.opened()
    registry.done(key_of(terms, 0), "exit", terms)
    first = registry.thread(terms).deadline
    registry.done(STRANGER, "resume", *_resume(registry, terms, first))
    registry.done(key_of(terms, 1), "exit", terms)
    second = registry.thread(terms).deadline
    assert second > first
    registry.refused("WrongDeadline", STRANGER, "resume", *_resume(registry, terms, first))


@pytest.mark.parametrize("name", ["checkpoint", "challenge", "respond"])
def test_nothing_recorded_takes_any_nonce(registry: Deployed, name: str) -> None:
    terms = registry.opened()
    if name == "respond":
        registry.done(key_of(terms, 0), "exit", terms)
    genesis = registry.commitment(terms, 0)
    registry.done(key_of(terms, 0), name, *registry.signed(terms, genesis))
    assert registry.thread(terms).digest == digest(registry.domain, genesis)
