"""What is made of code takes bounded memory: segments of one code, all codes of a cache, and nothing in results."""

import gc

from evmthread.isa.forks import OSAKA
from evmthread.isa.frame import Frame
from evmthread.machine.analysis import DECODED_BYTES, DECODED_BYTES_A_BYTE, VISITS_TO_DECODE, Program
from evmthread.machine.code_cache import CodeCache
from tests.assembler import assemble
from tests.conftest import Engine

# Jumps to where its calldata says: into 240 places of straight code, which is decoded anew from each.
JUMP_IN = assemble("PUSH1 0 CALLDATALOAD JUMP")
PLACES = range(4, 4 + 3 * 240, 3)
STRAIGHT = JUMP_IN + b"\x5b\x58\x50" * 240 + b"\x00"


def enter_everywhere(engine: Engine, cache: CodeCache, code: bytes) -> Program:
    world = engine.world(fork=OSAKA, cache=cache)
    world.set_code(bytes(20), code)
    for place in PLACES:
        for _ in range(VISITS_TO_DECODE):
            assert world.call(bytes(20), place.to_bytes(32, "big")).success
    return cache.program(code, OSAKA)


def test_segments_of_one_code_are_forgotten_when_they_take_too_much(engine: Engine) -> None:
    program = enter_everywhere(engine, CodeCache(), STRAIGHT)
    assert 0 < program.decoded_bytes <= 2 * (DECODED_BYTES + DECODED_BYTES_A_BYTE * len(STRAIGHT))
    assert 0 < len(program.segments) < len(PLACES)


def test_what_is_decoded_counts_in_the_cache(engine: Engine) -> None:
    cache = CodeCache(code_bytes=2**18)
    for salt in range(4):
        enter_everywhere(engine, cache, STRAIGHT + bytes([salt]))
    assert 1 <= len(list(cache.programs())) < 4


def test_destinations_count_in_the_cache() -> None:
    cache = CodeCache(code_bytes=2**20)
    for salt in range(30):
        cache.program(b"\x5b" * 10_000 + bytes([salt]), OSAKA)
    held = list(cache.programs())
    assert sum(program.held_bytes for program in held) <= 2**20 + 10**6
    assert len(held) < 6


def test_results_keep_no_program(engine: Engine) -> None:
    world = engine.world(fork=OSAKA, cache=CodeCache(entries=2))
    # Creates contracts whose init code ends with the gas that is left, so that no two are alike.
    create = "loop: GAS PUSH2 0x2fe0 MSTORE PUSH2 0x3000 PUSH1 0 PUSH1 0 CREATE POP PUSH @loop JUMP"
    world.set_code(bytes(20), assemble(create))
    gc.collect()
    result = world.call(bytes(20), gas=3_000_000)
    assert len(result.children) > 40
    gc.collect()
    alive = [each for each in gc.get_objects() if isinstance(each, Program) and len(each.code) == 0x3000]
    assert len(alive) <= 2


def test_nothing_of_an_execution_is_kept_when_compiled_code_hands_over(engine: Engine) -> None:
    """Out of gas in a hot loop: the signal by which compiled code ends must not keep the frames that it passed."""
    world = engine.world(fork=OSAKA, cache=CodeCache())
    world.set_code(bytes(20), assemble("loop: PUSH1 1 PUSH1 2 ADD POP PUSH @loop JUMP"))
    for _ in range(5):
        assert not world.call(bytes(20), gas=200_000).success
    gc.collect()
    assert [each for each in gc.get_objects() if isinstance(each, Frame) and each.message.gas == 200_000] == []
