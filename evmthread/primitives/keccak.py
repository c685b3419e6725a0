"""keccak-256 through the fastest well-kept library there is: safe-pysha3 where installed, else pycryptodome."""

from collections.abc import Callable


def _provider() -> Callable[[bytes], bytes]:
    try:
        from sha3 import keccak_256
    except ImportError:
        from Crypto.Hash import keccak

        new = keccak.new

        def through_pycryptodome(data: bytes) -> bytes:
            digest: bytes = new(data=data, digest_bits=256).digest()
            return digest

        return through_pycryptodome

    def through_pysha3(data: bytes) -> bytes:
        digest: bytes = keccak_256(data).digest()
        return digest

    return through_pysha3


keccak256 = _provider()

EMPTY_HASH = keccak256(b"")
