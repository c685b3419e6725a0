"""Terms and rulesets: defaults, every clause broken once, thread ids and addresses."""

from dataclasses import replace
from typing import Any

import commit_samples as samples
import pytest
import rlp
from vector_forms import VECTORS, verdict

from evmthread.commit import (
    BREAKPOINT_TOPIC,
    DIALECT,
    FORKS,
    TRAP_ADDRESS,
    Domain,
    Ruleset,
    Terms,
    check_origin_code,
    check_rules,
    check_ruleset,
    check_terms,
    proxy_address,
    thread_address,
    thread_id,
)
from evmthread.commit.refusals import IllFormedRuleset, IllFormedTerms, WrongHash
from evmthread.primitives.keccak import keccak256

TERMS = samples.terms_of(3)
OWNERS, KEYS = TERMS.owners, TERMS.keys
ZERO = bytes(20)

# (clause, changes to well-formed terms of three parties, the value that the error shows)
BROKEN_TERMS: list[tuple[str, dict[str, object], object]] = [
    ("keys, owners and deposits of equal length", {"keys": KEYS[:2]}, (2, 3, 3)),
    ("keys, owners and deposits of equal length", {"owners": OWNERS[:2]}, (3, 2, 3)),
    ("keys, owners and deposits of equal length", {"deposits": TERMS.deposits * 2}, (3, 3, 6)),
    ("2 <= n <= 16", {"keys": KEYS[:1], "owners": OWNERS[:1], "deposits": (1,), "threshold": 1}, 1),
    ("2 <= n <= 16", {"keys": (), "owners": (), "deposits": (), "threshold": 0}, 0),
    (
        "2 <= n <= 16",
        {
            "keys": tuple(bytes([i]) * 20 for i in range(1, 18)),
            "owners": tuple(bytes([i]) * 20 for i in range(1, 18)),
            "deposits": (10**18,) * 17,
            "threshold": 17,
        },
        17,
    ),
    ("owners non-zero", {"owners": (ZERO, *OWNERS[1:])}, ZERO),
    ("owners strictly ascending", {"owners": (OWNERS[1], OWNERS[0], OWNERS[2])}, (OWNERS[1], OWNERS[0], OWNERS[2])),
    ("owners strictly ascending", {"owners": (OWNERS[0], OWNERS[0], OWNERS[2])}, (OWNERS[0], OWNERS[0], OWNERS[2])),
    ("keys non-zero", {"keys": (KEYS[0], ZERO, KEYS[2])}, ZERO),
    ("keys pairwise distinct", {"keys": (KEYS[0], KEYS[1], KEYS[0])}, (KEYS[0], KEYS[1], KEYS[0])),
    ("no key is another party's owner", {"keys": (OWNERS[1], OWNERS[0], KEYS[2])}, OWNERS[1]),
    ("no key is another party's owner", {"keys": (b"\x01" * 20, b"\x02" * 20, OWNERS[0])}, OWNERS[0]),
    ("n/2 < threshold <= n", {"threshold": 1}, 1),
    ("n/2 < threshold <= n", {"threshold": 0}, 0),
    ("n/2 < threshold <= n", {"threshold": 4}, 4),
    ("sum(deposits) < 2^112", {"deposits": ((1 << 112) - 1, 10**15, 10**15)}, (1 << 112) - 1 + 2 * 10**15),
    ("maxFee zero where operator is zero", {"operator": ZERO, "max_fee": 1}, 1),
    ("deposits[i] >= reserve[i]", {"max_fee": 10, "deposits": (3, 3, 3)}, (3, 3, 3)),
    ("deposits[i] >= reserve[i]", {"max_fee": 9, "deposits": (3, 3, 2)}, (3, 3, 2)),
    ("challengePeriod 60 s to 30 d", {"challenge_period": 59}, 59),
    ("challengePeriod 60 s to 30 d", {"challenge_period": 2_592_001}, 2_592_001),
    ("asset zero", {"asset": b"\x01" * 20}, b"\x01" * 20),
]


