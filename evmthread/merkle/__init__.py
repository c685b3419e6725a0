"""Floor 1: Merkle-Patricia tries, their roots and their proofs. Knows bytes and integers, nothing of the EVM."""
