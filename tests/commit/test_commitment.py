"""Commitments: every clause of wellFormed broken once, successors, suspensions."""

from dataclasses import replace
from typing import Any

import commit_samples as samples
import pytest
from vector_forms import VECTORS

from evmthread.commit import EMPTY_TRIE_ROOT, Commitment, Suspension, check_successor, check_well_formed, well_formed
from evmthread.commit.commitment import check_suspension_fits
from evmthread.commit.refusals import Decreased, FinalDiffers, IllFormedCommitment, NonceOrder, ParentIsFinal
from evmthread.primitives.keccak import keccak256

TERMS = samples.terms_of(3)
COMMITMENT = samples.commitment_of(samples.DOMAIN, TERMS)
SUSPENDED = replace(COMMITMENT, status=1, awaiting=TERMS.owners[1], machine_hash=b"\x01" * 32)
GENESIS = replace(COMMITMENT, nonce=0, parent=bytes(32))
TOTAL = sum(TERMS.deposits)
MAX = (1 << 256) - 1

# (clause, base, changes, the value that the error shows)
BROKEN: list[tuple[str, object, dict[str, object], object]] = [
    ("status <= 2", COMMITMENT, {"status": 3}, 3),
    ("status <= 2", COMMITMENT, {"status": 255}, 255),
    ("one balance for each owner", COMMITMENT, {"balances": (1, 2)}, 2),
    ("one balance for each owner", COMMITMENT, {"balances": (1, 2, 3, 4)}, 4),
    ("one balance for each owner", COMMITMENT, {"balances": ()}, 0),
    ("fee <= maxFee", COMMITMENT, {"fee": TERMS.max_fee + 1}, TERMS.max_fee + 1),
    ("machineHash non-zero exactly when status is 1", COMMITMENT, {"machine_hash": b"\x01" * 32}, b"\x01" * 32),
    (
        "machineHash non-zero exactly when status is 1",
        COMMITMENT,
        {"status": 2, "machine_hash": b"\x01" * 32},
        b"\x01" * 32,
    ),
    ("machineHash non-zero exactly when status is 1", SUSPENDED, {"machine_hash": bytes(32)}, bytes(32)),
    ("awaiting an owner when status is 1, else zero", SUSPENDED, {"awaiting": bytes(20)}, bytes(20)),
    ("awaiting an owner when status is 1, else zero", SUSPENDED, {"awaiting": TERMS.origin}, TERMS.origin),
    ("awaiting an owner when status is 1, else zero", COMMITMENT, {"awaiting": TERMS.owners[0]}, TERMS.owners[0]),
    ("awaiting an owner when status is 1, else zero", COMMITMENT, {"awaiting": TERMS.origin}, TERMS.origin),
    (
        "awaiting an owner when status is 1, else zero",
        COMMITMENT,
        {"status": 2, "awaiting": TERMS.origin},
        TERMS.origin,
    ),
    ("parent zero exactly when nonce is 0", COMMITMENT, {"parent": bytes(32)}, bytes(32)),
    ("parent zero exactly when nonce is 0", COMMITMENT, {"nonce": 0}, COMMITMENT.parent),
    ("sum(balances) + fee <= sum(deposits)", COMMITMENT, {"balances": (TOTAL, 0, 1), "fee": 0}, TOTAL + 1),
    ("sum(balances) + fee <= sum(deposits)", COMMITMENT, {"balances": (TOTAL, 0, 0), "fee": 1}, TOTAL + 1),
    ("sum(balances) + fee <= sum(deposits)", COMMITMENT, {"balances": (MAX, 1, 0), "fee": 0}, MAX + 1),
    ("status 0 when nonce is 0", GENESIS, {"status": 2}, 2),
    (
        "status 0 when nonce is 0",
        GENESIS,
        {"status": 1, "awaiting": TERMS.owners[0], "machine_hash": b"\x01" * 32},
        1,
    ),
]


@pytest.mark.parametrize(("clause", "base", "changes", "value"), BROKEN)
def test_c7_each_clause_of_well_formed(clause: str, base: object, changes: dict[str, object], value: object) -> None:
    assert base in (COMMITMENT, SUSPENDED, GENESIS)
    broken = replace(base, **changes)  # type: ignore[type-var]
    assert not well_formed(TERMS, broken)  # type: ignore[arg-type]
    with pytest.raises(IllFormedCommitment) as caught:
        check_well_formed(TERMS, broken)  # type: ignore[arg-type]
    assert (caught.value.clause, caught.value.value) == (clause, value)
    assert str(caught.value).startswith(f"nonce {broken.nonce}: not well-formed: {clause}")  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "commitment",
    [
        COMMITMENT,
        SUSPENDED,
        GENESIS,
        replace(COMMITMENT, status=2),
        replace(COMMITMENT, balances=(TOTAL - TERMS.max_fee, 0, 0), fee=TERMS.max_fee),
        replace(COMMITMENT, balances=(0, 0, 0), fee=0),
        replace(COMMITMENT, nonce=(1 << 64) - 1, gas_used=(1 << 64) - 1),
    ],
)
def test_well_formed_ones(commitment: object) -> None:
    assert well_formed(TERMS, commitment)  # type: ignore[arg-type]
    check_well_formed(TERMS, commitment)  # type: ignore[arg-type]


