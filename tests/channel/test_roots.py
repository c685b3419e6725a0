"""Empty accounts and the state root, in the forks that keep such accounts."""

import pytest

from evmthread.channel.errors import InvalidBatch
from evmthread.primitives.keccak import keccak256
from tests.assembler import assemble
from tests.channel.games import DEPOSIT, Match, ruleset
from tests.channel.independent import state_root


def creating(init_code: bytes, fork: str) -> Match:
    """A thread whose contract, when called, creates another one with this init code."""
    store = " ".join(f"PUSH {byte} PUSH {index} MSTORE8" for index, byte in enumerate(init_code))
    match = Match(
        assemble(f"{store} PUSH {len(init_code)} PUSH 0 PUSH 0 CREATE POP"), rules=ruleset(fork=fork, create=True)
    )
    match.agree()
    return match


def child_of(match: Match) -> bytes:
    return keccak256(b"\xd6\x94" + match.thread.address + b"\x01")[12:]


@pytest.mark.parametrize("fork", ["Frontier", "TangerineWhistle"])
def test_a_created_account_enters_the_root_when_it_is_no_longer_empty(fork: str) -> None:
    match = creating(assemble("STOP"), fork)
    first, second = match.terms.owners
    created = match.call(0).commitment
    contract: tuple[int, int, dict[int, int], bytes] = (2, 0, {}, match.code)
    assert created.state_root == state_root(
        {first: (1, DEPOSIT, {}, b""), second: (0, DEPOSIT, {}, b""), match.thread.address: contract}
    )
    paid = match.call(0, to=child_of(match), value=4).commitment
    assert paid.state_root == state_root(
        {
            first: (2, DEPOSIT - 4, {}, b""),
            second: (0, DEPOSIT, {}, b""),
            match.thread.address: contract,
            child_of(match): (0, 4, {}, b""),
        }
    )


def test_an_empty_account_with_storage_makes_the_batch_invalid() -> None:
    match = creating(assemble("PUSH 1 PUSH 0 SSTORE STOP"), "Homestead")
    with pytest.raises(InvalidBatch, match="an empty account has no storage") as caught:
        match.thread.prepare(match.batch([match.input(0)]))
    assert caught.value.got == child_of(match)
    assert match.thread.prepared is None


def test_since_spurious_dragon_a_created_account_has_a_nonce_and_keeps_its_storage() -> None:
    match = creating(assemble("PUSH 1 PUSH 0 SSTORE STOP"), "SpuriousDragon")
    first, second = match.terms.owners
    assert match.call(0).commitment.state_root == state_root(
        {
            first: (1, DEPOSIT, {}, b""),
            second: (0, DEPOSIT, {}, b""),
            match.thread.address: (2, 0, {}, match.code),
            child_of(match): (1, 0, {0: 1}, b""),
        }
    )
