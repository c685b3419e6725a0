"""The 65 bytes of a signature: r ++ s ++ v. Reads them strictly and recovers who made them.

Accepts exactly what the registry accepts: v 27 or 28, low s (EIP-2), r and s from 1 to the group's order less 1.
"""

from evmthread.commit.refusals import MalformedSignature
from evmthread.errors import CryptoError, InvalidInput
from evmthread.primitives.secp256k1 import GROUP_ORDER, HALF_ORDER, SigningKey, recover_address, sign_digest

SIGNATURE_BYTES = 65
V_OFFSET = 27


def parse_signature(signature: bytes) -> tuple[int, int, int]:
    """(r, s, y parity) of a 65-byte signature. Raises MalformedSignature saying what is wrong with it."""
    if not isinstance(signature, bytes):
        raise InvalidInput(f"signature: a {type(signature).__name__} where bytes are wanted")
    if len(signature) != SIGNATURE_BYTES:
        raise MalformedSignature(f"{len(signature)} bytes where 65 are wanted")
    v = signature[64]
    if v not in (V_OFFSET, V_OFFSET + 1):
        raise MalformedSignature(f"v is {v}, neither 27 nor 28")
    r = int.from_bytes(signature[:32], "big")
    if not 0 < r < GROUP_ORDER:
        raise MalformedSignature(f"r is out of range: {r:#x}")
    s = int.from_bytes(signature[32:64], "big")
    if not 0 < s < GROUP_ORDER:
        raise MalformedSignature(f"s is out of range: {s:#x}")
    if s > HALF_ORDER:
        raise MalformedSignature(f"s is high: {s:#x}")
    return r, s, v - V_OFFSET


def make_signature(private_key: bytes, digest: bytes) -> bytes:
    """The 65-byte signature of a digest (RFC 6979: the same digest gives the same bytes)."""
    return join_signature(*sign_digest(private_key, digest))


def join_signature(r: int, s: int, y_parity: int) -> bytes:
    """The 65 bytes of a signature's parts."""
    return r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes((V_OFFSET + y_parity,))


def recover_signer(digest: bytes, signature: bytes) -> bytes:
    """The address whose key made the signature. Raises MalformedSignature for what is no signature."""
    r, s, y_parity = parse_signature(signature)
    try:
        return recover_address(digest, r, s, y_parity)
    except CryptoError as error:
        raise MalformedSignature(str(error)) from None


class Recoveries:
    """Who made which signature, of those that were recovered through this object: each is recovered once. Bounded.

    For one participant's endpoint, which meets a signature several times on its way: as a request, in a batch, in an
    agreement.
    """

    __slots__ = ("_known", "_most")

    def __init__(self, most: int = 1024) -> None:
        self._known: dict[bytes, bytes] = {}
        self._most = most

    def sign(self, key: SigningKey, digest: bytes) -> bytes:
        """The key's signature of a digest: one that is made here needn't be recovered to know whose it is.

        Raises InvalidInput for what is no SigningKey: another could sign with one key and tell of another.
        """
        if type(key) is not SigningKey:
            raise InvalidInput(f"a {type(key).__name__} where a SigningKey is wanted")
        signature = join_signature(*key.sign(digest))
        self._remember(bytes(digest) + signature, key.address)
        return signature

    def _remember(self, question: bytes, signer: bytes) -> None:
        if len(self._known) >= self._most:
            self._known.clear()
        self._known[question] = signer

    def signer(self, digest: bytes, signature: bytes) -> bytes:
        """As recover_signer."""
        if type(signature) is not bytes or len(signature) != SIGNATURE_BYTES:
            return recover_signer(digest, signature)
        question = bytes(digest) + signature
        known = self._known.get(question)
        if known is None:
            known = recover_signer(digest, signature)
            self._remember(question, known)
        return known


def signer_of(digest: bytes, signature: bytes, recoveries: Recoveries | None) -> bytes:
    """As recover_signer, through `recoveries` where they are given. Raises InvalidInput for what is no Recoveries."""
    if recoveries is None:
        return recover_signer(digest, signature)
    if type(recoveries) is not Recoveries:  # another could say what it likes
        raise InvalidInput(f"a {type(recoveries).__name__} where Recoveries are wanted")
    return recoveries.signer(digest, signature)
