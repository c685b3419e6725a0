"""Threads, commitments and batches that the tests of evmthread.commit and the vectors file share."""

from dataclasses import replace

from evmthread.commit import (
    EMPTY_TRIE_ROOT,
    Agreement,
    Batch,
    Commitment,
    Domain,
    Environment,
    Input,
    InputKind,
    LocalSigner,
    Ruleset,
    SignatureSet,
    SignedBatch,
    Status,
    Terms,
    TypedData,
    digest,
    genesis_deposits,
    thread_address,
    thread_id,
)
from evmthread.primitives.keccak import keccak256

ETHER = 10**18
REGISTRY = keccak256(b"registry")[12:]
OPERATOR = keccak256(b"operator")[12:]
DOMAIN = Domain(1, REGISTRY)
RULESET = Ruleset(contract_timeout=0, fee_per_gigagas=10**15)
ORIGIN_CODE = bytes.fromhex("600160005500")


def private_key(index: int) -> bytes:
    """A key that everybody knows, for tests only."""
    return keccak256(b"evmthread test key %d" % index)


def signers(parties: int) -> tuple[LocalSigner, ...]:
    """That many signers, ascending by address."""
    return tuple(sorted((LocalSigner(private_key(i)) for i in range(parties)), key=lambda signer: signer.address))


def terms_of(parties: int = 2, **changes: object) -> Terms:
    """Well-formed terms in which each owner is its own key."""
    addresses = tuple(signer.address for signer in signers(parties))
    values: dict[str, object] = {
        "origin": keccak256(b"origin")[12:],
        "code_hash": keccak256(ORIGIN_CODE),
        "ruleset": RULESET.hash_struct(),
        "asset": bytes(20),
        "keys": addresses,
        "owners": addresses,
        "deposits": tuple(ETHER + i for i in range(parties)),
        "threshold": parties,
        "operator": OPERATOR,
        "max_fee": 10**15 + 1,
        "challenge_period": 300,
        "open_before": 1_800_000_000,
        "salt": 7,
    }
    return Terms(**(values | changes))  # type: ignore[arg-type]


def environment(**changes: object) -> Environment:
    """The environment of the sample batches."""
    values: dict[str, object] = {
        "number": 23_000_000,
        "timestamp": 1_760_000_000,
        "prev_randao": bytes(32),
        "coinbase": OPERATOR,
        "gas_limit": RULESET.batch_gas,
    }
    return Environment(**(values | changes))  # type: ignore[arg-type]


def commitment_of(domain: Domain, terms: Terms, **changes: object) -> Commitment:
    """A well-formed commitment at rest with nonce 5."""
    values: dict[str, object] = {
        "thread_id": thread_id(domain, terms),
        "nonce": 5,
        "parent": keccak256(b"parent"),
        "status": 0,
        "awaiting": bytes(20),
        "state_root": keccak256(b"state"),
        "storage_root": keccak256(b"storage"),
        "machine_hash": bytes(32),
        "batch_hash": keccak256(b"batch"),
        "receipts_root": EMPTY_TRIE_ROOT,
        "gas_used": 1_000_000,
        "balances": tuple(deposit - 10**12 for deposit in terms.deposits),
        "fee": 10**12,
    }
    return Commitment(**(values | changes))  # type: ignore[arg-type]


def sign_all(
    domain: Domain, terms: Terms, commitment: Commitment, indexes: tuple[int, ...] | None = None
) -> SignatureSet:
    """The signatures of the named parties (by default all) over a commitment."""
    return sign_record(domain, terms, commitment, indexes)


def sign_record(domain: Domain, terms: Terms, record: object, indexes: tuple[int, ...] | None = None) -> SignatureSet:
    """The signatures of the named parties (by default all) over any record."""
    by_address = {signer.address: signer for signer in signers(16)}
    data = TypedData(domain, record)  # type: ignore[arg-type]
    chosen = range(len(terms.keys)) if indexes is None else indexes
    return SignatureSet.of({index: by_address[terms.keys[index]].sign(data) for index in chosen})


def agree(domain: Domain, terms: Terms, commitment: Commitment) -> Agreement:
    """An agreement of all parties."""
    return Agreement(domain, terms, commitment, sign_all(domain, terms, commitment))


def line_of(domain: Domain, terms: Terms, nonces: tuple[int, ...], *, final: bool = False) -> list[Agreement]:
    """A line of agreements with these nonces (the first is 0), perhaps ending in a final one."""
    genesis = commitment_of(
        domain,
        terms,
        nonce=0,
        parent=bytes(32),
        gas_used=0,
        fee=0,
        balances=genesis_deposits(terms.deposits, terms.max_fee),
    )
    line = [agree(domain, terms, genesis)]
    for nonce in nonces[1:]:
        last = line[-1]
        child = replace(
            last.commitment,
            nonce=nonce,
            parent=last.digest,
            state_root=keccak256(b"state %d" % nonce),
            gas_used=last.commitment.gas_used + 1000,
            fee=last.commitment.fee + 1,
        )
        line.append(agree(domain, terms, child))
    if final:
        last = line[-1]
        closing = replace(last.commitment, nonce=nonces[-1] + 1, parent=last.digest, status=Status.FINAL.value)
        line.append(agree(domain, terms, closing))
    return line


def input_of(domain: Domain, terms: Terms, **changes: object) -> Input:
    """A call of the first owner to the thread's contract."""
    thread = thread_id(domain, terms)
    values: dict[str, object] = {
        "thread_id": thread,
        "nonce": 3,
        "parent": bytes(32),
        "kind": InputKind.CALL.value,
        "actor": terms.owners[0],
        "to": thread_address(domain.verifying_contract, thread),
        "value": 0,
        "gas": 200_000,
        "data": bytes.fromhex("a9059cbb") + bytes(31) + b"\x01",
    }
    return Input(**(values | changes))  # type: ignore[arg-type]


def sign_inputs(domain: Domain, terms: Terms, batch: Batch) -> SignedBatch:
    """A batch with the signatures of its actors' keys."""
    by_address = {signer.address: signer for signer in signers(16)}
    keys = dict(zip(terms.owners, terms.keys, strict=True))
    signatures = tuple(by_address[keys[each.actor]].sign(TypedData(domain, each)) for each in batch.inputs)
    return SignedBatch(batch, signatures)


def committed_batch(
    domain: Domain, terms: Terms, inputs: tuple[Input, ...], **changes: object
) -> tuple[Commitment, SignedBatch]:
    """A commitment on a batch of these inputs, and the batch with signatures."""
    batch = Batch(environment(), inputs)
    commitment = commitment_of(domain, terms, **({"batch_hash": batch.hash_struct()} | changes))
    return commitment, sign_inputs(domain, terms, batch)


def link(domain: Domain, parent: Commitment) -> bytes:
    """The digest that a child carries."""
    return digest(domain, parent)
