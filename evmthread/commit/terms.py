"""What the parties of a thread agree on before it begins: Terms and Ruleset, the thread's id and its address.

Knows the bytes and the clauses that every party and the registry check alike; not how a batch is executed under them.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

from evmthread.commit.eip712 import ADDRESS_PADDING, Domain, digest, hash_addresses, hash_integers, word
from evmthread.commit.members import plain_type
from evmthread.commit.money import equal_shares
from evmthread.commit.records import Record, StructType, remembered, remembered_slot
from evmthread.commit.refusals import IllFormedRuleset, IllFormedTerms, WrongHash
from evmthread.errors import InvalidInput
from evmthread.primitives.keccak import keccak256
from evmthread.primitives.quick import quick
from evmthread.primitives.types import ZERO_ADDRESS, ZERO_HASH

FORKS = (
    "Frontier", "Homestead", "TangerineWhistle", "SpuriousDragon", "Byzantium", "Constantinople", "Petersburg",
    "Istanbul", "Berlin", "London", "Paris", "Shanghai", "Cancun", "Prague", "Osaka", "BPO1", "BPO2",
)  # fmt: skip
"""The names that Ruleset.fork can have, oldest first."""

DIALECT = keccak256(b"evmthread.dialect.1")
"""Ruleset.dialect of threads in which 0xb0 is BREAKPOINT and 0xb1 is TRAP; zero stands for plain Ethereum."""

TRAP_ADDRESS = keccak256(b"evmthread.trap")[12:]
BREAKPOINT_TOPIC = keccak256(b"BREAKPOINT(uint64,bytes32,bytes)")

RULESET_VERSION = 1
MIN_PARTIES = 2
MAX_PARTIES = 16
MAX_TOTAL_DEPOSIT = (1 << 112) - 1
"""The registry keeps what it holds for a thread in 112 bits."""
MIN_CHALLENGE_PERIOD = 60
MAX_CHALLENGE_PERIOD = 30 * 24 * 3600
MAX_CODE_BYTES = 24_576  # EIP-170
RESERVED_CODE_START = 0xEF  # EIP-3541

CREATE3_PROXY_CODE_HASH = keccak256(bytes.fromhex("67363d3d37363d34f03d5260086018f3"))
"""The hash of the creation code of the small proxy that deploys a thread's contract: its address depends on no code."""


@quick
@dataclass(frozen=True, slots=True)
class Terms(Record):
    """Who takes part in a thread, with which keys, deposits, operator and origin contract.

    Its digest is the thread's id. Its members have the right widths; check_terms says whether they make a whole.
    """

    STRUCT: ClassVar[StructType] = StructType.parse(
        "Terms(address origin,bytes32 codeHash,bytes32 ruleset,address asset,address[] keys,address[] owners,"
        "uint256[] deposits,uint8 threshold,address operator,uint256 maxFee,uint32 challengePeriod,uint64 openBefore,"
        "uint256 salt)"
    )

    origin: bytes
    code_hash: bytes
    ruleset: bytes
    asset: bytes
    keys: tuple[bytes, ...]
    owners: tuple[bytes, ...]
    deposits: tuple[int, ...]
    threshold: int
    operator: bytes
    max_fee: int
    challenge_period: int
    open_before: int
    salt: int
    _hash_struct: bytes | None = remembered_slot()
    _digest: tuple[bytes, bytes] | None = remembered_slot()

    def __hash__(self) -> int:
        return hash(self.hash_struct())  # which is remembered: equal records have the same

    @remembered
    def hash_struct(self) -> bytes:
        """The EIP-712 hashStruct: 32 bytes."""
        return keccak256(
            b"".join(
                (
                    _TERMS_TYPE_HASH,
                    ADDRESS_PADDING,
                    self.origin,
                    self.code_hash,
                    self.ruleset,
                    ADDRESS_PADDING,
                    self.asset,
                    hash_addresses(self.keys),
                    hash_addresses(self.owners),
                    hash_integers(self.deposits),
                    word(self.threshold),
                    ADDRESS_PADDING,
                    self.operator,
                    word(self.max_fee),
                    word(self.challenge_period),
                    word(self.open_before),
                    word(self.salt),
                )
            )
        )


