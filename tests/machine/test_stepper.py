"""Engines against single steps: nobody can see which of them ran a program, whatever the gas."""

from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evmthread.errors import Missing
from evmthread.isa.forks import CANCUN, FRONTIER, HISTORY, ISTANBUL, OSAKA, Fork
from evmthread.isa.frame import Frame
from evmthread.isa.halts import HaltReason, Status
from evmthread.machine.code_cache import CodeCache
from evmthread.machine.stepper import execute, interpret, step
from evmthread.state.memory import MemoryState
from tests.conftest import Engine
from tests.isa.instructions.test_creates import creation
from tests.machine.drivers import effects, run_by_steps, seen, start
from tests.programs import Palette, gas_limit, program
from tests.sandbox import CONTRACT, OTHER, THIRD, address, push, state

# A fork whose storage, calls and creations are so cheap that every gas limit can be tried one by one.
CHEAP = OSAKA.evolve(
    "Cheap",
    reprice={
        "CREATE": 4,
        "CREATE2": 5,
        "LOG1": 6,
        "SELFDESTRUCT": 3,
        **dict.fromkeys(("BALANCE", "EXTCODESIZE", "EXTCODECOPY", "EXTCODEHASH"), 2),
        **dict.fromkeys(("CALL", "STATICCALL", "SLOAD"), 2),
    },
    prices={
        **dict.fromkeys(("cold_account", "cold_slot_read", "cold_slot_write", "selfdestruct_cold"), 3),
        "slot_set": 11,
        "slot_reset": 7,
        "slot_touch": 2,
        "slot_write_sentry": 5,
        "slot_clear_refund": 4,
    },
)

