import pytest
from hypothesis import given
from hypothesis import strategies as st

from evmthread.isa.forks import CANCUN, HISTORY
from evmthread.machine.analysis import SEGMENT_LIMIT, STOP, Program, jump_destinations
from evmthread.machine.code_cache import CodeCache
from evmthread.machine.operations import STACK_LIMIT
from tests.assembler import assemble


def naive_destinations(code: bytes) -> set[int]:
    found, place = set(), 0
    while place < len(code):
        if code[place] == 0x5B:
            found.add(place)
        place += code[place] - 0x5F + 1 if 0x60 <= code[place] <= 0x7F else 1
    return found


codes = st.lists(
    st.one_of(
        st.sampled_from(
            [b"\x5b", b"\x5b\x5b\x5b", b"\x60", b"\x7f", b"\x61\x5b", b"\x00", b"\x5f", b"\x80", b"\x56", b"\n"]
        ),
        st.binary(min_size=1, max_size=4),
        st.integers(0x60, 0x7F).map(lambda opcode: bytes((opcode,)) + b"\x5b" * (opcode - 0x5F)),
    ),
    max_size=40,
).map(b"".join)


@given(codes)
def test_jump_destinations_equal_a_naive_scan(code: bytes) -> None:
    assert jump_destinations(code) == naive_destinations(code)


@pytest.mark.parametrize("opcode", range(256))
def test_jump_destinations_after_each_opcode(opcode: int) -> None:
    for tail in (b"\x5b" * 40, b"\x5b", b"", b"\x00" * 31 + b"\x5b\x5b"):
        code = bytes((opcode,)) + tail
        assert jump_destinations(code) == naive_destinations(code)


def test_jump_destinations_of_long_codes() -> None:
    for unit in (b"\x5b", b"\x60\x5b", b"\x7f" + b"\x5b" * 32 + b"\x5b", b"\x00", b"\x01\x5b"):
        code = (unit * 50_000)[:50_000]
        assert jump_destinations(code) == naive_destinations(code)


def program_of(text: str | bytes) -> Program:
    return CodeCache().program(assemble(text) if isinstance(text, str) else text, CANCUN)


def test_a_segment_adds_up_prices_and_stack_bounds() -> None:
    segment = program_of("PUSH 1 PUSH 2 ADD DUP1 MUL SWAP2 POP SLOAD").segment(0)
    assert segment.gas == 3 + 3 + 3 + 3 + 5 + 3 + 2 + 100
    assert (segment.low, segment.high) == (2, STACK_LIMIT - 2)
    assert (segment.last_price, segment.last_pc, segment.next_pc) == (100, 9, 10)
    assert len(segment.operations) == 7


def test_a_segment_ends_after_what_may_be_seen_and_before_what_is_no_instruction() -> None:
    assert program_of("PUSH 1 GAS PUSH 2").segment(0).next_pc == 3
    assert program_of("PUSH 1 MLOAD PUSH 2").segment(0).next_pc == 3
    undefined = program_of(b"\x60\x01\x0c\x60\x02").segment(0)
    assert (undefined.next_pc, undefined.last) == (2, None)
    nothing = program_of(b"\x0c").segment(0)
    assert (nothing.next_pc, nothing.operations, nothing.last) == (0, (), None)


def test_long_runs_are_cut_and_go_on() -> None:
    program = program_of("PC " * (3 * SEGMENT_LIMIT))
    assert program.segment(0).next_pc == SEGMENT_LIMIT
    assert program.segment(SEGMENT_LIMIT).next_pc == 2 * SEGMENT_LIMIT


def test_code_ends_with_stop() -> None:
    program = program_of("PUSH 1")
    assert program.instruction_at(2) is STOP
    assert program.instruction_at(10**9) is STOP
    assert program.segment(0).last_pc == 2


def test_a_push_cut_off_by_the_end_is_filled_with_zeros() -> None:
    program = program_of(b"\x63\xaa\xbb")
    stack: list[int] = []
    program.segment(0).operations[0](None, stack)  # type: ignore[arg-type]
    assert stack == [0xAABB0000]


def test_invalid_opcodes_differ_by_fork() -> None:
    for fork in HISTORY:
        program = CodeCache().program(bytes(range(256)), fork)
        for opcode in range(256):
            assert program.instruction_at(opcode) is fork.table[opcode]
