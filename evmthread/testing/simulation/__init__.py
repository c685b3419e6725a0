"""Simulation: whole channels with a bad network, crashes, bad clocks and liars, all from one number.

`run(seed)` of run.py plays one; `python -m evmthread.testing.simulation` plays many. Nothing here reads a clock or any
other source of chance, so that a seed says all. `SettlingSimulation` of settling.py plays one under a real registry.
"""
