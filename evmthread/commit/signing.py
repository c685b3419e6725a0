"""Signers, and the guard that keeps a key from ever signing two things for one nonce.

A signer is `address` + `sign(typed_data)`, so that wallets, HSMs and remote services can be one. The guard wraps any
signer over a SignLog: what is signed is in the log, durably, before its signature exists outside (signer law, 1 to 3).
"""

import secrets
from dataclasses import dataclass
from threading import Lock
from typing import NoReturn, Protocol, Self

from evmthread.commit.batch import Input
from evmthread.commit.commitment import FINAL, Commitment
from evmthread.commit.eip712 import TypedData
from evmthread.commit.members import plain_type
from evmthread.commit.refusals import MalformedSignature
from evmthread.commit.signature import Recoveries, join_signature, signer_of
from evmthread.commit.terms import KeyGrant, Resume
from evmthread.errors import BackendError, CryptoError, EvmthreadError, InvalidInput
from evmthread.primitives.quick import quick
from evmthread.primitives.secp256k1 import SigningKey


class SigningRefused(EvmthreadError):  # noqa: N818 - as all names in errors.py, it says what happened
    """The guard doesn't sign this; nothing was signed and nothing was written."""


@dataclass(eq=False)
class EquivocationError(SigningRefused):
    """Another digest has used this nonce already. It stays refused for ever."""

    thread_id: bytes
    nonce: int
    signed: bytes
    asked: bytes

    def __str__(self) -> str:
        return f"nonce {self.nonce}: 0x{self.signed.hex()} was signed, so 0x{self.asked.hex()} can't be"


@dataclass(eq=False)
class InputEquivocationError(SigningRefused):
    """Another input of this kind, nonce and parent was signed. It stays refused for ever."""

    thread_id: bytes
    kind: int
    nonce: int
    parent: bytes
    signed: bytes
    asked: bytes

    def __str__(self) -> str:
        return (
            f"input of kind {self.kind}, nonce {self.nonce}, on 0x{self.parent.hex()}: 0x{self.signed.hex()} was "
            f"signed, so 0x{self.asked.hex()} can't be"
        )


@dataclass(eq=False)
class NonceNotAbove(SigningRefused):
    """The nonce isn't above every nonce that this key signed in the thread, or above a restored store's floor."""

    thread_id: bytes
    nonce: int
    highest: int

    def __str__(self) -> str:
        return f"nonce {self.nonce}: not above {self.highest}, the highest that was signed or set as floor"


@dataclass(eq=False)
class AlreadyFinal(SigningRefused):
    """The key signed a final commitment in this thread: it signs nothing else there."""

    thread_id: bytes
    final: bytes

    def __str__(self) -> str:
        return f"thread 0x{self.thread_id.hex()}: the final 0x{self.final.hex()} was signed, nothing else can be"


class Signer(Protocol):
    """Who can sign typed data with one key."""

    @property
    def address(self) -> bytes:
        """The 20-byte address of the key."""

    def sign(self, typed_data: TypedData) -> bytes:
        """The 65-byte signature r ++ s ++ v over typed_data.digest(); s low, v 27 or 28.

        Wallets show and sign typed_data.to_json(). Raises what it likes where it can't sign.
        """


def check_typed_data(typed_data: TypedData) -> None:
    """Nothing, or InvalidInput: something else than TypedData, which might have a digest of its own choice."""
    if type(typed_data) is not TypedData:
        raise InvalidInput(f"a TypedData is wanted, not a {type(typed_data).__name__}")


class LocalSigner:
    """A signer whose private key is in this process. It shows in no repr and no error, and can't be pickled."""

    __slots__ = ("_address", "_key")

    def __init__(self, private_key: bytes) -> None:
        """Take a 32-byte private key. Raises CryptoError where it is none."""
        if not isinstance(private_key, bytes):
            raise CryptoError(f"a private key is 32 bytes, not a {type(private_key).__name__}")
        self._key = SigningKey(private_key)
        self._address = self._key.address

    @classmethod
    def generate(cls) -> Self:
        """A signer with a new key from the system's random source."""
        while True:
            try:
                return cls(secrets.token_bytes(32))
            except CryptoError:  # zero or above the group's order: one in 2^128
                continue

    @property
    def address(self) -> bytes:
        """The 20-byte address of the key."""
        return self._address

    def sign(self, typed_data: TypedData, *, recoveries: Recoveries | None = None) -> bytes:
        """The 65-byte signature; the same data gives the same bytes (RFC 6979). Raises InvalidInput for other data.

        `recoveries` remember whose it is.
        """
        check_typed_data(typed_data)
        if recoveries is not None:
            return recoveries.sign(self._key, typed_data.digest())
        return join_signature(*self._key.sign(typed_data.digest()))

    def __repr__(self) -> str:
        return f"LocalSigner(address=0x{self._address.hex()})"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise InvalidInput("a LocalSigner holds a private key: it can't be pickled")

    def __getstate__(self) -> NoReturn:
        raise InvalidInput("a LocalSigner holds a private key: it can't be pickled")


@quick
@dataclass(frozen=True, slots=True)
class LogState:
    """What a SignLog holds for one thread, read in the same atomic step as a put.

    `digest` is the one that stands under the nonce of the put, None if none does; `highest` the highest nonce in the
    log or the floor, whichever is higher, -1 if there is neither; `final` the digest of the final commitment, if any.
    """

    digest: bytes | None
    highest: int
    final: bytes | None


