"""Receipts, for whoever executes: what becomes of an input or a transaction. Their bytes and tries need no EVM."""

from evmthread.merkle.receipts import Receipt, logs_bloom, prove_receipt, receipts_root

__all__ = ["Receipt", "logs_bloom", "prove_receipt", "receipts_root"]
