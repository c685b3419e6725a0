"""Traces of the repository's contracts against a real node's: see tests/anvil.py for how to name one.

Where anvil's form isn't go-ethereum's, ours is go-ethereum's: `Same` knows each difference, as docs/tracing.md lists
them, and everything else must be equal.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from benchmarks.workload import WORKLOADS, read_workload
from evmthread.commit import LocalSigner
from evmthread.contracts import Artifact, load_artifact, parse_artifact
from evmthread.execution.transaction import AccessEntry, Authorization, Transaction
from evmthread.execution.validation import intrinsic_gas
from evmthread.execution.world import World
from evmthread.primitives import rlp
from evmthread.primitives.keccak import keccak256
from evmthread.primitives.secp256k1 import sign_digest
from evmthread.tracers import CALLS, PRESTATE, STRUCT_LOG, trace
from tests.anvil import CHAIN_ID, Anvil, running_anvil
from tests.assembler import assemble
from tests.test_architecture import ROOT

CONTRACTS = ROOT.parent / "benchmarks" / "contracts"
KEY = keccak256(b"evmthread tracing key")
SENDER = LocalSigner(KEY).address
OTHER_KEY = keccak256(b"evmthread tracing key 2")
OTHER = LocalSigner(OTHER_KEY).address
RICH, GAS_PRICE, GAS = 10**20, 10**10, 3_000_000
A, B, C = b"\xaa" * 20, b"\xbb" * 20, b"\xcc" * 20
TRACERS: tuple[tuple[str, dict[str, bool | int]], ...] = (
    (STRUCT_LOG, {"enableMemory": True, "enableReturnData": True}),
    (STRUCT_LOG, {"disableStack": True, "disableStorage": True}),
    (CALLS, {"withLog": True}),
    (CALLS, {"onlyTopCall": True, "withLog": True}),
    (PRESTATE, {}),
    (PRESTATE, {"diffMode": True}),
)


@pytest.fixture(scope="module")
def node() -> Iterator[Anvil]:
    with running_anvil("--steps-tracing") as running:  # or there are no structLogs of transactions
        yield running


# What is otherwise in anvil's JSON ------------------------------------------------------------------------------------
ERRORS = {
    "StackUnderflow": "stack underflow",
    "StackOverflow": "stack limit reached",
    "OutOfGas": "out of gas",
    "InvalidJump": "invalid jump destination",
    "InvalidFEOpcode": "invalid opcode",
    "OpcodeNotFound": "invalid opcode",
    "NotActivated": "invalid opcode",
    "StateChangeDuringStaticCall": "write protection",
    "OutOfOffset": "return data out of bounds",
    "CreateCollision": "contract address collision",
    "CreateContractSizeLimit": "max code size exceeded",
}


def struct_logs(theirs: dict[str, Any], ours: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Empty fields are left out; what a creation takes along is no cost; code that isn't there makes no step.

    What a transaction's authorizations give back is in the refund from the first step on.
    """

    def steps(record: dict[str, Any]) -> list[dict[str, Any]]:
        kept, depth = [], 0
        before = record["structLogs"][0].get("refund", 0) if record["structLogs"] else 0
        for step in record["structLogs"]:
            step = {**step, "refund": step.get("refund", 0) - before}
            entered, depth = step["depth"] > depth, step["depth"]
            if not (entered and step["op"] == "STOP" and depth > 1):
                empty = [name for name in ("memory", "returnData") if step.get(name) in ([], "0x")]
                kept.append({name: value for name, value in step.items() if name not in empty})
        return kept

    pairs = list(zip(steps(theirs), steps(ours), strict=True))
    for pair in pairs:
        failed = any("error" in step for step in pair)
        for step in pair:
            step.pop("error", None)
            if failed or step["op"].startswith("CREATE"):
                del step["gasCost"]
    return {**theirs, "structLogs": [one for one, _ in pairs]}, {**ours, "structLogs": [other for _, other in pairs]}