_TERMS_TYPE_HASH = Terms.STRUCT.type_hash


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruleset(Record):
    """Under which rules batches are executed. Its hashStruct stands in Terms: other rules, another thread id.

    All members but `contract_timeout` have defaults. That one is the shortest deadline, in seconds, that the contract
    itself sets to a player (0: none): nobody can guess it, and one shorter than the way back to chain loses money.
    """

    STRUCT: ClassVar[StructType] = StructType.parse(
        "Ruleset(uint32 version,string fork,bytes32 dialect,uint64 baseNumber,bytes32 baseHash,uint64 batchGas,"
        "uint32 batchInputs,uint32 batchBytes,uint64 memoryBytes,uint32 storageSlots,uint32 clockDrift,"
        "uint32 contractTimeout,uint32 openProposals,bool transcript,bool create,bool emptyCalls,uint256 feePerGigagas,"
        "address trap,bytes32 breakpointTopic)"
    )

    BY_NAME: ClassVar[bool] = True

    version: int = RULESET_VERSION
    fork: str = "Osaka"
    """The newest rules for contracts on mainnet; BPO1 and BPO2 change only blobs, which a thread doesn't have."""
    dialect: bytes = ZERO_HASH
    base_number: int = 0
    base_hash: bytes = ZERO_HASH
    batch_gas: int = 30_000_000
    """Mainnet's block gas limit of 2021 to 2025: a block's worth of work, so that no batch takes long to re-execute."""
    batch_inputs: int = 256
    batch_bytes: int = 131_072
    """The size up to which Ethereum nodes pass transactions on (geth, txMaxSize): 256 inputs of ordinary calls."""
    memory_bytes: int = 16_777_216
    """Of all open frames together; a call with 30,000,000 gas can pay for 3.8 MiB in one frame."""
    storage_slots: int = 128
    clock_drift: int = 120
    contract_timeout: int
    open_proposals: int = 8
    transcript: bool = True
    create: bool = False
    empty_calls: bool = False
    fee_per_gigagas: int = 0
    trap: bytes = TRAP_ADDRESS
    breakpoint_topic: bytes = BREAKPOINT_TOPIC

    def hash_struct(self) -> bytes:
        """The EIP-712 hashStruct: 32 bytes, the `ruleset` of Terms."""
        return keccak256(
            b"".join(
                (
                    _RULESET_TYPE_HASH,
                    word(self.version),
                    keccak256(self.fork.encode()),
                    self.dialect,
                    word(self.base_number),
                    self.base_hash,
                    word(self.batch_gas),
                    word(self.batch_inputs),
                    word(self.batch_bytes),
                    word(self.memory_bytes),
                    word(self.storage_slots),
                    word(self.clock_drift),
                    word(self.contract_timeout),
                    word(self.open_proposals),
                    word(self.transcript),
                    word(self.create),
                    word(self.empty_calls),
                    word(self.fee_per_gigagas),
                    ADDRESS_PADDING,
                    self.trap,
                    self.breakpoint_topic,
                )
            )
        )


_RULESET_TYPE_HASH = Ruleset.STRUCT.type_hash


@quick
@dataclass(frozen=True, slots=True)
class KeyGrant(Record):
    """An owner's word that a session key acts for it in one thread; signed by the owner, checked off-chain."""

    STRUCT: ClassVar[StructType] = StructType.parse("KeyGrant(bytes32 threadId,address owner,address key)")

    thread_id: bytes
    owner: bytes
    key: bytes

    def hash_struct(self) -> bytes:
        """The EIP-712 hashStruct: 32 bytes."""
        padding = ADDRESS_PADDING
        return keccak256(b"".join((_KEY_GRANT_TYPE_HASH, self.thread_id, padding, self.owner, padding, self.key)))


_KEY_GRANT_TYPE_HASH = KeyGrant.STRUCT.type_hash


@quick
@dataclass(frozen=True, slots=True)
class Resume(Record):
    """All parties' word that a challenged thread goes on: `deadline` is the one that the challenge had set."""

    STRUCT: ClassVar[StructType] = StructType.parse("Resume(bytes32 threadId,uint64 deadline)")

    thread_id: bytes
    deadline: int

    def hash_struct(self) -> bytes:
        """The EIP-712 hashStruct: 32 bytes."""
        return keccak256(_RESUME_TYPE_HASH + self.thread_id + word(self.deadline))


_RESUME_TYPE_HASH = Resume.STRUCT.type_hash


def thread_id(domain: Domain, terms: Terms) -> bytes:
    """The id of the thread that these terms open on this chain and registry: 32 bytes."""
    return digest(domain, terms)


def proxy_address(registry: bytes, thread: bytes) -> bytes:
    """The address of the CREATE3 proxy: CREATE2 (EIP-1014) by the registry with the thread's id as salt."""
    return keccak256(b"\xff" + registry + thread + CREATE3_PROXY_CODE_HASH)[12:]


def thread_address(registry: bytes, thread: bytes) -> bytes:
    """Where the thread's contract lives, inside the thread and on chain alike: the first CREATE of its proxy."""
    return _thread_address(_REGISTRY.plain(registry, "registry"), _THREAD.plain(thread, "thread"))


# What is remembered for all is asked for with plain values alone: others could compare as what they are not.
_REGISTRY, _THREAD = plain_type("address"), plain_type("bytes32")


@lru_cache(maxsize=1024)
def _thread_address(registry: bytes, thread: bytes) -> bytes:
    return keccak256(b"\xd6\x94" + proxy_address(registry, thread) + b"\x01")[12:]


