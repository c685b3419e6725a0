"""What a call, a creation and a transaction cost by themselves.

Run with `pytest benchmarks/test_calls.py`.
"""

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.measure import ENGINES
from evmthread.execution import CallResult, Transaction, TransactionResult, World

CONTRACT = b"\xc0" * 20
SENDER = b"\x5e" * 20
RECEIVER = b"\x4e" * 20
ETHER = 10**18
# PUSH1 1, PUSH0, MSTORE8, PUSH1 1, PUSH0, RETURN: leaves one byte of code, 0x01 (ADD).
CREATION = bytes.fromhex("60015f5360015ff3")


@pytest.mark.parametrize("engine", ENGINES)
def test_empty_call(benchmark: BenchmarkFixture, engine: str) -> None:
    """A call of a contract that stops at once, with state and caches warm."""
    world = World(engine=engine)
    world.set_code(CONTRACT, b"\x00")
    result: CallResult = benchmark(lambda: world.call(CONTRACT, sender=SENDER))
    assert result.success
    assert result.gas_used == 0


@pytest.mark.parametrize("engine", ENGINES)
def test_create(benchmark: BenchmarkFixture, engine: str) -> None:
    """A creation that leaves one byte of code, undone each time."""
    world = World(engine=engine)
    world.set_balance(SENDER, ETHER)

    def create() -> CallResult:
        with world.isolated():
            return world.create(CREATION, sender=SENDER)

    result = benchmark(create)
    assert result.success
    assert result.output == b"\x01"


def test_plain_transfer(benchmark: BenchmarkFixture) -> None:
    """A whole transaction that moves one ether, its sender known, undone each time."""
    world = World()
    world.set_balance(SENDER, 2 * ETHER)
    transaction = Transaction(gas_limit=21_000, to=RECEIVER, value=ETHER)

    def transfer() -> tuple[TransactionResult, int]:
        with world.isolated():
            return world.apply(transaction, sender=SENDER), world.balance(RECEIVER)

    result, received = benchmark(transfer)
    assert result.success
    assert result.gas_used == 21_000  # G_transaction, Yellow Paper, appendix G
    assert received == ETHER
