"""Floor 7: what lies on the other side of a JSON-RPC provider: the registry, threads on chain, wallets that sign.

Money acts on the finalized block, alarms on the latest. What a node says is proven as far as hashes go.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evmthread.chain.accounts import KeyAccount as KeyAccount
    from evmthread.chain.accounts import NodeAccount as NodeAccount
    from evmthread.chain.follower import Follower as Follower
    from evmthread.chain.party import ChainParty as ChainParty
    from evmthread.chain.registry import Registry as Registry
    from evmthread.chain.transactions import Patience as Patience
    from evmthread.chain.wallet import WalletSigner as WalletSigner
    from evmthread.chain.watcher import Position as Position
    from evmthread.chain.watcher import Watcher as Watcher
    from evmthread.chain.watchtower import Watchtower as Watchtower

# Loaded when first used: a wallet's signer needs no EVM, and a watchtower no channel's store.
_HOMES = {
    "KeyAccount": "accounts",
    "NodeAccount": "accounts",
    "Follower": "follower",
    "ChainParty": "party",
    "Registry": "registry",
    "Patience": "transactions",
    "WalletSigner": "wallet",
    "Position": "watcher",
    "Watcher": "watcher",
    "Watchtower": "watchtower",
}

__all__ = sorted(_HOMES)  # noqa: PLE0605 - the names are those of _HOMES


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'evmthread.chain' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"evmthread.chain.{home}"), name)
    return value
