"""Vectors of what is checked before a thread begins: rulesets, openings, the origin's code, key grants."""

from dataclasses import replace

import commit_samples as samples
from vector_forms import hexed, verdict

from evmthread.commit import (
    DEFAULT_INCLUSION,
    DIALECT,
    FORKS,
    KeyGrant,
    LocalSigner,
    Ruleset,
    Terms,
    TypedData,
    check_opening,
    check_origin_code,
    check_ruleset,
    exit_time,
    thread_id,
    verify_key_grant,
)
from evmthread.commit.members import Json
from evmthread.primitives.keccak import keccak256

DOMAIN = samples.DOMAIN


def rulesets() -> list[Json]:
    """Usable rulesets, and each clause of that broken."""
    cases: list[dict[str, object]] = [
        {},
        *[{"fork": fork} for fork in FORKS],
        {"dialect": DIALECT},
        {"base_number": 1, "base_hash": b"\x01" * 32},
        {"contract_timeout": 2**32 - 1, "batch_gas": 2**64 - 1, "fee_per_gigagas": 2**256 - 1},
        {"version": 0},
        {"version": 2},
        {"fork": ""},
        {"fork": "osaka"},
        {"fork": "Osaka "},
        {"fork": "Amsterdam"},
        {"dialect": b"\x01" * 32},
        {"dialect": keccak256(b"evmthread.dialect.2")},
        {"base_number": 1},
        {"base_number": 2**64 - 1},
        {"base_hash": b"\x01" * 32},
    ]
    made = [replace(samples.RULESET, **changes) for changes in cases]  # type: ignore[arg-type]
    return [{"value": each.to_json()} | verdict(lambda each=each: check_ruleset(each)) for each in made]  # type: ignore[misc]


def openings() -> list[Json]:
    """Terms with a ruleset: whether they belong together, and whether there is time to come back to the chain."""
    result: list[Json] = []

    def add(what: str, terms: Terms, ruleset: Ruleset, inclusion: int = DEFAULT_INCLUSION) -> None:
        entry: dict[str, Json] = {"what": what, "terms": terms.to_json(), "ruleset": ruleset.to_json()}
        times: dict[str, Json] = {"inclusion": inclusion, "exitTime": exit_time(terms, ruleset, inclusion=inclusion)}
        result.append(entry | times | verdict(lambda: check_opening(terms, ruleset, inclusion=inclusion)))

    def opened(timeout: int, **changes: object) -> tuple[Terms, Ruleset]:
        ruleset = replace(samples.RULESET, contract_timeout=timeout)
        return samples.terms_of(2, ruleset=ruleset.hash_struct(), **changes), ruleset

    needed = exit_time(*opened(0))
    for timeout in (0, 2 * needed + 1, 2**32 - 1, 1, needed, 2 * needed - 1, 2 * needed):
        add(f"contractTimeout {timeout}", *opened(timeout))
    add("contractTimeout 841, inclusion 0", *opened(841), inclusion=0)
    add("contractTimeout 840, inclusion 0", *opened(840), inclusion=0)
    add("contractTimeout of a day, challengePeriod of a day", *opened(86_400, challenge_period=86_400))
    terms, ruleset = opened(0)
    add("another gas limit than the terms name", terms, replace(ruleset, batch_gas=1))
    add("another time-out than the terms name", terms, replace(ruleset, contract_timeout=2**32 - 1))
    for changes in ({"threshold": 1}, {"deposits": (0, 0)}):
        add("terms that aren't well-formed", replace(terms, **changes), ruleset)  # type: ignore[arg-type]
    for wrong in ({"version": 2}, {"fork": "Osaka2"}):
        broken = replace(ruleset, **wrong)  # type: ignore[arg-type]
        add("a ruleset that isn't usable", replace(terms, ruleset=broken.hash_struct()), broken)
    return result


def origins() -> list[Json]:
    """The origin's code: `repeat` is how often the bytes in `code` stand one behind the other."""
    result: list[Json] = []
    for code, repeat, other in (
        (samples.ORIGIN_CODE, 1, None),
        (b"\x00", 24_576, None),
        (b"\xee", 1, None),
        (b"", 1, None),
        (b"", 0, keccak256(samples.ORIGIN_CODE)),
        (b"\x00", 24_577, None),
        (b"\xfe", 30_000, None),
        (b"\xef", 1, None),
        (b"\xef\x00\x01", 1, None),
        (samples.ORIGIN_CODE, 1, keccak256(b"")),
        (samples.ORIGIN_CODE + b"\x00", 1, keccak256(samples.ORIGIN_CODE)),
    ):
        whole = code * repeat
        terms = samples.terms_of(2, code_hash=keccak256(whole) if other is None else other)
        entry: dict[str, Json] = {"codeHash": hexed(terms.code_hash), "code": hexed(code), "repeat": repeat}
        result.append(entry | verdict(lambda terms=terms, whole=whole: check_origin_code(terms, whole)))  # type: ignore[misc]
    return result


def key_grants() -> list[Json]:
    """Grants of owners to session keys; `party` is whose the grant is."""
    owners = samples.signers(2)
    sessions = [LocalSigner(samples.private_key(index)) for index in (4, 5)]
    terms = replace(samples.terms_of(2), keys=tuple([session.address for session in sessions]))
    thread = thread_id(DOMAIN, terms)
    elsewhere = thread_id(DOMAIN, samples.terms_of(2))
    result: list[Json] = []

    def add(what: str, grant: KeyGrant, signature: bytes, party: int | None = None) -> None:
        entry: dict[str, Json] = {"what": what, "value": grant.to_json(), "signature": hexed(signature)}
        found = verdict(lambda: verify_key_grant(DOMAIN, terms, grant, signature))
        assert (found["check"] is None) == (party is not None)
        assert party is None or verify_key_grant(DOMAIN, terms, grant, signature) == party
        result.append({"terms": "session keys"} | entry | {"party": party} | found)

    for index, (owner, session) in enumerate(zip(owners, sessions, strict=True)):
        grant = KeyGrant(thread, owner.address, session.address)
        data = TypedData(DOMAIN, grant)
        good = owner.sign(data)
        add("signed by its owner", grant, good, index)
        add("signed by the session key", grant, session.sign(data))
        add("signed by the other owner", grant, owners[1 - index].sign(data))
        swapped = replace(grant, key=sessions[1 - index].address)
        add("the other party's key", swapped, owner.sign(TypedData(DOMAIN, swapped)))
        itself = replace(grant, key=owner.address)
        add("the owner for a key", itself, owner.sign(TypedData(DOMAIN, itself)))
        other = replace(grant, thread_id=elsewhere)
        add("another thread", other, owner.sign(TypedData(DOMAIN, other)))
        add("cut by one byte" if index else "v of 0", grant, good[:64] if index else good[:64] + b"\x00")
    return result
