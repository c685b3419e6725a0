import pytest

from evmthread.isa.forks import BERLIN, CANCUN, CONSTANTINOPLE, FRONTIER, ISTANBUL, TANGERINE_WHISTLE, Fork
from evmthread.primitives.keccak import EMPTY_HASH, keccak256
from tests.conftest import Engine
from tests.sandbox import CONTRACT, OTHER, SENDER, THIRD, push, run, top_of, world_of

CODE = bytes.fromhex("600160020100fe")
MANY_HIGH_BITS = f"PUSH 0x{'ff' * 12}{OTHER.hex()}"


def test_balance(engine: Engine) -> None:
    balances = {OTHER: 12345, CONTRACT: 7}
    assert top_of(engine, f"{push(OTHER)} BALANCE", balances=balances) == 12345
    assert top_of(engine, f"{MANY_HIGH_BITS} BALANCE", balances=balances) == 12345
    assert top_of(engine, f"{push(THIRD)} BALANCE", balances=balances) == 0
    assert top_of(engine, "SELFBALANCE", balances=balances, value=3) == 10


def test_code_of_others(engine: Engine) -> None:
    others = {OTHER: CODE}
    assert top_of(engine, f"{push(OTHER)} EXTCODESIZE", others=others) == len(CODE)
    assert top_of(engine, f"{push(THIRD)} EXTCODESIZE", others=others) == 0
    program = f"PUSH 9 PUSH 3 PUSH 2 {push(OTHER)} EXTCODECOPY PUSH 32 PUSH 0 RETURN"
    assert run(engine, program, others=others).output == bytes(2) + CODE[3:] + bytes(26)
    far = f"PUSH 9 PUSH -1 PUSH 2 {push(OTHER)} EXTCODECOPY PUSH 32 PUSH 0 RETURN"
    assert run(engine, far, others=others).output == bytes(32)


def test_extcodehash_of_code_of_a_plain_account_of_an_empty_and_of_no_account(engine: Engine) -> None:
    others = {OTHER: CODE}
    assert top_of(engine, f"{push(OTHER)} EXTCODEHASH", others=others) == int.from_bytes(keccak256(CODE), "big")
    assert top_of(engine, f"{push(SENDER)} EXTCODEHASH") == int.from_bytes(EMPTY_HASH, "big")
    assert top_of(engine, f"{push(THIRD)} EXTCODEHASH", balances={THIRD: 0}) == 0
    assert top_of(engine, f"{push(THIRD)} EXTCODEHASH") == 0


@pytest.mark.parametrize(
    ("fork", "name", "cold", "warm"),
    [
        (FRONTIER, "BALANCE", 20, 20),
        (TANGERINE_WHISTLE, "BALANCE", 400, 400),
        (ISTANBUL, "BALANCE", 700, 700),
        (BERLIN, "BALANCE", 2600, 100),
        (FRONTIER, "EXTCODESIZE", 20, 20),
        (TANGERINE_WHISTLE, "EXTCODESIZE", 700, 700),
        (CANCUN, "EXTCODESIZE", 2600, 100),
        (CONSTANTINOPLE, "EXTCODEHASH", 400, 400),
        (ISTANBUL, "EXTCODEHASH", 700, 700),
        (CANCUN, "EXTCODEHASH", 2600, 100),
    ],
)
def test_prices_of_cold_and_warm_accounts(engine: Engine, fork: Fork, name: str, cold: int, warm: int) -> None:
    touch = f"{push(OTHER)} {name}"
    first, both = (run(engine, text, fork=fork, others={OTHER: CODE}).gas_used for text in (touch, f"{touch} {touch}"))
    assert (first - 3, both - first - 3) == (cold, warm)


def test_price_of_extcodecopy(engine: Engine) -> None:
    program = f"PUSH 33 PUSH 0 PUSH 0 {push(OTHER)} EXTCODECOPY"
    assert run(engine, program, others={OTHER: CODE}).gas_used == 12 + 2600 + 2 * 3 + 2 * 3
    assert run(engine, program, others={OTHER: CODE}, fork=FRONTIER).gas_used == 12 + 20 + 2 * 3 + 2 * 3


def test_who_is_warm_from_the_start(engine: Engine) -> None:
    """Sender, the called account and the precompiles (EIP-2929), and the coinbase from Shanghai on (EIP-3651)."""
    warm = ("CALLER", "ADDRESS", "PUSH 1", "PUSH 10")
    for account in warm:
        assert run(engine, f"{account} BALANCE").gas_used == 100 + (3 if "PUSH" in account else 2), account
    assert run(engine, "PUSH 11 BALANCE").gas_used == 2600 + 3
    assert run(engine, "PUSH 0 BALANCE").gas_used == 2600 + 3
    assert run(engine, "COINBASE BALANCE").gas_used == 2 + 100
    assert run(engine, "COINBASE BALANCE", fork=BERLIN).gas_used == 2 + 2600


def test_warmth_is_undone_with_the_call_that_brought_it(engine: Engine) -> None:
    """EIP-2929: after a revert the account is cold again."""
    inner = f"{push(THIRD)} BALANCE PUSH 0 PUSH 0 REVERT"
    outer = f"PUSH 0 PUSH 0 PUSH 0 PUSH 0 PUSH 0 {push(OTHER)} GAS CALL GAS {push(THIRD)} BALANCE GAS"
    world = world_of(
        engine, {CONTRACT: f"{outer} SWAP1 POP SWAP1 SUB PUSH 0 MSTORE PUSH 32 PUSH 0 RETURN", OTHER: inner}
    )
    spent = int.from_bytes(world.call(CONTRACT).output, "big")
    assert spent == 3 + 2600 + 2
