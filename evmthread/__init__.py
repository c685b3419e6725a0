"""evmthread: run any Ethereum contract off-chain, in a thread shared by several parties, and settle it on-chain.

The public names below are loaded when they are first used (PEP 562): importing `evmthread.commit`, say, loads no EVM.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evmthread.channel.channel import Channel as Channel
    from evmthread.channel.desk import ChannelOptions as ChannelOptions
    from evmthread.channel.party import Party as Party
    from evmthread.channel.thread import Thread as Thread
    from evmthread.commit import Agreement as Agreement
    from evmthread.commit import Batch as Batch
    from evmthread.commit import Commitment as Commitment
    from evmthread.commit import Domain as Domain
    from evmthread.commit import GuardedSigner as GuardedSigner
    from evmthread.commit import Input as Input
    from evmthread.commit import LocalSigner as LocalSigner
    from evmthread.commit import Ruleset as Ruleset
    from evmthread.commit import Terms as Terms
    from evmthread.commit import verify as verify
    from evmthread.commit import verify_chain as verify_chain
    from evmthread.contracts import load_artifact as load_artifact
    from evmthread.errors import EvmthreadError as EvmthreadError
    from evmthread.execution import AccessEntry as AccessEntry
    from evmthread.execution import Authorization as Authorization
    from evmthread.execution import BlockEnvironment as BlockEnvironment
    from evmthread.execution import CallResult as CallResult
    from evmthread.execution import InvalidTransaction as InvalidTransaction
    from evmthread.execution import Transaction as Transaction
    from evmthread.execution import World as World
    from evmthread.execution import decode_transaction as decode_transaction
    from evmthread.isa.forks import Fork as Fork
    from evmthread.isa.forks import fork_named as fork_named
    from evmthread.isa.frame import Frame as Frame
    from evmthread.isa.instruction import Instruction as Instruction
    from evmthread.isa.message import Message as Message
    from evmthread.machine.code_cache import CodeCache as CodeCache
    from evmthread.machine.hooks import Hook as Hook
    from evmthread.machine.traps import Answer as Answer
    from evmthread.machine.traps import Break as Break
    from evmthread.machine.traps import Question as Question
    from evmthread.machine.traps import Suspended as Suspended
    from evmthread.primitives.types import Address as Address
    from evmthread.primitives.types import Hash32 as Hash32
    from evmthread.primitives.types import Log as Log
    from evmthread.state import MemoryState as MemoryState
    from evmthread.state import StateChanges as StateChanges
    from evmthread.state.opening import open_state as open_state
    from evmthread.store.endpoint import Endpoint as Endpoint
    from evmthread.store.sqlite_threads import SqliteThreadStore as SqliteThreadStore
    from evmthread.store.threadfile import ThreadHead as ThreadHead

_HOMES = {
    "evmthread.channel.channel": ("Channel",),
    "evmthread.channel.desk": ("ChannelOptions",),
    "evmthread.channel.party": ("Party",),
    "evmthread.channel.thread": ("Thread",),
    "evmthread.commit": (
        *("Agreement", "Batch", "Commitment", "Domain", "GuardedSigner", "Input", "LocalSigner", "Ruleset", "Terms"),
        *("verify", "verify_chain"),
    ),
    "evmthread.contracts": ("load_artifact",),
    "evmthread.errors": ("EvmthreadError",),
    "evmthread.execution": (
        *("AccessEntry", "Authorization", "BlockEnvironment", "CallResult", "InvalidTransaction", "Transaction"),
        *("World", "decode_transaction"),
    ),
    "evmthread.isa.forks": ("Fork", "fork_named"),
    "evmthread.isa.frame": ("Frame",),
    "evmthread.isa.instruction": ("Instruction",),
    "evmthread.isa.message": ("Message",),
    "evmthread.machine.code_cache": ("CodeCache",),
    "evmthread.machine.hooks": ("Hook",),
    "evmthread.machine.traps": ("Answer", "Break", "Question", "Suspended"),
    "evmthread.primitives.types": ("Address", "Hash32", "Log"),
    "evmthread.state": ("MemoryState", "StateChanges"),
    "evmthread.state.opening": ("open_state",),
    "evmthread.store.endpoint": ("Endpoint",),
    "evmthread.store.sqlite_threads": ("SqliteThreadStore",),
    "evmthread.store.threadfile": ("ThreadHead",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)  # noqa: PLE0605 - the names are those of _HOMES


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'evmthread' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(home), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME_OF})
