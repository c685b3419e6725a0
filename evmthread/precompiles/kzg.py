"""KZG_POINT_EVALUATION: a blob's polynomial has this value at that point (EIP-4844)."""

from hashlib import sha256

from evmthread.precompiles.bls12_381_groups import ORDER, Bls12381, best_bls12_381
from evmthread.precompiles.precompile import Precompile, PrecompileFailure, first_kilobyte, fixed_price

FIELD_ELEMENTS_PER_BLOB = 4096
BLS_MODULUS = ORDER
VERSIONED_HASH_VERSION = b"\1"

_INPUT_LENGTH = 192
_MODULUS_BYTES = BLS_MODULUS.to_bytes(32, "big")
_OUTPUT = FIELD_ELEMENTS_PER_BLOB.to_bytes(32, "big") + _MODULUS_BYTES


def versioned_hash(commitment: bytes) -> bytes:
    """The 32 bytes by which a transaction names a KZG commitment (EIP-4844, kzg_to_versioned_hash)."""
    return VERSIONED_HASH_VERSION + sha256(commitment).digest()[1:]


def point_evaluation(data: bytes, groups: Bls12381 | None = None) -> bytes:
    """The two words FIELD_ELEMENTS_PER_BLOB and BLS_MODULUS, when the proof holds; raises PrecompileFailure if not.

    The input is versioned hash, point, value (a word each), commitment and proof (48 bytes each), exactly. `groups` is
    the implementation of BLS12-381 to use instead of the best there is.
    """
    if len(data) != _INPUT_LENGTH:
        raise PrecompileFailure(f"{len(data)} bytes where {_INPUT_LENGTH} are wanted")
    point, value, commitment, proof = data[32:64], data[64:96], data[96:144], data[144:192]
    if data[:32] != versioned_hash(commitment):
        raise PrecompileFailure(f"0x{data[:32].hex()} isn't the versioned hash of the commitment")
    if point >= _MODULUS_BYTES or value >= _MODULUS_BYTES:
        raise PrecompileFailure("point or value isn't below the order of BLS12-381")
    if not (groups or best_bls12_381()).opens(commitment, point, value, proof):
        raise PrecompileFailure("the KZG proof doesn't hold")
    return _OUTPUT


KZG_POINT_EVALUATION = Precompile("KZG_POINT_EVALUATION", fixed_price(50000), point_evaluation, first_kilobyte)
