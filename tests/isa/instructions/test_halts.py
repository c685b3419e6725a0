import pytest

from evmthread.execution.transaction import Transaction
from evmthread.execution.world import TransactionResult, World
from evmthread.isa.forks import (
    BERLIN,
    CANCUN,
    FRONTIER,
    HISTORY,
    LONDON,
    SHANGHAI,
    SPURIOUS_DRAGON,
    TANGERINE_WHISTLE,
    Fork,
)
from evmthread.isa.halts import HaltReason, Status
from evmthread.isa.instructions.creates import create_address
from tests.conftest import Engine
from tests.isa.instructions.test_creates import creation
from tests.sandbox import BLOCK, CONTRACT, OTHER, SENDER, THIRD, halts, push, run, world_of


def send(world: World, *, to: bytes | None = CONTRACT, value: int = 0, gas: int = 1_000_000) -> TransactionResult:
    legacy = Transaction(nonce=world.nonce(SENDER), gas_price=BLOCK.base_fee, gas_limit=gas, to=to, value=value)
    return world.apply(legacy, sender=SENDER)


def test_stop_and_the_end_of_the_code(engine: Engine) -> None:
    for program in ("STOP INVALID", "", "PUSH 1 POP"):
        result = run(engine, program)
        assert (result.status, result.output) == (Status.SUCCESS, b"")
    assert run(engine, "PUSH1 1 DATA 0x61").success  # a PUSH2 whose data is missing


@pytest.mark.parametrize(("name", "status"), [("RETURN", Status.SUCCESS), ("REVERT", Status.REVERT)])
def test_return_and_revert(engine: Engine, name: str, status: Status) -> None:
    result = run(engine, f"PUSH -1 PUSH 0 MSTORE PUSH 5 PUSH 30 {name}", gas=1_000)
    assert (result.status, result.output) == (status, b"\xff\xff\0\0\0")
    assert result.gas_used == 6 + 6 + 6 + 3
    assert halts(run(engine, f"PUSH 1 PUSH -1 {name}"), HaltReason.OUT_OF_GAS)
    assert run(engine, f"PUSH 0 PUSH -1 {name}").output == b""


def test_invalid_and_every_undefined_opcode_take_all_gas(engine: Engine) -> None:
    for fork in (FRONTIER, CANCUN, HISTORY[-1]):
        for opcode in range(256):
            if fork.table[opcode] is None or opcode == 0xFE:
                result = run(engine, bytes((0x58, opcode)), fork=fork)
                assert halts(result, HaltReason.INVALID_OPCODE), hex(opcode)
                assert result.pc == 1


DESTRUCT = f"{push(OTHER)} SELFDESTRUCT"


@pytest.mark.parametrize("fork", [FRONTIER, TANGERINE_WHISTLE, SPURIOUS_DRAGON, BERLIN, LONDON, SHANGHAI], ids=str)
def test_before_cancun_any_account_is_deleted_at_the_end_of_the_transaction(engine: Engine, fork: Fork) -> None:
    world = world_of(
        engine, {CONTRACT: DESTRUCT}, fork=fork, storage={CONTRACT: {1: 2}}, balances={CONTRACT: 50, OTHER: 1}
    )
    done = send(world)
    assert (done.success, done.destroyed) == (True, (CONTRACT,))
    assert world.account(CONTRACT) is None
    assert world.storage(CONTRACT, 1) == 0
    assert world.balance(OTHER) == 51


def test_from_cancun_on_only_the_balance_goes(engine: Engine) -> None:
    """EIP-6780."""
    world = world_of(engine, {CONTRACT: DESTRUCT}, storage={CONTRACT: {1: 2}}, balances={CONTRACT: 50})
    done = send(world)
    assert (done.success, done.destroyed) == (True, ())
    assert (world.balance(CONTRACT), world.balance(OTHER), world.storage(CONTRACT, 1)) == (0, 50, 2)
    assert world.code(CONTRACT) != b""


def test_from_cancun_on_an_account_created_in_this_transaction_is_deleted(engine: Engine) -> None:
    made = create_address(CONTRACT, 1)
    world = world_of(engine, {CONTRACT: creation(f"PUSH 9 PUSH 1 SSTORE {DESTRUCT}", value=4)}, balances={CONTRACT: 5})
    done = send(world)
    assert (done.success, done.destroyed, world.balance(OTHER)) == (True, (made,), 4)
    assert world.account(made) is None
    assert world.storage(made, 1) == 0


