import pytest

from evmthread import precompiles as pre
from evmthread.errors import InvalidInput
from evmthread.isa.forks import (
    ALIASES,
    BERLIN,
    BPO2,
    BYZANTIUM,
    CANCUN,
    FRONTIER,
    HISTORY,
    HOMESTEAD,
    LONDON,
    OSAKA,
    PRAGUE,
    Fork,
    fork_named,
)
from evmthread.isa.instruction import Instruction, Shape, pure
from evmthread.isa.instructions import arithmetic
from tests.conftest import Engine
from tests.isa.price_table import table_of
from tests.sandbox import run, top_of

NAMES = [
    *("Frontier", "Homestead", "DAOFork", "TangerineWhistle", "SpuriousDragon", "Byzantium", "Constantinople"),
    *("Petersburg", "Istanbul", "Berlin", "London", "Paris", "Shanghai", "Cancun", "Prague", "Osaka", "BPO1", "BPO2"),
]

# What each fork's precompiled contracts are, by address (EIP-196 to 198, 152, 4844, 2537, 7951).
PRECOMPILES = {"Frontier": range(1, 5), "Byzantium": range(1, 9), "Istanbul": range(1, 10), "Cancun": range(1, 11)}
PRECOMPILES |= {"Prague": range(1, 18), "Osaka": (*range(1, 18), 0x100)}  # type: ignore[dict-item]


def test_history_is_complete_and_in_order() -> None:
    assert [fork.name for fork in HISTORY] == NAMES


@pytest.mark.parametrize("fork", HISTORY, ids=NAMES)
def test_every_opcode_has_its_name_price_pops_and_pushes_and_nothing_else_is_there(fork: Fork) -> None:
    assert len(fork.table) == len(fork.base_prices) == 256
    rows = {
        opcode: (instruction.name, instruction.pops, instruction.pushes, fork.base_prices[opcode])
        for opcode, instruction in enumerate(fork.table)
        if instruction is not None
    }
    assert rows == table_of(fork.name)


@pytest.mark.parametrize("fork", HISTORY, ids=NAMES)
def test_a_slot_holds_the_instruction_of_its_number_and_an_empty_one_no_price(fork: Fork) -> None:
    for opcode, instruction in enumerate(fork.table):
        if instruction is None:
            assert fork.base_prices[opcode] == 0
        else:
            assert instruction.opcode == opcode
            assert instruction.immediate == (opcode - 0x5F if 0x60 <= opcode <= 0x7F else 0)


@pytest.mark.parametrize("fork", HISTORY, ids=NAMES)
def test_precompiles_by_fork(fork: Fork) -> None:
    since = max((name for name in PRECOMPILES if NAMES.index(name) <= NAMES.index(fork.name)), key=NAMES.index)
    assert sorted(int.from_bytes(address, "big") for address in fork.precompiles) == list(PRECOMPILES[since])
    assert all(len(address) == 20 for address in fork.precompiles)


def test_precompiles_are_repriced_by_fork() -> None:
    modexp = (5).to_bytes(20, "big")
    assert BYZANTIUM.precompiles[modexp] is pre.MODEXP_BYZANTIUM
    assert BERLIN.precompiles[modexp] is pre.MODEXP_BERLIN
    assert OSAKA.precompiles[modexp] is pre.MODEXP_OSAKA


def test_limits_and_transaction_rules_by_fork() -> None:
    assert FRONTIER.limits.code_size > 2**40
    assert BYZANTIUM.limits.code_size == 24_576
    assert fork_named("Shanghai").limits.init_code_size == 49_152
    assert [sorted(fork.transactions.types) for fork in (FRONTIER, BERLIN, LONDON, CANCUN, PRAGUE)] == [
        [0],
        [0, 1],
        [0, 1, 2],
        [0, 1, 2, 3],
        [0, 1, 2, 3, 4],
    ]
    assert OSAKA.transactions.gas_cap == 2**24
    blobs = BPO2.transactions.blobs
    assert blobs is not None
    assert (blobs.target, blobs.maximum) == (14, 21)


