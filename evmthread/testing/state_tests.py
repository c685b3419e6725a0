"""Official state tests (GeneralStateTests and their successors): one transaction, one block, one state root.

Format: ethereum/tests and execution-spec-tests; a case is (test, fork, index). How a case is run is pinned by the
fixtures: no system calls, no withdrawals, and at the end the coinbase is touched with a reward of zero.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

from evmthread.errors import EvmthreadError, InvalidInput
from evmthread.execution.environment import BlockEnvironment, blob_base_fee
from evmthread.execution.invalid import InvalidTransaction, ValueOverflow
from evmthread.execution.transaction import AccessEntry, Authorization, Transaction, decode_transaction
from evmthread.execution.world import World
from evmthread.isa.forks import Fork, fork_named
from evmthread.machine.code_cache import CodeCache
from evmthread.primitives import rlp
from evmthread.primitives.keccak import keccak256
from evmthread.primitives.secp256k1 import private_key_address
from evmthread.primitives.types import Log
from evmthread.state.memory import MemoryState
from evmthread.testing import exceptions
from evmthread.testing.cases import Case, CaseOutcome, Hooks
from evmthread.testing.fixtures import (
    FixtureError,
    FixtureTest,
    Json,
    data,
    fixed,
    given,
    number,
    reading,
    shown,
    text_or_none,
    word,
)
from evmthread.testing.state_dump import dump_of

REQUIRED = ("env", "pre", "transaction", "post")
DEFAULT_BASE_FEE = 10  # geth's, where a test names none


@dataclass(frozen=True)
class StateTest:
    """One test: a state, a block, and the transactions that its cases choose from."""

    name: str
    body: Json = field(repr=False)

    @cached_property
    def view(self) -> MemoryState:
        """The state before; cases share it and never write it."""
        return state_of(self.body["pre"], self.body["env"])

    @cached_property
    def sender(self) -> bytes:
        """The account that sends the transaction."""
        return sender_of(self.body["transaction"])

    @property
    def chain_id(self) -> int:
        return word(given(self.body.get("config") or {}).get("chainid", 1))


@dataclass(frozen=True, slots=True)
class StateCase:
    """One case of a state test."""

    test: StateTest
    fork: str
    index: int
    expected: Json

    @property
    def name(self) -> str:
        return self.test.name


def state_cases(name: str, body: Json) -> Iterator[StateCase]:
    """All cases of one test. Raises FixtureError."""
    with reading(name):
        test = StateTest(name, body)
        for fork, entries in body["post"].items():
            if not isinstance(entries, list):
                raise FixtureError(f"{name}: 'post' of {fork} is no list")
            for index, entry in enumerate(entries):
                yield StateCase(test, fork, index, entry)


def cases(test: FixtureTest) -> Iterator[Case]:
    """All cases of one test, to be checked. Raises FixtureError."""
    for case in state_cases(test.name, test.body):
        yield Case(test.name, case.fork, case.index, partial(_check, case))


def _check(case: StateCase, cache: CodeCache, hooks: Hooks) -> CaseOutcome:
    return run_case(case, cache=cache, hooks=hooks)


def block_of(env: Json, fork: Fork, chain_id: int) -> BlockEnvironment:
    """The block environment that a fixture's `env` gives under a fork."""
    blobs = fork.transactions.blobs
    env = given(env)
    return BlockEnvironment(
        number=word(env["currentNumber"]),
        timestamp=word(env["currentTimestamp"]),
        coinbase=fixed(env["currentCoinbase"], 20),
        gas_limit=word(env["currentGasLimit"]),
        base_fee=word(env.get("currentBaseFee", DEFAULT_BASE_FEE)) if fork.transactions.base_fee else 0,
        difficulty=word(env.get("currentDifficulty", 0)),
        prev_randao=word(env.get("currentRandom", 0)),
        chain_id=chain_id,
        blob_base_fee=1 if blobs is None else blob_base_fee(number(env.get("currentExcessBlobGas", 0)), blobs),
    )


def state_of(pre: Json, env: Json) -> MemoryState:
    """The state before."""
    state = MemoryState()
    for address, fields in pre.items():
        account = given(fields)
        # geth leaves out what is zero or empty, all but the balance.
        state.set_account(
            fixed(address, 20),
            nonce=number(account.get("nonce", 0)),
            balance=number(account["balance"]),
            code=data(account.get("code", "")),
            storage={word(key): word(value) for key, value in account.get("storage", {}).items()},
        )
    previous = env.get("previousHash")
    if previous is not None and (block := number(env["currentNumber"])):
        state.set_block_hash(block - 1, word(previous).to_bytes(32, "big"))
    return state


def _authorization(fields: Json) -> Authorization:
    item = given(fields)
    authorization = Authorization(
        number(item["chainId"]),
        fixed(item["address"], 20),
        number(item["nonce"]),
        number(item.get("yParity", item.get("v", 0))),
        number(item["r"]),
        number(item["s"]),
    )
    for what, bits in (("chain_id", 256), ("nonce", 64), ("y_parity", 8), ("r", 256), ("s", 256)):
        if getattr(authorization, what) >> bits:
            raise ValueOverflow(f"{what} of an authorization of at most {bits} bits", getattr(authorization, what))
    return authorization


def _choice(fields: Json, what: str, index: object) -> object:
    values = fields[what]
    if not isinstance(values, list) or type(index) is not int or not 0 <= index < len(values):
        raise FixtureError(f"no {what} number {shown(index)}")
    return values[index]


