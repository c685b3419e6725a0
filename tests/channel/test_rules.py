"""The rules of a thread as a fork: what a ruleset changes of it."""

from evmthread.channel.rules import RECORDED_BYTES, _forks
from evmthread.commit import TRAP_ADDRESS


def test_the_limits_of_a_threads_forks() -> None:
    for fork in _forks("Osaka", 2**24, TRAP_ADDRESS, dialect=False):
        assert fork.limits.recorded_bytes == RECORDED_BYTES
        assert fork.limits.memory_bytes == 2**24
