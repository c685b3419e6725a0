"""Random cases for two EVMs: a few contracts that call one another, and one transaction; and what came of it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from random import Random

from evmthread.execution.environment import BlockEnvironment
from evmthread.execution.transaction import (
    AUTHORIZATION_MAGIC,
    BLOB,
    FEE_MARKET,
    SET_CODE,
    AccessEntry,
    Authorization,
    Transaction,
)
from evmthread.execution.validation import floor_gas, intrinsic_gas
from evmthread.execution.world import World
from evmthread.isa.forks import Fork, fork_named
from evmthread.isa.instructions.creates import create_address
from evmthread.primitives import rlp
from evmthread.primitives.keccak import keccak256
from evmthread.primitives.secp256k1 import private_key_address, sign_digest
from evmthread.primitives.types import Log
from evmthread.state.memory import MemoryState
from tests.programs import Palette, gas_limit, init_code, program
from tests.sandbox import address
from tests.words import EDGES

KEY = bytes(31) + b"\x2a"
SENDER = private_key_address(KEY)
CONTRACTS = (address(0xA), address(0xB), address(0xC))
NOBODY = address(0xD)
PLAIN = address(0xE)  # an account with wei and no code
AUTHORITY_KEYS = (bytes(31) + b"\x2b", bytes(31) + b"\x2c", KEY)
NONCE = 3
GAS_PRICE = 10
MOST_GAS = 1_000_000

BLOCK = BlockEnvironment(
    number=1_000,
    timestamp=1_700_000_000,
    coinbase=address(0xF),
    gas_limit=30_000_000,
    base_fee=7,
    difficulty=0x20000,
    prev_randao=0xDEAD_BEEF,
    chain_id=1337,
    blob_base_fee=1,
)

VECTORS = Path(__file__).resolve().parents[1] / "precompiles" / "vectors.json"
MOST_INPUT = 400  # bytes: pairings of more than two points take long in pure Python
# Pairings and point evaluations take most of the time there is: only few are tried.
SLOW = ("BN254_PAIRING", "BLS12_PAIRING_CHECK", "KZG_POINT_EVALUATION", "BLS12_MAP_FP2_TO_G2", "BLS12_MAP_FP_TO_G1")


@dataclass(frozen=True)
class Account:
    """A whole account. Slots that are zero are left out."""

    nonce: int
    balance: int
    code: bytes
    storage: Mapping[int, int]


@dataclass(frozen=True)
class Case:
    """One unsigned transaction, mostly to the first contract, in a state; `name` says how to make it again."""

    name: str
    fork: str
    transaction: Transaction
    accounts: Mapping[bytes, Account]


@dataclass(frozen=True)
class Outcome:
    """What both EVMs must agree on. Accounts that are empty count as absent.

    `destroyed` are those that the transaction's end deletes; not every peer tells.
    """

    status: str
    gas_used: int
    output: bytes | None
    logs: tuple[Log, ...]
    accounts: Mapping[bytes, Account]
    destroyed: tuple[bytes, ...] = ()


def block_hash(number: int) -> bytes:
    """The hash of a block as revm makes it up: of the number in decimal digits."""
    return keccak256(str(number).encode())


@cache
def precompile_inputs() -> Mapping[str, Sequence[bytes]]:
    """Inputs that precompiled contracts are tested with, by name; the short ones."""
    inputs: dict[str, list[bytes]] = {}
    for vector in json.loads(VECTORS.read_text())["vectors"]:
        data = bytes.fromhex(vector["input"].removeprefix("0x"))
        if len(data) <= MOST_INPUT:
            inputs.setdefault(vector["contract"], []).append(data)
    return inputs


def _call_data(random: Random, fork: Fork) -> tuple[bytes, list[bytes]]:
    """Call data, and the precompiles that may like it."""
    kind = random.randrange(8)
    if kind < 3:
        inputs = precompile_inputs()
        name = random.choice(sorted(inputs))
        data = bytearray(random.choice(inputs[name]))
        if random.randrange(4) == 0 and data:
            data[random.randrange(len(data))] ^= 1 << random.randrange(8)
        wanted = name.split("_")[0]
        liked = [place for place, contract in fork.precompiles.items() if contract.name.startswith(wanted[:5])]
        return bytes(data), liked
    if kind < 6:
        return b"".join(random.choice(EDGES).to_bytes(32, "big") for _ in range(random.randrange(4))), []
    return random.randbytes(random.randrange(120)), []


def _listed(random: Random) -> tuple[AccessEntry, ...]:
    """An access list."""
    places = (*CONTRACTS, NOBODY, PLAIN, create_address(CONTRACTS[0], 1), SENDER)
    return tuple(
        [
            AccessEntry(random.choice(places), tuple([random.randrange(4) for _ in range(random.randrange(3))]))
            for _ in range(random.randrange(4))
        ]
    )


def _authorized(random: Random) -> tuple[Authorization, ...]:
    """Authorizations of a few signers, most of them good."""
    made = []
    for _ in range(random.randrange(1, 4)):
        key = random.choice(AUTHORITY_KEYS)
        to = random.choice((*CONTRACTS, PLAIN, bytes(20), private_key_address(AUTHORITY_KEYS[0])))
        chain_id, nonce = random.choice((0, BLOCK.chain_id, BLOCK.chain_id, 5)), random.choice((0, 0, 1, 2))
        fields = (rlp.encode_int(chain_id), rlp.encode_bytes(to), rlp.encode_int(nonce))
        r, s, parity = sign_digest(key, keccak256(AUTHORIZATION_MAGIC + rlp.encode_list(fields)))
        made.append(Authorization(chain_id, to, nonce, parity if random.randrange(9) else 1 - parity, r, s))
    return tuple(made)


def _transaction(random: Random, fork: Fork, to: bytes | None, data: bytes, types: Sequence[int]) -> Transaction:
    """A random transaction of one of the types that the fork has."""
    kind = random.choice([kind for kind in types if kind in fork.transactions.types])
    transaction = Transaction(
        type=kind,
        chain_id=BLOCK.chain_id if kind else None,
        nonce=NONCE,
        gas_price=GAS_PRICE if kind < FEE_MARKET else 0,
        max_fee=GAS_PRICE if kind >= FEE_MARKET else 0,
        max_priority_fee=random.choice((0, 1, GAS_PRICE)) if kind >= FEE_MARKET else 0,
        to=to if kind < BLOB else CONTRACTS[0],
        value=random.choice((0, 0, 1, 10**18)),
        data=data,
        access_list=_listed(random) if kind else (),
        max_blob_fee=5 if kind == BLOB else 0,
        blob_hashes=(b"\x01" + bytes(31), b"\x01" + b"\xff" * 31)[random.randrange(2) :] if kind == BLOB else (),
        authorizations=_authorized(random) if kind == SET_CODE else (),
    )
    least = max(intrinsic_gas(transaction, fork), floor_gas(transaction, fork))
    return replace(transaction, gas_limit=least + gas_limit(random, MOST_GAS))


def make_case(random: Random, fork_name: str, name: str, *, slots: int = 3, transactions: bool = False) -> Case:
    """A random case whose contracts have up to `slots` slots each: a call of the first contract.

    `transactions`: of all types that the fork has, creations too, and now and then one that must be refused.
    """
    fork = fork_named(fork_name)
    data, liked = _call_data(random, fork)
    slow = () if random.randrange(50) == 0 else SLOW
    accounts = {
        SENDER: Account(NONCE, 10**24, b"", {}),
        PLAIN: Account(0, random.choice((1, 10**9)), b"", {}),
    }
    for place, contract in enumerate(CONTRACTS):
        # Mostly calls of those that come later, so that not every call goes round until its gas is gone.
        callees = (*CONTRACTS[place + 1 :] * 3, PLAIN, NOBODY, random.choice((*CONTRACTS, SENDER, BLOCK.coinbase)))
        palette = Palette.of(fork, callees, without=slow)
        palette = Palette(palette.opcodes, palette.accounts, [*palette.precompiles, *liked * 5])
        accounts[contract] = Account(
            random.choice((1, 1, 1, 2**64 - 2)),
            random.choice((0, 1, 1_000, 10**18)),
            program(random, palette) or b"\0",
            {key: random.choice((1, 5, 2**256 - 1)) for key in range(random.randrange(slots + 1))},
        )
    to: bytes | None = CONTRACTS[0]
    if transactions and random.randrange(6) == 0:
        to, data = None, init_code(random, Palette.of(fork, CONTRACTS, without=slow), depth=1)
    sent = _transaction(random, fork, to, data, range(5) if transactions else (0,))
    if transactions and random.randrange(20) == 0:
        sent = replace(sent, gas_limit=max(intrinsic_gas(sent, fork), floor_gas(sent, fork)) - random.randrange(2))
    return Case(name, fork_name, sent, accounts)


def view_of(case: Case) -> MemoryState:
    """The state before."""
    view = MemoryState()
    for place, account in case.accounts.items():
        view.set_account(
            place, nonce=account.nonce, balance=account.balance, code=account.code, storage=account.storage
        )
    for number in range(BLOCK.number - 256, BLOCK.number):
        view.set_block_hash(number, block_hash(number))
    return view


def accounts_of(world: World, view: MemoryState) -> dict[bytes, Account]:
    """All accounts of a world that aren't empty, when its transaction has ended; the view is written."""
    world.settle()
    found = {}
    for place in view.addresses():
        account = view.account(place)
        assert account is not None
        if not account.is_empty:
            code = view.code(account.code_hash)
            found[place] = Account(account.nonce, account.balance, code, view.storage(place))
    return found


def differences(case: Case, ours: Outcome, theirs: Outcome) -> list[str]:
    """In words, all in which two outcomes differ."""
    found = [
        f"{what}: we {mine}, they {other}"
        for what, mine, other in (
            ("status", ours.status, theirs.status),
            ("gas used", ours.gas_used, theirs.gas_used),
            ("output", ours.output, theirs.output),
            ("logs", ours.logs, theirs.logs),
        )
        if mine != other and other is not None
    ]
    for place in sorted({*ours.accounts, *theirs.accounts}):
        mine, other = ours.accounts.get(place), theirs.accounts.get(place)
        if mine != other:
            found.append(f"account {place.hex()}: we {mine}, they {other}")
    sent = case.transaction
    return found and [
        f"{case.name} on {case.fork}, type {sent.type}, gas {sent.gas_limit}, {len(sent.data)} bytes",
        *found,
    ]
