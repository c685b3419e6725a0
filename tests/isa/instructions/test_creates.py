import pytest

from evmthread.isa.forks import (
    CANCUN,
    CONSTANTINOPLE,
    FRONTIER,
    HOMESTEAD,
    LONDON,
    PRAGUE,
    SHANGHAI,
    SPURIOUS_DRAGON,
    TANGERINE_WHISTLE,
    Fork,
)
from evmthread.isa.halts import HaltReason
from evmthread.isa.instructions.creates import create2_address, create_address
from tests.conftest import Engine
from tests.sandbox import (
    CONTRACT,
    OTHER,
    RETURN_TOP,
    SENDER,
    code_of,
    halts,
    push,
    return_bytes,
    run,
    world_of,
)


def creation(init: str | bytes, *, value: int = 0, salt: int | None = None, fork: Fork = CANCUN) -> str:
    """Assembler text that creates a contract from init code that follows it in the creator's data."""
    code = code_of(init, fork)
    assert code
    text = ""
    for place in range(0, len(code), 32):
        text += f"PUSH32 0x{code[place : place + 32].ljust(32, bytes(1)).hex()} PUSH {place} MSTORE "
    salted = "" if salt is None else f"PUSH {salt} "
    return f"{text}{salted}PUSH {len(code)} PUSH 0 PUSH {value} {'CREATE' if salt is None else 'CREATE2'}"


def word(account: bytes) -> bytes:
    return account.rjust(32, b"\0")


@pytest.mark.parametrize(
    ("sender", "nonce", "address"),
    [  # what Ethereum's own libraries give, e.g. the first contracts of a well-known deployer
        ("970e8128ab834e8eac17ab8e3812f010678cf791", 0, "333c3310824b7c685133f2bedb2ca4b8b4df633d"),
        ("970e8128ab834e8eac17ab8e3812f010678cf791", 1, "8bda78331c916a08481428e4b07c96d3e916d165"),
        ("970e8128ab834e8eac17ab8e3812f010678cf791", 2, "c9ddedf451bc62ce88bf9292afb13df35b670699"),
    ],
)
def test_create_address(sender: str, nonce: int, address: str) -> None:
    assert create_address(bytes.fromhex(sender), nonce).hex() == address


@pytest.mark.parametrize(
    ("sender", "salt", "init", "address"),
    [  # EIP-1014, examples 0, 3, 4 and 6
        ("00" * 20, "00" * 32, "00", "4d1a2e2bb4f88f0250f26ffff098b0b30b26bf38"),
        ("00" * 20, "00" * 32, "deadbeef", "70f2b2914a2a4b783faefb75f459a580616fcb5e"),
        ("00" * 16 + "deadbeef", "00" * 28 + "cafebabe", "deadbeef", "60f3f640a8508fc6a86d45df051962668e1e8ac7"),
        ("00" * 20, "00" * 32, "", "e33c0c7f7df4809055c3eba6c09cfe4baf1bd9e0"),
    ],
)
def test_create2_address(sender: str, salt: str, init: str, address: str) -> None:
    assert create2_address(*map(bytes.fromhex, (sender, salt, init))).hex() == address


@pytest.mark.parametrize("salt", [None, 5])
def test_a_contract_comes_into_being(engine: Engine, salt: int | None) -> None:
    init = f"CALLVALUE PUSH 1 SSTORE {return_bytes_after(4, b'code!')}"
    program = f"{creation(init, value=3, salt=salt)} RETURNDATASIZE PUSH 32 MSTORE PUSH 0 MSTORE PUSH 64 PUSH 0 RETURN"
    world = world_of(engine, {CONTRACT: program})
    result = world.call(CONTRACT, sender=SENDER, value=5)
    code = code_of(init, CANCUN)
    expected = (
        create_address(CONTRACT, 1) if salt is None else create2_address(CONTRACT, salt.to_bytes(32, "big"), code)
    )
    assert result.output == word(expected) + bytes(32)
    account = world.account(expected)
    assert account is not None
    assert (account.nonce, account.balance, world.code(expected)) == (1, 3, b"code!")
    assert (world.storage(expected, 1), world.nonce(CONTRACT), world.balance(CONTRACT)) == (3, 2, 2)
    (child,) = result.children
    assert (child.created, child.output) == (expected, b"code!")


