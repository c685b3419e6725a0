import sys
from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evmthread.errors import LimitExceeded, Missing
from evmthread.isa.forks import CANCUN, FRONTIER, HISTORY, HOMESTEAD, SHANGHAI, SPURIOUS_DRAGON, TANGERINE_WHISTLE, Fork
from evmthread.isa.halts import HaltReason, Status
from evmthread.machine.code_cache import CodeCache
from evmthread.state.memory import MemoryState
from evmthread.state.view import Account
from tests.conftest import Engine
from tests.machine.drivers import effects, run_through_missing, seen, start
from tests.machine.test_stepper import random_state
from tests.programs import gas_limit
from tests.sandbox import CONTRACT, OTHER, RETURN_TOP, SENDER, THIRD, halts, push, run, state, world_of

# Calls itself with one less than its calldata's word, until that is zero; returns how deep it was in all.
RECURSION = """
    PUSH 0 CALLDATALOAD DUP1 PUSH @deeper JUMPI
    PUSH 0 PUSH 0 MSTORE PUSH 32 PUSH 0 RETURN
    deeper: PUSH 1 SWAP1 SUB PUSH 0 MSTORE
    PUSH 32 PUSH 0 PUSH 32 PUSH 0 PUSH 0 ADDRESS GAS CALL
    PUSH @fine JUMPI PUSH 0 PUSH 0 MSTORE
    fine: PUSH 0 MLOAD PUSH 1 ADD PUSH 0 MSTORE PUSH 32 PUSH 0 RETURN
"""


def test_1024_nested_calls_under_the_default_recursion_limit(engine: Engine) -> None:
    """Under an eighth of it, even. The 63/64 rule leaves enough of a very large gas."""
    world = world_of(engine, {CONTRACT: RECURSION})
    limit = sys.getrecursionlimit()
    depth = len(__import__("inspect").stack())
    sys.setrecursionlimit(depth + 120)
    try:
        result = world.call(CONTRACT, (1024).to_bytes(32, "big"), sender=SENDER, gas=2**62)
        assert int.from_bytes(result.output, "big") == 1024
        deeper = world.call(CONTRACT, (1025).to_bytes(32, "big"), sender=SENDER, gas=2**62)
    finally:
        sys.setrecursionlimit(limit)
    # The call from depth 1024 to 1025 fails at once, so that frame counts itself alone.
    assert int.from_bytes(deeper.output, "big") == 1025
    deepest = deeper
    while deepest.children:
        (deepest,) = deepest.children
    assert (deepest.message.depth, deepest.success) == (1024, True)


def test_calls_and_creations_beyond_the_depth_limit_fail_and_give_their_gas_back(engine: Engine) -> None:
    shallow = CANCUN.evolve("Shallow", limits={"call_depth": 1})
    inner = (
        f"PUSH 0 PUSH 0 PUSH 0 PUSH 0 PUSH 0 {push(THIRD)} PUSH 5000 CALL PUSH 0 PUSH 0 PUSH 0 CREATE ADD{RETURN_TOP}"
    )
    outer = f"PUSH 32 PUSH 0 PUSH 0 PUSH 0 PUSH 0 {push(OTHER)} GAS CALL POP PUSH 32 PUSH 0 RETURN"
    result = run(engine, outer, fork=shallow, others={OTHER: inner, THIRD: "STOP"})
    assert (result.output, result.children[0].children) == (bytes(32), ())
    assert result.children[0].gas_used < 40_000
    assert run(engine, outer, others={OTHER: inner, THIRD: "STOP"}).output != bytes(32)


def test_return_data_is_that_of_the_last_call(engine: Engine) -> None:
    call = "PUSH 0 PUSH 0 PUSH 0 PUSH 0 PUSH 0 {} GAS CALL POP RETURNDATASIZE"
    both = f"{call.format(push(OTHER))} {call.format(push(THIRD))} PUSH 256 MUL ADD{RETURN_TOP}"
    result = run(engine, both, others={OTHER: "PUSH 7 PUSH 0 RETURN", THIRD: "PUSH 3 PUSH 0 REVERT"})
    assert int.from_bytes(result.output, "big") == 7 + 3 * 256
    empty = run(engine, both, others={OTHER: "PUSH 7 PUSH 0 RETURN", THIRD: "STOP"})
    assert int.from_bytes(empty.output, "big") == 7


