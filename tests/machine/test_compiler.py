"""Compiled code against the stepper: nobody can see which of them ran a program, whatever it was compiled from."""

from dataclasses import replace
from itertools import product
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evmthread.errors import Missing
from evmthread.isa.forks import HISTORY, OSAKA, Fork
from evmthread.isa.frame import Frame, copy_data, load_unaligned
from evmthread.isa.halts import Status
from evmthread.isa.host import Host
from evmthread.isa.instruction import control, framed, instruction_of, pure
from evmthread.isa.instructions.memory import COPY_WORD_PRICE
from evmthread.machine.code_cache import CodeCache
from evmthread.machine.tiers import CREDIT_LIMIT, TieredEngine
from evmthread.state.memory import MemoryState
from tests.assembler import assemble
from tests.machine.drivers import effects, run_through_missing, seen, start
from tests.machine.structured import Structured, calldata
from tests.machine.test_machine import Forgetful
from tests.machine.test_stepper import CHEAP, random_state
from tests.programs import gas_limit
from tests.sandbox import CONTRACT, OTHER, THIRD, address, state

THRESHOLDS = (0, 1, 2)
IDENTITY, SHA256 = (4).to_bytes(20, "big"), (2).to_bytes(20, "big")


def structured_state(random: Random, fork: Fork) -> MemoryState:
    """Two contracts with structure; the first calls itself, the other, precompiles and nobody."""
    view = MemoryState()
    view.set_account(address(1), balance=10**20)
    for account, callees in ((CONTRACT, (CONTRACT, OTHER, OTHER, IDENTITY, SHA256, THIRD)), (OTHER, (IDENTITY, OTHER))):
        code = assemble(Structured(random, callees).program(), fork=fork)
        view.set_account(account, nonce=1, balance=7, code=code, storage={0: 0, 1: 5, 2: 2**255})
    return view


class Comparison:
    """Calls on one state, each on the stepper and on every threshold, whose compiled code lives from call to call."""

    def __init__(self, view: MemoryState, fork: Fork, thresholds: tuple[int, ...] = THRESHOLDS) -> None:
        self.view = view
        self.fork = fork
        self.stepper = CodeCache()
        self.engines = [(CodeCache(), TieredEngine(threshold, credit=CREDIT_LIMIT)) for threshold in thresholds]

    def call(self, gas: int, data: bytes = b"", *, static: bool = False) -> int:
        """Compares all that can be seen of one call; the gas it used."""
        machine, host = start(self.view, self.fork, gas=gas, data=data, static=static, cache=self.stepper)
        root = machine.run()
        wanted = seen(root), effects(host, self.fork)
        for cache, engine in self.engines:
            compiled, compiled_host = start(
                self.view, self.fork, gas=gas, data=data, static=static, cache=cache, engine=engine
            )
            got = seen(compiled.run()), effects(compiled_host, self.fork)
            assert got == wanted, (engine.threshold, gas)
        return gas - root.gas


def gas_of(random: Random) -> int:
    return random.choice((random.randrange(3_000), random.randrange(60_000), 150_000, 400_000, 400_000))


@settings(max_examples=40)
@given(seed=st.integers(0, 2**64))
def test_structured_programs(seed: int) -> None:
    random = Random(seed)
    comparison = Comparison(structured_state(random, OSAKA), OSAKA)
    for _ in range(5):
        comparison.call(gas_of(random), calldata(random), static=random.randrange(8) == 0)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(8))
def test_many_structured_programs(part: int) -> None:
    for seed in range(part * 10**6, part * 10**6 + 2_000):
        random = Random(seed)
        comparison = Comparison(structured_state(random, OSAKA), OSAKA)
        for _ in range(6):
            comparison.call(gas_of(random), calldata(random), static=random.randrange(8) == 0)


# What went wrong once, and what could ---------------------------------------------------------------------------------
def compare(program: str, *datas: bytes, gas: int = 100_000, fork: Fork = OSAKA, other: str = "STOP") -> Comparison:
    """Compares calls of one program, one after the other."""
    view = state({CONTRACT: program, OTHER: other}, fork=fork, storage={CONTRACT: {0: 1}})
    comparison = Comparison(view, fork)
    for data in datas or (b"",):
        comparison.call(gas, data)
    return comparison


def word(*numbers: int) -> bytes:
    return b"".join([(number % 2**256).to_bytes(32, "big") for number in numbers])


POINTED = "PUSH 0 CALLDATALOAD"