class SignLog(Protocol):
    """What one key signed. One log belongs to one key."""

    def put_if_absent(self, thread_id: bytes, nonce: int, digest: bytes, *, final: bool, content: bytes) -> LogState:
        """Write the entry unless something stands against it, and tell what the log then holds for the thread.

        In one atomic step, also between processes: the entry is written only if the log has no entry for
        (thread_id, nonce), none at a higher nonce, no floor at or above it and no final one in the thread. An entry is
        never changed or removed. When the call returns, the entry is durable: a crash or power loss doesn't undo it.
        `content` is what has to be sent again after a crash; the log keeps it and doesn't interpret it.
        """

    def final(self, thread_id: bytes) -> bytes | None:
        """The digest of the final commitment in the log, if there is one."""


class MemorySignLog:
    """A SignLog that is as durable as the process: for tests, simulations and throw-away threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._entries: dict[tuple[bytes, int], tuple[bytes, bytes]] = {}
        self._highest: dict[bytes, int] = {}
        self._final: dict[bytes, bytes] = {}

    def put_if_absent(self, thread_id: bytes, nonce: int, digest: bytes, *, final: bool, content: bytes) -> LogState:
        """See SignLog."""
        with self._lock:
            highest = self._highest.get(thread_id, -1)
            if nonce > highest and thread_id not in self._final:
                self._entries[thread_id, nonce] = (digest, content)
                self._highest[thread_id] = highest = nonce
                if final:
                    self._final[thread_id] = digest
            standing = self._entries.get((thread_id, nonce))
            return LogState(standing and standing[0], highest, self._final.get(thread_id))

    def final(self, thread_id: bytes) -> bytes | None:
        """See SignLog."""
        with self._lock:
            return self._final.get(thread_id)

    def set_floor(self, thread_id: bytes, nonce: int) -> None:
        """Never sign at or below this nonce again (signer law, rule 5); a floor is only ever raised."""
        with self._lock:
            self._highest[thread_id] = max(nonce, self._highest.get(thread_id, -1))

    def content(self, thread_id: bytes, nonce: int) -> bytes | None:
        """What was written with the entry, to be sent again as the same bytes."""
        with self._lock:
            standing = self._entries.get((thread_id, nonce))
            return standing and standing[1]


_SIGNATURE = plain_type("bytes")
_ADDRESS = plain_type("address")


class GuardedSigner:
    """A signer that writes to its log before it signs a commitment, and refuses what contradicts the log.

    It is a Signer itself. Commitments, inputs, key grants and resumes are signed; there is nothing else to sign.
    """

    __slots__ = ("_address", "_log", "_recoveries", "_signer")

    def __init__(self, signer: Signer, log: SignLog, *, recoveries: Recoveries | None = None) -> None:
        """A guard over a signer. Raises InvalidInput where its address is none; what it is now, it stays.

        Whoever meets the signatures again looks into the same `recoveries`, and need not recover them.
        """
        self._signer = signer
        self._address: bytes = _ADDRESS.plain(signer.address, "Signer.address")
        self._log = log
        self._recoveries = recoveries

    @property
    def address(self) -> bytes:
        """The 20-byte address of the key."""
        return self._address

    def __repr__(self) -> str:
        return f"GuardedSigner({self._signer!r})"

    def sign(self, typed_data: TypedData, *, content: bytes | None = None) -> bytes:
        """The 65-byte signature. A commitment's log entry is durable before the signer is asked.

        `content` is logged with a commitment: its batch and all that has to be sent again; by default its own bytes.
        Asking again for what was signed gives the signer's answer again: the same bytes from signers that are
        deterministic, as LocalSigner is. Raises EquivocationError, NonceNotAbove, AlreadyFinal; InvalidInput for what
        is never signed; BackendError when the signer's answer isn't its own signature over these data.
        """
        check_typed_data(typed_data)
        record = typed_data.record
        # Exact types: a subclass could hash to a commitment and yet pass as something else.
        if type(record) is Commitment:
            self._admit(record, typed_data.digest(), record.encode() if content is None else content)
        elif type(record) is Input or type(record) is KeyGrant or type(record) is Resume:
            if (final := self._log.final(record.thread_id)) is not None:
                raise AlreadyFinal(record.thread_id, final)
        else:
            raise InvalidInput(f"a {type(record).__name__} is never signed")
        return self._signature(typed_data)

    def _admit(self, commitment: Commitment, digest: bytes, content: bytes) -> None:
        thread_id, nonce = commitment.thread_id, commitment.nonce
        final = commitment.status == FINAL
        state = self._log.put_if_absent(thread_id, nonce, digest, final=final, content=content)
        if state.digest is not None and state.digest != digest:
            raise EquivocationError(thread_id, nonce, state.digest, digest)
        if state.final is not None and state.final != digest:
            raise AlreadyFinal(thread_id, state.final)
        if state.digest is None:
            raise NonceNotAbove(thread_id, nonce, state.highest)

    def _signature(self, typed_data: TypedData) -> bytes:
        if type(self._signer) is LocalSigner:  # made by this process with the key itself: there is no answer to doubt
            return self._signer.sign(typed_data, recoveries=self._recoveries)
        answer = self._signer.sign(typed_data)
        try:
            signature: bytes = _SIGNATURE.plain(answer, "signature")
            got = signer_of(typed_data.digest(), signature, self._recoveries)
        except (MalformedSignature, InvalidInput) as error:
            raise BackendError(f"the signer of 0x{self._address.hex()} answered with no signature: {error}") from error
        if got != self._address:
            raise BackendError(f"the signer of 0x{self._address.hex()} answered with a signature of 0x{got.hex()}")
        return signature
