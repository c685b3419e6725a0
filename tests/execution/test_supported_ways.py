"""What users of other EVMs patch into them has a way here: a test for each need."""

from collections import Counter

import pytest

from evmthread.errors import InvalidInput, Missing
from evmthread.execution.environment import BlockEnvironment
from evmthread.execution.transaction import Transaction
from evmthread.execution.world import World
from evmthread.isa.forks import CANCUN, fork_named
from evmthread.isa.frame import Frame
from evmthread.isa.halts import HaltReason
from evmthread.isa.host import Host
from evmthread.isa.instruction import Instruction, framed
from evmthread.machine.hooks import Hook
from evmthread.precompiles.precompile import Precompile, PrecompileFailure, fixed_price
from evmthread.primitives.keccak import keccak256
from evmthread.state.memory import MemoryState
from evmthread.state.overlay import OverlayState
from evmthread.state.remote import RemoteState
from evmthread.state.view import Account
from tests.assembler import assemble
from tests.conftest import Engine
from tests.rpc.node import HOLDER, Chain, Node, small_state

A, B, SENDER = b"\xaa" * 20, b"\xbb" * 20, b"\x5e" * 20
RETURN_TOP = "PUSH1 0 MSTORE PUSH1 32 PUSH1 0 RETURN"


def output(world: World, code: str, **options: int) -> int:
    result = world.call(A, code=assemble(f"{code} {RETURN_TOP}"), **options)  # type: ignore[arg-type]
    assert result.success, result.reason
    return int.from_bytes(result.output, "big")


# Instructions ---------------------------------------------------------------------------------------------------------
def test_wrap_one_opcode(engine: Engine) -> None:
    timestamp, add, asked = CANCUN.instruction("TIMESTAMP"), CANCUN.instruction("ADD"), list[bytes | str]()

    def an_hour_later(frame: Frame, world: Host) -> int:
        asked.append(frame.address)
        return timestamp.function(frame, world) + 3600  # type: ignore[misc, operator]

    def noted(left: int, right: int) -> int:
        asked.append(f"{left} + {right}")
        return add.function(left, right)  # type: ignore[misc, return-value]

    fork = CANCUN.evolve("AnHourLater", add={timestamp.with_function(an_hour_later): 2, add.with_function(noted): 3})
    block = BlockEnvironment(timestamp=1000)
    world = engine.world(fork=fork, environment=block)
    for _ in range(3):
        assert output(world, "PUSH1 1 PUSH1 2 ADD POP TIMESTAMP") == 4600
    assert asked == ["2 + 1", A] * 3
    assert output(engine.world(environment=block), "TIMESTAMP") == 1000


def test_replace_one_opcode_or_add_one(engine: Engine) -> None:
    @framed(0x0C, "ANSWER")
    def answer(frame: Frame) -> int:
        return 42

    fork = CANCUN.evolve("Answering", add={answer: 7})
    result = engine.world(fork=fork).call(A, code=b"\x0c" + assemble(RETURN_TOP))
    assert (int.from_bytes(result.output, "big"), result.gas_used) == (42, 7 + 3 + 6 + 3 + 3)
    with pytest.raises(InvalidInput, match="ANSWER"):
        CANCUN.instruction("ANSWER")


# Limits and gas -------------------------------------------------------------------------------------------------------
def test_override_a_limit(engine: Engine) -> None:
    large = assemble("PUSH2 30000 PUSH1 0 RETURN")
    world = engine.world()
    assert world.create(large).halt_reason is HaltReason.CODE_TOO_LARGE
    world.with_limits(code_size=30_000)
    assert len(world.create(large).output) == 30_000


def test_own_prices(engine: Engine) -> None:
    names = [record.name for record in CANCUN.table if record is not None]
    free = CANCUN.evolve("FreeInstructions", reprice=dict.fromkeys(names, 0), prices={"cold_slot_read": 0})
    code = assemble("PUSH1 1 SLOAD PUSH1 2 ADD POP JUMPDEST")
    assert engine.world(fork=free).call(A, code=code, gas=0).success
    counting = CANCUN.evolve("CountsInstructions", reprice=dict.fromkeys(names, 1), prices={"cold_slot_read": 0})
    assert engine.world(fork=counting).call(A, code=code).gas_used == 7


def test_own_gas_meter(engine: Engine) -> None:
    class TooManyReads(Exception):  # noqa: N818 - what it is
        pass

    class ReadMeter(Hook):
        """Each read costs one, and five are all there is."""

        opcodes = ("SLOAD",)

        def __init__(self) -> None:
            self.left = 5

        def opcode_start(self, frame: Frame, instruction: Instruction, operands: tuple[int, ...]) -> None:
            if not self.left:
                raise TooManyReads
            self.left -= 1

    world = engine.world(hooks=[ReadMeter()])
    assert world.call(A, code=assemble("PUSH1 1 SLOAD " * 5)).success
    with pytest.raises(TooManyReads):
        world.call(A, code=assemble("PUSH1 1 SLOAD"))