def _alias(terms: Terms) -> bytes | None:
    """A key that is the owner of another party."""
    position = {owner: index for index, owner in enumerate(terms.owners)}
    return next((key for index, key in enumerate(terms.keys) if position.get(key, index) != index), None)


def broken_terms_clause(terms: Terms) -> tuple[str, object] | None:
    """The first clause of well-formed Terms that doesn't hold, with the value that breaks it; None if all hold.

    Raises InvalidInput for what isn't of exactly this class.
    """
    if type(terms) is not Terms:
        raise InvalidInput(f"a {type(terms).__name__} where Terms are wanted")
    return _broken_clause(terms)


@lru_cache(maxsize=1024)
def _broken_clause(terms: Terms) -> tuple[str, object] | None:
    owners, keys, deposits = terms.owners, terms.keys, terms.deposits
    parties = len(owners)
    if not parties == len(keys) == len(deposits):
        return "keys, owners and deposits of equal length", (len(keys), parties, len(deposits))
    if not MIN_PARTIES <= parties <= MAX_PARTIES:
        return "2 <= n <= 16", parties
    if ZERO_ADDRESS in owners:
        return "owners non-zero", ZERO_ADDRESS
    if any(owners[index] >= owners[index + 1] for index in range(parties - 1)):
        return "owners strictly ascending", owners
    if ZERO_ADDRESS in keys:
        return "keys non-zero", ZERO_ADDRESS
    if len(set(keys)) != parties:
        return "keys pairwise distinct", keys
    if alias := _alias(terms):
        return "no key is another party's owner", alias
    if not parties < 2 * terms.threshold <= 2 * parties:
        return "n/2 < threshold <= n", terms.threshold
    if sum(deposits) > MAX_TOTAL_DEPOSIT:
        return "sum(deposits) < 2^112", sum(deposits)
    if terms.operator == ZERO_ADDRESS and terms.max_fee:
        return "maxFee zero where operator is zero", terms.max_fee
    if any(deposit < reserve for deposit, reserve in zip(deposits, equal_shares(terms.max_fee, parties), strict=True)):
        return "deposits[i] >= reserve[i]", deposits
    if not MIN_CHALLENGE_PERIOD <= terms.challenge_period <= MAX_CHALLENGE_PERIOD:
        return "challengePeriod 60 s to 30 d", terms.challenge_period
    if terms.asset != ZERO_ADDRESS:
        return "asset zero", terms.asset
    return None


def broken_ruleset_clause(ruleset: Ruleset) -> tuple[str, object] | None:
    """The first clause of a usable Ruleset that doesn't hold, with the value that breaks it; None if all hold."""
    if ruleset.version != RULESET_VERSION:
        return "version 1", ruleset.version
    if ruleset.fork not in FORKS:
        return "fork is a known name", ruleset.fork
    if ruleset.dialect not in (ZERO_HASH, DIALECT):
        return "dialect zero or keccak(evmthread.dialect.1)", ruleset.dialect
    if (ruleset.base_number == 0) != (ruleset.base_hash == ZERO_HASH):
        return "baseNumber and baseHash both zero or neither", (ruleset.base_number, ruleset.base_hash)
    return None


def signing_addresses(terms: Terms) -> tuple[bytes, ...]:
    """By whose signature commitments are proposed: the parties' keys, then the operator's, where it is no party."""
    none = (ZERO_ADDRESS, *terms.owners, *terms.keys)
    return terms.keys if terms.operator in none else (*terms.keys, terms.operator)


def check_terms(terms: Terms) -> None:
    """Nothing, or IllFormedTerms naming the first broken clause and its value."""
    if broken := broken_terms_clause(terms):
        raise IllFormedTerms(*broken)


def check_ruleset(ruleset: Ruleset) -> None:
    """Nothing, or IllFormedRuleset naming the first broken clause and its value."""
    if broken := broken_ruleset_clause(ruleset):
        raise IllFormedRuleset(*broken)


def check_rules(terms: Terms, ruleset: Ruleset) -> None:
    """Nothing, or a Refusal: both are well-formed and the terms name this ruleset."""
    check_terms(terms)
    check_ruleset(ruleset)
    if ruleset.hash_struct() != terms.ruleset:
        raise WrongHash("ruleset", terms.ruleset, ruleset.hash_struct())


def check_origin_code(terms: Terms, code: bytes) -> None:
    """Nothing, or a Refusal: this is the runtime code that the terms name, and it can be put back on chain."""
    if not code:
        raise IllFormedTerms("origin has code", code)
    if len(code) > MAX_CODE_BYTES:
        raise IllFormedTerms("origin's code at most 24,576 bytes", len(code))
    if code[0] == RESERVED_CODE_START:
        raise IllFormedTerms("origin's code doesn't begin with 0xef", code)
    if keccak256(code) != terms.code_hash:
        raise WrongHash("codeHash", terms.code_hash, keccak256(code))