def test_a_place_before_a_pointer_is_not_taken_to_be_within_memory() -> None:
    """A first access at a pointer less 64, with nothing known of memory."""
    compare(f"{POINTED} PUSH 64 SWAP1 SUB PUSH 7 SWAP1 MSTORE MSIZE", word(159), word(160), word(4096), word(3))
    compare(f"PUSH 9 l: {POINTED} PUSH 64 SWAP1 SUB PUSH 7 SWAP1 MSTORE PUSH 1 SWAP1 SUB DUP1 PUSH @l JUMPI", word(159))


@pytest.mark.parametrize(
    "look", ["GAS", "MSIZE", "PUSH 0 SLOAD", "PUSH 0 PUSH 0 LOG0", f"PUSH 0x{OTHER.hex()} BALANCE"]
)
def test_growth_is_not_seen_before_its_time(look: str) -> None:
    pointer = "DUP1" if "LOG" in look else "DUP2"
    for first, second in (("DUP2", f"{pointer} PUSH 256 ADD"), ("PUSH 0", "PUSH 512"), ("DUP2", "PUSH 640")):
        compare(
            f"{POINTED} PUSH 1 {first} MSTORE {look} {second} PUSH 5 SWAP1 MSTORE PUSH 0 SSTORE PUSH 1 SSTORE",
            word(0),
            word(32),
            word(64),
            word(2**20),
            word(-1),
        )


BETWEEN = ("PUSH 3 CALLDATASIZE EXP POP", "PUSH 64 PUSH 32 CALLDATALOAD MLOAD POP", "PUSH 3 PUSH 2 EXP POP")


@pytest.mark.parametrize("between", BETWEEN)
def test_memory_of_a_call_that_fails_between_two_accesses(between: str) -> None:
    """The second access is paid for when it is reached, and neither before nor with the first."""
    program = f"{POINTED} PUSH 1 DUP2 MSTORE {between} PUSH 1 DUP2 PUSH 320 ADD MSTORE"
    comparison = compare(program, word(32, 0))
    for gas in range(180):
        comparison.call(gas, word(32, 2**60))
        comparison.call(gas, word(32, 64))


def test_an_access_that_only_one_branch_reaches_is_not_paid_for_by_both() -> None:
    program = (
        f"{POINTED} PUSH 1 DUP2 MSTORE PUSH 32 CALLDATALOAD PUSH @far JUMPI PUSH 1 DUP2 PUSH 32 ADD MSTORE"
        " MSIZE PUSH 0 SSTORE STOP far: PUSH 1 DUP2 PUSH 640 ADD MSTORE MSIZE PUSH 0 SSTORE"
    )
    compare(program, word(0, 0), word(0, 1), word(96, 0), word(96, 1), word(2**255, 1))


def test_every_gas_limit_of_structured_programs() -> None:
    tried = 0
    for seed in range(400):
        random = Random(seed)
        view = structured_state(random, CHEAP)
        data = calldata(random)
        comparison = Comparison(view, CHEAP, (0,))
        machine, _ = start(view, CHEAP, gas=10**5, data=data, cache=comparison.stepper)
        root = machine.run()
        used = 10**5 - root.gas
        if root.status is Status.HALT or not 200 < used < 900:
            continue
        for gas in range(used + 2):
            comparison.call(gas, data)
        tried += 1
        if tried == 8:
            return
    raise AssertionError(f"only {tried} programs are fit")


@settings(max_examples=40)
@given(seed=st.integers(0, 2**64))
def test_waiting_in_the_middle_of_structured_programs(seed: int) -> None:
    """A view that must be asked twice: warm compiled code waits and goes on."""
    random = Random(seed)
    view = structured_state(random, OSAKA)
    cache, engine = CodeCache(), TieredEngine(0)
    for _ in range(3):
        gas, data = gas_of(random), calldata(random)
        machine, host = start(view, OSAKA, gas=gas, data=data)
        root = machine.run()
        forgetful = Forgetful(view)
        while True:
            try:
                waiting, waiting_host = start(forgetful, OSAKA, gas=gas, data=data, cache=cache, engine=engine)
                break
            except Missing:
                continue
        assert seen(run_through_missing(waiting)) == seen(root)
        while True:
            try:
                after = effects(waiting_host, OSAKA)
                break
            except Missing:
                continue
        assert after == effects(host, OSAKA)


