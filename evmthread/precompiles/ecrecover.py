"""ECRECOVER (Yellow Paper, appendix E.1): the address whose key made a signature on secp256k1."""

from evmthread.errors import CryptoError
from evmthread.precompiles.precompile import Precompile, first_kilobyte, fixed_price
from evmthread.primitives.secp256k1 import recover_address

_ADDRESS_PADDING = bytes(12)


def ecrecover(data: bytes) -> bytes:
    """The signer's address as a 32-byte word; empty for whatever is no signature. It never fails.

    The input is digest, v (27 or 28), r and s, a word each, padded with zeros or cut to 128 bytes. A high s is valid.
    """
    if len(data) < 128:
        data = data.ljust(128, b"\0")
    v = int.from_bytes(data[32:64], "big")
    if v not in (27, 28):
        return b""
    r = int.from_bytes(data[64:96], "big")
    s = int.from_bytes(data[96:128], "big")
    try:
        return _ADDRESS_PADDING + recover_address(data[:32], r, s, v - 27)
    except CryptoError:
        return b""


ECRECOVER = Precompile("ECREC", fixed_price(3000), ecrecover, first_kilobyte)
