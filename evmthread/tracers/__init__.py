"""Tracers: hooks that make of what they are told the JSON that other tools read. Built with the public hooks alone."""

from evmthread.tracers.calls import CallTracer
from evmthread.tracers.debug import CALLS, OPTIONS, PRESTATE, STRUCT_LOG, trace
from evmthread.tracers.lines import TraceLines
from evmthread.tracers.prestate import PrestateTracer
from evmthread.tracers.struct_logs import StructLogs

__all__ = [
    "CALLS",
    "OPTIONS",
    "PRESTATE",
    "STRUCT_LOG",
    "CallTracer",
    "PrestateTracer",
    "StructLogs",
    "TraceLines",
    "trace",
]