def test_a_failed_frame_keeps_its_stack_and_memory_a_successful_one_does_not(engine: Engine) -> None:
    head = "PUSH 0xaa PUSH 0 MSTORE PUSH 1 PUSH 2 PUSH 3"
    invalid = run(engine, f"{head} INVALID")
    assert (invalid.stack, invalid.memory) == ([1, 2, 3], [0xAA])
    reverted = run(engine, f"{head} POP POP POP PUSH 9 PUSH 5 PUSH 0 REVERT")
    assert (reverted.stack, reverted.memory) == ([9], [0xAA])
    underflow = run(engine, f"{head} ADD ADD ADD")
    assert (underflow.stack, underflow.halt_reason) == ([6], HaltReason.STACK_UNDERFLOW)
    jump = run(engine, f"{head} JUMP")
    assert jump.stack == [1, 2, 3]
    success = run(engine, f"{head} STOP")
    assert (success.stack, success.memory) == ([], [])


def test_log_index_counts_over_the_whole_transaction(engine: Engine) -> None:
    call = f"PUSH 0 PUSH 0 PUSH 0 PUSH 0 PUSH 0 {push(OTHER)} GAS CALL POP"
    log = "PUSH 0 PUSH 0 LOG0"
    world = world_of(engine, {CONTRACT: f"{log} {call} {log} {call}", OTHER: f"{log} {log}"})
    first = world.call(CONTRACT)
    assert (first.log_index, [child.log_index for child in first.children], len(first.logs)) == (0, [1, 4], 6)
    second = world.call(CONTRACT)
    assert (second.log_index, [child.log_index for child in second.children]) == (6, [7, 10])
    assert [len(child.logs) for child in second.children] == [2, 2]


def test_refunds_of_failed_calls_are_undone(engine: Engine) -> None:
    clear = "PUSH 0 PUSH 0 SSTORE"
    call = f"PUSH 0 PUSH 0 PUSH 0 PUSH 0 {push(OTHER)} GAS DELEGATECALL POP"
    good = run(engine, call, others={OTHER: clear}, storage={0: 1})
    assert (good.refund, good.children[0].refund) == (4800, 4800)
    bad = run(engine, call, others={OTHER: f"{clear} INVALID"}, storage={0: 1})
    assert (bad.refund, bad.children[0].refund) == (0, 0)


def test_negative_refund_of_one_call(engine: Engine) -> None:
    """A call that sets again what its caller cleared takes the refund back."""
    set_again = f"PUSH 0 PUSH 0 SSTORE PUSH 0 PUSH 0 PUSH 0 PUSH 0 {push(OTHER)} GAS DELEGATECALL POP"
    result = run(engine, set_again, others={OTHER: "PUSH 2 PUSH 0 SSTORE"}, storage={0: 1})
    assert (result.children[0].refund, result.refund) == (-4800, 0)


def test_the_hosts_memory_limit_covers_all_open_frames(engine: Engine) -> None:
    limited = CANCUN.evolve("Limited", limits={"memory_bytes": 3_200})
    assert run(engine, "PUSH 1 PUSH 3168 MSTORE", fork=limited).success
    with pytest.raises(LimitExceeded):
        run(engine, "PUSH 1 PUSH 3169 MSTORE", fork=limited)
    call = f"PUSH 1 PUSH 1568 MSTORE PUSH 0 PUSH 0 PUSH 0 PUSH 0 PUSH 0 {push(OTHER)} GAS CALL"
    assert run(engine, call, fork=limited, others={OTHER: "PUSH 1 PUSH 1568 MSTORE"}).success
    assert run(engine, f"{call} {call}", fork=limited, others={OTHER: "PUSH 1 PUSH 1568 MSTORE"}).success
    with pytest.raises(LimitExceeded):
        run(engine, call, fork=limited, others={OTHER: "PUSH 1 PUSH 1569 MSTORE"})