def test_private_fork_in_five_lines(engine: Engine) -> None:
    @pure(0x0C, "DOUBLE")
    def double(a: int) -> int:
        return a * 2 % 2**256

    private = CANCUN.evolve("Private", add={double: 4}, reprice={"ADD": 7})
    assert top_of(engine, "PUSH 21 DOUBLE", fork=private) == 42
    assert run(engine, "PUSH 21 DOUBLE", fork=private).gas_used == 3 + 4
    assert run(engine, "PUSH 1 PUSH 2 ADD", fork=private).gas_used == 3 + 3 + 7
    assert not run(engine, bytes((0x60, 21, 0x0C)), fork=CANCUN).success


def test_two_forks_of_one_name_never_mix(engine: Engine) -> None:
    cheap, dear = (CANCUN.evolve("Private", reprice={"ADD": price}) for price in (1, 100))
    program = "PUSH 1 PUSH 2 ADD"
    assert [run(engine, program, fork=fork).gas_used for fork in (cheap, dear, cheap)] == [7, 106, 7]


def test_evolve_leaves_the_parent_alone() -> None:
    before = (HOMESTEAD.table, HOMESTEAD.base_prices, dict(HOMESTEAD.precompiles))
    child = HOMESTEAD.evolve("Child", add={arithmetic.add: 9}, precompiles={1: pre.IDENTITY}, limits={"call_depth": 3})
    assert (HOMESTEAD.table, HOMESTEAD.base_prices, dict(HOMESTEAD.precompiles)) == before
    assert child.base_prices[1] == 9
    assert child.limits.call_depth == 3
    assert child.rules is not None
    assert repr(child) == "Fork(Child)"


def test_evolve_takes_a_record_too() -> None:
    record = Instruction(0x0C, "NOTHING", Shape.STACK, 0, 0, steady=True)
    assert CANCUN.evolve("Private", add={record: 3}).table[0x0C] is record


@pytest.mark.parametrize(
    ("delta", "message"),
    [
        ({"reprice": {"AAD": 1}}, "fork Bad: no instruction is called AAD"),
        ({"prices": {"exp_bit": 1}}, "exp_bit"),
        ({"rules": {"call_gass": None}}, "call_gass"),
        ({"limits": {"depth": 1}}, "depth"),
        ({"limits": {"code_size": -1}}, "code_size: -1"),
        ({"limits": {"code_size": "1"}}, "code_size: '1'"),
        ({"limits": {"memory_bytes": 1e9}}, "memory_bytes: 1"),
        ({"transactions": {"typos": 1}}, "typos"),
        ({"add": {len: 1}}, "fork Bad: len is no instruction"),
        ({"add": {arithmetic.add: -2}}, "fork Bad: price of ADD: -2"),
        ({"add": {arithmetic.add: "3"}}, "fork Bad: price of ADD: '3'"),
        ({"reprice": {"SLOAD": -1}}, "fork Bad: price of SLOAD: -1"),
        ({"prices": {"slot_set": 1.5}}, "slot_set: 1.5"),
        ({"prices": {"slot_set": -5}}, "slot_set: -5"),
        ({"precompiles": {"1": pre.IDENTITY}}, "fork Bad: address of a precompile: '1'"),
        ({"precompiles": {2**160: pre.IDENTITY}}, "fork Bad: address of a precompile"),
        ({"precompiles": {1: len}}, "fork Bad: a Precompile is wanted"),
    ],
)
def test_evolve_refuses_what_does_not_exist_and_what_is_no_value(delta: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        CANCUN.evolve("Bad", **delta)  # type: ignore[arg-type]


def test_fork_named() -> None:
    assert fork_named("cancun") is CANCUN
    for alias, name in ALIASES.items():
        assert fork_named(alias).name == name
    assert [fork_named(fork.name) for fork in HISTORY] == list(HISTORY)
    with pytest.raises(InvalidInput, match=r"no fork is called 'Berlim'; there are Frontier, .*BPO2"):
        fork_named("Berlim")
    with pytest.raises(InvalidInput, match="a fork's name is wanted, not None"):
        fork_named(None)  # type: ignore[arg-type]
