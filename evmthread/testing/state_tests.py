"""Official state tests (GeneralStateTests and their successors): one transaction, one block, one state root.

Format: docs.ethereum.org's execution-spec-tests and ethereum/tests; a case is (test, fork, index). How a case is run is
pinned by the fixtures: no system calls, no withdrawals, and at the end the coinbase is touched with a reward of zero.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from evmthread.errors import InvalidInput
from evmthread.execution.environment import BLOB_GAS, BlockEnvironment, fake_exponential
from evmthread.execution.invalid import InvalidTransaction, ValueOverflow
from evmthread.execution.result import CallResult
from evmthread.execution.transaction import AccessEntry, Authorization, Transaction, decode_transaction
from evmthread.execution.world import World
from evmthread.isa.forks import Fork, fork_named
from evmthread.machine.analysis import CodeCache
from evmthread.primitives import rlp
from evmthread.primitives.keccak import keccak256
from evmthread.primitives.secp256k1 import private_key_address
from evmthread.primitives.types import Log, parse_hex
from evmthread.state.memory import MemoryState

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StateCase:
    """One case of a state test."""

    name: str
    fork: str
    index: int
    test: Json

    @property
    def expected(self) -> Json:
        entry: Json = self.test["post"][self.fork][self.index]
        return entry


@dataclass(frozen=True, slots=True)
class CaseOutcome:
    """What became of a case. `error` says in words why it failed, "" where it passed."""

    passed: bool
    error: str
    state_root: bytes
    logs_hash: bytes
    exception: InvalidTransaction | None
    gas_used: int
    output: bytes
    result: CallResult | None


def number(text: str | int) -> int:
    """A fixture's number: hex with or without leading zeros, or decimal."""
    if isinstance(text, int):
        return text
    if text.startswith("0x:bigint "):
        text = text[len("0x:bigint ") :]
    return int(text, 16) if text[:2] in ("0x", "0X") else int(text or "0")


def cases(name: str, test: Json) -> Iterator[StateCase]:
    """All cases of one test."""
    if not isinstance(test, dict) or not isinstance(test.get("post"), dict):
        raise InvalidInput(f"{name}: a state test is an object with 'post'")
    for fork, entries in test["post"].items():
        for index in range(len(entries)):
            yield StateCase(name, fork, index, test)


def block_of(env: Json, fork: Fork, chain_id: int) -> BlockEnvironment:
    """The block environment that a fixture's `env` gives under a fork."""
    blobs = fork.transactions.blobs
    blob_base_fee = 1
    if blobs is not None:
        excess = number(env.get("currentExcessBlobGas", "0x0"))
        blob_base_fee = fake_exponential(1, excess, blobs.update_fraction)
    return BlockEnvironment(
        number=number(env["currentNumber"]),
        timestamp=number(env["currentTimestamp"]),
        coinbase=parse_hex(env["currentCoinbase"]),
        gas_limit=number(env["currentGasLimit"]),
        base_fee=number(env.get("currentBaseFee", "0x0")) if fork.transactions.base_fee else 0,
        difficulty=number(env.get("currentDifficulty", "0x0")),
        prev_randao=number(env.get("currentRandom", "0x0")),
        chain_id=chain_id,
        blob_base_fee=blob_base_fee,
    )


def state_of(pre: Json, env: Json) -> MemoryState:
    """The state before."""
    state = MemoryState()
    for address, account in pre.items():
        state.set_account(
            parse_hex(address),
            nonce=number(account["nonce"]),
            balance=number(account["balance"]),
            code=parse_hex(account["code"]),
            storage={number(key): number(value) for key, value in account["storage"].items()},
        )
    if "previousHash" in env:
        state.set_block_hash(number(env["currentNumber"]) - 1, number(env["previousHash"]).to_bytes(32, "big"))
    return state


def _authorization(item: Json) -> Authorization:
    parity = item.get("yParity", item.get("v"))
    return Authorization(
        number(item["chainId"]),
        parse_hex(item["address"]),
        number(item["nonce"]),
        number(parity if parity is not None else "0x0"),
        number(item["r"]),
        number(item["s"]),
    )


