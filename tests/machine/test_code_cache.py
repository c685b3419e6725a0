from evmthread.isa.forks import CANCUN, FRONTIER, SHANGHAI
from evmthread.machine.code_cache import CodeCache


def test_cache_keeps_programs_by_code_and_fork() -> None:
    cache = CodeCache()
    first = cache.program(b"\x5b", CANCUN)
    assert cache.program(bytes([0x5B]), CANCUN) is first
    assert cache.program(b"\x5b", SHANGHAI) is not first
    assert cache.program(b"\x5b", FRONTIER).fork is FRONTIER


def test_cache_is_bounded_in_number_and_keeps_what_is_used() -> None:
    cache = CodeCache(entries=8)
    used = cache.program(b"\xfe", CANCUN)
    for number in range(100):
        cache.program(bytes((number,)), CANCUN)
        cache.program(bytes((number,)), SHANGHAI)
        assert cache.program(b"\xfe", CANCUN) is used
        assert len(list(cache.programs())) <= 8
    assert used in list(cache.programs())


def test_cache_is_bounded_in_bytes() -> None:
    cache = CodeCache(code_bytes=1_000)
    used = cache.program(b"\xfe", CANCUN)
    for number in range(100):
        cache.program(bytes((number,)) * 100, CANCUN)
        assert cache.program(b"\xfe", CANCUN) is used
        assert sum(len(program.code) for program in cache.programs()) <= 1_000


def test_a_code_larger_than_the_cache_is_held_while_it_is_the_newest() -> None:
    cache = CodeCache(code_bytes=100)
    huge = cache.program(bytes(5_000), CANCUN)
    assert cache.program(bytes(5_000), CANCUN) is huge


def test_cache_forgets_forks_that_are_gone() -> None:
    cache = CodeCache(entries=8)
    for number in range(50):
        cache.program(b"\x00", CANCUN.evolve(f"Private {number}"))
    assert len(cache._tables) <= 10
