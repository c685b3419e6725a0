"""Every reason to refuse a transaction, with the values that clash, and that nothing happens then."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evmthread.execution import invalid
from evmthread.execution.environment import BLOB_GAS, BlockEnvironment
from evmthread.execution.invalid import InvalidTransaction
from evmthread.execution.transaction import AccessEntry, Authorization, Transaction
from evmthread.execution.validation import floor_gas, intrinsic_gas
from evmthread.isa.forks import (
    BERLIN,
    BPO1,
    CANCUN,
    FRONTIER,
    HOMESTEAD,
    ISTANBUL,
    OSAKA,
    PRAGUE,
    SHANGHAI,
    Fork,
)
from evmthread.primitives.secp256k1 import GROUP_ORDER
from tests.conftest import Engine
from tests.sandbox import BLOCK, CONTRACT, OTHER, RICH, SENDER, world_of

GOOD: dict[int, dict[str, Any]] = {
    0: {"gas_price": 10},
    1: {"type": 1, "chain_id": 1337, "gas_price": 10},
    2: {"type": 2, "chain_id": 1337, "max_fee": 10, "max_priority_fee": 2},
    3: {"type": 3, "chain_id": 1337, "max_fee": 10, "max_blob_fee": 5, "blob_hashes": (b"\x01" + bytes(31),)},
    4: {"type": 4, "chain_id": 1337, "max_fee": 10, "authorizations": (Authorization(0, OTHER, 0, 0, 1, 1),)},
}


def good(kind: int, **changes: Any) -> Transaction:
    """A transaction that is valid but for the changes."""
    return Transaction(**{"gas_limit": 100_000, "to": CONTRACT, **GOOD[kind], **changes})


@dataclass(frozen=True)
class Refusal:
    """A transaction, where it is sent, and the reason for which it is refused."""

    reason: type[InvalidTransaction]
    expected: object
    got: object
    transaction: Transaction
    fork: Fork = PRAGUE
    block: BlockEnvironment = BLOCK
    balance: int = RICH
    nonce: int = 0
    code: bytes = b""
    limits: dict[str, int] = field(default_factory=dict)


BASE = 21_000
REFUSALS = [
    Refusal(invalid.UnsupportedType, [0], 1, good(1), ISTANBUL),
    Refusal(invalid.UnsupportedType, [0, 1], 2, good(2), BERLIN),
    Refusal(invalid.UnsupportedType, [0, 1, 2], 3, good(3), SHANGHAI),
    Refusal(invalid.UnsupportedType, [0, 1, 2, 3], 4, good(4), CANCUN),
    Refusal(invalid.UnsupportedType, [0, 1, 2, 3, 4], 5, replace(good(2), type=5)),
    Refusal(invalid.NonceTooLow, 7, 6, good(0, nonce=6), nonce=7),
    Refusal(invalid.NonceTooHigh, 7, 8, good(0, nonce=8), nonce=7),
    Refusal(invalid.NonceAtMaximum, 2**64 - 2, 2**64 - 1, good(0, nonce=2**64 - 1), nonce=2**64 - 1),
    Refusal(invalid.SenderNotAccount, "no code", "1 bytes", good(0), code=b"\x00"),
    Refusal(invalid.SenderNotAccount, "no code", "23 bytes", good(0), CANCUN, code=b"\xef\x01\x00" + OTHER),
    Refusal(invalid.InsufficientFunds, 1_000_000, 999_999, good(0), balance=999_999),
    Refusal(invalid.InsufficientFunds, 1_000_005, 1_000_004, good(0, value=5), balance=1_000_004),
    Refusal(invalid.InsufficientFunds, 1_000_000, 999_999, good(2), balance=999_999),
    Refusal(invalid.InsufficientFunds, 1_000_000 + 5 * BLOB_GAS, 1_000_000, good(3), balance=1_000_000),
    Refusal(invalid.ValueOverflow, "value of at most 256 bits", hex(2**256), good(0, value=2**256)),
    Refusal(invalid.ValueOverflow, "gas_price of at most 256 bits", hex(2**256), good(0, gas_price=2**256)),
    Refusal(invalid.ValueOverflow, "max_fee of at most 256 bits", hex(2**256), good(2, max_fee=2**256)),
    Refusal(
        invalid.ValueOverflow,
        "max_priority_fee of at most 256 bits",
        hex(2**256),
        good(2, max_priority_fee=2**256),
    ),
    Refusal(invalid.ValueOverflow, "gas_limit of at most 64 bits", hex(2**64), good(0, gas_limit=2**64, gas_price=0)),
    Refusal(
        invalid.ValueOverflow,
        "gas limit times fee of at most 256 bits",
        hex(2**250),
        good(0, gas_price=2**250),
        FRONTIER,
    ),
    Refusal(invalid.GasLimitTooLow, BASE, BASE - 1, good(0, gas_limit=BASE - 1)),
    Refusal(invalid.GasLimitTooLow, 53_000, 52_999, good(0, gas_limit=52_999, to=None), HOMESTEAD),
    Refusal(invalid.GasLimitBelowFloor, BASE + 400, BASE + 399, good(0, gas_limit=BASE + 399, data=b"\1" * 10)),
    Refusal(invalid.GasLimitAboveBlock, 30_000_000, 30_000_001, good(0, gas_limit=30_000_001)),
    Refusal(invalid.GasLimitAboveCap, 2**24, 2**24 + 1, good(0, gas_limit=2**24 + 1), OSAKA),
    Refusal(invalid.GasPriceBelowBaseFee, 7, 6, good(0, gas_price=6)),
    Refusal(invalid.GasPriceBelowBaseFee, 7, 6, good(2, max_fee=6)),
    Refusal(invalid.PriorityAboveMaximumFee, 10, 11, good(2, max_priority_fee=11)),
    Refusal(
        invalid.InitCodeTooLarge, 49_152, 49_153, good(0, to=None, data=bytes(49_153), gas_limit=1_000_000), SHANGHAI
    ),
    Refusal(invalid.BlobsEmpty, "at least 1", 0, good(3, blob_hashes=())),
    Refusal(invalid.BlobsTooMany, 6, 7, good(3, blob_hashes=(b"\x01" + bytes(31),) * 7), CANCUN),
    Refusal(invalid.BlobsTooMany, 9, 10, good(3, blob_hashes=(b"\x01" + bytes(31),) * 10), PRAGUE),
    Refusal(invalid.BlobsTooMany, 6, 7, good(3, blob_hashes=(b"\x01" + bytes(31),) * 7), OSAKA),
    Refusal(invalid.BlobsTooMany, 6, 7, good(3, blob_hashes=(b"\x01" + bytes(31),) * 7), BPO1),
    Refusal(invalid.BlobHashVersion, 1, "02", good(3, blob_hashes=(b"\x02" + bytes(31),))),
    Refusal(invalid.BlobFeeTooLow, 3, 2, good(3, max_blob_fee=2)),
    Refusal(invalid.CreationForbidden, "an address", "none", good(3, to=None)),
    Refusal(invalid.CreationForbidden, "an address", "none", good(4, to=None)),
    Refusal(invalid.AuthorizationsEmpty, "at least 1", 0, good(4, authorizations=())),
    Refusal(invalid.MalformedTransaction, "an address of 20 bytes", "19 bytes", good(0, to=bytes(19))),
    Refusal(
        invalid.MalformedTransaction,
        "an address of 20 bytes",
        "21 bytes",
        good(1, access_list=(AccessEntry(bytes(21)),)),
    ),
    Refusal(invalid.MalformedTransaction, "a blob hash of 32 bytes", "31 bytes", good(3, blob_hashes=(b"\x01" * 31,))),
]
# These are raised where bytes and signatures are read: see test_transaction.py.
BY_SIGNATURE = {invalid.InvalidSignature, invalid.WrongChain}


def test_every_reason_has_its_case() -> None:
    assert {case.reason for case in REFUSALS} | BY_SIGNATURE == set(InvalidTransaction.__subclasses__())


@pytest.mark.parametrize("case", REFUSALS, ids=lambda case: f"{case.reason.__name__}-{case.fork.name}")
def test_refusals(engine: Engine, case: Refusal) -> None:
    world = world_of(engine, {CONTRACT: "STOP"}, fork=case.fork, block=case.block, balances={SENDER: case.balance})
    world.set_nonce(SENDER, case.nonce)
    world.set_code(SENDER, case.code)
    before, block = world.state_root(), world.environment
    with pytest.raises(case.reason) as refused:
        world.apply(case.transaction, sender=SENDER)
    assert type(refused.value) is case.reason
    assert (refused.value.expected, refused.value.got) == (case.expected, case.got)
    assert str(refused.value) == f"{case.reason.summary}: expected {case.expected}, got {case.got}"
    assert (world.state_root(), world.logs, world.environment) == (before, (), block)


@pytest.mark.parametrize("kind", range(5))
def test_what_is_not_changed_is_accepted(engine: Engine, kind: int) -> None:
    world = world_of(engine, {CONTRACT: "STOP"}, fork=PRAGUE)
    assert world.apply(good(kind), sender=SENDER).success


def test_bounds_are_inclusive(engine: Engine) -> None:
    def accepted(transaction: Transaction, fork: Fork = PRAGUE, balance: int = RICH) -> bool:
        world = world_of(engine, {CONTRACT: "STOP"}, fork=fork, balances={SENDER: balance})
        return world.apply(transaction, sender=SENDER).success

    assert accepted(good(0, gas_limit=BASE))
    assert accepted(good(0, gas_limit=BASE + 400, data=b"\1" * 10))
    assert accepted(good(0, gas_limit=30_000_000))
    assert accepted(good(0, gas_limit=2**24), OSAKA)
    assert accepted(good(0, gas_price=7))
    assert accepted(good(2, max_priority_fee=10))
    assert accepted(good(0), balance=1_000_000)
    assert accepted(good(3, max_blob_fee=3))
    assert accepted(good(3, blob_hashes=(b"\x01" + bytes(31),) * 9), PRAGUE)
    assert accepted(good(0, to=None, data=bytes(49_152), gas_limit=2_000_000), SHANGHAI)


def test_a_delegated_sender_may_send(engine: Engine) -> None:
    """EIP-7702 relaxes EIP-3607."""
    world = world_of(engine, {CONTRACT: "STOP"}, fork=PRAGUE)
    world.set_code(SENDER, b"\xef\x01\x00" + OTHER)
    assert world.apply(good(0), sender=SENDER).success


def test_signatures_are_checked_when_no_sender_is_given(engine: Engine) -> None:
    world = world_of(engine, {CONTRACT: "STOP"}, fork=PRAGUE)
    with pytest.raises(invalid.WrongChain):
        world.apply(good(2, chain_id=1).signed(bytes(31) + b"\1"))
    with pytest.raises(invalid.InvalidSignature):
        world.apply(replace(good(2), r=GROUP_ORDER, s=1))


data = st.binary(max_size=200)


@given(data, st.booleans())
def test_intrinsic_gas_of_data(sent: bytes, creates: bool) -> None:
    zeros = len([byte for byte in sent if byte == 0])
    others = len(sent) - zeros
    words = -(-len(sent) // 32)
    transaction = Transaction(data=sent, to=None if creates else OTHER)
    for fork, nonzero, creation, word in (
        (FRONTIER, 68, 0, 0),
        (HOMESTEAD, 68, 32_000, 0),
        (ISTANBUL, 16, 32_000, 0),
        (SHANGHAI, 16, 32_000, 2),
        (OSAKA, 16, 32_000, 2),
    ):
        expected = 21_000 + 4 * zeros + nonzero * others + (creation + word * words if creates else 0)
        assert intrinsic_gas(transaction, fork) == expected
    assert floor_gas(transaction, CANCUN) == 0
    assert floor_gas(transaction, PRAGUE) == 21_000 + 10 * zeros + 40 * others


def test_intrinsic_gas_of_lists() -> None:
    access = (AccessEntry(OTHER, (1, 2)), AccessEntry(OTHER))
    assert intrinsic_gas(good(1, access_list=access), BERLIN) == 21_000 + 2 * 2_400 + 2 * 1_900
    twice = GOOD[4]["authorizations"] * 2
    assert intrinsic_gas(good(4, authorizations=twice), PRAGUE) == 21_000 + 2 * 25_000