@pytest.mark.parametrize("fork", [SHANGHAI, CANCUN], ids=str)
def test_destroying_in_favour_of_oneself(engine: Engine, fork: Fork) -> None:
    """The wei are lost where the account is deleted, and stay where it isn't (EIP-6780)."""
    world = world_of(engine, {CONTRACT: "ADDRESS SELFDESTRUCT"}, fork=fork, balances={CONTRACT: 50})
    assert send(world).success
    assert world.balance(CONTRACT) == (50 if fork is CANCUN else 0)
    made = create_address(CONTRACT, 1)
    program = f"{creation('ADDRESS SELFDESTRUCT', value=4)} BALANCE PUSH 0 SSTORE"
    created = world_of(engine, {CONTRACT: program}, storage={CONTRACT: {0: 9}}, balances={CONTRACT: 5}, fork=fork)
    assert send(created).destroyed == (made,)
    assert (created.account(made), created.balance(CONTRACT)) == (None, 1)
    # The wei are gone at once, not only at the end of the transaction.
    assert created.storage(CONTRACT, 0) == 0


def test_wei_that_reach_a_destroyed_account_later_in_the_transaction_are_lost(engine: Engine) -> None:
    program = f"PUSH 0 PUSH 0 PUSH 0 PUSH 0 {{}} {push(OTHER)} GAS CALL POP"
    world = world_of(
        engine,
        {CONTRACT: program.format("PUSH 0") + " " + program.format("PUSH 3"), OTHER: f"{push(THIRD)} SELFDESTRUCT"},
        fork=SHANGHAI,
        balances={CONTRACT: 10, OTHER: 20},
    )
    # The second call runs the code again (the account is there until the end) and sends its three wei on.
    assert send(world).destroyed == (OTHER,)
    assert (world.balance(CONTRACT), world.balance(THIRD), world.account(OTHER)) == (7, 23, None)


def test_a_failed_call_destroys_nothing(engine: Engine) -> None:
    program = f"PUSH 0 PUSH 0 PUSH 0 PUSH 0 PUSH 0 {push(OTHER)} GAS CALL POP"
    inner = f"PUSH 0 PUSH 0 PUSH 0 PUSH 0 PUSH 0 {push(THIRD)} GAS CALL POP PUSH 0 PUSH 0 REVERT"
    third = "PUSH 0 SELFDESTRUCT"
    world = world_of(engine, {CONTRACT: program, OTHER: inner, THIRD: third}, fork=SHANGHAI, balances={THIRD: 5})
    done = send(world)
    assert (done.destroyed, done.gas_refunded, world.balance(THIRD)) == ((), 0, 5)
    assert world.code(THIRD) != b""


@pytest.mark.parametrize(
    ("fork", "balance", "beneficiary", "price"),
    [
        (FRONTIER, 5, "absent", 0),
        (FRONTIER, 5, "there", 0),
        (TANGERINE_WHISTLE, 0, "absent", 5_000 + 25_000),
        (TANGERINE_WHISTLE, 0, "empty", 5_000),
        (TANGERINE_WHISTLE, 5, "there", 5_000),
        (SPURIOUS_DRAGON, 0, "absent", 5_000),
        (SPURIOUS_DRAGON, 5, "absent", 5_000 + 25_000),
        (SPURIOUS_DRAGON, 5, "empty", 5_000 + 25_000),
        (SPURIOUS_DRAGON, 5, "there", 5_000),
        (BERLIN, 5, "absent", 5_000 + 25_000 + 2_600),
        (BERLIN, 0, "absent", 5_000 + 2_600),
        (CANCUN, 5, "there", 5_000 + 2_600),
        (CANCUN, 5, "self", 5_000),
    ],
    ids=str,
)
def test_price(engine: Engine, fork: Fork, balance: int, beneficiary: str, price: int) -> None:
    balances = {CONTRACT: balance}
    if beneficiary in ("empty", "there"):
        balances[OTHER] = 0 if beneficiary == "empty" else 1
    target = push(CONTRACT if beneficiary == "self" else OTHER)
    assert run(engine, f"{target} SELFDESTRUCT", fork=fork, balances=balances).gas_used == 3 + price


@pytest.mark.parametrize(("fork", "refund"), [(FRONTIER, 24_000), (BERLIN, 24_000), (LONDON, 0)], ids=str)
def test_refund_is_given_once(engine: Engine, fork: Fork, refund: int) -> None:
    """EIP-3529 removes it."""
    call = f"PUSH 0 PUSH 0 PUSH 0 PUSH 0 PUSH 0 {push(OTHER)} PUSH 90000 CALL POP"
    result = run(engine, f"{call} {call}", fork=fork, others={OTHER: f"{push(THIRD)} SELFDESTRUCT"})
    assert [child.refund for child in result.children] == [refund, 0]
    assert result.refund == refund


def test_a_beneficiary_of_nothing_does_not_stay(engine: Engine) -> None:
    """EIP-161: touched and empty, it is gone at the end."""
    world = world_of(engine, {CONTRACT: DESTRUCT}, fork=SHANGHAI)
    assert send(world).success
    assert world.account(OTHER) is None
    old = world_of(engine, {CONTRACT: DESTRUCT}, fork=TANGERINE_WHISTLE)
    assert send(old).success
    assert old.account(OTHER) is not None