NOBODY = address(0xDEAD)
CALL_OTHER = f"PUSH 32 PUSH 0 PUSH 32 PUSH 0 PUSH 0 {push(OTHER)} GAS CALL"
PROGRAMS = {
    "arithmetic": "PUSH 7 PUSH 3 ADD DUP1 MUL PUSH 5 SWAP1 DIV PUSH 0 MSTORE PUSH 32 PUSH 0 RETURN",
    "loop": "PUSH 9 loop: PUSH 1 SWAP1 SUB DUP1 PUSH @loop JUMPI PUSH 4 PUSH 3 EXP POP MSIZE",
    "memory": "PUSH 1 PUSH 0 MSTORE PUSH 2 PUSH 33 MSTORE PUSH 3 PUSH 500 MSTORE8 PUSH 70 PUSH 3 PUSH 9 MCOPY"
    " PUSH 64 PUSH 5 KECCAK256 PUSH 4 PUSH 2 PUSH 0 CALLDATACOPY PUSH 1 MLOAD",
    "storage": "PUSH 1 PUSH 0 SSTORE PUSH 0 SLOAD PUSH 0 PUSH 0 SSTORE PUSH 5 PUSH 1 SSTORE PUSH 2 SLOAD",
    "logs and gas": "GAS PUSH 0 MSTORE PUSH 7 PUSH 32 PUSH 0 LOG1 GAS PUSH 5 GAS ADD",
    "call": f"{CALL_OTHER} PUSH 1 SSTORE {CALL_OTHER} RETURNDATASIZE",
    "precompile": "PUSH 5 loop: RETURNDATASIZE PUSH 64 MSTORE RETURNDATASIZE DUP2 ADD PUSH 0 PUSH 32 DUP3 PUSH 0"
    " PUSH 4 PUSH 60 STATICCALL PUSH 32 MLOAD ADD PUSH 96 MSTORE POP RETURNDATASIZE MSIZE ADD PUSH 128 MSTORE"
    " PUSH 1 SWAP1 SUB DUP1 PUSH @loop JUMPI GAS PUSH 1 SSTORE",
    "precompile that fails": "PUSH 3 loop: PUSH 32 PUSH 0 PUSH 64 PUSH 0 PUSH 2 PUSH 70 STATICCALL GAS PUSH 0 MSTORE"
    " RETURNDATASIZE ADD PUSH 0 MLOAD POP POP PUSH 1 SWAP1 SUB DUP1 PUSH @loop JUMPI",
    "no code": f"PUSH 4 loop: PUSH 0 PUSH 0 PUSH 7 PUSH 0 PUSH 0 {push(NOBODY)} PUSH 9 CALL DUP2 MSTORE"
    f" GAS PUSH 32 MSTORE {push(NOBODY)} BALANCE DUP2 SSTORE PUSH 1 SWAP1 SUB DUP1 PUSH @loop JUMPI",
    # Whom it calls is on the stack: nobody, a precompile, then a contract, then nobody again.
    "with and without code": f"PUSH 0 {push(NOBODY)} {push(OTHER)} PUSH 4 {push(NOBODY)} loop: PUSH 32 PUSH 0 PUSH 32"
    " PUSH 0 DUP5 PUSH 100 STATICCALL RETURNDATASIZE ADD PUSH 0 MLOAD ADD PUSH 64 MSTORE POP DUP1 PUSH @loop JUMPI",
    "accounts": f"PUSH 2 loop: DUP1 BALANCE {push(OTHER)} EXTCODESIZE ADD {push(OTHER)} BALANCE ADD DUP2 DUP1 PUSH 70"
    f" {push(THIRD)} EXTCODECOPY {push(THIRD)} EXTCODEHASH ADD SELFBALANCE ADD ADDRESS BALANCE ADD PUSH 70 MLOAD ADD"
    " PUSH 32 MSTORE PUSH 1 SWAP1 SUB DUP1 PUSH @loop JUMPI PUSH 32 MLOAD PUSH 1 SSTORE",
    "create": f"{creation('GAS PUSH 0 SSTORE PUSH 0 PUSH 0 RETURN')} DUP1 EXTCODESIZE {creation('PUSH 1', salt=1)}",
    "selfdestruct": f"PUSH 1 PUSH 0 SSTORE {push(THIRD)} SELFDESTRUCT",
    "underflow": "PUSH 1 PUSH 2 ADD ADD PUSH 3",
    "bad jump": "PUSH 1 PUSH 2 ADD PUSH 99 JUMP",
    "conditional bad jump": "PUSH 1 PUSH 2 ADD PUSH 99 JUMPI PUSH 5",
    "undefined": "PUSH 1 PUSH 2 ADD DATA 0x0c PUSH 1",
    "revert": "PUSH 1 PUSH 0 SSTORE PUSH 5 PUSH 0 MSTORE PUSH 32 PUSH 0 REVERT",
    "out of return data": f"{CALL_OTHER} PUSH 33 PUSH 0 PUSH 0 RETURNDATACOPY",
    "static violation": f"PUSH 0 PUSH 0 PUSH 0 PUSH 0 {push(THIRD)} PUSH 60 STATICCALL PUSH 1",
    "cut push": "PUSH 1 PUSH 2 ADD DATA 0x61",
}
INNER = {OTHER: "GAS PUSH 0 MSTORE PUSH 2 PUSH 3 MUL PUSH 0 SLOAD PUSH 32 PUSH 0 RETURN", THIRD: "PUSH 1 PUSH 0 SSTORE"}


def both(
    engine: Engine, view: MemoryState, fork: Fork, gas: int, *, data: bytes = b"", cache: CodeCache
) -> Status | None:
    """Runs a call on the engine and by steps alone, and compares all that can be seen; the status."""
    machine, host = start(view, fork, gas=gas, data=data, cache=cache, engine=engine.of_machine())
    stepped, stepped_host = start(view, fork, gas=gas, data=data, cache=cache)
    root, other = machine.run(), run_by_steps(stepped)
    assert seen(root) == seen(other), gas
    assert effects(host, fork) == effects(stepped_host, fork), gas
    return root.status


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_gas_limit_from_nothing_to_enough(engine: Engine, name: str) -> None:
    view = state({CONTRACT: PROGRAMS[name], **INNER}, fork=CHEAP, balances={CONTRACT: 5})
    cache = CodeCache()
    machine, _ = start(view, CHEAP, gas=10**6, data=b"\1\2\3", cache=cache)
    root = machine.run()
    # A halt that isn't for want of gas eats all there is: then try as far as any of these programs goes.
    enough = 10**6 - root.gas if root.status is not Status.HALT else 400
    assert enough < 1_500
    statuses = [both(engine, view, CHEAP, gas, data=b"\1\2\3", cache=cache) for gas in range(enough + 3)]
    assert statuses[0] is Status.HALT
    assert statuses[-1] is root.status
    assert statuses.index(root.status) > 0 or root.status is Status.HALT


