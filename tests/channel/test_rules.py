"""The rules of a thread as a fork: what a ruleset changes of it."""

from evmthread.channel.rules import _forks
from evmthread.commit import TRAP_ADDRESS


def test_every_call_of_an_input_is_recorded() -> None:
    for fork in _forks("Osaka", 2**24, TRAP_ADDRESS):
        assert fork.limits.recorded_calls >= 2**62
        assert fork.limits.recorded_bytes >= 2**62
        assert fork.limits.memory_bytes == 2**24