def test_no_gas_meter(engine: Engine) -> None:
    # Gas is what contracts see, so it is always counted; with this much of it nobody comes to its end.
    endless = 2**63
    loop = assemble("PUSH3 30000 JUMPDEST PUSH1 1 SWAP1 SUB DUP1 PUSH1 4 JUMPI PUSH1 1 PUSH1 1 SSTORE")
    world = engine.world(environment=BlockEnvironment(gas_limit=30_000_000))
    result = world.call(A, code=loop, gas=endless)
    assert result.success
    assert result.gas_used > 30_000 * 20


def test_gas_by_pc(engine: Engine) -> None:
    class Profile(Hook):
        """What each instruction of each code took, calls without what they handed on."""

        def __init__(self) -> None:
            self.gas: Counter[tuple[bytes, int]] = Counter()

        def step_start(self, frame: Frame, instruction: Instruction | None) -> None:
            self.before = frame.gas

        def step_end(self, frame: Frame, instruction: Instruction | None, pc: int) -> None:
            self.gas[frame.message.code_address, pc] += self.before - frame.gas

        def frame_start(self, frame: Frame) -> None:
            if frame.depth:
                self.gas[self.caller, frame.caller_pc] -= frame.message.gas

        def call(self, caller: Frame | None, message: object) -> None:
            self.caller = A if caller is None else caller.message.code_address

    hook = Profile()
    world = engine.world(hooks=[hook])
    world.set_code(A, assemble(f"PUSH1 0 PUSH1 0 PUSH1 0 PUSH1 0 PUSH1 0 PUSH20 0x{B.hex()} GAS CALL"))
    world.set_code(B, assemble("PUSH1 2 JUMPDEST PUSH1 1 SWAP1 SUB DUP1 PUSH1 2 JUMPI"))
    result = world.call(A)
    assert hook.gas[B, 2] == 2 * 1
    assert hook.gas[B, 10] == 2 * 10
    assert hook.gas[A, 32] == 2600
    assert sum(hook.gas.values()) == result.gas_used


# Precompiles, code ----------------------------------------------------------------------------------------------------
def test_register_a_precompile(engine: Engine) -> None:
    def run(data: bytes) -> bytes:
        if not data:
            raise PrecompileFailure
        return data[::-1]

    fork = CANCUN.evolve("Reverses", precompiles={0xBEEF: Precompile("REVERSE", fixed_price(12), run)})
    world = engine.world(fork=fork)
    address = (0xBEEF).to_bytes(20, "big")
    result = world.call(address, b"abc")
    assert (result.output, result.gas_used) == (b"cba", 12)
    assert world.call(address).halt_reason is HaltReason.PRECOMPILE_FAILURE
    call = f"PUSH1 32 PUSH1 0 PUSH1 1 PUSH1 31 PUSH1 0 PUSH2 0xbeef GAS CALL POP PUSH1 0 MLOAD {RETURN_TOP}"
    assert world.call(A, code=assemble(f"PUSH1 7 PUSH1 0 MSTORE {call}")).output[0] == 7
    assert engine.world().call(address, b"abc").output == b""


def test_start_at_a_pc_and_run_other_code(engine: Engine) -> None:
    world = engine.world()
    world.set_code(A, assemble("INVALID"))
    world.set_storage(A, 1, 33)
    code = assemble(f"INVALID PUSH1 1 SLOAD {RETURN_TOP}")
    result = world.call(A, code=code, start_pc=1)
    assert int.from_bytes(result.output, "big") == 33
    assert not world.call(A, code=code).success
    assert world.code(A) == assemble("INVALID")


def test_creations_are_told(engine: Engine) -> None:
    class Creations(Hook):
        def __init__(self) -> None:
            self.told: list[tuple[bytes, bytes]] = []

        def created(self, frame: Frame) -> None:
            self.told.append((frame.address, frame.output))

    hook = Creations()
    world = engine.world(hooks=[hook])
    inner = assemble("PUSH1 0 PUSH1 0 PUSH1 0 CREATE PUSH1 1 PUSH1 0 RETURN")
    outer = world.create(inner)
    assert hook.told == [(outer.children[0].created, b""), (outer.created, b"\0")]
    world.create(assemble("PUSH1 0 PUSH1 0 REVERT"))
    assert len(hook.told) == 2


# What happened --------------------------------------------------------------------------------------------------------
def test_keccak_preimages(engine: Engine) -> None:
    class Preimages(Hook):
        def __init__(self) -> None:
            self.known: dict[int, bytes] = {}

        def keccak(self, frame: Frame, preimage: bytes, digest: int) -> None:
            self.known[digest] = preimage

    hook = Preimages()
    world = engine.world(hooks=[hook])
    # The slot of mapping(address => ...) at slot 3, as Solidity computes it.
    code = assemble("CALLER PUSH1 0 MSTORE PUSH1 3 PUSH1 32 MSTORE PUSH1 64 PUSH1 0 KECCAK256 SLOAD")
    world.call(A, code=code, sender=SENDER)
    preimage = SENDER.rjust(32, b"\0") + (3).to_bytes(32, "big")
    assert hook.known == {int.from_bytes(keccak256(preimage), "big"): preimage}