def transaction_of(fields: Json, indexes: Json, chain_id: int) -> Transaction:
    """The unsigned transaction that `indexes` chooses, of a chain unless it names another one.

    Raises ValueOverflow for an authorization that doesn't fit.
    """
    fields = given(fields)
    access = fields.get("accessList")
    if "accessLists" in fields:
        access = _choice(fields, "accessLists", indexes["data"])
    kind = 0
    if "authorizationList" in fields:
        kind = 4
    elif "blobVersionedHashes" in fields:
        kind = 3
    elif "maxFeePerGas" in fields:
        kind = 2
    elif access is not None:
        kind = 1
    to = data(fields.get("to", ""))
    if len(to) not in (0, 20):
        raise FixtureError(f"'to' has {len(to)} bytes")
    entries = access if isinstance(access, list) else []
    return Transaction(
        type=kind,
        chain_id=number(fields.get("chainId", chain_id)) if kind else None,
        nonce=number(fields["nonce"]),
        gas_price=number(fields.get("gasPrice", 0)) if kind < 2 else 0,
        max_fee=number(fields.get("maxFeePerGas", 0)),
        max_priority_fee=number(fields.get("maxPriorityFeePerGas", 0)),
        gas_limit=number(_choice(fields, "gasLimit", indexes["gas"])),
        to=to or None,
        value=number(_choice(fields, "value", indexes["value"])),
        data=data(_choice(fields, "data", indexes["data"])),
        access_list=tuple(
            [
                AccessEntry(fixed(entry["address"], 20), tuple([word(key) for key in entry["storageKeys"]]))
                for entry in entries
            ]
        ),
        max_blob_fee=number(fields.get("maxFeePerBlobGas", 0)),
        blob_hashes=tuple([fixed(item, 32) for item in fields.get("blobVersionedHashes", ())]),
        authorizations=tuple([_authorization(item) for item in fields.get("authorizationList", ())]),
    )


def sender_of(fields: Json) -> bytes:
    """The account that sends: of the secret key where there is one, or named."""
    key = fields.get("secretKey")
    if key not in (None, "", "0x"):
        return private_key_address(word(key).to_bytes(32, "big"))
    return fixed(fields["sender"], 20)


def logs_hash(logs: tuple[Log, ...]) -> bytes:
    """keccak of the RLP of the logs."""
    return keccak256(rlp.encode([[log.address, list(log.topics), log.data] for log in logs]))


def prepare(case: StateCase, *, cache: CodeCache | None = None, hooks: Hooks = ()) -> World:
    """The world before the case's transaction. Raises FixtureError; InvalidInput for a fork that doesn't exist."""
    fork = fork_named(case.fork)
    test = case.test
    with reading(case.name):
        block = block_of(test.body["env"], fork, test.chain_id)
        return World(fork=fork, environment=block, view=test.view, cache=cache, hooks=hooks)


def run_case(case: StateCase, *, cache: CodeCache | None = None, hooks: Hooks = ()) -> CaseOutcome:
    """Runs a case and compares state root, logs hash, and the refusal with the one that the fixture names.

    Raises FixtureError for a malformed test. Whatever else stops the execution makes the case fail.
    """
    try:
        world = prepare(case, cache=cache, hooks=hooks)
    except InvalidInput:
        return CaseOutcome(f"unsupported fork {case.fork!r}")
    expected = case.expected
    refusal: InvalidTransaction | None = None
    logs: tuple[Log, ...] = ()
    gas_used = 0
    with reading(case.name):
        want_root, want_logs = fixed(expected["hash"], 32), fixed(expected["logs"], 32)
        want_refusal = text_or_none(expected.get("expectException"))
        sender = case.test.sender
    try:
        with reading(case.name):
            transaction = transaction_of(case.test.body["transaction"], expected["indexes"], case.test.chain_id)
            signed = _decode(case, world)
        if signed is not None and _unsigned(signed) != _unsigned(transaction):
            return CaseOutcome(f"txbytes mismatch: got {_unsigned(transaction)}, want {_unsigned(signed)}")
        done = world.apply(transaction, sender=sender)
        logs, gas_used = done.logs, done.gas_used
    except InvalidTransaction as error:
        refusal = error
    except FixtureError:
        raise
    except EvmthreadError as error:
        return CaseOutcome(f"{type(error).__name__}: {error}")
    world.touch_coinbase()
    root, hashed = world.state_root(), logs_hash(logs)
    problems = [exceptions.mismatch(want_refusal, refusal)]
    if root != want_root:
        problems.append(f"post state root mismatch: got {root.hex()}, want {want_root.hex()}")
    if hashed != want_logs:
        problems.append(f"post state logs hash mismatch: got {hashed.hex()}, want {want_logs.hex()}")
    return CaseOutcome("; ".join(filter(None, problems)), root, hashed, gas_used, partial(dump_of, world))


def _decode(case: StateCase, world: World) -> Transaction | None:
    """The signed transaction of a case where there is one. Raises the InvalidTransaction that refuses its bytes."""
    raw = case.expected.get("txbytes")
    if raw in (None, "", "0x"):
        return None
    rules = world.fork.transactions
    transaction = decode_transaction(data(raw), rules)
    sender = transaction.sender(rules, world.environment.chain_id)
    if sender != case.test.sender:
        raise FixtureError(f"{case.name}: txbytes are signed by 0x{sender.hex()}")
    return transaction


def _unsigned(transaction: Transaction) -> Transaction:
    """The transaction without its signature, which for type 0 names the chain or doesn't."""
    chain_id = transaction.chain_id if transaction.type else None
    return replace(transaction, chain_id=chain_id, v=0, r=0, s=0)
