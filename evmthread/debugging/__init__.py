"""Looking at contracts while they run, in the words of their sources: coverage, gas, reasons of failure, a debugger.

Made of public hooks and artifacts alone; anybody's tool can do the same. docs/tools.md shows each.
"""

from evmthread.debugging.coverage import Coverage, FileCoverage
from evmthread.debugging.debugger import Debugger
from evmthread.debugging.failures import Failure, failure_of
from evmthread.debugging.gas_profile import GasProfile, GasProfiler, gas_table
from evmthread.debugging.known_code import KnownCode, shipped_and
from evmthread.debugging.lcov import summary, tracefile
from evmthread.debugging.speedscope import speedscope_file
from evmthread.debugging.timeline import Beginning, Timeline

__all__ = [
    "Beginning",
    "Coverage",
    "Debugger",
    "Failure",
    "FileCoverage",
    "GasProfile",
    "GasProfiler",
    "KnownCode",
    "Timeline",
    "failure_of",
    "gas_table",
    "shipped_and",
    "speedscope_file",
    "summary",
    "tracefile",
]
