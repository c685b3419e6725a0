"""What a channel asks its store to keep. Plain values; how they are kept is the store's matter.

Two kinds are compare-and-insert: under a key at most one digest ever stands, and a record whose digest differs is
refused, now and after every restart. That is what keeps a party from signing two things (signer law, rule 2). The
others are only ever added.
"""

from dataclasses import dataclass
from typing import TypeAlias

from evmthread.primitives.quick import quick


@quick
@dataclass(frozen=True, slots=True)
class SignedRecord:
    """A commitment that is about to be signed. Unique: one digest for a nonce.

    `content` is what has to be sent again after a crash. As for SignLog.put_if_absent, the nonce has to be above all
    others in the thread and above its floor, and nothing stands after a final one.
    """

    nonce: int
    digest: bytes
    final: bool
    content: bytes


@quick
@dataclass(frozen=True, slots=True)
class InputRecord:
    """An input of ours that is about to be signed. Unique: one digest for a kind, a nonce and a parent."""

    kind: int
    nonce: int
    parent: bytes
    digest: bytes
    content: bytes


@quick
@dataclass(frozen=True, slots=True)
class AgreedRecord:
    """An agreement that was executed and adopted. `content` is its `Agreed` message's body in bytes.

    `state` leads from the state at its parent's to the state after it, or, where `whole`, holds all of it. `parent` is
    that of the commitment, zero for the genesis.
    """

    nonce: int
    digest: bytes
    parent: bytes
    content: bytes
    state: bytes
    whole: bool


@dataclass(frozen=True, slots=True)
class EvidenceRecord:
    """Something that convicts a party: `kind` names its class, `content` is its JSON in bytes."""

    kind: str
    party: int
    content: bytes


Record: TypeAlias = SignedRecord | InputRecord | AgreedRecord | EvidenceRecord