CHILD = replace(COMMITMENT, nonce=6, gas_used=COMMITMENT.gas_used + 1, fee=COMMITMENT.fee + 1)
FINAL = replace(COMMITMENT, nonce=6, status=2)


def test_successors() -> None:
    check_successor(COMMITMENT, CHILD)
    check_successor(COMMITMENT, FINAL)
    check_successor(SUSPENDED, replace(SUSPENDED, nonce=9))
    check_successor(SUSPENDED, FINAL)
    check_successor(COMMITMENT, replace(CHILD, gas_used=COMMITMENT.gas_used, fee=COMMITMENT.fee))


@pytest.mark.parametrize("nonce", [0, 4, 5])
def test_a_successor_has_a_higher_nonce(nonce: int) -> None:
    with pytest.raises(NonceOrder, match=f"nonce {nonce}: nonce: not above its parent's 5"):
        check_successor(COMMITMENT, replace(CHILD, nonce=nonce))


@pytest.mark.parametrize("attribute", ["gas_used", "fee"])
def test_cumulative_fields_never_decrease(attribute: str) -> None:
    with pytest.raises(Decreased) as caught:
        check_successor(COMMITMENT, replace(CHILD, **{attribute: getattr(COMMITMENT, attribute) - 1}))
    assert caught.value.nonce == 6


@pytest.mark.parametrize("child", [replace(FINAL, nonce=7), replace(CHILD, nonce=7)])
def test_nothing_follows_a_final_one(child: object) -> None:
    with pytest.raises(ParentIsFinal, match="nonce 6 is final"):
        check_successor(FINAL, child)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("stateRoot", {"state_root": b"\x01" * 32}),
        ("storageRoot", {"storage_root": b"\x01" * 32}),
        ("receiptsRoot", {"receipts_root": b"\x01" * 32}),
        ("gasUsed", {"gas_used": COMMITMENT.gas_used + 1}),
        ("balances", {"balances": (1, 2, 3)}),
        ("fee", {"fee": COMMITMENT.fee + 1}),
    ],
)
def test_a_final_one_repeats_its_parent(name: str, changes: dict[str, object]) -> None:
    with pytest.raises(FinalDiffers) as caught:
        check_successor(COMMITMENT, replace(FINAL, **changes))  # type: ignore[arg-type]
    assert caught.value.field == name
    assert f"nonce 6: {name}" in str(caught.value)


def test_empty_trie_root() -> None:
    assert EMPTY_TRIE_ROOT.hex() == "56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"


def test_a_suspensions_hash_binds_every_answer() -> None:
    base = Suspension(keccak256(b"input"), (b"a", b"b"), 0, TERMS.owners[0], b"question")
    others = [
        replace(base, answers=(b"ab",)),
        replace(base, answers=(b"b", b"a")),
        replace(base, answers=(b"a", b"b", b"")),
        replace(base, answers=()),
        replace(base, steps=1),
        replace(base, awaiting=TERMS.owners[1]),
        replace(base, question=b""),
        replace(base, input=bytes(32)),
    ]
    assert len({each.hash_struct() for each in (base, *others)}) == 9


@pytest.mark.parametrize("entry", VECTORS["suspensions"], ids=lambda entry: entry["what"])
def test_a_suspension_fits_its_commitment_as_the_vectors_say(entry: dict[str, Any]) -> None:
    suspension = None if entry["suspension"] is None else Suspension.from_json(entry["suspension"])
    if suspension is not None and "questionZeros" in entry:
        suspension = replace(suspension, question=bytes(entry["questionZeros"]))
    commitment, transcript = Commitment.from_json(entry["commitment"]), entry["transcript"]
    if entry["check"] is None:
        check_suspension_fits(commitment, suspension, transcript=transcript)
        return
    with pytest.raises(IllFormedCommitment) as caught:
        check_suspension_fits(commitment, suspension, transcript=transcript)
    assert str(caught.value) == entry["message"]