@pytest.mark.parametrize("fork", [FRONTIER, ISTANBUL, CANCUN, OSAKA], ids=str)
@pytest.mark.parametrize("name", ["arithmetic", "loop", "memory", "logs and gas"])
def test_every_gas_limit_at_real_prices(engine: Engine, name: str, fork: Fork) -> None:
    text = PROGRAMS[name].replace("PUSH 70 PUSH 3 PUSH 9 MCOPY", "")
    view = state({CONTRACT: text}, fork=fork)
    cache = CodeCache()
    machine, _ = start(view, fork, gas=10**6, cache=cache)
    used = 10**6 - machine.run().gas
    assert used < 3_000
    statuses = [both(engine, view, fork, gas, cache=cache) for gas in range(used + 2)]
    assert statuses == [Status.HALT] * used + [Status.SUCCESS] * 2


ACCOUNTS = (CONTRACT, OTHER, THIRD, address(9))


def random_state(random: Random, fork: Fork) -> MemoryState:
    """Three contracts with random code, some wei and some storage."""
    view = MemoryState()
    view.set_account(address(1), balance=10**20)
    for place, account in enumerate(ACCOUNTS[:3]):
        # Mostly calls of those that come later, so that not every call goes round until its gas is gone.
        callees = (*ACCOUNTS[place + 1 :] * 3, random.choice(ACCOUNTS))
        palette = Palette.of(fork, callees, without=("KZG_POINT_EVALUATION",))
        view.set_account(
            account,
            nonce=random.choice((0, 1, 2**64 - 2)),
            balance=random.choice((0, 1, 10**6)),
            code=program(random, palette),
            storage={key: random.choice((0, 1, 2**256 - 1)) for key in range(3)},
        )
    return view


@settings(max_examples=150)
@given(seed=st.integers(0, 2**64), fork=st.sampled_from(HISTORY))
def test_random_programs(engine: Engine, seed: int, fork: Fork) -> None:
    random = Random(seed)
    view = random_state(random, fork)
    data = random.randbytes(random.randrange(100))
    gas, cache = gas_limit(random, 200_000), CodeCache()
    for _ in range(3):  # code that was met before runs another way
        both(engine, view, fork, gas, data=data, cache=cache)


def test_exactly_one_instruction_a_step() -> None:
    machine, _ = start(state({CONTRACT: "PUSH2 0x0102 DUP1 ADD PUSH @end JUMP INVALID end: STOP"}), CANCUN, gas=100)
    frame = machine.frames[-1]
    trace = []
    while step(frame) is None:
        trace.append((frame.pc, frame.gas, list(frame.stack)))
    assert trace == [
        (3, 97, [0x102]),
        (4, 94, [0x102, 0x102]),
        (5, 91, [0x204]),
        (8, 88, [0x204, 10]),
        (10, 80, [0x204]),
        (11, 79, [0x204]),
    ]
    assert (frame.status, frame.gas, frame.pc) == (Status.SUCCESS, 79, 11)


LOOP_OF_NINE = "PUSH 9 loop: PUSH 1 SWAP1 SUB DUP1 PUSH @loop JUMPI"  # the loop's head is at 2, what follows at 12


