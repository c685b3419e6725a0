import pytest

from evmthread.isa.forks import (
    BERLIN,
    BYZANTIUM,
    CANCUN,
    FRONTIER,
    HOMESTEAD,
    PRAGUE,
    SPURIOUS_DRAGON,
    TANGERINE_WHISTLE,
    Fork,
)
from evmthread.isa.halts import HaltReason, Status
from evmthread.isa.message import CallKind
from tests.conftest import Engine
from tests.sandbox import (
    CONTRACT,
    OTHER,
    RETURN_TOP,
    RICH,
    SENDER,
    THIRD,
    halts,
    push,
    return_bytes,
    run,
    top_of,
    world_of,
)

KINDS = ("CALL", "CALLCODE", "DELEGATECALL", "STATICCALL")


def call(
    kind: str = "CALL",
    *,
    to: bytes = OTHER,
    gas: str = "GAS",
    value: int = 0,
    send: tuple[int, int] = (0, 0),
    receive: tuple[int, int] = (0, 0),
) -> str:
    """Assembler text that calls; `send` and `receive` are (offset, size)."""
    worth = f"PUSH {value} " if kind in ("CALL", "CALLCODE") else ""
    places = f"PUSH {receive[1]} PUSH {receive[0]} PUSH {send[1]} PUSH {send[0]}"
    return f"{places} {worth}{push(to)} {gas} {kind}"


@pytest.mark.parametrize("kind", KINDS)
def test_whose_storage_sender_and_value_the_callee_sees(engine: Engine, kind: str) -> None:
    inner = "ADDRESS PUSH 0 MSTORE CALLER PUSH 32 MSTORE CALLVALUE PUSH 64 MSTORE PUSH 5 SLOAD PUSH 96 MSTORE"
    inner += " PUSH 128 PUSH 0 RETURN"
    value = 3 if kind in ("CALL", "CALLCODE") else 0
    program = f"{call(kind, value=value, receive=(0, 128))} POP PUSH 128 PUSH 0 RETURN"
    world = world_of(
        engine, {CONTRACT: program, OTHER: inner}, storage={CONTRACT: {5: 100}, OTHER: {5: 200}}, balances={CONTRACT: 9}
    )
    output = world.call(CONTRACT, sender=SENDER, value=1).output
    own, parent, worth, slot = (int.from_bytes(output[place : place + 32], "big") for place in range(0, 128, 32))
    here, there, root = (int.from_bytes(account, "big") for account in (CONTRACT, OTHER, SENDER))
    assert (own, parent, worth, slot) == {
        "CALL": (there, here, 3, 200),
        "CALLCODE": (here, here, 3, 100),
        "DELEGATECALL": (here, root, 1, 100),
        "STATICCALL": (there, here, 0, 200),
    }[kind]
    moved = 3 if kind == "CALL" else 0
    assert (world.balance(CONTRACT), world.balance(OTHER)) == (10 - moved, moved)


@pytest.mark.parametrize("kind", KINDS)
def test_data_goes_in_and_comes_out_and_memory_beyond_the_output_stays(engine: Engine, kind: str) -> None:
    echo = "CALLDATASIZE PUSH 0 PUSH 0 CALLDATACOPY CALLDATASIZE PUSH 0 RETURN"
    fill = "PUSH -1 PUSH 0 MSTORE PUSH -1 PUSH 32 MSTORE PUSH 0xabcdef PUSH 64 MSTORE"
    program = f"{fill} {call(kind, send=(93, 3), receive=(1, 6))}"
    result = run(engine, f"{program} POP PUSH 64 PUSH 0 RETURN", others={OTHER: echo})
    assert result.output == b"\xff\xab\xcd\xef" + b"\xff" * 60
    assert result.children[0].output == b"\xab\xcd\xef"
    shorter = f"{program.replace('PUSH 6 PUSH 1', 'PUSH 2 PUSH 1')} POP PUSH 64 PUSH 0 RETURN"
    assert run(engine, shorter, others={OTHER: echo}).output == b"\xff\xab\xcd" + b"\xff" * 61


@pytest.mark.parametrize("kind", KINDS)
def test_success_revert_and_halt(engine: Engine, kind: str) -> None:
    program = f"{call(kind, receive=(0, 4), gas='PUSH 50000')} PUSH 32 MSTORE RETURNDATASIZE PUSH 64 MSTORE"
    program += " PUSH 96 PUSH 0 RETURN"

    def outcome(inner: str) -> tuple[bytes, int, int]:
        result = run(engine, program, others={OTHER: inner})
        output = result.output
        return output[:4], int.from_bytes(output[32:64], "big"), int.from_bytes(output[64:], "big")

    assert outcome(return_bytes(b"good")) == (b"good", 1, 4)
    assert outcome(return_bytes(b"evil!", how="REVERT")) == (b"evil", 0, 5)
    assert outcome("INVALID") == (bytes(4), 0, 0)
    assert outcome("STOP") == (bytes(4), 1, 0)