def return_bytes_after(offset: int, data: bytes) -> str:
    """A program that returns the bytes after it, when it itself stands at `offset`."""
    return (
        f"PUSH1 {len(data)} PUSH1 {offset + 12} PUSH1 0 CODECOPY PUSH1 {len(data)} PUSH1 0 RETURN DATA 0x{data.hex()}"
    )


def test_what_the_init_code_sees(engine: Engine) -> None:
    """No calldata; ADDRESS is the new contract's; its own code isn't there yet; CODESIZE is the init code's."""
    see = "ADDRESS EXTCODESIZE CALLDATASIZE ADD PUSH 1 SSTORE ADDRESS PUSH 2 SSTORE"
    see += " CODESIZE PUSH 3 SSTORE CALLER PUSH 4 SSTORE"
    world = world_of(engine, {CONTRACT: creation(see)})
    made = world.call(CONTRACT, gas=2_000_000).children[0].created
    assert made is not None
    assert world.storage(made, 1) == 0
    assert world.storage(made, 2) == int.from_bytes(made, "big")
    assert world.storage(made, 3) == len(code_of(see, CANCUN))
    assert world.storage(made, 4) == int.from_bytes(CONTRACT, "big")


@pytest.mark.parametrize("salt", [None, 5])
def test_a_revert_gives_return_data_gas_and_money_back_but_the_nonce_stays(engine: Engine, salt: int | None) -> None:
    init = "PUSH 0xabcd PUSH 0 MSTORE PUSH 2 PUSH 30 REVERT"
    program = f"{creation(init, value=3, salt=salt)} PUSH 64 MSTORE RETURNDATASIZE PUSH 0 PUSH 0 RETURNDATACOPY"
    program += " RETURNDATASIZE PUSH 96 MSTORE PUSH 128 PUSH 0 RETURN"
    world = world_of(engine, {CONTRACT: program})
    output = world.call(CONTRACT, sender=SENDER, value=5).output
    assert output[:2] == b"\xab\xcd"
    assert output[64:] == bytes(32) + (2).to_bytes(32, "big")
    assert (world.nonce(CONTRACT), world.balance(CONTRACT)) == (2, 5)


@pytest.mark.parametrize("salt", [None, 5])
def test_a_halt_takes_all_forwarded_gas_and_leaves_no_return_data(engine: Engine, salt: int | None) -> None:
    program = f"{creation('INVALID', salt=salt)} RETURNDATASIZE ADD{RETURN_TOP}"
    result = run(engine, program, gas=640_000)
    assert result.output == bytes(32)
    assert halts(result.children[0], HaltReason.INVALID_OPCODE)
    assert result.gas_left < 640_000 // 64


@pytest.mark.parametrize("salt", [None, 5])
def test_all_but_one_64th_goes_into_a_creation(engine: Engine, salt: int | None) -> None:
    program = creation("GAS PUSH 0 SSTORE", salt=salt)
    for fork in (CONSTANTINOPLE, CANCUN):
        result = run(engine, program, fork=fork, gas=200_000)
        words, init_word = 1, 2 if fork is CANCUN else 0
        pushes = (5 if salt is None else 6) * 3 + 3 + 3
        spent = pushes + 32_000 + words * (init_word + (0 if salt is None else 6))
        left = 200_000 - spent
        assert result.children[0].message.gas == left - left // 64
    if salt is None:
        before = run(engine, program, fork=HOMESTEAD, gas=200_000)
        assert before.children[0].message.gas == 200_000 - 15 - 6 - 32_000


