"""The registry on one of the chains, with threads, commitments and signatures made by evmthread.commit."""

from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import NamedTuple

from evmthread.commit import Commitment, Domain, SignatureSet, Terms, thread_id
from evmthread.commit.records import Record
from evmthread.contracts import Artifact, load_artifact
from evmthread.contracts.abi import Decoded, Function
from evmthread.primitives.keccak import keccak256
from evmthread.primitives.secp256k1 import private_key_address
from evmthread.testing.chain import MinedTransaction
from tests.commit.commit_samples import ETHER, ORIGIN_CODE, commitment_of, private_key, sign_all, terms_of
from tests.contracts.registry.chains import GAS_LIMIT, Chain, account_key, transact

ORIGIN = keccak256(b"origin")[12:]
STRANGER = account_key("stranger")
OPERATOR_KEY = account_key("operator")
OPERATOR = private_key_address(OPERATOR_KEY)
NO_SIGNATURES = SignatureSet(0, ())


class Mode(IntEnum):
    """IRegistry.Mode."""

    NONE = 0
    FUNDING = 1
    LIVE = 2
    CHALLENGED = 3
    SETTLED = 4


class ThreadState(NamedTuple):
    """IRegistry.Thread."""

    digest: bytes
    nonce: int
    deadline: int
    held: int
    mode: Mode


NEW = ThreadState(bytes(32), 0, 0, 0, Mode.NONE)


@cache
def registry_artifact() -> Artifact:
    """The registry's artifact."""
    return load_artifact("Registry")


@cache
def function_of_registry(name: str) -> Function:
    """A function of the registry, found once: its artifact looks at all of them."""
    return registry_artifact().function(name)


