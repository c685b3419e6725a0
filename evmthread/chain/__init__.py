"""Floor 7: what lies on the other side of a JSON-RPC provider: wallets that sign."""
