"""tests/vectors/commitment.json on chain: the contract says what Python and JavaScript say.

The file's domain isn't that of a registry on a test chain, so what hangs on the domain is asked of a registry that is
made where the file says: at its address, with its chain's id.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from evmthread.commit import Commitment, Domain, Resume, Terms, thread_address
from evmthread.commit.agreement import SignedCommitment
from evmthread.errors import DecodingError
from evmthread.primitives.types import ZERO_ADDRESS
from evmthread.testing.chain import LocalChain
from tests.contracts.registry.chains import InProcess
from tests.contracts.registry.checks import Checks
from tests.contracts.registry.deployed import Deployed, abi
from tests.contracts.registry.games import contract

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[2] / "vectors" / "commitment.json").read_bytes())
NAMED = {name: Terms.from_json(value) for name, value in VECTORS["namedTerms"].items()}

# The names of the clauses in the file, in the order of the contract's enums.
TERMS_CLAUSES = (
    "keys, owners and deposits of equal length", "2 <= n <= 16", "owners non-zero", "owners strictly ascending",
    "keys non-zero", "keys pairwise distinct", "no key is another party's owner", "n/2 < threshold <= n",
    "sum(deposits) < 2^112", "maxFee zero where operator is zero", "deposits[i] >= reserve[i]",
    "challengePeriod 60 s to 30 d", "asset zero",
)  # fmt: skip
COMMITMENT_CLAUSES = (
    "status <= 2", "one balance for each owner", "fee <= maxFee", "machineHash non-zero exactly when status is 1",
    "awaiting an owner when status is 1, else zero", "parent zero exactly when nonce is 0",
    "sum(balances) + fee <= sum(deposits)", "status 0 when nonce is 0",
)  # fmt: skip


def registry_of(domain: Domain) -> Deployed:
    """A registry in process, at this domain's address and with its chain's id.

    The constructor runs at that address, so that the separator in its code is computed for it.
    """
    chain = InProcess()
    chain.chain = LocalChain(chain_id=domain.chain_id)
    artifact = contract("Registry")
    created = chain.chain.world.create(artifact.creation_code, address=domain.verifying_contract, gas=10_000_000)
    assert created.success
    return Deployed(chain, domain.verifying_contract, domain, artifact)


DOMAIN = Domain.from_json(VECTORS["domain"])


@pytest.fixture(scope="module")
def there() -> Deployed:
    """The registry of the file's domain."""
    return registry_of(DOMAIN)


def clause(registry: Deployed, name: str, clauses: tuple[str, ...], *arguments: object) -> str | None:
    """The clause that a view says is broken, as the file names it."""
    success, output = registry.chain.ask(
        registry.address, registry.artifact.function(name).encode(*map(abi, arguments))
    )
    if success:
        return None
    found = registry.artifact.parse_error(output)
    assert found is not None, output.hex()
    place = found["clause"]
    assert isinstance(place, int)
    return clauses[place]


@pytest.mark.parametrize("vector", VECTORS["threads"], ids=lambda v: f"{v['terms']}, chain {v['domain']['chainId']}")
def test_c01_c08_threads(vector: dict[str, Any]) -> None:
    registry = registry_of(Domain.from_json(vector["domain"]))
    terms = NAMED[vector["terms"]]
    name = bytes.fromhex(vector["threadId"][2:])
    address = bytes.fromhex(vector["threadAddress"][2:])
    assert registry.read("domainSeparator") == bytes.fromhex(vector["domainSeparator"][2:])
    assert registry.read("threadId", terms) == name
    assert registry.read("threadAddress", name) == address == thread_address(registry.address, name)


def test_c01_digests(there: Deployed) -> None:
    checks = Checks.on(there.chain)
    seen = set()
    for vector in VECTORS["structs"]:
        expected = bytes.fromhex(vector["digest"][2:])
        match vector["type"]:
            case "Terms":
                assert there.read("threadId", Terms.from_json(vector["value"])) == expected
            case "Commitment":
                assert there.read("digest", Commitment.from_json(vector["value"])) == expected
            case "Resume":
                resume = Resume.from_json(vector["value"])
                made = checks.ask("hashResume", resume.thread_id, resume.deadline)
                assert made == bytes.fromhex(vector["hashStruct"][2:])
            case _:
                continue  # the registry has no use for it
        seen.add(vector["type"])
    assert seen == {"Terms", "Commitment", "Resume"}


@pytest.mark.parametrize("vector", VECTORS["terms"], ids=lambda v: v["clause"] or "well-formed")
def test_c02_c07_terms(registry: Deployed, vector: dict[str, Any]) -> None:
    terms = Terms.from_json(vector["value"])
    assert clause(registry, "checkTerms", TERMS_CLAUSES, terms) == vector["clause"]


@pytest.mark.parametrize("vector", VECTORS["commitments"], ids=lambda v: v["clause"] or "well-formed")
def test_c07_commitments(registry: Deployed, vector: dict[str, Any]) -> None:
    terms, commitment = NAMED[vector["terms"]], Commitment.from_json(vector["value"])
    assert clause(registry, "checkCommitment", COMMITMENT_CLAUSES, terms, commitment) == vector["clause"]


@pytest.mark.parametrize("vector", VECTORS["signatures"], ids=lambda v: v["reason"] or "good")
def test_c05_signatures(registry: Deployed, vector: dict[str, Any]) -> None:
    found = Checks.on(registry.chain).ask(
        "recover", bytes.fromhex(vector["digest"][2:]), bytes.fromhex(vector["signature"][2:])
    )
    assert found == (bytes.fromhex(vector["signer"][2:]) if vector["signer"] else ZERO_ADDRESS)


@pytest.mark.parametrize("vector", VECTORS["agreements"], ids=lambda v: f"{v['what']} ({v['terms']})")
def test_c02_c08_c29_agreements(there: Deployed, vector: dict[str, Any]) -> None:
    try:
        read = SignedCommitment.decode(bytes.fromhex(vector["bytes"][2:]))
    except DecodingError:
        assert vector["check"] == "DecodingError"
        return  # no calldata could say it
    terms = NAMED[vector["terms"]]
    arguments = (terms, read.commitment, read.signatures.bitmap, read.signatures.signatures)
    if vector["check"] is None:
        assert there.read("verify", *arguments) == bytes.fromhex(vector["digest"][2:])
    else:
        assert there.reads_error("verify", *arguments) == vector["check"]
