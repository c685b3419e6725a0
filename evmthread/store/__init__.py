"""Floor 5: what outlives the process: a thread's file. Imports no EVM."""