def test_a_limit_exceeded_leaves_nothing(engine: Engine) -> None:
    limited = CANCUN.evolve("Limited", limits={"memory_bytes": 32})
    world = world_of(engine, {CONTRACT: "PUSH 1 PUSH 0 SSTORE PUSH 1 PUSH 0 PUSH 0 LOG1 PUSH 64 MLOAD"}, fork=limited)
    before = world.state_root()
    with pytest.raises(LimitExceeded):
        world.call(CONTRACT, sender=SENDER, value=5)
    assert (world.state_root(), world.logs, world.storage(CONTRACT, 0)) == (before, (), 0)


def test_a_touched_account_comes_and_goes_by_fork(engine: Engine) -> None:
    """Calls to nobody leave an empty account before EIP-161, and nothing after it."""
    call = f"PUSH 0 PUSH 0 PUSH 0 PUSH 0 PUSH 0 {push(OTHER)} PUSH 5000 CALL"
    for fork, stays in ((HOMESTEAD, True), (TANGERINE_WHISTLE, True), (SPURIOUS_DRAGON, False), (CANCUN, False)):
        world = world_of(engine, {CONTRACT: call}, fork=fork)
        world.call(CONTRACT, gas=200_000)
        world.begin_transaction()
        assert (world.account(OTHER) == Account()) is stays, fork
        assert (OTHER in world.changes().accounts) is stays, fork


# Missing state --------------------------------------------------------------------------------------------------------
class Forgetful:
    """A view that raises Missing for every read once, and answers on the second try."""

    def __init__(self, view: MemoryState) -> None:
        self._view = view
        self._asked: set[tuple[object, ...]] = set()
        self.raised = 0

    def _once(self, kind: str, *key: bytes | int) -> None:
        if (kind, *key) not in self._asked:
            self._asked.add((kind, *key))
            self.raised += 1
            raise Missing(kind, key)

    def account(self, address: bytes) -> Account | None:
        self._once("account", address)
        return self._view.account(address)

    def code(self, code_hash: bytes) -> bytes:
        self._once("code", code_hash)
        return self._view.code(code_hash)

    def slot(self, address: bytes, key: int) -> int:
        self._once("slot", address, key)
        return self._view.slot(address, key)

    def block_hash(self, number: int) -> bytes:
        self._once("block_hash", number)
        return self._view.block_hash(number)

    def has_storage(self, address: bytes) -> bool:
        self._once("storage", address)
        return self._view.has_storage(address)

    def slots(self, address: bytes) -> Iterator[tuple[int, int]]:
        return self._view.slots(address)


def compare_with_forgetful(engine: Engine, view: MemoryState, fork: Fork, gas: int, data: bytes = b"") -> int:
    """Runs a call on a view and on one that must be asked twice, and compares; how often it had to wait."""
    cache = CodeCache()
    machine, host = start(view, fork, gas=gas, data=data, cache=cache)
    root = machine.run()
    forgetful = Forgetful(view)
    for _ in range(10):
        try:
            waiting, waiting_host = start(forgetful, fork, gas=gas, data=data, cache=cache, engine=engine.of_machine())
            break
        except Missing:
            continue
    assert seen(run_through_missing(waiting)) == seen(root)
    while True:
        try:
            after = effects(waiting_host, fork)
            break
        except Missing:
            continue
    assert after == effects(host, fork)
    return forgetful.raised


MISSING_PROGRAMS = {
    "reads": f"{push(OTHER)} BALANCE {push(THIRD)} EXTCODESIZE {push(OTHER)} EXTCODEHASH PUSH 5 SLOAD",
    "block hash": f"PUSH 999 BLOCKHASH PUSH 5 SSTORE {push(OTHER)} BALANCE",
    "copy": f"PUSH 9 PUSH 0 PUSH 500 {push(OTHER)} EXTCODECOPY",
    "write": "PUSH 1 PUSH 0 SSTORE PUSH 0 PUSH 5 SSTORE",
    "call": f"PUSH 32 PUSH 64 PUSH 9 PUSH 400 PUSH 3 {push(OTHER)} GAS CALL PUSH 9 SSTORE",
    "call of nobody": f"PUSH 0 PUSH 0 PUSH 9 PUSH 400 PUSH 3 {push(b'x' * 20)} GAS CALL PUSH 9 SSTORE",
    "callcode": f"PUSH 0 PUSH 0 PUSH 9 PUSH 400 PUSH 3 {push(THIRD)} GAS CALLCODE PUSH 9 SSTORE",
    "create": "PUSH 5 PUSH 400 PUSH 2 CREATE PUSH 9 SSTORE",
    "create2": "PUSH 7 PUSH 5 PUSH 400 PUSH 2 CREATE2 PUSH 9 SSTORE MSIZE",
    "selfdestruct": f"{push(OTHER)} SELFDESTRUCT",
    "selfdestruct to nobody": f"PUSH 1 PUSH 0 SSTORE {push(b'x' * 20)} SELFDESTRUCT",
}