def test_places_that_were_met_seldom_are_run_through() -> None:
    frame = start(state({CONTRACT: LOOP_OF_NINE}), OSAKA, gas=10**6)[0].root
    visits: dict[int, int] = {}
    assert interpret(frame, visits=visits, few=4) is None
    assert (frame.pc, frame.stack, visits) == (2, [5], {2: 3})
    assert interpret(frame, visits=visits, few=100, better={12}) is None
    assert (frame.pc, frame.stack, visits) == (12, [0], {2: 7})


@pytest.mark.parametrize("visits", [None, {2: -100}])
def test_each_jump_ends_a_run_where_nothing_is_to_be_counted(visits: dict[int, int] | None) -> None:
    frame = start(state({CONTRACT: LOOP_OF_NINE}), OSAKA, gas=10**6)[0].root
    for left in (8, 7):
        assert interpret(frame, visits=visits, few=4) is None
        assert (frame.pc, frame.stack) == (2, [left])
    assert visits in (None, {2: -100})


def test_stack_overflow_at_exactly_1024() -> None:
    for count, fine in ((1024, True), (1025, False)):
        machine, _ = start(state({CONTRACT: "PUSH0 " * count}), CANCUN, gas=10_000)
        root = machine.run()
        assert (root.status is Status.SUCCESS) is fine
        if not fine:
            assert (root.halt_reason, root.pc, len(root.stack)) == (HaltReason.STACK_OVERFLOW, 1024, 1024)
    for text in ("PUSH0 " * 1024 + "DUP1", "PUSH0 " * 1024 + "GAS", "PUSH0 " * 1024 + "PC"):
        machine, _ = start(state({CONTRACT: text}), CANCUN, gas=10_000)
        assert machine.run().halt_reason is HaltReason.STACK_OVERFLOW
    machine, _ = start(state({CONTRACT: "PUSH0 " * 1024 + "SWAP16 ADD"}), CANCUN, gas=10_000)
    assert machine.run().status is Status.SUCCESS


@pytest.mark.parametrize("opcode", [record.opcode for record in OSAKA.table if record is not None and record.pops])
def test_stack_underflow_of_every_instruction(opcode: int) -> None:
    """One word short: a halt at that instruction, before anything of it happened, all gas gone."""
    record = OSAKA.table[opcode]
    assert record is not None
    code = b"\x5f" * (record.pops - 1) + bytes((opcode,))
    machine, _ = start(state({CONTRACT: code}), OSAKA, gas=1_000_000)
    root = machine.run()
    assert (root.status, root.halt_reason) == (Status.HALT, HaltReason.STACK_UNDERFLOW)
    assert (root.pc, root.gas, root.stack) == (record.pops - 1, 0, [0] * (record.pops - 1))


class SlotMissing(MemoryState):
    """Doesn't know slots until told that it does."""

    knows = False

    def slot(self, address: bytes, key: int) -> int:
        if not self.knows:
            raise Missing("slot", (address, key))
        return super().slot(address, key)


def drive(run: Callable[[Frame], object], frame: Frame) -> None:
    while run(frame) is None:
        pass


@pytest.mark.parametrize("run", [step, execute])
def test_a_frame_that_must_wait_is_as_before_the_instruction(run: Callable[[Frame], object]) -> None:
    view = SlotMissing()
    view.set_account(CONTRACT, nonce=1, code=bytes.fromhex("5960085460010160ff"), storage={8: 41})
    machine, _ = start(view, CANCUN, gas=10_000)
    frame = machine.frames[-1]
    with pytest.raises(Missing) as missing:
        drive(run, frame)
    assert (missing.value.kind, missing.value.key) == ("slot", (CONTRACT, 8))
    assert (frame.pc, frame.gas, frame.stack) == (3, 10_000 - 5, [0, 8])
    with pytest.raises(Missing):
        run(frame)
    assert (frame.pc, frame.gas, frame.stack) == (3, 10_000 - 5, [0, 8])
    view.knows = True
    drive(run, frame)
    assert (frame.status, frame.stack) == (Status.SUCCESS, [0, 42, 255])
    assert frame.gas == 10_000 - 5 - 2100 - 9
