"""Random changes of a state, told by a model of dictionaries."""

from collections.abc import Mapping

from hypothesis import strategies as st

from evmthread.primitives.keccak import EMPTY_HASH, keccak256
from evmthread.state.memory import MemoryState
from evmthread.state.view import Account, AccountChange, StateChanges

ADDRESSES = [bytes((number,)) * 20 for number in range(1, 5)]
CODES = [b"", b"\x00", b"\x60\x01"]
CODE_OF = {keccak256(code): code for code in CODES}
KEYS = [0, 1, 2, 2**256 - 1]
Told = tuple[Account, dict[int, int]]
"""An account and its slots that aren't zero."""

words = st.sampled_from([0, 0, 1, 2, 0x80, 2**255, 2**256 - 1])
accounts = st.one_of(
    st.none(),
    st.tuples(
        st.builds(
            lambda nonce, balance, code: Account(nonce, balance, keccak256(code)),
            st.sampled_from([0, 1, 2**64 - 1]),
            st.sampled_from([0, 1, 2**256 - 1]),
            st.sampled_from(CODES),
        ),
        st.dictionaries(st.sampled_from(KEYS), words, max_size=4).map(
            lambda slots: {key: value for key, value in slots.items() if value}
        ),
    ),
)
states = st.fixed_dictionaries(dict.fromkeys(ADDRESSES, accounts)).map(
    lambda told: {address: account for address, account in told.items() if account is not None}
)


def changes_between(before: Mapping[bytes, Told], after: Mapping[bytes, Told]) -> StateChanges:
    """The exact changes from one state to another."""
    changed: dict[bytes, AccountChange] = {}
    codes: dict[bytes, bytes] = {}
    for address in sorted({*before, *after}):
        old, new = before.get(address), after.get(address)
        old_slots, new_slots = old[1] if old else {}, new[1] if new else {}
        slots = {
            key: (old_slots.get(key, 0), new_slots.get(key, 0))
            for key in sorted({*old_slots, *new_slots})
            if old_slots.get(key) != new_slots.get(key)
        }
        change = AccountChange(old and old[0], new and new[0], slots)
        if not change.is_idle:
            changed[address] = change
        if new and new[0].code_hash != EMPTY_HASH:
            codes[new[0].code_hash] = CODE_OF[new[0].code_hash]
    return StateChanges(changed, codes)


def memory_of(told: Mapping[bytes, Told]) -> MemoryState:
    """The same state, built anew."""
    state = MemoryState()
    for address, (account, slots) in told.items():
        code = CODE_OF[account.code_hash]
        state.set_account(address, nonce=account.nonce, balance=account.balance, code=code, storage=slots)
    return state


def told_by(state: MemoryState) -> dict[bytes, Told]:
    """All that a state in memory holds."""
    return {address: (account, dict(state.slots(address))) for address, account in state.accounts()}