@pytest.mark.parametrize("name", MISSING_PROGRAMS)
@pytest.mark.parametrize("fork", [FRONTIER, TANGERINE_WHISTLE, SPURIOUS_DRAGON, SHANGHAI, HISTORY[-1]], ids=str)
def test_waiting_for_state_changes_nothing(engine: Engine, name: str, fork: Fork) -> None:
    for balance in (0, 5):
        names = {record.name for record in fork.table if record}
        text = " ".join(
            word if word in names or not word.isupper() or word.isdigit() or word == "PUSH" else "POP"
            for word in MISSING_PROGRAMS[name].split()
        )
        inner = "PUSH 1 SLOAD PUSH 0 SSTORE PUSH 3 PUSH 0 RETURN"
        view = state(
            {CONTRACT: text, OTHER: inner, THIRD: inner},
            fork=fork,
            storage={CONTRACT: {5: 7}, OTHER: {1: 2}},
            balances={CONTRACT: balance},
        )
        assert compare_with_forgetful(engine, view, fork, 300_000) >= 2


@settings(max_examples=200)
@given(seed=st.integers(0, 2**64), fork=st.sampled_from(HISTORY))
def test_waiting_for_state_changes_nothing_in_random_programs(engine: Engine, seed: int, fork: Fork) -> None:
    random = Random(seed)
    view = random_state(random, fork)
    data = random.randbytes(random.randrange(100))
    compare_with_forgetful(engine, view, fork, gas_limit(random, 200_000), data)


def test_a_world_may_be_asked_again_after_missing(engine: Engine) -> None:
    """Each try begins anew, from exactly what was there before."""
    program = f"PUSH 1 PUSH 0 SSTORE PUSH 0 PUSH 0 LOG0 PUSH 0 PUSH 0 PUSH 0 PUSH 0 PUSH 3 {push(OTHER)} GAS CALL"
    view = state({CONTRACT: program, OTHER: "PUSH 1 SLOAD PUSH 2 SSTORE"}, storage={OTHER: {1: 7}})
    plain = engine.world(view=view).call(CONTRACT, sender=SENDER, value=3)
    forgetful = Forgetful(view)
    world = engine.world(view=forgetful)
    for _ in range(50):
        try:
            result = world.call(CONTRACT, sender=SENDER, value=3)
            break
        except Missing:
            assert world.logs == ()
    assert forgetful.raised > 5
    assert (result.gas_used, result.refund, result.logs, result.status) == (
        plain.gas_used,
        plain.refund,
        plain.logs,
        Status.SUCCESS,
    )
    assert (world.storage(OTHER, 2), world.balance(OTHER)) == (7, 3)


def test_halts_of_children_do_not_halt_the_parent(engine: Engine) -> None:
    call = f"PUSH 0 PUSH 0 PUSH 0 PUSH 0 PUSH 0 {push(OTHER)} PUSH 9000 CALL{RETURN_TOP}"
    for inner, reason in (
        ("ADD", HaltReason.STACK_UNDERFLOW),
        ("PUSH 3 JUMP", HaltReason.INVALID_JUMP),
        ("INVALID", HaltReason.INVALID_OPCODE),
        ("loop: PUSH @loop JUMP", HaltReason.OUT_OF_GAS),
        ("loop: PUSH 0 PUSH @loop JUMP", HaltReason.OUT_OF_GAS),
        ("loop: PUSH0 DUP1 DUP1 DUP1 PUSH @loop JUMP", HaltReason.STACK_OVERFLOW),
    ):
        result = run(engine, call, others={OTHER: inner})
        assert result.success
        assert halts(result.children[0], reason), inner
