"""What execution tests begin from: a few accounts, one contract, and short ways to call it."""

from collections.abc import Mapping

from evmthread.execution.environment import BlockEnvironment
from evmthread.execution.result import CallResult
from evmthread.execution.world import World
from evmthread.isa.forks import CANCUN, Fork
from evmthread.isa.halts import HaltReason, Status
from evmthread.state.memory import MemoryState
from tests.assembler import assemble
from tests.conftest import Engine

RICH = 10**21


def address(number: int) -> bytes:
    """The account of a small number, far from the precompiled contracts."""
    return (0xACC0 << 144 | number).to_bytes(20, "big")


SENDER, CONTRACT, OTHER, THIRD, COINBASE = map(address, range(1, 6))

BLOCK = BlockEnvironment(
    number=1_000,
    timestamp=1_700_000_000,
    coinbase=COINBASE,
    gas_limit=30_000_000,
    base_fee=7,
    difficulty=0x20000,
    prev_randao=0xDEAD_BEEF,
    chain_id=1337,
    blob_base_fee=3,
)

RETURN_TOP = " PUSH1 0 MSTORE PUSH1 32 PUSH1 0 RETURN"
COUNTER = f"PUSH 0 SLOAD PUSH 1 ADD DUP1 PUSH 0 SSTORE{RETURN_TOP}"


def code_of(program: str | bytes, fork: Fork) -> bytes:
    return assemble(program, fork=fork) if isinstance(program, str) else program


def push(number: bytes | int) -> str:
    """Assembler text that pushes an address or a number."""
    return f"PUSH 0x{number.hex()}" if isinstance(number, bytes) else f"PUSH {number}"


def return_bytes(data: bytes, *, how: str = "RETURN") -> str:
    """A program that returns (or reverts with) up to 24,576 bytes that follow it."""
    head = assemble(f"PUSH3 {len(data)} PUSH1 16 PUSH1 0 CODECOPY PUSH3 {len(data)} PUSH1 0 {how}")
    assert len(head) == 16
    return f"DATA 0x{(head + data).hex()}"


def state(
    contracts: Mapping[bytes, str | bytes],
    *,
    fork: Fork = CANCUN,
    storage: Mapping[bytes, Mapping[int, int]] | None = None,
    balances: Mapping[bytes, int] | None = None,
) -> MemoryState:
    """A rich sender, and contracts of nonce 1 by program."""
    view = MemoryState()
    balances = {SENDER: RICH, **(balances or {})}
    for account in {*balances, *contracts, *(storage or {})}:
        program = contracts.get(account)
        view.set_account(
            account,
            nonce=0 if program is None else 1,
            balance=balances.get(account, 0),
            code=b"" if program is None else code_of(program, fork),
            storage=(storage or {}).get(account),
        )
    return view


def world_of(
    engine: Engine,
    contracts: Mapping[bytes, str | bytes],
    *,
    fork: Fork = CANCUN,
    block: BlockEnvironment = BLOCK,
    storage: Mapping[bytes, Mapping[int, int]] | None = None,
    balances: Mapping[bytes, int] | None = None,
) -> World:
    """A World over `state`."""
    view = state(contracts, fork=fork, storage=storage, balances=balances)
    return engine.world(fork=fork, environment=block, view=view)


def run(
    engine: Engine,
    program: str | bytes,
    *,
    fork: Fork = CANCUN,
    data: bytes = b"",
    gas: int = 1_000_000,
    value: int = 0,
    static: bool = False,
    storage: Mapping[int, int] | None = None,
    others: Mapping[bytes, str | bytes] | None = None,
    balances: Mapping[bytes, int] | None = None,
) -> CallResult:
    """The result of one call of one program at CONTRACT."""
    world = world_of(
        engine,
        {CONTRACT: program, **(others or {})},
        fork=fork,
        storage={CONTRACT: storage or {}},
        balances=balances,
    )
    return world.call(CONTRACT, data, sender=SENDER, gas=gas, value=value, static=static, gas_price=11)


def top_of(engine: Engine, program: str, **options: object) -> int:
    """The word that a program leaves on top of its stack."""
    result = run(engine, program + RETURN_TOP, **options)  # type: ignore[arg-type]
    assert result.success, result.reason
    return int.from_bytes(result.output, "big")


def halts(result: CallResult, reason: HaltReason) -> bool:
    """True when a call halted for this reason, with all its gas gone and nothing to show."""
    return (result.status, result.halt_reason, result.gas_left, result.output) == (Status.HALT, reason, 0, b"")
