"""Floor 0: words, addresses, hashing, signatures and RLP, over well-kept libraries. Knows nothing of the EVM."""
