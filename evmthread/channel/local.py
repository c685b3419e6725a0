"""Where a thread belongs that no chain stands behind: a domain that everybody may use for trying out.

Signatures under it are worth nothing anywhere else: no chain has this id in earnest, no key or code has this address.
"""

from evmthread.commit.eip712 import Domain
from evmthread.primitives.keccak import keccak256

LOCAL_CHAIN_ID = 31337
"""The chain id that local development chains use."""

PLACEHOLDER_REGISTRY = keccak256(b"evmthread.registry.placeholder")[12:]
"""0xca9da5a38f7eec8ac38b5b8e98b81fa4d9653175: it stands where a registry's address would."""

LOCAL_DOMAIN = Domain(LOCAL_CHAIN_ID, PLACEHOLDER_REGISTRY)