@settings(max_examples=40)
@given(seed=st.integers(0, 2**64), fork=st.sampled_from(HISTORY))
def test_random_bytes(seed: int, fork: Fork) -> None:
    random = Random(seed)
    view = random_state(random, fork)
    if random.randrange(2):
        code = random.randbytes(random.randrange(200))
        view.set_account(CONTRACT, nonce=1, code=code.replace(b"\xff", b"\x5b"), storage={0: 1})
    comparison = Comparison(view, fork)
    for _ in range(3):
        comparison.call(gas_limit(random, 200_000), calldata(random))


def test_growth_that_joins_a_byte_after_words_is_seen_as_whole_words() -> None:
    program = "PUSH 0xffffe0 AND PUSH 1 DUP2 MSTORE PUSH 1 DUP2 PUSH 32 ADD MSTORE8 MSIZE PUSH 0 SSTORE"
    compare(f"{POINTED} {program}", word(0), word(32), word(96))


def test_the_size_of_memory_is_known_in_every_turn_of_a_loop() -> None:
    """One way round the loop grows memory behind compiled code's back, the other looks at its size."""
    program = (
        "PUSH 5 l: PUSH 1 SWAP1 SUB DUP1 PUSH 1 AND PUSH @odd JUMPI MSIZE PUSH 0 SLOAD ADD PUSH 0 SSTORE DUP1 PUSH @l"
        " JUMPI STOP odd: DUP1 PUSH 5 SHL PUSH 0 CALLDATALOAD ADD PUSH 0 PUSH 0 CALLDATACOPY DUP1 PUSH @l JUMPI"
    )
    compare(program, word(0), word(64), word(640))


# Instructions of a host's own -----------------------------------------------------------------------------------------
@framed(0x51, "MLOAD")
def mload_plus_one(frame: Frame, offset: int) -> int:
    memory = frame.memory
    if offset + 32 > len(memory) << 5:
        frame.grow(offset + 32)
    if offset & 31:
        return load_unaligned(memory, offset)
    return memory[offset >> 5] + 1 & 0xFFFF


@control(0x56, "JUMP")
def jump_two_further(frame: Frame, world: Host, target: int) -> int | None:
    return target + 2


@framed(0x0C, "ROOM")
def room(frame: Frame, offset: int) -> int:
    """How far memory falls short of an offset; looks at memory with the very test that growth has."""
    if offset + 32 > len(frame.memory) << 5:
        return offset + 32 - (len(frame.memory) << 5)
    return 0


def copy_to_memory(frame: Frame, data: bytes, destination: int, source: int, size: int) -> None:
    """Grows, charges and writes, as a function of its own that is given the frame."""
    frame.grow_range(destination, size)
    frame.charge(COPY_WORD_PRICE * ((size + 31) >> 5))
    copy_data(frame.memory, destination, data, source, size)


@framed(0x0E, "LATE")
def late(frame: Frame, offset: int) -> int:
    """Asks, writes, charges and grows in no good order."""
    frame.grow_range(offset, 32)
    copy_to_memory(frame, frame.data, offset, 0, 32)
    frame.charge(50)
    frame.memory[offset >> 5] = 9
    frame.grow(offset + 96)
    return frame.gas


@framed(0x0F, "MAYBE")
def maybe(frame: Frame, offset: int, asked: int) -> int:
    """Grows memory only where it is asked to."""
    if asked:
        frame.grow(offset + 64)
        return 1
    return 0


nameless = pure(0x0D, "NO NAME")(lambda a: a ^ 5)
nameless_record = instruction_of(nameless)
OWN = OSAKA.evolve("Own", add={mload_plus_one: 3, jump_two_further: 8, room: 3, late: 4, maybe: 2})
OWN = OWN.evolve("Own", add={replace(nameless_record, name="NO NAME!", pushes=1): 3})


@pytest.mark.parametrize(
    "program",
    [
        "PUSH 7 PUSH 0x40 MSTORE PUSH 0x40 MLOAD PUSH 0x40 MLOAD ADD PUSH 1 SSTORE",
        "PUSH @there JUMP INVALID there: INVALID PUSH 3 PUSH 1 SSTORE",
        f"{POINTED} PUSH 1 DUP2 MSTORE DUP1 ROOM PUSH 1 SSTORE PUSH 1 DUP2 PUSH 256 ADD MSTORE PUSH 64 ROOM",
        f"{POINTED} DATA 0x0d PUSH 1 SSTORE PUSH 5 l: PUSH 1 SWAP1 SUB DATA 0x0d DUP1 PUSH 1 SSTORE DUP1 PUSH @l JUMPI",
    ],
)
def test_another_meaning_of_an_opcode_is_compiled_too(program: str) -> None:
    compare(program, word(0), word(32), word(33), word(4096), word(7), fork=OWN)


