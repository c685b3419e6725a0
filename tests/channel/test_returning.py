"""What puts a thread's contract back on chain; tests/contracts/registry does it, and holds the numbers to the truth."""

import pytest

from evmthread.channel.errors import NotSupported
from evmthread.channel.returning import MAX_TRANSACTION_GAS, gas_to_return, return_to_chain, slots_that_return
from evmthread.errors import InvalidInput
from evmthread.merkle.accounts import hash_slot
from evmthread.merkle.proofs import verify_account
from evmthread.primitives.keccak import keccak256
from evmthread.state.memory import MemoryState
from evmthread.state.overlay import OverlayState

HOME = bytes(19) + b"\x01"
CODE = b"\x01" * 1000


def state_of(slots: int) -> MemoryState:
    state = MemoryState()
    state.set_account(HOME, nonce=1, balance=7, code=CODE, storage=dict.fromkeys(range(slots), 9))
    state.set_account(bytes(19) + b"\x02", balance=1)
    return state


@pytest.mark.parametrize("below", [False, True], ids=["memory", "overlay"])
def test_all_slots_in_the_order_of_the_trie(*, below: bool) -> None:
    state = OverlayState(state_of(20)) if below else state_of(20)
    given = return_to_chain(state, HOME)
    assert [int.from_bytes(key, "big") for key in given.keys] == sorted(range(20), key=hash_slot)
    assert given.values == ((9).to_bytes(32, "big"),) * 20
    assert given.code == CODE
    account = verify_account(state.roots().root(), HOME, given.account_proof)
    assert account is not None
    assert (account.balance, account.code_hash) == (7, keccak256(CODE))
    assert given.most_gas == gas_to_return(slots=20, code_bytes=1000)


def test_what_may_not_fit_is_refused_before_anything_is_spent() -> None:
    most = slots_that_return(len(CODE))
    assert return_to_chain(state_of(most), HOME).most_gas <= MAX_TRANSACTION_GAS
    exact = MemoryState()
    exact.set_account(HOME, nonce=1, code=b"\1" * 3616, storage=dict.fromkeys(range(446), 9))
    assert return_to_chain(exact, HOME).most_gas == MAX_TRANSACTION_GAS
    with pytest.raises(NotSupported, match=rf"1000 bytes with {most + 1} slots may need .* enough for {most} slots"):
        return_to_chain(state_of(most + 1), HOME)


@pytest.mark.parametrize("address", [bytes(19) + b"\x02", bytes(19) + b"\x03"], ids=["no code", "absent"])
def test_no_contract_there(address: bytes) -> None:
    with pytest.raises(InvalidInput, match="no contract at"):
        return_to_chain(state_of(1), address)