def test_a_halt_takes_the_forwarded_gas_a_revert_gives_it_back(engine: Engine) -> None:
    program = call(gas="PUSH 50000")
    base = run(engine, program, others={OTHER: "STOP"}).gas_used
    assert run(engine, program, others={OTHER: "PUSH 0 PUSH 0 REVERT"}).gas_used == base + 6
    assert run(engine, program, others={OTHER: "INVALID"}).gas_used == base + 50_000


@pytest.mark.parametrize("kind", KINDS)
def test_at_most_63_of_64_parts_are_forwarded(engine: Engine, kind: str) -> None:
    inner = f"GAS{RETURN_TOP}"
    for asked in ("PUSH -1", "GAS", "PUSH 1000", "PUSH 1"):
        program = call(kind, gas=asked)
        result = run(engine, program, others={OTHER: inner}, gas=100_000)
        pushes = 6 if kind in ("CALL", "CALLCODE") else 5
        extra = 2600 + 3 * pushes + (2 if asked == "GAS" else 3)
        left = 100_000 - extra
        forwarded = left - left // 64
        if asked.startswith("PUSH 1"):
            forwarded = int(asked.split()[1])
        assert result.children[0].message.gas == forwarded, asked


def test_before_the_63_of_64_a_call_takes_what_it_asks_or_fails(engine: Engine) -> None:
    spent = 5 * 3 + 3 + 3 + 40
    for fork in (FRONTIER, HOMESTEAD):
        result = run(engine, call(gas="PUSH 90000"), fork=fork, gas=90_000 + spent, others={OTHER: "STOP"})
        assert result.success
        assert result.children[0].message.gas == 90_000
        short = run(engine, call(gas="PUSH 90000"), fork=fork, gas=90_000 + spent - 1, others={OTHER: "STOP"})
        assert halts(short, HaltReason.OUT_OF_GAS)
    assert run(engine, call(gas="PUSH 90000"), fork=TANGERINE_WHISTLE, gas=90_000, others={OTHER: "STOP"}).success


def test_the_stipend_comes_on_top_and_what_is_left_of_it_goes_to_the_caller(engine: Engine) -> None:
    program = call(value=1, gas="PUSH 0")
    result = run(engine, program, value=1, others={OTHER: "PUSH 1 POP"})
    assert result.children[0].message.gas == 2300
    assert result.gas_used == 7 * 3 + 2600 + 9000 - 2300 + 5
    assert run(engine, call("CALLCODE", value=1, gas="PUSH 0"), value=1).children[0].message.gas == 2300


@pytest.mark.parametrize(
    ("fork", "value", "exists", "price"),
    [
        (FRONTIER, 0, False, 40 + 25_000),
        (FRONTIER, 0, True, 40),
        (FRONTIER, 1, False, 40 + 9_000 + 25_000),
        (FRONTIER, 1, True, 40 + 9_000),
        (TANGERINE_WHISTLE, 0, False, 700 + 25_000),
        (SPURIOUS_DRAGON, 0, False, 700),
        (SPURIOUS_DRAGON, 1, False, 700 + 9_000 + 25_000),
        (BERLIN, 1, False, 2_600 + 9_000 + 25_000),
        (CANCUN, 1, False, 2_600 + 9_000 + 25_000),
        (CANCUN, 1, True, 2_600 + 9_000),
        (CANCUN, 0, False, 2_600),
    ],
    ids=lambda item: getattr(item, "name", str(item)),
)
def test_price_of_value_and_of_a_new_account(engine: Engine, fork: Fork, value: int, exists: bool, price: int) -> None:
    others = {OTHER: "STOP"} if exists else {}
    result = run(engine, call(value=value, gas="PUSH 0"), fork=fork, value=1, others=others)
    assert result.gas_used == 7 * 3 + price - (2300 if value else 0)


def test_an_empty_account_that_exists_is_new_only_where_emptiness_counts(engine: Engine) -> None:
    for fork, price in (
        (FRONTIER, 40 + 9_000),
        (TANGERINE_WHISTLE, 700 + 9_000),
        (SPURIOUS_DRAGON, 700 + 9_000 + 25_000),
    ):
        used = run(engine, call(value=1, gas="PUSH 0"), fork=fork, value=1, balances={OTHER: 0}).gas_used
        assert used == 21 + price - 2300, fork