def test_charges_and_growth_after_an_effect() -> None:
    program = f"PUSH 3 l: {POINTED} LATE PUSH 1 SSTORE MSIZE PUSH 2 SSTORE PUSH 1 SWAP1 SUB DUP1 PUSH @l JUMPI"
    comparison = compare(program, word(0), word(64), word(2**30), fork=OWN)
    for gas in (*range(400), *range(22_000, 22_400, 3)):
        comparison.call(gas, word(64))


@pytest.mark.parametrize("before", ["", "PUSH 1 DUP2 MSTORE", "PUSH 1 DUP2 PUSH 32 ADD MSTORE"])
def test_memory_that_one_branch_of_an_instruction_reaches(before: str) -> None:
    program = (
        f"{POINTED} PUSH 0xffffe0 AND {before} PUSH 32 CALLDATALOAD DUP2 MAYBE PUSH 1 SSTORE MSIZE PUSH 2 SSTORE"
        " PUSH 1 DUP2 PUSH 32 ADD MSTORE MSIZE PUSH 3 SSTORE PUSH 32 ADD MLOAD PUSH 4 SSTORE"
    )
    compare(program, word(64, 0), word(64, 1), word(96, 0), word(4096, 1), word(0, 0), fork=OWN, gas=200_000)


@pytest.mark.parametrize("place", ["PUSH 0x80", "PUSH 0x40 MLOAD", f"{POINTED}"])
@pytest.mark.parametrize("first", ["PUSH 0xa9059cbb PUSH 224 SHL", "PUSH -1", "PUSH 32 CALLDATALOAD", "PUSH 0"])
@pytest.mark.parametrize("shift", [1, 4, 28, 31, 36, -4])
def test_words_within_two_words(place: str, first: str, shift: int) -> None:
    """Arguments behind a selector, as every call of Solidity's has them: at a place whose low bits are known."""
    value, step = "PUSH 64 CALLDATALOAD", f"PUSH {abs(shift)} {'ADD' if shift > 0 else 'SWAP1 SUB'}"
    read = " ".join(f"DUP1 PUSH {32 * index} ADD MLOAD PUSH {index} SSTORE" for index in range(3))
    program = (
        f"{POINTED} PUSH 0x40 MSTORE {place} {first} DUP2 MSTORE {value} DUP2 {step} MSTORE"
        f" {value} NOT DUP2 {step} PUSH 32 ADD MSTORE DUP1 {step} MLOAD PUSH 4 SSTORE PUSH 33 DUP2 PUSH 4 ADD MSTORE"
        f" {read}"
    )
    words = (2**256 - 2**200 + 5, 1), (7, 2**255 + 2**128 + 9)
    compare(program, *(word(pointer, *pair) for pointer in (0x80, 0xA0, 0x84, 0x200) for pair in words), gas=300_000)


WRITES = (
    "PUSH 3 PUSH 40 MSTORE8",
    "PUSH 32 CALLDATALOAD PUSH 1 MSTORE",
    "PUSH 32 CALLDATALOAD PUSH 32 MSTORE",
    f"PUSH 7 {POINTED} MSTORE",
    f"PUSH 5 {POINTED} PUSH 0 CALLDATACOPY",
    "PUSH 33 PUSH 1 PUSH 0 MCOPY",
    "PUSH 32 PUSH 16 PUSH 32 PUSH 32 PUSH 4 GAS STATICCALL POP",
    "",
)


@pytest.mark.parametrize("write", WRITES)
def test_words_are_known_until_they_are_written(write: str) -> None:
    """Two words that a hash or a load is given, with something between that may write them."""
    program = (
        f"{POINTED} PUSH 0 MSTORE PUSH 9 PUSH 32 MSTORE {write} PUSH 64 PUSH 0 KECCAK256 PUSH 0 SSTORE"
        f" PUSH 32 PUSH 32 KECCAK256 PUSH 1 SSTORE PUSH 1 PUSH 36 MSTORE {write} PUSH 64 PUSH 0 KECCAK256 PUSH 2 SSTORE"
    )
    compare(program, word(0, 5), word(31, 2**255), word(33, 7), word(64, 1), gas=300_000)


@pytest.mark.parametrize("size", [0, 1, 32, 64, 96])
@pytest.mark.parametrize("offset", ["PUSH 0", "PUSH 32", "PUSH 5", POINTED, "PUSH 0x40 MLOAD"])
def test_hashes_at_every_gas(size: int, offset: str) -> None:
    program = f"{POINTED} PUSH 0x40 MSTORE PUSH {size} {offset} KECCAK256 PUSH {size} {offset} KECCAK256 MSIZE GAS"
    comparison = compare(program, word(0), word(64), word(128), word(131), word(2**20), word(-1))
    for gas in range(240):
        comparison.call(gas, word(160))