def transaction_of(fields: Json, indexes: Json) -> Transaction:
    """The unsigned transaction that `indexes` chooses. Raises ValueOverflow for a number that is no word."""
    access_lists = fields.get("accessLists")
    access = access_lists[indexes["data"]] if access_lists is not None else fields.get("accessList")
    kind = 0
    if "authorizationList" in fields:
        kind = 4
    elif "blobVersionedHashes" in fields:
        kind = 3
    elif "maxFeePerGas" in fields:
        kind = 2
    elif access is not None:
        kind = 1
    value = number(fields["value"][indexes["value"]])
    if value >> 256:
        raise ValueOverflow("256 bits", hex(value))
    return Transaction(
        type=kind,
        chain_id=number(fields.get("chainId", "0x1")) if kind else None,
        nonce=number(fields["nonce"]),
        gas_price=number(fields.get("gasPrice", "0x0")) if kind < 2 else 0,
        max_fee=number(fields.get("maxFeePerGas", "0x0")),
        max_priority_fee=number(fields.get("maxPriorityFeePerGas", "0x0")),
        gas_limit=number(fields["gasLimit"][indexes["gas"]]),
        to=parse_hex(fields["to"]) or None,
        value=value,
        data=parse_hex(fields["data"][indexes["data"]]),
        access_list=tuple(
            [
                AccessEntry(parse_hex(entry["address"]), tuple([number(key) for key in entry["storageKeys"]]))
                for entry in access or ()
            ]
        ),
        max_blob_fee=number(fields.get("maxFeePerBlobGas", "0x0")),
        blob_hashes=tuple([number(item).to_bytes(32, "big") for item in fields.get("blobVersionedHashes", ())]),
        authorizations=tuple([_authorization(item) for item in fields.get("authorizationList", ())]),
    )


def sender_of(fields: Json) -> bytes:
    """The account that sends: of the secret key, or named."""
    if "secretKey" in fields:
        return private_key_address(number(fields["secretKey"]).to_bytes(32, "big"))
    return parse_hex(fields["sender"])


def logs_hash(logs: tuple[Log, ...]) -> bytes:
    """keccak of the RLP of the logs."""
    return keccak256(rlp.encode([[log.address, list(log.topics), log.data] for log in logs]))


def prepare(case: StateCase, *, cache: CodeCache | None = None) -> World:
    """The world before the case's transaction."""
    fork = fork_named(case.fork)
    test = case.test
    chain_id = number(test.get("config", {}).get("chainid", "0x1"))
    return World(
        fork=fork,
        environment=block_of(test["env"], fork, chain_id),
        view=state_of(test["pre"], test["env"]),
        cache=cache,
    )


def run_case(case: StateCase, *, cache: CodeCache | None = None) -> CaseOutcome:
    """Runs a case and compares state root, logs hash and the exception's presence."""
    expected = case.expected
    world = prepare(case, cache=cache)
    exception: InvalidTransaction | None = None
    logs: tuple[Log, ...] = ()
    gas_used, output, result = 0, b"", None
    try:
        check_bytes(case, world)
        transaction = transaction_of(case.test["transaction"], expected["indexes"])
        done = world.apply(transaction, sender=sender_of(case.test["transaction"]))
        logs, gas_used, result = done.logs, done.gas_used, done.result
        output = result.output
    except InvalidTransaction as error:
        exception = error
    world.touch_coinbase()
    root, hashed = world.state_root(), logs_hash(logs)
    problems = []
    if root != parse_hex(expected["hash"]):
        problems.append(f"post state root mismatch: got {root.hex()}, want {expected['hash'].removeprefix('0x')}")
    if hashed != parse_hex(expected["logs"]):
        problems.append(f"post state logs hash mismatch: got {hashed.hex()}, want {expected['logs'].removeprefix('0x')}")
    wanted = expected.get("expectException")
    if wanted and exception is None:
        problems.append(f"transaction accepted, but it is invalid: {wanted}")
    if exception is not None and not wanted and "expectException" not in expected and case.test.get("suite") != "constantinople":
        problems.append(f"transaction refused, but it is valid: {exception}")
    return CaseOutcome(not problems, "; ".join(problems), root, hashed, exception, gas_used, output, result)


def check_bytes(case: StateCase, world: World) -> None:
    """Decodes the signed bytes of a case where there are some. Raises the InvalidTransaction that refuses them."""
    raw = case.expected.get("txbytes")
    if raw is None:
        return
    rules = world.fork.transactions
    transaction = decode_transaction(parse_hex(raw), rules)
    transaction.sender(rules, world.environment.chain_id)


__all__ = ["BLOB_GAS", "CaseOutcome", "StateCase", "cases", "number", "prepare", "run_case", "state_of"]