@pytest.mark.parametrize("kind", ["CALL", "CALLCODE"])
def test_without_the_money_the_call_fails_and_its_gas_with_the_stipend_comes_back(engine: Engine, kind: str) -> None:
    result = run(engine, f"{call(kind, value=5, gas='PUSH 1000')}{RETURN_TOP}", value=4, others={OTHER: "INVALID"})
    assert result.output == bytes(32)
    assert result.children == ()
    assert result.gas_used == 7 * 3 + 2600 + 9000 - 2300 + 5 * 3


def test_a_call_that_cannot_begin_clears_the_return_data(engine: Engine) -> None:
    first = call(receive=(0, 0))
    assert top_of(engine, f"{first} RETURNDATASIZE", others={OTHER: return_bytes(bytes(9))}) == 9
    assert top_of(engine, f"{first} {call(value=2**200)} RETURNDATASIZE", others={OTHER: return_bytes(bytes(9))}) == 0


def test_calling_an_account_without_code_succeeds_and_moves_the_value(engine: Engine) -> None:
    world = world_of(engine, {CONTRACT: f"{call(value=7)}{RETURN_TOP}"})
    result = world.call(CONTRACT, sender=SENDER, value=7)
    assert result.output == (1).to_bytes(32, "big")
    assert (world.balance(CONTRACT), world.balance(OTHER), world.balance(SENDER)) == (0, 7, RICH - 7)


def test_money_sent_by_a_failed_call_comes_back(engine: Engine) -> None:
    for inner in ("INVALID", "PUSH 0 PUSH 0 REVERT"):
        world = world_of(engine, {CONTRACT: f"{call(value=7)}{RETURN_TOP}", OTHER: inner})
        assert world.call(CONTRACT, sender=SENDER, value=7).output == bytes(32)
        assert (world.balance(CONTRACT), world.balance(OTHER)) == (7, 0)


def test_sending_to_oneself_changes_nothing(engine: Engine) -> None:
    world = world_of(engine, {CONTRACT: f"CALLVALUE PUSH @go JUMPI STOP go: {call(to=CONTRACT, value=0)}"})
    assert world.call(CONTRACT, sender=CONTRACT, value=0).success
    own = world_of(engine, {CONTRACT: f"CALLER {push(CONTRACT)} EQ PUSH @end JUMPI {call(to=CONTRACT, value=3)} end:"})
    assert own.call(CONTRACT, sender=SENDER, value=3).success
    assert own.balance(CONTRACT) == 3


WRITES = {
    "SSTORE": "PUSH 1 PUSH 0 SSTORE",
    "TSTORE": "PUSH 1 PUSH 0 TSTORE",
    "LOG0": "PUSH 0 PUSH 0 LOG0",
    "LOG4": "PUSH 0 PUSH 0 PUSH 0 PUSH 0 PUSH 0 PUSH 0 LOG4",
    "CREATE": "PUSH 0 PUSH 0 PUSH 0 CREATE",
    "CREATE2": "PUSH 0 PUSH 0 PUSH 0 PUSH 0 CREATE2",
    "SELFDESTRUCT": "PUSH 0 SELFDESTRUCT",
    "CALL with value": call(to=THIRD, value=1),
}


@pytest.mark.parametrize("write", WRITES)
def test_nothing_is_written_below_a_static_call(engine: Engine, write: str) -> None:
    """EIP-214, also through ordinary calls below it."""
    inner = f"{WRITES[write]} STOP"
    result = run(engine, f"{call('STATICCALL')}{RETURN_TOP}", others={OTHER: inner}, balances={OTHER: 5})
    assert result.output == bytes(32)
    assert halts(result.children[0], HaltReason.WRITE_PROTECTION)
    for kind in KINDS:
        through = {OTHER: call(kind, to=THIRD), THIRD: inner}
        deep = run(engine, call("STATICCALL"), others=through, balances={OTHER: 5, THIRD: 5}).children[0].children[0]
        assert halts(deep, HaltReason.WRITE_PROTECTION), kind


def test_what_a_static_call_may_do(engine: Engine) -> None:
    """A CALLCODE with value moves nothing to anybody else, and EIP-214 doesn't forbid it."""
    for inner in (call(to=THIRD), call("CALLCODE", to=THIRD, value=1), call("DELEGATECALL", to=THIRD)):
        result = run(engine, call("STATICCALL"), others={OTHER: f"{inner}{RETURN_TOP}"}, balances={OTHER: 1})
        assert result.children[0].output == (1).to_bytes(32, "big"), inner


