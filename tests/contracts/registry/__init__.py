"""The registry: its tests, each on the in-process chain and on anvil."""
