"""Hooks: what they are told, that they change nothing, what their answers and stops do."""

from collections.abc import Callable
from typing import Any

import pytest

from evmthread.errors import InvalidInput, Missing
from evmthread.execution.result import CallResult
from evmthread.execution.transaction import Transaction
from evmthread.execution.world import World
from evmthread.isa.frame import Frame
from evmthread.isa.instruction import Instruction
from evmthread.isa.message import Message
from evmthread.machine.breakpoints import AtCall, AtGas, AtOpcode, AtPc, AtSlot, AtStep, AtTopic
from evmthread.machine.code_cache import CodeCache
from evmthread.machine.hooks import EVENTS, Hook
from evmthread.machine.traps import Answer, Break, Question, Suspended
from evmthread.state.memory import MemoryState
from tests.assembler import assemble
from tests.conftest import Engine

A, B, C = b"\xaa" * 20, b"\xbb" * 20, b"\xcc" * 20
CALL_B = f"PUSH1 32 PUSH1 0 PUSH1 4 PUSH1 0 PUSH1 3 PUSH20 0x{B.hex()} GAS CALL"
OUTER = assemble(
    "PUSH4 0x01020304 PUSH1 224 SHL PUSH1 0 MSTORE PUSH1 7 PUSH1 1 SSTORE PUSH1 1 SLOAD POP"
    f" PUSH1 32 PUSH1 0 KECCAK256 POP PUSH1 9 PUSH1 4 PUSH1 0 LOG1 {CALL_B} POP PUSH1 32 PUSH1 0 RETURN"
)
INNER = assemble("PUSH1 1 PUSH1 0 SSTORE PUSH1 42 PUSH1 0 MSTORE PUSH1 32 PUSH1 0 RETURN")
REVERTS = assemble("PUSH1 1 PUSH1 0 SSTORE PUSH1 0 PUSH1 0 REVERT")


