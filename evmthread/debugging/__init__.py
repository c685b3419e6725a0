"""Looking at contracts while they run, in the words of their sources: coverage, gas, reasons of failure, a debugger.

Made of public hooks and artifacts alone; anybody's tool can do the same.
"""