def test_without_the_money_nothing_happens_and_no_gas_is_lost(engine: Engine) -> None:
    world = world_of(engine, {CONTRACT: f"{creation('STOP', value=6)}{RETURN_TOP}"})
    result = world.call(CONTRACT, sender=SENDER, value=5)
    assert (result.output, result.children, world.nonce(CONTRACT)) == (bytes(32), (), 1)
    assert result.gas_used == 5 * 3 + 6 + 32_000 + 2 + 5 * 3 - 3


def test_at_the_last_nonce_nothing_is_created(engine: Engine) -> None:
    """EIP-2681."""
    world = world_of(engine, {CONTRACT: f"{creation('STOP')}{RETURN_TOP}"})
    world.set_nonce(CONTRACT, 2**64 - 1)
    result = world.call(CONTRACT)
    assert (result.output, result.children, world.nonce(CONTRACT)) == (bytes(32), (), 2**64 - 1)
    world.set_nonce(CONTRACT, 2**64 - 2)
    assert world.call(CONTRACT).output == word(create_address(CONTRACT, 2**64 - 2))


@pytest.mark.parametrize("taken", ["nonce", "code", "storage"])
def test_a_taken_address_takes_the_gas_and_the_nonce(engine: Engine, taken: str) -> None:
    """EIP-684, and EIP-7610 for storage."""
    target = create_address(CONTRACT, 1)
    world = world_of(
        engine,
        {CONTRACT: f"{creation('STOP')}{RETURN_TOP}"},
        storage={target: {7: 1}} if taken == "storage" else None,
    )
    if taken == "nonce":
        world.set_nonce(target, 1)
    if taken == "code":
        world.set_code(target, b"\x00")
    world.begin_transaction()
    result = world.call(CONTRACT, gas=640_000)
    assert result.output == bytes(32)
    assert (world.nonce(CONTRACT), result.children) == (2, ())
    assert result.gas_left < 640_000 // 64
    balance_only = world_of(engine, {CONTRACT: f"{creation('STOP')}{RETURN_TOP}"}, balances={target: 9})
    assert balance_only.call(CONTRACT).output == word(target)
    assert balance_only.balance(target) == 9


def test_create2_twice_collides(engine: Engine) -> None:
    once = creation("STOP", salt=1)
    result = run(engine, f"{once} POP {once}{RETURN_TOP}", gas=2_000_000)
    assert result.output == bytes(32)
    assert len(result.children) == 1


def test_the_new_address_stays_warm_after_a_failed_creation(engine: Engine) -> None:
    """EIP-2929: warming it isn't undone with the creation itself."""
    target = create_address(CONTRACT, 1)
    for init in ("STOP", "PUSH 0 PUSH 0 REVERT"):
        with_look, without = (
            run(engine, f"{creation(init)} POP{look}").gas_used for look in (f" {push(target)} BALANCE", "")
        )
        assert with_look - without == 3 + 100


# What becomes of the returned code -----------------------------------------------------------------------------------
def test_code_is_paid_by_the_byte(engine: Engine) -> None:
    used = [run(engine, creation(f"PUSH {size} PUSH 0 RETURN")).gas_used for size in (32, 31)]
    assert used[0] - used[1] == 200


def test_frontier_keeps_an_empty_contract_when_code_cannot_be_paid(engine: Engine) -> None:
    program = creation("PUSH 100 PUSH 0 RETURN", fork=FRONTIER)
    enough = run(engine, program, fork=FRONTIER, gas=32_000 + 21 + 18 + 20_000)
    assert enough.children[0].output == bytes(100)
    poor = run(engine, program, fork=FRONTIER, gas=32_000 + 21 + 18 + 19_999)
    assert poor.success
    child = poor.children[0]
    assert (child.success, child.output, child.gas_left) == (True, b"", 19_999)
    for fork in (HOMESTEAD, TANGERINE_WHISTLE, CANCUN):
        child = run(engine, program, fork=fork, gas=32_000 + 21 + 18 + 19_999).children[0]
        assert halts(child, HaltReason.OUT_OF_GAS), fork


