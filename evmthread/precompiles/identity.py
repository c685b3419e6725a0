"""IDENTITY (Yellow Paper, appendix E.1): gives back its input."""

from evmthread.precompiles.precompile import Precompile, price_per_word


def identity(data: bytes) -> bytes:
    """The input, unchanged."""
    return data


IDENTITY = Precompile("ID", price_per_word(15, 3), identity)
