"""evmthread."""