def test_code_size_limit(engine: Engine) -> None:
    """EIP-170."""
    exact, above = (creation(f"PUSH {size} PUSH 0 RETURN") for size in (24_576, 24_577))
    assert len(run(engine, exact, gas=10**7).children[0].output) == 24_576
    assert halts(run(engine, above, gas=10**7).children[0], HaltReason.CODE_TOO_LARGE)
    assert halts(run(engine, above, gas=10**7, fork=SPURIOUS_DRAGON).children[0], HaltReason.CODE_TOO_LARGE)
    assert run(engine, above, gas=10**7, fork=TANGERINE_WHISTLE).children[0].success


def test_code_that_begins_with_0xef(engine: Engine) -> None:
    """EIP-3541: from London on, for every length."""
    for init in ("PUSH 0xef PUSH 0 MSTORE8 PUSH 1 PUSH 0 RETURN", "PUSH 0xef PUSH 0 MSTORE8 PUSH 9 PUSH 0 RETURN"):
        assert halts(run(engine, creation(init), fork=LONDON).children[0], HaltReason.CODE_PREFIX)
        assert run(engine, creation(init), fork=HOMESTEAD).children[0].success
    assert run(engine, creation("PUSH 0xef PUSH 1 MSTORE8 PUSH 2 PUSH 0 RETURN"), fork=LONDON).children[0].success


@pytest.mark.parametrize("salt", [None, 5])
def test_init_code_limit_and_price(engine: Engine, salt: int | None) -> None:
    """EIP-3860: 49,152 bytes, 2 gas a word."""
    name, extra = ("CREATE", "") if salt is None else ("CREATE2", "PUSH 0 ")
    exact, above = (f"{extra}PUSH {size} PUSH 0 PUSH 0 {name}" for size in (49_152, 49_153))
    assert run(engine, exact, gas=10**7).success
    assert halts(run(engine, above, gas=10**7), HaltReason.INIT_CODE_TOO_LARGE)
    assert run(engine, above, gas=10**7, fork=LONDON).success
    used = [run(engine, exact, gas=10**7, fork=fork).gas_used for fork in (SHANGHAI, LONDON)]
    assert used[0] - used[1] == 2 * 1536


def test_nonce_of_a_contract_while_its_init_code_runs(engine: Engine) -> None:
    """0 before EIP-161, then 1: it shows in the address of what the init code creates."""
    init = "PUSH 0 PUSH 0 PUSH 0 CREATE PUSH 0 SSTORE"
    for fork, nonce in ((HOMESTEAD, 0), (SPURIOUS_DRAGON, 1), (PRAGUE, 1)):
        world = world_of(engine, {CONTRACT: creation(init)}, fork=fork)
        assert world.call(CONTRACT, gas=5_000_000).success
        made = create_address(CONTRACT, 1)
        assert world.storage(made, 0) == int.from_bytes(create_address(made, nonce), "big")
        assert world.nonce(made) == nonce + 1


def test_creating_in_a_created_contract_and_failing_leaves_nothing(engine: Engine) -> None:
    inner = create_address(create_address(CONTRACT, 1), 1)
    world = world_of(engine, {CONTRACT: creation("PUSH 0 PUSH 0 PUSH 0 CREATE POP PUSH 1 PUSH 0 SSTORE INVALID")})
    result = world.call(CONTRACT, gas=5_000_000)
    assert world.account(inner) is None
    assert world.account(create_address(CONTRACT, 1)) is None
    assert result.children[0].children[0].created == inner


def test_return_data_of_a_creation_is_empty_when_it_succeeds(engine: Engine) -> None:
    call = f"PUSH 0 PUSH 0 PUSH 0 PUSH 0 PUSH 0 {push(OTHER)} GAS CALL POP"
    program = f"{call} {creation('PUSH 5 PUSH 0 RETURN')} RETURNDATASIZE{RETURN_TOP}"
    result = run(engine, program, others={OTHER: return_bytes(b"abc")})
    assert result.output == bytes(32)