class Everything(Hook):
    """Writes down all that it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []


def _note(name: str) -> Callable[..., None]:
    def note(self: Everything, *arguments: object) -> None:
        self.told.append((name, *arguments))

    return note


STEPS = ("step_start", "step_end", "gas_change")
for _event in EVENTS:
    if _event not in STEPS:
        setattr(Everything, _event, _note(_event))
Stepping = type("Stepping", (Everything,), {event: _note(event) for event in STEPS})


def state(inner: bytes = INNER) -> MemoryState:
    view = MemoryState()
    view.set_account(A, code=OUTER, balance=100)
    view.set_account(B, code=inner)
    return view


def world(engine: Engine, *hooks: Hook, inner: bytes = INNER, **options: Any) -> World:
    return engine.world(view=state(inner), hooks=hooks, **options)


def outcome(result: CallResult) -> tuple[object, ...]:
    return result.status, result.output, result.gas_used, result.refund, result.logs, result.halt_reason


def names(hook: Everything) -> list[object]:
    return [told[0] for told in hook.told]


@pytest.mark.parametrize("inner", [INNER, REVERTS, b"\xfe"])
@pytest.mark.parametrize("kind", [Everything, Stepping])
def test_watching_changes_nothing(engine: Engine, kind: type[Everything], inner: bytes) -> None:
    plain, hook = world(engine, inner=inner), kind()
    watched = world(engine, hook, inner=inner)
    first, second = plain.call(A), watched.call(A)
    assert outcome(first) == outcome(second)
    assert plain.changes() == watched.changes()
    assert hook.told


def test_what_a_call_tells(engine: Engine) -> None:
    hook = Everything()
    result = world(engine, hook).call(A)
    assert result.success
    assert names(hook) == [
        *("transaction_start", "call", "frame_start"),
        *("storage_write", "storage_read", "keccak", "log", "call"),
        *("balance_change", "balance_change", "frame_start", "storage_write", "frame_end"),
        *("frame_end", "transaction_end"),
    ]
    told = {event: arguments for event, *arguments in hook.told}
    frames = [arguments[0] for event, *arguments in hook.told if event == "storage_write"]
    assert [frame.address for frame in frames] == [A, B]
    assert [(event[2:]) for event in hook.told if event[0] == "storage_write"] == [(1, 0, 7), (0, 0, 1)]
    assert told["storage_read"][1:] == [1, 7]
    assert told["keccak"][1][:4] == bytes((1, 2, 3, 4))
    assert told["log"][1].topics == (bytes(31) + b"\x09",)
    assert [event[1:] for event in hook.told if event[0] == "balance_change"] == [(A, 100, 97), (B, 0, 3)]


def test_a_failing_frame_is_told_before_its_effects_are_undone(engine: Engine) -> None:
    seen: list[int] = []

    class Failing(Hook):
        def frame_failing(self, frame: Frame) -> None:
            seen.append(frame.slots[0])

        def frame_end(self, frame: Frame) -> None:
            seen.append(frame.slots.get(0, -1))

    assert world(engine, Failing(), inner=REVERTS).call(A).success
    assert seen == [1, -1, -1]


def test_creations_precompiles_and_self_destructs_are_told(engine: Engine) -> None:
    hook = Everything()
    watched = engine.world(hooks=[hook])
    init = assemble("PUSH1 0 PUSH1 0 PUSH1 0 PUSH1 0 PUSH1 0 PUSH1 4 GAS CALL POP PUSH1 1 PUSH1 0 RETURN")
    assert watched.create(init).success
    assert "created" in names(hook)
    assert "precompile" in names(hook)
    watched.set_code(C, assemble(f"PUSH20 0x{B.hex()} SELFDESTRUCT"))
    watched.set_balance(C, 5)
    hook.told.clear()
    watched.call(C)
    assert ("balance_change", B, 0, 5) in hook.told
    assert next(told[2:] for told in hook.told if told[0] == "self_destruct") == (B, 5)


def test_only_watched_opcodes_are_told(engine: Engine) -> None:
    told: list[tuple[str, int, tuple[int, ...], object]] = []

    class Watch(Hook):
        opcodes = ("MSTORE", "SHL", "JUMPDEST")

        def opcode_end(self, frame: Frame, instruction: Instruction, operands: tuple[int, ...], result: object) -> None:
            told.append((instruction.name, frame.pc, operands, result))

    code = assemble("JUMPDEST PUSH1 1 PUSH1 4 SHL PUSH1 0 MSTORE STOP")
    engine.world(hooks=[Watch()]).call(A, code=code)
    assert [(name, operands) for name, _, operands, _ in told] == [
        ("JUMPDEST", ()),
        ("SHL", (4, 1)),
        ("MSTORE", (0, 16)),
    ]
    assert told[1][3] == 16


def test_a_watched_instruction_sees_its_pc(engine: Engine) -> None:
    places: list[int] = []

    class Watch(Hook):
        opcodes = ("SLOAD",)

        def opcode_start(self, frame: Frame, instruction: Instruction, operands: tuple[int, ...]) -> None:
            places.append(frame.pc)

    code = assemble("PUSH1 1 PUSH1 2 ADD SLOAD PUSH1 5 SLOAD POP POP PUSH1 1 SLOAD STOP")
    watched = engine.world(hooks=[Watch()])
    for _ in range(5):
        watched.call(A, code=code)
    assert places == [5, 8, 13] * 5


def test_a_mock_answers_for_an_account(engine: Engine) -> None:
    class Mock(Hook):
        def call(self, caller: Frame | None, message: Message) -> Answer | None:
            return Answer(b"\x07" * 32, gas_used=1000) if message.address == B else None

    watched = world(engine, Mock())
    result = watched.call(A)
    assert result.output == b"\x07" * 32
    assert watched.storage(B, 0) == 0
    assert watched.balance(B) == 0
    (child,) = result.children
    assert (child.output, child.gas_used, child.success) == (b"\x07" * 32, 1000, True)
    failing = world(engine, Mock())
    failing.hooks = (type("Fails", (Hook,), {"call": lambda *_: Answer(b"no", success=False)})(),)
    assert failing.call(A).output == b"no"
    assert not failing.call(A).success


def test_an_answer_of_more_gas_than_there_is_ends_the_call(engine: Engine) -> None:
    greedy = type("Greedy", (Hook,), {"call": lambda *_: Answer(gas_used=10**9)})()
    watched = world(engine, greedy)
    with pytest.raises(InvalidInput, match="gas"):
        watched.call(A, gas=1000)
    assert not watched.changes().accounts


def test_what_a_hook_raises_reaches_the_caller_and_nothing_is_kept(engine: Engine) -> None:
    class Broken(Hook):
        def log(self, frame: Frame, log: object) -> None:
            raise ZeroDivisionError

    watched = world(engine, Broken())
    with pytest.raises(ZeroDivisionError):
        watched.call(A)
    assert not watched.changes().accounts
    watched.hooks = ()
    assert watched.call(A).success


@pytest.mark.parametrize(
    "act",
    [
        lambda world: world.call(B),
        lambda world: world.create(b""),
        lambda world: world.apply(Transaction(gas_limit=100_000, to=B), sender=B),
        lambda world: world.open_call(B),
        lambda world: world.begin_transaction(),
        lambda world: world.set_storage(A, 1, 9),
    ],
    ids=["call", "create", "apply", "open_call", "begin_transaction", "set_storage"],
)
@pytest.mark.parametrize("event", ["transaction_start", "call", "log"])
def test_a_hook_runs_nothing_in_the_world_that_it_watches(
    engine: Engine, event: str, act: Callable[[World], object]
) -> None:
    refused: list[str] = []

    def tell(*_: object) -> None:
        with pytest.raises(InvalidInput, match="open in this world") as refusal:
            act(watched)
        refused.append(str(refusal.value))

    watched = world(engine, type("Acting", (Hook,), {event: tell})())
    plain = world(engine)
    assert outcome(watched.call(A)) == outcome(plain.call(A))
    assert refused
    assert watched.state_root() == plain.state_root()
    watched.hooks = ()
    assert watched.call(A).success


@pytest.mark.parametrize(
    ("hook", "reasons"),
    [
        (AtPc(0), ["pc 0", "pc 0"]),
        (AtPc(0, code_address=B), ["pc 0"]),
        (AtOpcode("SLOAD", "LOG1"), ["opcode SLOAD", "opcode LOG1"]),
        (AtCall(B), [f"call of 0x{B.hex()} with 0x01020304"]),
        (AtCall(selector=bytes((1, 2, 3, 4))), [f"call of 0x{B.hex()} with 0x01020304"]),
        (AtCall(C), []),
        (AtCall(B, selector=b"none"), []),
        (AtSlot(1), ["write of slot 0x1", "read of slot 0x1"]),
        (AtSlot(1, writes=False), ["read of slot 0x1"]),
        (AtSlot(0, address=B), ["write of slot 0x0"]),
        (AtSlot(0, address=A), []),
        (AtTopic(bytes(31) + b"\x09"), [f"log with topic {9:#066x}"]),
        (AtTopic(bytes(32)), []),
        (AtStep(10), ["10 steps"] * 3),
        (AtGas(20_000), ["20000 gas"]),
    ],
)
def test_breakpoints_stop_where_they_say(engine: Engine, hook: Hook, reasons: list[str]) -> None:
    expected = outcome(world(engine).call(A))
    watched = world(engine, hook)
    computation = watched.open_call(A)
    reached: list[str] = []
    told = computation.run()
    while isinstance(told, Suspended):
        assert isinstance(told.trap, Break)
        reached += told.trap.reasons
        told = computation.resume()
    assert reached == reasons
    assert isinstance(told, CallResult)
    assert outcome(told) == expected


def test_breakpoints_compose(engine: Engine) -> None:
    computation = world(engine, AtOpcode("SLOAD"), AtSlot(1, writes=False)).open_call(A)
    told = computation.run()
    assert told == Suspended(Break(("opcode SLOAD", "read of slot 0x1")))


def test_an_unknown_opcode_is_refused(engine: Engine) -> None:
    with pytest.raises(InvalidInput, match="NONSENSE"):
        world(engine, AtOpcode("NONSENSE")).call(A)


def test_a_call_that_a_hook_stops_is_undone(engine: Engine) -> None:
    watched = world(engine, AtOpcode("LOG1"))
    with pytest.raises(InvalidInput, match="open_call"):
        watched.call(A)
    assert not watched.changes().accounts


def test_a_question_from_outside_has_nobody_to_answer(engine: Engine) -> None:
    asks = type("Asks", (Hook,), {"call": lambda *_: Question(A, b"")})()
    with pytest.raises(InvalidInput, match="caller"):
        world(engine, asks).open_call(A)


def test_unused_hooks_leave_compiled_code_as_it_is() -> None:
    def compiled(*hooks: Hook) -> set[str]:
        cache = CodeCache()
        watched = World(view=state(), cache=cache, threshold=0, hooks=hooks)
        watched.call(A)
        return {
            region.__globals__["REGION"].source.text
            for program in cache.programs()
            for region in program.regions.values()
        }

    class Calls(Hook):
        def frame_end(self, frame: Frame) -> None:
            pass

    assert compiled() == compiled(Hook()) == compiled(Calls())
    assert compiled() != compiled(type("Writes", (Hook,), {"storage_write": lambda *_: None})())


def test_the_gas_of_every_instruction_is_told(engine: Engine) -> None:
    changes: list[int] = []

    class Meter(Hook):
        def gas_change(self, frame: Frame, instruction: Instruction | None, before: int, after: int) -> None:
            changes.append(before - after)

    code = assemble("PUSH1 1 PUSH1 2 ADD POP STOP")
    result = engine.world(hooks=[Meter()]).call(A, code=code)
    assert sum(changes) == result.gas_used == 3 + 3 + 3 + 2


@pytest.mark.parametrize("gas", [100_000, 11, 12, 8, 2, 1])
def test_watchers_of_an_opcode_see_the_same_when_another_hook_steps(engine: Engine, gas: int) -> None:
    class Watch(Hook):
        opcodes = ("SLOAD", "ADD", "MSTORE", "DUP1")

        def __init__(self) -> None:
            self.told: list[tuple[object, ...]] = []

        def opcode_start(self, frame: Frame, instruction: Instruction, operands: tuple[int, ...]) -> None:
            if instruction.name != "DUP1":  # which is told of by steps alone
                self.told.append((instruction.name, frame.pc, frame.gas, operands))

        def opcode_end(self, frame: Frame, instruction: Instruction, operands: tuple[int, ...], result: object) -> None:
            if instruction.name != "DUP1":
                self.told.append((instruction.name, frame.gas, operands, result))

    class WatchAtSpeed(Watch):
        opcodes = ("SLOAD", "ADD", "MSTORE")

    code = assemble("PUSH1 1 PUSH1 2 ADD SLOAD PUSH1 64 MSTORE PUSH1 1 DUP1 ADD ADD")
    stepping, at_speed = Watch(), WatchAtSpeed()
    first = engine.world(hooks=[stepping]).call(A, code=code, gas=gas)
    second = engine.world(hooks=[at_speed]).call(A, code=code, gas=gas)
    assert stepping.told == at_speed.told
    assert outcome(first) == outcome(second)


def test_a_transaction_that_misses_state_leaves_nothing_behind(engine: Engine) -> None:
    class Forgetful(MemoryState):
        known = False

        def slot(self, address: bytes, key: int) -> int:
            if not self.known:
                raise Missing("slot", (address,))
            return super().slot(address, key)

    hook, view = Everything(), Forgetful()
    view.set_account(A, code=OUTER)
    view.set_account(C, balance=10**9)
    watched = engine.world(view=view, hooks=[hook])
    transaction = Transaction(gas_limit=200_000, gas_price=1, to=A)
    with pytest.raises(Missing):
        watched.apply(transaction, sender=C)
    assert (watched.nonce(C), watched.balance(C), watched.changes().accounts) == (0, 10**9, {})
    view.known = True
    assert watched.apply(transaction, sender=C).success


@pytest.mark.parametrize("event", ["opcode_end", "storage_write", "keccak", "step_end"])
def test_a_hook_that_misses_state_after_an_instruction_ends_the_call(engine: Engine, event: str) -> None:
    def read(self: Hook, frame: Frame, *_: object) -> None:
        raise Missing("account", (C,))

    late = type("Late", (Hook,), {event: read, "opcodes": ("SSTORE",) if event == "opcode_end" else ()})()
    watched = world(engine, late)
    with pytest.raises(InvalidInput, match="read before"):
        watched.call(A)
    assert not watched.changes().accounts


def test_a_hook_that_misses_state_before_an_instruction_waits_for_it(engine: Engine) -> None:
    class Early(Hook):
        opcodes = ("SSTORE",)
        waits = 2

        def opcode_start(self, frame: Frame, instruction: Instruction, operands: tuple[int, ...]) -> None:
            if self.waits:
                self.waits -= 1
                raise Missing("account", (C,))

    watched, plain = world(engine, Early()), world(engine)
    computation = watched.open_call(A)
    for _ in range(2):
        with pytest.raises(Missing):
            computation.run()
    told = computation.run()
    assert isinstance(told, CallResult)
    assert outcome(told) == outcome(plain.call(A))
    assert watched.changes() == plain.changes()


# What is no hook, and what a hook can't say ---------------------------------------------------------------------------
class Says(Hook):
    """Says one thing to everything."""

    def __init__(self, what: Any, *opcodes: str) -> None:
        self.what, self.opcodes = what, opcodes

    def call(self, caller: Frame | None, message: Message) -> Any:
        return None if self.opcodes else self.what

    def opcode_start(self, frame: Frame, instruction: Instruction, operands: tuple[int, ...]) -> Any:
        return self.what


@pytest.mark.parametrize("wrong", [Hook, 5, "SSTORE", object()])
def test_what_is_no_hook(wrong: Any, engine: Engine) -> None:
    world = engine.world(hooks=[wrong])
    with pytest.raises(InvalidInput, match="a hook is an object of a class derived from Hook"):
        world.call(A, code=INNER)
    assert not world.changes()


def test_opcodes_are_no_text(engine: Engine) -> None:
    hook = Says(None)
    hook.opcodes = "SSTORE"  # type: ignore[assignment]
    with pytest.raises(InvalidInput, match="a tuple of names, not the text 'SSTORE'"):
        engine.world(hooks=[hook]).call(A, code=INNER)


@pytest.mark.parametrize("said", [True, b"", "an answer", 0])
def test_what_is_no_answer_to_a_call(said: object, engine: Engine) -> None:
    world = engine.world(hooks=[Says(said)])
    with pytest.raises(InvalidInput, match="gives None, an Answer or a Question"):
        world.call(A, code=INNER)
    assert not world.changes()


@pytest.mark.parametrize("said", [True, b"", 0])
def test_what_is_no_reason_to_stop(said: object, engine: Engine) -> None:
    world = engine.world(hooks=[Says(said, "SSTORE")])
    with pytest.raises(InvalidInput, match="by a text"):
        world.open_call(A, code=INNER).run()
    assert not world.changes()


@pytest.mark.parametrize(
    "wrong",
    [
        *(lambda output=output: Answer(output) for output in ("0x", 5, None)),
        *(lambda gas=gas: Answer(gas_used=gas) for gas in (-1, 1.0, 2**256)),
        *(lambda who=who: Question(who, b"") for who in (bytes(19), "a" * 20, None)),
        lambda: Question(A, "what?"),  # type: ignore[arg-type]
    ],
)
def test_answers_and_questions_of_other_types(wrong: Callable[[], object]) -> None:
    with pytest.raises(InvalidInput):
        wrong()
