"""Floor 2: accounts and storage. Knows nothing of instructions or machines."""

from evmthread.state.journal import Journal
from evmthread.state.memory import MemoryState
from evmthread.state.opening import open_state
from evmthread.state.overlay import OverlayState
from evmthread.state.view import EMPTY_ACCOUNT, Account, AccountChange, StateBackend, StateChanges, StateView

__all__ = [
    "EMPTY_ACCOUNT",
    "Account",
    "AccountChange",
    "Journal",
    "MemoryState",
    "OverlayState",
    "StateBackend",
    "StateChanges",
    "StateView",
    "open_state",
]
