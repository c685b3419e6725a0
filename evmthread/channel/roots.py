"""What of a state's changes enters the state root: everything but empty accounts, in forks that keep such."""

from evmthread.channel.errors import InvalidBatch
from evmthread.merkle.accounts import StateRoots
from evmthread.state.memory import apply_to_roots
from evmthread.state.view import EMPTY_ACCOUNT, AccountChange, StateChanges


def apply_rooted(roots: StateRoots, changes: StateChanges, *, empty_accounts_stay: bool) -> None:
    """Enters changes into the tries. `empty_accounts_stay`: the fork is older than EIP-161.

    Raises InvalidBatch for an empty account with storage: out of the root it would take what is needed again later.
    """
    if empty_accounts_stay:
        changes = StateChanges(
            {address: _without_empty(address, change) for address, change in changes.accounts.items()}, changes.codes
        )
    apply_to_roots(roots, changes)


def _without_empty(address: bytes, change: AccountChange) -> AccountChange:
    if change.after != EMPTY_ACCOUNT:
        return change
    if any(new for _, new in change.slots.values()):
        raise InvalidBatch("an empty account has no storage", address)
    return AccountChange(change.before, None, wiped=True)