def test_precompiles_answer_charge_and_fail(engine: Engine) -> None:
    identity = (4).to_bytes(20, "big")
    program = f"PUSH 0x{'77' * 32} PUSH 0 MSTORE {call(to=identity, send=(0, 32), receive=(32, 32))}"
    result = run(engine, f"{program} POP PUSH 32 PUSH 32 RETURN")
    assert result.output == b"\x77" * 32
    assert result.children[0].gas_used == 15 + 3
    short = run(engine, f"{program.replace('GAS CALL', 'PUSH 17 CALL')}{RETURN_TOP}")
    assert short.output == bytes(32)
    assert halts(short.children[0], HaltReason.OUT_OF_GAS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_precompile_that_refuses_its_input_takes_all_gas(engine: Engine, kind: str) -> None:
    add = (6).to_bytes(20, "big")
    bad = f"PUSH 1 PUSH 0 MSTORE {call(kind, to=add, send=(0, 64), receive=(0, 64), gas='PUSH 9000')}"
    result = run(engine, f"{bad} RETURNDATASIZE ADD{RETURN_TOP}", fork=BYZANTIUM)
    assert result.output == bytes(32)
    failed = result.children[0]
    assert halts(failed, HaltReason.PRECOMPILE_FAILURE)
    assert failed.gas_used == 9000


def test_value_sent_to_a_failing_precompile_comes_back(engine: Engine) -> None:
    add = (6).to_bytes(20, "big")
    program = f"PUSH 1 PUSH 0 MSTORE {call(to=add, send=(0, 64), value=5, gas='PUSH 9000')}{RETURN_TOP}"
    world = world_of(engine, {CONTRACT: program})
    assert world.call(CONTRACT, sender=SENDER, value=5).output == bytes(32)
    assert (world.balance(CONTRACT), world.account(add)) == (5, None)


def delegated(to: bytes) -> bytes:
    return b"\xef\x01\x00" + to


def test_a_delegated_account_runs_its_delegates_code_as_itself(engine: Engine) -> None:
    """EIP-7702: one step, no further; the delegate's access is paid too."""
    inner = f"ADDRESS{RETURN_TOP}"
    others = {OTHER: delegated(THIRD), THIRD: inner}
    program = f"{call(receive=(0, 32))} POP PUSH 32 PUSH 0 RETURN"
    result = run(engine, program, others=others, fork=PRAGUE)
    assert result.output == OTHER.rjust(32, b"\0")
    direct = run(engine, program, others={OTHER: inner}, fork=PRAGUE)
    assert result.gas_used == direct.gas_used + 2600
    assert run(engine, f"{push(THIRD)} BALANCE {program}", others=others, fork=PRAGUE).gas_used == (
        run(engine, f"{push(THIRD)} BALANCE {program}", others={OTHER: inner}, fork=PRAGUE).gas_used + 100
    )
    assert top_of(engine, f"{push(OTHER)} EXTCODESIZE", others=others, fork=PRAGUE) == 23
    assert not run(engine, call(), others=others, fork=CANCUN).children[0].success


def test_a_delegation_to_a_delegation_runs_into_its_0xef_and_one_to_a_precompile_runs_nothing(engine: Engine) -> None:
    chain = {OTHER: delegated(THIRD), THIRD: delegated(CONTRACT)}
    assert halts(run(engine, call(), others=chain, fork=PRAGUE).children[0], HaltReason.INVALID_OPCODE)
    precompile = {OTHER: delegated((4).to_bytes(20, "big"))}
    child = run(engine, call(send=(0, 32)), others=precompile, fork=PRAGUE).children[0]
    assert (child.success, child.output) == (True, b"")


def test_the_tree_says_who_called_whom_how(engine: Engine) -> None:
    program = " ".join(f"{call(kind)} POP" for kind in KINDS)
    result = run(engine, program, others={OTHER: "STOP"})
    assert [child.message.kind for child in result.children] == [CallKind(kind) for kind in KINDS]
    assert [result.code[child.caller_pc] for child in result.children] == [0xF1, 0xF2, 0xF4, 0xFA]
    assert all(child.status is Status.SUCCESS and child.message.depth == 1 for child in result.children)


def test_memory_of_in_and_out_is_paid_before_the_call(engine: Engine) -> None:
    assert halts(run(engine, call(send=(0, 2**40))), HaltReason.OUT_OF_GAS)
    assert halts(run(engine, call(receive=(2**40, 1))), HaltReason.OUT_OF_GAS)
    far = run(engine, call(send=(2**200, 0), receive=(2**200, 0)), others={OTHER: "STOP"})
    assert far.gas_used == 7 * 3 + 2600 - 1
