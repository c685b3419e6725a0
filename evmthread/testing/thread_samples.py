"""Threads and values with which stores are tested, and how a test handles the store that it is about."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from evmthread.commit.eip712 import Domain
from evmthread.commit.signing import LogState, SignLog
from evmthread.commit.terms import Ruleset, Terms, thread_id
from evmthread.primitives.keccak import keccak256
from evmthread.store.thread_store import ThreadStore
from evmthread.store.threadfile import ThreadHead

_CODE = b"\x60\x00\x00"
_PARTIES = (b"\x01" * 20, b"\x02" * 20)
KEY = _PARTIES[0]


def sample_head(salt: int, code: bytes = _CODE) -> ThreadHead:
    """A thread to keep. Each salt gives another id."""
    rules = Ruleset(contract_timeout=86_400)
    terms = Terms(
        origin=bytes(20),
        code_hash=keccak256(code),
        ruleset=rules.hash_struct(),
        asset=bytes(20),
        keys=_PARTIES,
        owners=_PARTIES,
        deposits=(1000, 1000),
        threshold=2,
        operator=bytes(20),
        max_fee=0,
        challenge_period=3600,
        open_before=2**32,
        salt=salt,
    )
    return ThreadHead(Domain(1, b"\x0e" * 20), terms, rules, code)


HEADS = {thread_id(head.domain, head.terms): head for head in map(sample_head, (0, 1, 2**256 - 1))}

NONCES = [0, 1, 2, 3, 127, 255, 256, 2**32, 2**63 - 1, 2**63, 2**64 - 2, 2**64 - 1]
DIGESTS = [bytes([number]) * 32 for number in range(1, 12)]


@dataclass(frozen=True)
class Ways:
    """How the suite handles the stores that it tests."""

    make: Callable[[], ThreadStore]
    reopen: Callable[[Any], ThreadStore] | None
    restore: Callable[[Any], ThreadStore] | None
    beside: Callable[[Any], ThreadStore] | None
    close: Callable[[Any], None]


def put(
    log: SignLog, thread: bytes, nonce: int, digest: bytes, *, final: bool = False, content: bytes = b""
) -> LogState:
    return log.put_if_absent(thread, nonce, digest, final=final, content=content)


def raises(error: type[Exception], do: Callable[..., object], *arguments: object, **options: object) -> None:
    try:
        do(*arguments, **options)
    except error:
        return
    raise AssertionError(f"{getattr(do, '__name__', do)} did not raise {error.__name__}")
