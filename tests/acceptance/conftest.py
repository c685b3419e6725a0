"""Rows with a chain run on both: see tests/chain/conftest.py."""

from tests.chain.conftest import world

__all__ = ["world"]
