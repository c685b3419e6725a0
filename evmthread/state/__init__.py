"""Floor 2: accounts and storage. Knows nothing of instructions or machines.

States in files and of chains are in modules of their own (sqlite, lmdb, remote, and opening for all), so that what
they need is loaded by those who use them.
"""

from evmthread.state.journal import Journal
from evmthread.state.memory import MemoryState
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
]