def test_the_executed_pcs(engine: Engine) -> None:
    class Executed(Hook):
        def __init__(self) -> None:
            self.pcs: list[int] = []

        def step_start(self, frame: Frame, instruction: Instruction | None) -> None:
            self.pcs.append(frame.pc)

    hook = Executed()
    engine.world(hooks=[hook]).call(A, code=assemble("PUSH1 4 JUMP INVALID JUMPDEST PUSH1 1"))
    assert hook.pcs == [0, 2, 4, 5, 7]


# The block, going back ------------------------------------------------------------------------------------------------
def test_fields_of_the_block_for_a_while(engine: Engine) -> None:
    world = engine.world(environment=BlockEnvironment(number=5, timestamp=50))
    with world.in_block(timestamp=99, base_fee=3) as same:
        assert same is world
        assert [output(world, name) for name in ("NUMBER", "TIMESTAMP", "BASEFEE")] == [5, 99, 3]
        world.set_storage(A, 1, 1)
    assert (world.environment.timestamp, world.environment.base_fee, world.storage(A, 1)) == (50, 0, 1)
    with pytest.raises(ZeroDivisionError), world.in_block(number=6):
        raise ZeroDivisionError
    assert world.environment.number == 5
    with world.isolated(), world.in_block(number=7):
        world.set_storage(A, 1, 2)
        assert output(world, "NUMBER") == 7
    assert (world.environment.number, world.storage(A, 1)) == (5, 1)
    with pytest.raises(InvalidInput, match="number"), world.in_block(number=-1):
        pass


def test_go_back_to_a_mark(engine: Engine) -> None:
    world = engine.world(fork=fork_named("Osaka"))
    world.set_balance(SENDER, 10**18)
    world.set_code(A, assemble("PUSH1 1 SLOAD PUSH1 1 ADD PUSH1 1 SSTORE"))
    marks = []
    for nonce in range(4):
        marks.append(world.mark())
        assert world.apply(Transaction(nonce=nonce, gas_limit=100_000, to=A), sender=SENDER).success
    assert (world.storage(A, 1), world.nonce(SENDER)) == (4, 4)
    for count in (2, 1):
        world.rollback(marks[count])
        assert (world.storage(A, 1), world.nonce(SENDER)) == (count, count)
    assert world.apply(Transaction(nonce=1, gas_limit=100_000, to=A), sender=SENDER).success
    with pytest.raises(InvalidInput):
        world.rollback(marks[3])


def test_a_mark_costs_what_changes_not_what_there_is(engine: Engine) -> None:
    class Counted(MemoryState):
        reads = 0

        def slot(self, address: bytes, key: int) -> int:
            self.reads += 1
            return super().slot(address, key)

    view = Counted()
    view.set_account(A, code=assemble("PUSH1 9 PUSH1 0 CALLDATALOAD SSTORE"), storage=dict.fromkeys(range(1000), 1))
    world = engine.world(view=view)
    for key in range(20):
        with world.isolated():
            assert world.call(A, key.to_bytes(32, "big")).success
            assert world.storage(A, key) == 9
        assert world.storage(A, key) == 1
    assert view.reads == 20


# State that isn't here ------------------------------------------------------------------------------------------------
def test_fetch_state_when_it_is_missed(engine: Engine) -> None:
    source = MemoryState()
    source.set_account(A, code=assemble(f"PUSH1 1 SLOAD PUSH1 2 SLOAD ADD {RETURN_TOP}"), storage={1: 30, 2: 12})

    class Partial(MemoryState):
        """Knows what was fetched, and says what it misses."""

        def __init__(self) -> None:
            super().__init__()
            self.have: dict[object, object] = {}

        def _known(self, kind: str, *key: bytes | int) -> object:
            if (kind, *key) not in self.have:
                raise Missing(kind, key)
            return self.have[kind, *key]

        def account(self, address: bytes) -> Account | None:
            return self._known("account", address)  # type: ignore[return-value]

        def slot(self, address: bytes, key: int) -> int:
            return self._known("slot", address, key)  # type: ignore[return-value]

        def code(self, code_hash: bytes) -> bytes:
            return self._known("code", code_hash)  # type: ignore[return-value]

    view = Partial()
    world = engine.world(view=view)
    asked: list[str] = []
    while True:
        try:
            result = world.call(A)
            break
        except Missing as missing:
            asked.append(missing.kind)
            view.have[missing.kind, *missing.key] = getattr(source, missing.kind)(*missing.key)
    assert int.from_bytes(result.output, "big") == 42
    assert asked.count("slot") == 2
    assert len(asked) == len(set(view.have))


def test_run_on_a_chains_state_that_is_fetched_as_it_is_read(engine: Engine) -> None:
    chain = Chain(small_state())
    with Node(chain.request) as node:
        state = RemoteState(node.url)
        world = engine.world(view=OverlayState(state))
        code = assemble(f"PUSH1 5 SLOAD {RETURN_TOP}")
        for _ in range(2):
            assert int.from_bytes(world.call(HOLDER, code=code).output, "big") == 42
        asked = len(chain.asked)
        world.call(HOLDER, code=code)
        assert len(chain.asked) == asked
        state.close()