@pytest.mark.parametrize(("clause", "changes", "value"), BROKEN_TERMS)
def test_c7_each_clause_of_well_formed_terms(clause: str, changes: dict[str, object], value: object) -> None:
    with pytest.raises(IllFormedTerms) as caught:
        check_terms(replace(TERMS, **changes))  # type: ignore[arg-type]
    assert (caught.value.clause, caught.value.value) == (clause, value)
    assert clause in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"deposits": ((1 << 112) - 1 - 2 * 10**15, 10**15, 10**15)},
        {"max_fee": 10, "deposits": (4, 3, 3)},
        {"max_fee": 0, "operator": ZERO, "deposits": (0, 0, 0)},
        {"challenge_period": 60},
        {"challenge_period": 2_592_000},
        {"threshold": 2},
        {"keys": (b"\x01" * 20, b"\x02" * 20, OWNERS[2])},
    ],
)
def test_terms_on_the_edge_are_well_formed(changes: dict[str, object]) -> None:
    check_terms(replace(TERMS, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("parties", range(2, 17))
def test_thresholds_of_all_sizes(parties: int) -> None:
    for threshold in range(parties + 2):
        terms = samples.terms_of(parties, threshold=threshold)
        if parties / 2 < threshold <= parties:
            check_terms(terms)
        else:
            with pytest.raises(IllFormedTerms, match="threshold"):
                check_terms(terms)


BROKEN_RULESETS: list[tuple[str, dict[str, object], object]] = [
    ("version 1", {"version": 2}, 2),
    ("version 1", {"version": 0}, 0),
    ("fork is a known name", {"fork": "osaka"}, "osaka"),
    ("fork is a known name", {"fork": ""}, ""),
    ("dialect zero or keccak(evmthread.dialect.1)", {"dialect": b"\x01" * 32}, b"\x01" * 32),
    ("baseNumber and baseHash both zero or neither", {"base_number": 1}, (1, bytes(32))),
    ("baseNumber and baseHash both zero or neither", {"base_hash": b"\x01" * 32}, (0, b"\x01" * 32)),
]


@pytest.mark.parametrize(("clause", "changes", "value"), BROKEN_RULESETS)
def test_c7_each_clause_of_usable_rulesets(clause: str, changes: dict[str, object], value: object) -> None:
    with pytest.raises(IllFormedRuleset) as caught:
        check_ruleset(replace(samples.RULESET, **changes))  # type: ignore[arg-type]
    assert (caught.value.clause, caught.value.value) == (clause, value)


def test_rulesets_with_a_base_or_the_dialect_are_usable() -> None:
    check_ruleset(Ruleset(contract_timeout=60, base_number=9, base_hash=b"\x01" * 32, dialect=DIALECT))
    for fork in FORKS:
        check_ruleset(Ruleset(contract_timeout=0, fork=fork))


def test_fork_names() -> None:
    names = (
        "Frontier Homestead TangerineWhistle SpuriousDragon Byzantium Constantinople Petersburg Istanbul Berlin London "
        "Paris Shanghai Cancun Prague Osaka BPO1 BPO2"
    )
    assert " ".join(FORKS) == names


def test_default_ruleset() -> None:
    default = Ruleset(contract_timeout=0)
    assert (default.storage_slots, default.open_proposals, default.transcript) == (128, 8, True)
    assert not default.create
    assert not default.empty_calls
    assert default.trap.hex() == "a963741a01a90fb9e275394aa45e9d15b0f0edfd"
    assert default.breakpoint_topic.hex() == "9c7df4a0203560fc7dba3a116f6d95686b2b0405dd90ad5e061cd69518cdf04c"
    assert (default.trap, default.breakpoint_topic) == (TRAP_ADDRESS, BREAKPOINT_TOPIC)
    check_ruleset(default)
    with pytest.raises(TypeError):
        Ruleset()  # type: ignore[call-arg] # the contract's own time-out can't be guessed


def test_opening_binds_the_ruleset() -> None:
    check_rules(TERMS, samples.RULESET)
    for member in Ruleset.STRUCT.members:
        value = getattr(samples.RULESET, member.attribute)
        other = flipped(value)
        with pytest.raises((WrongHash, IllFormedRuleset)):
            check_rules(TERMS, replace(samples.RULESET, **{member.attribute: other}))
    with pytest.raises(WrongHash, match="ruleset"):
        check_rules(TERMS, replace(samples.RULESET, batch_gas=samples.RULESET.batch_gas + 1))
    with pytest.raises(IllFormedTerms):
        check_rules(replace(TERMS, threshold=0), samples.RULESET)
    broken = replace(samples.RULESET, version=2)
    with pytest.raises(IllFormedRuleset):
        check_rules(replace(TERMS, ruleset=broken.hash_struct()), broken)


def flipped(value: object) -> object:
    """The value with one bit changed."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value ^ 1
    if isinstance(value, str):
        return chr(ord(value[0]) ^ 1) + value[1:]
    if isinstance(value, bytes):
        return bytes([value[0] ^ 1]) + value[1:]
    assert isinstance(value, tuple)
    return (flipped(value[0]), *value[1:])


def test_origin_code() -> None:
    check_origin_code(TERMS, samples.ORIGIN_CODE)
    largest = b"\x00" * 24_576
    check_origin_code(replace(TERMS, code_hash=keccak256(largest)), largest)
    for code in (b"", largest + b"\x00", b"\xef\x00", b"\xef"):
        with pytest.raises(IllFormedTerms, match="code"):
            check_origin_code(replace(TERMS, code_hash=keccak256(code)), code)
    with pytest.raises(WrongHash, match="codeHash"):
        check_origin_code(TERMS, samples.ORIGIN_CODE + b"\x00")


def test_addresses_are_create3s() -> None:
    # The hash that CREATE3 libraries publish for their proxy's creation code.
    proxy_hash = bytes.fromhex("21c35dbe1b344a2488cf3321d6ce542f8e9f305544ff09e4993a62319a497c1f")
    thread = thread_id(samples.DOMAIN, TERMS)
    proxy = keccak256(b"\xff" + samples.REGISTRY + thread + proxy_hash)[12:]
    assert proxy_address(samples.REGISTRY, thread) == proxy
    assert thread_address(samples.REGISTRY, thread) == keccak256(rlp.encode([proxy, 1]))[12:]


def test_other_terms_chain_or_registry_are_another_thread() -> None:
    ids = {thread_id(samples.DOMAIN, TERMS)}
    for member in Terms.STRUCT.members:
        other = replace(TERMS, **{member.attribute: flipped(getattr(TERMS, member.attribute))})
        ids.add(thread_id(samples.DOMAIN, other))
    ids.add(thread_id(Domain(2, samples.REGISTRY), TERMS))
    ids.add(thread_id(Domain(1, samples.OPERATOR), TERMS))
    assert len(ids) == len(Terms.STRUCT.members) + 3


@pytest.mark.parametrize("entry", VECTORS["terms"], ids=lambda entry: str(entry["clause"]))
def test_terms_of_the_vectors(entry: dict[str, Any]) -> None:
    assert verdict(lambda: check_terms(Terms.from_json(entry["value"])))["clause"] == entry["clause"]


@pytest.mark.parametrize("entry", VECTORS["rulesets"], ids=lambda entry: str(entry["clause"]))
def test_rulesets_of_the_vectors(entry: dict[str, Any]) -> None:
    found = verdict(lambda: check_ruleset(Ruleset.from_json(entry["value"])))
    assert found == {name: entry[name] for name in ("check", "clause", "message")}


@pytest.mark.parametrize("entry", VECTORS["origins"], ids=lambda entry: f"{entry['repeat']} {entry['clause']}")
def test_origins_of_the_vectors(entry: dict[str, Any]) -> None:
    terms = replace(TERMS, code_hash=bytes.fromhex(entry["codeHash"][2:]))
    found = verdict(lambda: check_origin_code(terms, bytes.fromhex(entry["code"][2:]) * entry["repeat"]))
    assert found == {name: entry[name] for name in ("check", "clause", "message")}