@dataclass(frozen=True)
class Deployed:
    """A registry at an address of a chain."""

    chain: Chain
    address: bytes
    domain: Domain
    artifact: Artifact

    def send(self, key: bytes, name: str, *arguments: object, value: int = 0, gas: int = GAS_LIMIT) -> MinedTransaction:
        """A transaction that calls a function; whatever becomes of it."""
        data = function_of_registry(name).encode(*map(abi, arguments))
        return transact(self.chain, key, self.address, data, value=value, gas=gas)

    def done(self, key: bytes, name: str, *arguments: object, value: int = 0, gas: int = GAS_LIMIT) -> MinedTransaction:
        """A transaction that succeeds."""
        receipt = self.send(key, name, *arguments, value=value, gas=gas)
        assert receipt.success, self.artifact.decode_error(receipt.output)
        return receipt

    def refused(self, error: str, key: bytes, name: str, *arguments: object, value: int = 0) -> Decoded:
        """A transaction that reverts with this error, which is returned; no balance and no thread has changed."""
        watched = [argument for argument in arguments if isinstance(argument, Terms)]
        before = self.picture(*watched)
        receipt = self.send(key, name, *arguments, value=value)
        assert not receipt.success, f"{name} was accepted where {error} is wanted"
        found = self.artifact.parse_error(receipt.output)
        assert found is not None, self.artifact.decode_error(receipt.output)
        assert found.name == error, str(found)
        assert self.picture(*watched) == before
        assert receipt.logs == ()
        return found

    def picture(self, *terms: Terms) -> object:
        """What money and threads are, to compare."""
        return self.balance(), [(self.thread(each), [self.chain.balance(o) for o in each.owners]) for each in terms]

    def read(self, name: str, *arguments: object) -> object:
        """What a view returns. Fails where it reverts."""
        function = function_of_registry(name)
        success, output = self.chain.ask(self.address, function.encode(*map(abi, arguments)))
        assert success, self.artifact.decode_error(output)
        values = function.decode(output)
        return values[0] if len(values) == 1 else values

    def reads_error(self, name: str, *arguments: object) -> str:
        """The name of the error with which a view reverts, "" where it doesn't."""
        success, output = self.chain.ask(self.address, function_of_registry(name).encode(*map(abi, arguments)))
        if success:
            return ""
        found = self.artifact.parse_error(output)
        return found.name if found else self.artifact.decode_error(output)

    def thread(self, terms: Terms) -> ThreadState:
        digest, nonce, deadline, held, mode = self.read("thread", thread_id(self.domain, terms))  # type: ignore[misc]
        return ThreadState(digest, nonce, deadline, held, Mode(mode))

    def balance(self) -> int:
        return self.chain.balance(self.address)

    def owed(self, account: bytes) -> int:
        owed = self.read("owed", account)
        assert isinstance(owed, int)
        return owed

    def events(self, receipt: MinedTransaction) -> list[str]:
        """The names of the registry's events in a receipt, in order."""
        decoded = [self.artifact.decode_event(log) for log in receipt.logs if log.address == self.address]
        return [event.name for event in decoded if event is not None]

    # Threads ----------------------------------------------------------------------------------------------------------
    def terms(self, parties: int = 2, **changes: object) -> Terms:
        """Well-formed terms that can be opened now."""
        values: dict[str, object] = {
            "origin": ORIGIN,
            "operator": OPERATOR,
            "open_before": self.chain.time + 3600,
        }
        return terms_of(parties, **(values | changes))

    def opened(self, parties: int = 2, **changes: object) -> Terms:
        """A thread in LIVE."""
        terms = self.terms(parties, **changes)
        for index, deposit in enumerate(terms.deposits):
            if deposit or not any(terms.deposits):
                self.done(STRANGER, "open", terms, index, value=deposit)
        assert self.thread(terms).mode is Mode.LIVE
        return terms

    def commitment(self, terms: Terms, nonce: int = 5, **changes: object) -> Commitment:
        """A well-formed commitment at rest."""
        values: dict[str, object] = {"nonce": nonce, "parent": bytes(32) if nonce == 0 else keccak256(b"parent")}
        return commitment_of(self.domain, terms, **(values | changes))

    def final(self, terms: Terms, nonce: int = 5, **changes: object) -> Commitment:
        """A well-formed final commitment."""
        return self.commitment(terms, nonce, status=2, **changes)

    def signed(
        self, terms: Terms, commitment: Commitment, indexes: tuple[int, ...] | None = None
    ) -> tuple[object, ...]:
        """The arguments (terms, commitment, bitmap, signatures) with the signatures of these parties, or all."""
        return (terms, commitment, *spread(sign_all(self.domain, terms, commitment, indexes)))

    def unsigned(self, terms: Terms, commitment: Commitment) -> tuple[object, ...]:
        """The arguments of `settle` after the deadline."""
        return (terms, commitment, *spread(NO_SIGNATURES))

    def past_deadline(self, terms: Terms) -> None:
        """The next block is the first in which the thread can be settled without signatures."""
        self.chain.wait_until(self.thread(terms).deadline)


def deploy(chain: Chain) -> Deployed:
    """The registry on a chain, an origin contract, and some ether for everybody."""
    for key in (STRANGER, OPERATOR_KEY, *map(private_key, range(16))):
        chain.put(private_key_address(key), balance=1000 * ETHER)
    chain.put(ORIGIN, code=ORIGIN_CODE, nonce=1)
    artifact = registry_artifact()
    receipt = transact(chain, STRANGER, None, artifact.creation_code)
    assert receipt.success
    assert receipt.created is not None
    return Deployed(chain, receipt.created, Domain(1337, receipt.created), artifact)


def key_of(terms: Terms, index: int) -> bytes:
    """The private key of keys[index] of sample terms."""
    return next(key for key in map(private_key, range(16)) if private_key_address(key) == terms.keys[index])


def abi(value: object) -> object:
    """A record as the tuple of its members."""
    if isinstance(value, Record):
        return tuple(getattr(value, member.attribute) for member in value.STRUCT.members)
    return value


def spread(signatures: SignatureSet) -> tuple[object, ...]:
    """Bitmap and signatures."""
    return signatures.bitmap, signatures.signatures
