"""Floor 5: what outlives the process: a thread's file. Only replaying.py loads an EVM."""
