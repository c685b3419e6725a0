"""C25: out of gas, the memory and slot caps, depth 1,024, an endless loop, a missing account, a proxy as origin.

All sides agree to the gas unit, nothing hangs, and what can be refused at opening is.
"""

from pathlib import Path

import pytest

from evmthread.channel.events import Adopted, Undone
from evmthread.commit.refusals import Refusal
from evmthread.commit.terms import MAX_CODE_BYTES
from tests.acceptance.table import Table, add
from tests.assembler import assemble
from tests.channel.games import ruleset

OUT_OF_GAS = assemble("PUSH0 PUSH0 SSTORE PUSH1 1 PUSH0 SSTORE STOP")
ENDLESS = assemble("JUMPDEST PUSH0 JUMP")
MEMORY = assemble("PUSH1 1 PUSH4 0x00200000 MSTORE STOP")
# Fills as many slots as the first word of the calldata says.
SLOTS = assemble("PUSH0 CALLDATALOAD JUMPDEST DUP1 DUP1 SSTORE PUSH1 1 SWAP1 SUB DUP1 PUSH1 2 JUMPI STOP")
# Calls itself until there is no depth left, and stores how deep it came.
DEEP = assemble("PUSH0 PUSH0 PUSH0 PUSH0 PUSH0 ADDRESS GAS CALL PUSH0 SLOAD PUSH1 1 ADD PUSH0 SSTORE STOP")
MISSING = assemble("PUSH0 PUSH0 PUSH1 4 PUSH0 PUSH0 PUSH20 0x1234567890123456789012345678901234567890 GAS CALL STOP")


def receipts(table: Table) -> list[tuple[bool, int]]:
    """Status and gas of the last batch on each side."""
    outcomes = []
    for index in range(2):
        adopted = table.told(index, Adopted)[-1]
        assert isinstance(adopted, Adopted)
        (each,) = adopted.outcome.inputs
        outcomes.append((each.result.success, each.gas_used))
    return outcomes


@pytest.mark.parametrize(
    ("code", "gas", "used"),
    [(OUT_OF_GAS, 30_000, 30_000), (ENDLESS, 3_000_000, 3_000_000), (ENDLESS, 21_000, 21_000)],
)
def test_c25_out_of_gas(tmp_path: Path, code: bytes, gas: int, used: int) -> None:
    table = Table(tmp_path, code=code).start()
    table.call(0, b"", gas=gas)
    table.wait(5)
    assert receipts(table) == [(False, used)] * 2
    assert table.nonces == [1, 1]


def test_c25_the_depth_of_calls(tmp_path: Path) -> None:
    table = Table(tmp_path, code=DEEP).start()
    table.call(0, b"", gas=16_000_000)
    table.wait(5)
    first, second = receipts(table)
    assert first == second
    assert first[0]
    assert table.sums[0] == table.sums[1] > 100  # each call keeps a sixty-fourth of the gas (EIP-150)


@pytest.mark.parametrize(
    ("code", "data", "why"),
    [(MEMORY, b"", "memory"), (SLOTS, add(129), "slots"), (MISSING, b"", "account")],
    ids=["memory", "slots", "missing account"],
)
def test_c25_what_breaks_a_rule_is_in_no_batch(tmp_path: Path, code: bytes, data: bytes, why: str) -> None:
    table = Table(tmp_path, code=code, rules=ruleset(memory_bytes=2**20)).start()
    table.call(0, data, gas=16_000_000)
    table.wait(60)
    undone = table.told(0, Undone)
    assert isinstance(undone[0], Undone)
    assert why in undone[0].reason
    assert table.sums == [0, 0]
    # the thread is still usable
    table.call(1, add(1) if code == SLOTS else b"", gas=30_000, lasting=True)
    table.wait(60)
    assert table.lines()[0] == table.lines()[1]


def test_c25_as_many_slots_as_may_be(tmp_path: Path) -> None:
    table = Table(tmp_path, code=SLOTS).start()
    table.call(0, add(128), gas=16_000_000)
    table.wait(5)
    assert receipts(table)[0][0]
    assert table.nonces == [1, 1]


@pytest.mark.parametrize(
    "code",
    [b"\xef\x01\x00" + bytes(20), bytes(MAX_CODE_BYTES + 1), b""],
    ids=["a delegation (EIP-7702)", "too long", "none"],
)
def test_c25_refused_at_opening(tmp_path: Path, code: bytes) -> None:
    with pytest.raises((Refusal, ValueError)) as caught:
        Table(tmp_path, code=code)
    assert str(caught.value)


def test_c25_a_proxy_as_origin_does_not_succeed_in_silence(tmp_path: Path) -> None:
    """An ERC-1167 proxy delegates to an account that the thread doesn't hold: every call is refused, and told why."""
    proxy = bytes.fromhex("363d3d373d3d3d363d73" + "12" * 20 + "5af43d82803e903d91602b57fd5bf3")
    table = Table(tmp_path, code=proxy).start()
    table.call(0, add(1), gas=100_000)
    table.wait(30)
    undone = table.told(0, Undone)
    assert isinstance(undone[0], Undone)
    assert "12" * 20 in undone[0].reason
    assert table.nonces == [0, 0]