def calls(theirs: dict[str, Any], ours: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Errors are in revm's words; the index of a log counts those of calls that failed, its place calls left out."""

    def plain(call: dict[str, Any]) -> dict[str, Any]:
        call = dict(call)
        if "logs" in call:
            unlike = ("index",) if "calls" in call else ("index", "position")
            call["logs"] = [{name: log[name] for name in log if name not in unlike} for log in call["logs"]]
        if "error" in call:
            call["error"] = ERRORS.get(call["error"], re.sub(r"[:(].*", "", call["error"]).strip())
        if "calls" in call:
            call["calls"] = [plain(inside) for inside in call["calls"]]
        return call

    return plain(theirs), plain(ours)


def prestate(theirs: dict[str, Any], ours: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """There is no codeHash; accounts that were empty are there."""

    def plain(accounts: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        made = {
            address: {name: value for name, value in account.items() if name != "codeHash"}
            for address, account in accounts.items()
        }
        return {
            address: account
            for address, account in made.items()
            if account.get("balance") != "0x0" or account.keys() & {"code", "nonce"}
        }

    if "post" in theirs:
        theirs, ours = ({name: plain(part) for name, part in record.items()} for record in (theirs, ours))
        return theirs, ours
    return plain(theirs), plain(ours)


def with_intrinsic_gas(tree: dict[str, Any], world: World, transaction: Transaction) -> dict[str, Any]:
    """The outermost call's gas is what is left when it begins, not the transaction's limit."""
    return {**tree, "gas": hex(int(tree["gas"], 16) + intrinsic_gas(transaction, world.fork))}


SAME = {STRUCT_LOG: struct_logs, CALLS: calls, PRESTATE: prestate}


def configuration(tracer: str, options: dict[str, bool | int]) -> dict[str, Any]:
    return dict(options) if tracer == STRUCT_LOG else {"tracer": tracer, "tracerConfig": options}


def same_calls(
    node: Anvil, world: World, transaction: Transaction, sender: bytes, *, tracers: Any = TRACERS
) -> dict[str, Any]:
    """debug_traceCall, with every tracer; our call tree."""
    assert transaction.to is not None
    call = {
        "from": "0x" + sender.hex(),
        "to": "0x" + transaction.to.hex(),
        "data": "0x" + transaction.data.hex(),
        "gas": hex(transaction.gas_limit),
        "value": hex(transaction.value),
    }
    trees = []
    for tracer, options in tracers:
        theirs = node.ask("debug_traceCall", call, "latest", configuration(tracer, options))
        with world.isolated():
            ours = trace(world, transaction, sender=sender, tracer=tracer, options=options, simulated=True)
        if tracer == CALLS:
            trees.append(ours)
            theirs = with_intrinsic_gas(theirs, world, transaction)
        theirs, ours = SAME[tracer](theirs, ours)
        assert ours == theirs, (tracer, options)
    return trees[0]


def same_transaction(
    node: Anvil, world: World, transaction: Transaction, key: bytes = KEY, *, delegates_to: bytes = b""
) -> dict[str, Any]:
    """Sends it, then debug_traceTransaction with every tracer; it is applied to the world too. Our call tree.

    An account to which the transaction itself makes another delegate is touched in anvil's eyes alone.
    """
    signed = transaction.signed(key)
    receipt = node.send(signed)
    world.environment = node.environment(int(receipt["blockNumber"], 16))
    trees = []
    for tracer, options in TRACERS:
        theirs = node.ask("debug_traceTransaction", receipt["transactionHash"], configuration(tracer, options))
        with world.isolated():
            ours = trace(world, signed, tracer=tracer, options=options)
        if tracer == CALLS:
            trees.append(ours)
            theirs = with_intrinsic_gas(theirs, world, signed)
        theirs.pop("0x" + delegates_to.hex(), None)
        theirs, ours = SAME[tracer](theirs, ours)
        assert ours == theirs, (tracer, options)
    world.apply(signed)
    return trees[0]


@pytest.fixture
def clean(node: Anvil) -> Iterator[Anvil]:
    """The node, with nothing left of other tests."""
    snapshot = node.ask("evm_snapshot")
    yield node
    assert node.ask("evm_revert", snapshot)


def world_of(node: Anvil, *senders: bytes) -> World:
    world = World(fork=node.fork, environment=node.environment(int(node.ask("eth_blockNumber"), 16)))
    for sender in senders:
        node.put(sender, balance=RICH)
        world.set_balance(sender, RICH)
    return world


def put(node: Anvil, world: World, address: bytes, code: str, *, balance: int = 0) -> None:
    node.put(address, code=assemble(code), balance=balance, nonce=1)
    world.set_code(address, assemble(code))
    world.set_balance(address, balance)
    world.set_nonce(address, 1)


@pytest.mark.parametrize("path", sorted((WORKLOADS / "solidity").glob("*.json")), ids=lambda path: path.stem)
def test_calls_of_the_benchmarks_contracts(clean: Anvil, path: Any) -> None:
    workload = read_workload(path)
    world = world_of(clean)
    for address, account in workload.accounts.items():
        clean.put(address, balance=account.balance, nonce=account.nonce, code=account.code, storage=account.storage)
        world.set_balance(address, account.balance)
        world.set_nonce(address, account.nonce)
        world.set_code(address, account.code)
        for slot, value in account.storage.items():
            world.set_storage(address, slot, value)
    clean.mine()
    world.environment = clean.environment(int(clean.ask("eth_blockNumber"), 16))
    data = workload.call.data[:4] + (8 if path.stem == "calls" else 1).to_bytes(32, "big")
    transaction = Transaction(gas_limit=10**7, to=workload.call.to, data=data)
    # Memory at each step would be gigabytes.
    steps = () if path.stem in ("sort", "recursion") else ((STRUCT_LOG, {"enableReturnData": True}),)
    small = (*steps, *TRACERS[2:])
    tree = same_calls(clean, world, transaction, workload.call.sender, tracers=small)
    assert "error" not in tree
    if path.stem == "calls":
        assert {call["type"] for call in tree["calls"]} == {"CALL", "STATICCALL", "DELEGATECALL"}


def artifact_of(path: str) -> Artifact:
    return parse_artifact((CONTRACTS / path).read_bytes())


def test_transactions_with_a_token(clean: Anvil) -> None:
    token = artifact_of("Erc20.json")
    world = world_of(clean, SENDER)
    constructor = Transaction(chain_id=CHAIN_ID, nonce=0, gas_price=GAS_PRICE, gas_limit=GAS, data=token.creation_code)
    tree = same_transaction(clean, world, constructor)
    assert tree["type"] == "CREATE"
    where = bytes.fromhex(tree["to"][2:])
    for nonce, (name, arguments, works) in enumerate(
        (
            ("transfer", (OTHER, 7), False),
            ("run", (1,), True),
            ("transfer", (OTHER, 7), True),
            ("approve", (OTHER, 5), True),
            ("transferFrom", (OTHER, SENDER, 5), False),
        ),
        start=1,
    ):
        call = Transaction(
            chain_id=CHAIN_ID,
            nonce=nonce,
            gas_price=GAS_PRICE,
            gas_limit=GAS,
            to=where,
            data=token.function(name).encode(*arguments),
        )
        assert ("logs" in same_transaction(clean, world, call)) == works


def test_a_game_of_morpion(clean: Anvil) -> None:
    morpion, stake = load_artifact("MorpionDraw"), 10**15
    world = world_of(clean, SENDER, OTHER)
    counts = {SENDER: 0, OTHER: 0}

    def send(sender: bytes, data: bytes, *, to: bytes | None, value: int = 0) -> dict[str, Any]:
        transaction = Transaction(
            *(2, CHAIN_ID, counts[sender]),
            max_fee=GAS_PRICE,
            max_priority_fee=10**9,
            gas_limit=GAS,
            to=to,
            value=value,
            data=data,
        )
        counts[sender] += 1
        return same_transaction(clean, world, transaction, KEY if sender == SENDER else OTHER_KEY)

    arguments = morpion.encode_constructor(SENDER, OTHER, stake, 3600)
    game = bytes.fromhex(send(SENDER, morpion.creation_code + arguments, to=None)["to"][2:])
    join, play = morpion.function("join").encode(), morpion.function("play").encode
    send(SENDER, join, to=game, value=stake)
    send(OTHER, join, to=game, value=stake)
    tree = send(SENDER, play(4), to=game)
    assert len(tree["logs"]) == 2
    failed = send(SENDER, play(5), to=game)
    assert failed["error"] == "execution reverted"
    assert "logs" not in failed
    send(OTHER, play(0), to=game)
    send(SENDER, play(3), to=game)
    send(OTHER, morpion.function("offerDraw").encode(), to=game)
    send(SENDER, morpion.function("acceptDraw").encode(1), to=game)
    send(SENDER, morpion.function("withdraw").encode(), to=game)


def calling(to: bytes, *, kind: str = "CALL", value: int = 0, gas: str = "GAS") -> str:
    with_value = f"PUSH4 {value} " if kind in ("CALL", "CALLCODE") else ""
    return f"PUSH1 32 PUSH1 0 PUSH1 4 PUSH1 0 {with_value}PUSH20 0x{to.hex()} {gas} {kind} POP "


# A contract that creates one, whose code is one byte; one that logs and fails; one that takes all and goes.
CREATES = "PUSH12 0x60018060093d393df3005b5b PUSH1 0 MSTORE PUSH1 12 PUSH1 20 "
PROGRAMS = {
    "every kind of call": "".join(calling(B, kind=kind) for kind in ("CALL", "CALLCODE", "DELEGATECALL", "STATICCALL")),
    "logs around a call that fails": f"PUSH1 1 PUSH1 4 PUSH1 0 LOG1 {calling(C)} PUSH1 4 PUSH1 0 LOG0",
    "precompiles": calling((4).to_bytes(20, "big")) + calling((2).to_bytes(20, "big"), gas="PUSH1 5"),
    "a creation": f"{CREATES} PUSH1 0 CREATE",
    "a creation with salt": f"PUSH1 7 {CREATES} PUSH1 5 CREATE2",
    "a call that nobody can pay for": calling(B, value=10**9) + calling(B, kind="CALLCODE", value=10**9),
    "a creation that nobody can pay for": f"{CREATES} PUSH4 {10**9} CREATE",
    "a self-destruct": f"{calling(b'd' * 20)} PUSH20 0x{b'd'.hex() * 20} BALANCE",
    "a stack that is too low": "PUSH1 1 ADD",
    "a jump to nowhere": "PUSH1 3 JUMP",
    "an invalid opcode": "PUSH1 1 INVALID",
    "no gas left for a word": "PUSH3 0xffffff MLOAD",
    "what was written and taken back": "PUSH1 1 PUSH1 1 SSTORE PUSH1 0 PUSH1 1 SSTORE PUSH1 2 SLOAD",
    "a look at accounts": f"PUSH20 0x{B.hex()} EXTCODEHASH PUSH20 0x{b'e'.hex() * 20} EXTCODESIZE "
    f"PUSH1 1 PUSH1 0 PUSH1 0 PUSH20 0x{C.hex()} EXTCODECOPY",
    "a revert with a reason": "PUSH32 0x08c379a0"
    + "00" * 27
    + "20 PUSH1 0 MSTORE PUSH1 2 PUSH1 36 MSTORE PUSH2 0x6e6f PUSH1 240 "
    "SHL PUSH1 68 MSTORE PUSH1 100 PUSH1 0 REVERT",
    "a panic": "PUSH4 0x4e487b71 PUSH1 224 SHL PUSH1 0 MSTORE PUSH1 0x11 PUSH1 4 MSTORE PUSH1 36 PUSH1 0 REVERT",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(clean: Anvil, name: str) -> None:
    world = world_of(clean, SENDER)
    put(clean, world, A, PROGRAMS[name], balance=100)
    put(clean, world, B, "PUSH1 42 PUSH1 0 MSTORE PUSH1 7 PUSH1 1 SSTORE PUSH1 1 SLOAD PUSH1 32 PUSH1 0 RETURN")
    put(clean, world, C, "PUSH1 9 PUSH1 4 PUSH1 0 LOG1 PUSH1 1 PUSH1 2 SSTORE PUSH1 4 PUSH1 0 REVERT")
    put(clean, world, b"d" * 20, f"PUSH20 0x{b'f'.hex() * 20} SELFDESTRUCT", balance=77)
    clean.mine()
    world.environment = clean.environment(int(clean.ask("eth_blockNumber"), 16))
    same_calls(clean, world, Transaction(gas_limit=10**6, to=A, data=b"\x01\x02"), SENDER)
    sent = Transaction(chain_id=CHAIN_ID, gas_price=GAS_PRICE, gas_limit=10**6, to=A, value=3)
    same_transaction(clean, world, sent)


def test_access_lists_and_delegations(clean: Anvil) -> None:
    world = world_of(clean, SENDER, OTHER)
    put(clean, world, B, "PUSH1 7 PUSH1 1 SSTORE CALLER PUSH1 2 SSTORE")
    clean.mine()
    listed = Transaction(
        *(1, CHAIN_ID, 0, GAS_PRICE),
        gas_limit=10**6,
        to=B,
        access_list=(AccessEntry(B, (1, 9)), AccessEntry(C)),
    )
    same_transaction(clean, world, listed)
    unsigned = Authorization(CHAIN_ID, B, 0, 0, 0, 0)
    fields = (rlp.encode_int(CHAIN_ID), rlp.encode_bytes(B), rlp.encode_int(0))
    r, s, parity = sign_digest(OTHER_KEY, keccak256(b"\x05" + rlp.encode_list(fields)))  # EIP-7702
    delegating = Transaction(
        *(4, CHAIN_ID, 1),
        max_fee=GAS_PRICE,
        max_priority_fee=1,
        gas_limit=10**6,
        to=OTHER,
        authorizations=(unsigned._replace(y_parity=parity, r=r, s=s),),
    )
    same_transaction(clean, world, delegating, delegates_to=B)
    again = Transaction(*(2, CHAIN_ID, 2), max_fee=GAS_PRICE, max_priority_fee=1, gas_limit=10**6, to=OTHER)
    tree = same_transaction(clean, world, again)
    assert world.storage(OTHER, 1) == 7
    assert tree["to"] == "0x" + OTHER.hex()