@pytest.mark.parametrize("kind", ["CALLDATACOPY", "CODECOPY", "MCOPY", "RETURNDATACOPY", "KECCAK256"])
@pytest.mark.parametrize("before", ["", "PUSH -1 PUSH 96 MSTORE"])
def test_ranges_of_any_size_at_every_gas(kind: str, before: str) -> None:
    """Their ends come from call data, as does nearly always what lifting doesn't know."""
    returned = f"PUSH 0 PUSH 0 PUSH 0 PUSH 0 PUSH 0x{OTHER.hex()} GAS STATICCALL POP" if "RETURN" in kind else ""
    source = "" if kind == "KECCAK256" else "PUSH 32 CALLDATALOAD"
    program = (
        f"{returned} {before} PUSH 64 CALLDATALOAD {source} PUSH 0 CALLDATALOAD {kind} MSIZE GAS"
        " PUSH 96 MLOAD PUSH 128 MLOAD PUSH 0 CALLDATALOAD MLOAD MSIZE PUSH 3 MLOAD"
    )
    other = "PUSH -5 PUSH 0 MSTORE PUSH -7 PUSH 160 MSTORE PUSH 190 PUSH 0 RETURN"
    ends = (0, 0, 0), (2**255, 9, 0), (0, 0, 32), (96, 1, 70), (100, 64, 190), (64, 0, 190), (7, 2**255, 500)
    too_far = (2**255, 0, 1), (0, 0, 2**255), (2**40, 0, 2**40), (0, 2**255, 2**20)
    comparison = compare(program, *[word(*three, 2**256 - 1) for three in (*ends, *too_far)], other=other)
    first = 2_600 if returned else 0
    for number, gas in product(range(len(ends)), range(first, first + 290, 3)):
        comparison.call(gas + number % 3, word(*ends[number], 2**256 - 1))


@pytest.mark.parametrize("base", ["PUSH 0", "PUSH 2", "PUSH -1", "PUSH 32 CALLDATALOAD"])
@pytest.mark.parametrize("exponent", ["PUSH 0", "PUSH 18", "PUSH 300", "PUSH 0 CALLDATALOAD"])
def test_powers_at_every_gas(base: str, exponent: str) -> None:
    comparison = compare(f"{exponent} {base} EXP DUP1 PUSH 0 MSTORE GAS MSIZE", word(0, 7), word(255, -1), word(-1, 2))
    for gas in range(200):
        comparison.call(gas, word(256, 10))


@pytest.mark.parametrize("static", [False, True])
@pytest.mark.parametrize("kind", ["CALL", "CALLCODE", "DELEGATECALL", "STATICCALL", "CREATE", "REVERT", "RETURN"])
def test_operands_of_what_ends_a_region_at_every_gas(kind: str, static: bool) -> None:
    """They are on the stack of a frame that fails there, and gone from one that goes on."""
    value = "PUSH 1 " if kind in ("CALL", "CALLCODE") else ""
    sizes = "PUSH 64 PUSH 0" if kind in ("REVERT", "RETURN") else "PUSH 64 PUSH 32 PUSH 32 PUSH 1"
    target = "" if kind in ("CREATE", "REVERT", "RETURN") else f"{value}PUSH 4 PUSH 0 CALLDATALOAD"
    comparison = compare(f"PUSH 0 CALLDATALOAD PUSH 9 {sizes} {target} {kind} GAS ADD PUSH 0 SLOAD", word(700))
    for gas in (*range(400), *range(6_000, 13_000, 97), *range(30_000, 36_000, 211)):
        comparison.call(gas, word(0), static=static)


def test_long_constants_come_back_in_a_frame_that_is_rebuilt() -> None:
    long, other = 2**255 - 19, 2**200 + 1
    program = f"PUSH {long} PUSH 0 CALLDATALOAD PUSH {other} ADD PUSH {long} PUSH 7 SWAP1 PUSH 32 CALLDATALOAD MLOAD"
    comparison = compare(program, word(0, 64), word(5, 4096))
    for gas in range(120):
        comparison.call(gas, word(1, 96))


def test_gas_beyond_64_bits_is_seen_whole() -> None:
    compare("GAS PUSH 0xffffffffffffffff AND PUSH 0 MSTORE PUSH 32 PUSH 0 RETURN", gas=2**70 + 5)
