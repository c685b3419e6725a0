"""Agreements: who has to sign, what is refused, and that there is no other way to make one."""

import copy
import itertools
import json
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from typing import Any

import commit_samples as samples
import pytest
import rlp
from hypothesis import given, settings
from hypothesis import strategies as st
from vector_forms import VECTORS, verdict

from evmthread.commit import (
    Agreement,
    Chain,
    Commitment,
    Domain,
    KeyGrant,
    LocalSigner,
    Resume,
    SignatureSet,
    SignedCommitment,
    Terms,
    TypedData,
    check_signatures,
    digest,
    genesis_deposits,
    signatures_needed,
    verify,
    verify_chain,
    verify_key_grant,
    verify_resume,
)
from evmthread.commit.refusals import (
    BrokenParent,
    Decreased,
    FinalDiffers,
    IllFormedCommitment,
    IllFormedTerms,
    MalformedSignature,
    NonceOrder,
    NotEnoughSignatures,
    ParentIsFinal,
    Refusal,
    SignatureCount,
    UnknownGrant,
    UnknownSigner,
    UnknownTip,
    WrongSignature,
    WrongThread,
)
from evmthread.errors import DecodingError, InvalidInput, VerificationError
from evmthread.primitives.secp256k1 import GROUP_ORDER

DOMAIN = samples.DOMAIN
TERMS = samples.terms_of(3, threshold=2)
COMMITMENT = samples.commitment_of(DOMAIN, TERMS)
FULL = samples.sign_all(DOMAIN, TERMS, COMMITMENT)
AGREEMENT = Agreement(DOMAIN, TERMS, COMMITMENT, FULL)
GENESIS = replace(COMMITMENT, nonce=0, parent=bytes(32))
FINAL = replace(COMMITMENT, status=2)


def make(signatures: SignatureSet, commitment: Commitment = COMMITMENT, terms: Terms = TERMS) -> Agreement:
    return Agreement(DOMAIN, terms, commitment, signatures)


# -- C29 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parties", range(2, 6))
def test_c29_every_subset_of_signers_and_every_threshold(parties: int) -> None:
    for threshold in range(parties + 2):
        terms = samples.terms_of(parties, threshold=threshold)
        ordinary = samples.commitment_of(DOMAIN, terms)
        cases = ((ordinary, threshold), (replace(ordinary, nonce=0, parent=bytes(32)), parties))
        for commitment, needed in (*cases, (replace(ordinary, status=2), parties)):
            by_index = samples.sign_all(DOMAIN, terms, commitment).signatures
            for bitmap in range(1 << parties):
                indexes = [index for index in range(parties) if bitmap >> index & 1]
                chosen = SignatureSet(bitmap, tuple(by_index[index] for index in indexes))
                if not parties < 2 * threshold <= 2 * parties:  # a 2-of-4, a 0-of-n, an (n+1)-of-n
                    with pytest.raises(IllFormedTerms, match="threshold"):
                        make(chosen, commitment, terms)
                elif len(indexes) >= needed:
                    assert make(chosen, commitment, terms).signatures == chosen
                else:
                    with pytest.raises(NotEnoughSignatures) as caught:
                        make(chosen, commitment, terms)
                    assert (caught.value.needed, caught.value.got) == (needed, len(indexes))


def test_signatures_needed() -> None:
    assert signatures_needed(TERMS, COMMITMENT) == 2
    assert signatures_needed(TERMS, GENESIS) == 3
    assert signatures_needed(TERMS, FINAL) == 3
    assert signatures_needed(TERMS, replace(COMMITMENT, status=1)) == 2


# -- C2 to C5 ----------------------------------------------------------------------------------------------------------

A, B, C = FULL.signatures
STRANGER = LocalSigner(samples.private_key(9)).sign(TypedData(DOMAIN, COMMITMENT))

BAD_SETS: list[tuple[type[Refusal], SignatureSet]] = [
    (NotEnoughSignatures, SignatureSet(0, ())),
    (NotEnoughSignatures, SignatureSet(0b001, (A,))),
    (SignatureCount, SignatureSet(0b011, ())),
    (SignatureCount, SignatureSet(0b011, (A,))),
    (SignatureCount, SignatureSet(0b001, (A, A))),
    (SignatureCount, SignatureSet(0b011, (A, B, C))),
    (SignatureCount, SignatureSet(0b011, (A,) * 7)),
    (SignatureCount, SignatureSet(0, (A, B))),
    (WrongSignature, SignatureSet(0b011, (A, A))),
    (WrongSignature, SignatureSet(0b111, (A, A, A))),
    (WrongSignature, SignatureSet(0b011, (B, A))),
    (WrongSignature, SignatureSet(0b111, (A, C, B))),
    (WrongSignature, SignatureSet(0b110, (A, B))),
    (WrongSignature, SignatureSet(0b011, (A, STRANGER))),
    (WrongSignature, SignatureSet(0b111, (A, B, STRANGER))),
    (UnknownSigner, SignatureSet(0b1011, (A, B, STRANGER))),
    (UnknownSigner, SignatureSet(0b1000_0000_0000_0011, (A, B, STRANGER))),
    (MalformedSignature, SignatureSet(0b011, (A, b""))),
    (MalformedSignature, SignatureSet(0b111, (A, B, C[:64]))),
    (MalformedSignature, SignatureSet(0b111, (A, B, C + b"\x00"))),
]


@pytest.mark.parametrize(("refusal", "signatures"), BAD_SETS)
def test_c2_to_c4_wrong_sets_of_signers(refusal: type[Refusal], signatures: SignatureSet) -> None:
    with pytest.raises(refusal) as caught:
        make(signatures)
    assert caught.value.nonce == 5
    assert str(caught.value).startswith("nonce 5: signature")
    assert "\n" not in str(caught.value)


def test_c4_seven_copies_are_not_seven_signers() -> None:
    terms = samples.terms_of(7, threshold=7)
    commitment = samples.commitment_of(DOMAIN, terms)
    first = samples.sign_all(DOMAIN, terms, commitment).signatures[0]
    with pytest.raises(WrongSignature):
        make(SignatureSet(0b1111111, (first,) * 7), commitment, terms)
    with pytest.raises(SignatureCount):
        make(SignatureSet(0b1, (first,) * 7), commitment, terms)


def test_the_error_says_which_signature_and_whose() -> None:
    with pytest.raises(WrongSignature) as caught:
        make(SignatureSet(0b101, (A, STRANGER)))
    stranger = LocalSigner(samples.private_key(9)).address
    assert (caught.value.index, caught.value.expected, caught.value.got) == (2, TERMS.keys[2], stranger)
    expected = f"nonce 5: signature 2: expected 0x{TERMS.keys[2].hex()}, recovered 0x{stranger.hex()}"
    assert str(caught.value) == expected
    unpickled = pickle.loads(pickle.dumps(caught.value))
    assert (type(unpickled), str(unpickled)) == (WrongSignature, expected)


def changed(v: int | None = None, r: int | None = None, s: int | None = None) -> bytes:
    signature = C
    if r is not None:
        signature = r.to_bytes(32, "big") + signature[32:]
    if s is not None:
        signature = signature[:32] + s.to_bytes(32, "big") + signature[64:]
    return signature if v is None else signature[:64] + bytes([v])


HIGH_S = changed(s=GROUP_ORDER - int.from_bytes(C[32:64], "big"), v=55 - C[64])


@pytest.mark.parametrize(
    "signature",
    [
        HIGH_S,
        *(changed(v=v) for v in (0, 1, 26, 29, 255)),
        C[:64],
        C + b"\x00",
        changed(r=0),
        changed(s=0),
        changed(r=GROUP_ORDER),
        changed(s=GROUP_ORDER),
    ],
)
def test_c5_a_malformed_signature_spoils_the_set_even_above_the_threshold(signature: bytes) -> None:
    with pytest.raises(MalformedSignature) as caught:
        make(SignatureSet(0b111, (A, B, signature)))
    assert (caught.value.index, caught.value.nonce) == (2, 5)


def test_c5_the_other_v_recovers_another_key() -> None:
    with pytest.raises((WrongSignature, MalformedSignature)):
        make(SignatureSet(0b111, (A, B, changed(v=55 - C[64]))))


# -- C7 and C8 ---------------------------------------------------------------------------------------------------------


def flipped(value: object) -> object:
    if isinstance(value, int):
        return value ^ 1
    if isinstance(value, bytes):
        return value[:-1] + bytes([value[-1] ^ 1])
    assert isinstance(value, tuple)
    return (*value[:-1], flipped(value[-1]))


@pytest.mark.parametrize("attribute", [member.attribute for member in Commitment.STRUCT.members])
def test_c7_each_field_of_a_commitment_is_signed(attribute: str) -> None:
    other = replace(COMMITMENT, **{attribute: flipped(getattr(COMMITMENT, attribute))})
    with pytest.raises(Refusal):
        make(FULL, other)
    # The same without the help of well-formedness and thread id: it is the digest that changes.
    with pytest.raises((WrongSignature, MalformedSignature)):
        check_signatures(TERMS, digest(DOMAIN, other), FULL, 2)


@pytest.mark.parametrize("attribute", [member.attribute for member in Terms.STRUCT.members])
def test_c7_each_field_of_the_terms_is_bound(attribute: str) -> None:
    other = replace(TERMS, **{attribute: flipped(getattr(TERMS, attribute))})
    with pytest.raises((WrongThread, IllFormedTerms)):
        make(FULL, terms=other)
    renamed = replace(COMMITMENT, thread_id=samples.commitment_of(DOMAIN, other).thread_id)
    with pytest.raises(Refusal):
        make(FULL, renamed, other)


@pytest.mark.parametrize("attribute", [member.attribute for member in samples.RULESET.STRUCT.members])
def test_c7_each_field_of_the_ruleset_is_bound(attribute: str) -> None:
    value = getattr(samples.RULESET, attribute)
    other: object = value[:-1] + "b" if isinstance(value, str) else not value if isinstance(value, bool) else None
    ruleset = replace(samples.RULESET, **{attribute: flipped(value) if other is None else other})
    with pytest.raises(WrongThread):
        make(FULL, terms=replace(TERMS, ruleset=ruleset.hash_struct()))


@pytest.mark.parametrize(
    ("domain", "terms"),
    [
        (Domain(2, samples.REGISTRY), TERMS),
        (Domain(1, samples.OPERATOR), TERMS),
        (DOMAIN, replace(TERMS, salt=8)),
        (DOMAIN, samples.terms_of(3)),
    ],
)
def test_c8_another_chain_registry_or_thread(domain: Domain, terms: Terms) -> None:
    with pytest.raises(WrongThread):
        Agreement(domain, terms, COMMITMENT, FULL)
    moved = samples.commitment_of(domain, terms)
    with pytest.raises((WrongSignature, MalformedSignature)):
        Agreement(domain, terms, moved, FULL)


def test_c8_another_message_type() -> None:
    thread = COMMITMENT.thread_id
    for record in (
        Resume(thread, 5),
        KeyGrant(thread, TERMS.owners[0], TERMS.keys[0]),
        samples.input_of(DOMAIN, TERMS),
    ):
        signatures = samples.sign_record(DOMAIN, TERMS, record)
        with pytest.raises((WrongSignature, MalformedSignature)):
            make(signatures)
        with pytest.raises((WrongSignature, MalformedSignature)):
            check_signatures(TERMS, digest(DOMAIN, record), FULL, 2)


def test_ill_formed_commitments_and_terms_are_refused_although_all_signed() -> None:
    for broken in (
        replace(COMMITMENT, status=3),
        replace(COMMITMENT, fee=TERMS.max_fee + 1),
        replace(COMMITMENT, awaiting=TERMS.owners[0]),
    ):
        with pytest.raises(IllFormedCommitment):
            make(samples.sign_all(DOMAIN, TERMS, broken), broken)
    owners = (TERMS.owners[1], TERMS.owners[0], TERMS.owners[2])
    alias = replace(TERMS, keys=owners)  # keys that are the owners of others: an alias in the terms
    commitment = samples.commitment_of(DOMAIN, alias)
    with pytest.raises(IllFormedTerms, match="another party's owner"):
        make(samples.sign_all(DOMAIN, alias, commitment), commitment, alias)


# -- no other way to make one ------------------------------------------------------------------------------------------


def test_copies_and_pickles_go_through_the_constructor() -> None:
    for twin in (
        copy.copy(AGREEMENT),
        copy.deepcopy(AGREEMENT),
        pickle.loads(pickle.dumps(AGREEMENT)),
        replace(AGREEMENT),
    ):
        assert twin == AGREEMENT
        assert twin.digest == AGREEMENT.digest == digest(DOMAIN, COMMITMENT)
    forged = AGREEMENT.__reduce__()
    assert isinstance(forged[1], tuple)
    with pytest.raises(WrongSignature):
        forged[0](*forged[1][:2], replace(COMMITMENT, fee=0), FULL)


FORGERIES: list[tuple[str, Callable[[], object]]] = [
    ("replace", lambda: replace(AGREEMENT, commitment=replace(COMMITMENT, fee=0))),
    ("replace terms", lambda: replace(AGREEMENT, terms=replace(TERMS, threshold=3))),
    ("replace signatures", lambda: replace(AGREEMENT, signatures=SignatureSet(0, ()))),
    ("set", lambda: setattr(AGREEMENT, "commitment", GENESIS)),
    ("delete", lambda: delattr(AGREEMENT, "commitment")),
    ("setstate", lambda: Agreement.__new__(Agreement).__setstate__([DOMAIN, TERMS, GENESIS, FULL, bytes(32)])),
    ("subclass", lambda: type("Fake", (Agreement,), {"__init__": lambda self: None})),
    ("second init", lambda: AGREEMENT.__init__(DOMAIN, TERMS, GENESIS, FULL)),  # type: ignore[misc]
    ("digest given", lambda: Agreement(DOMAIN, TERMS, COMMITMENT, FULL, bytes(32))),  # type: ignore[call-arg]
    ("no arguments", Agreement),
]


@pytest.mark.parametrize(("name", "forge"), FORGERIES)
def test_an_agreement_cant_be_forged(name: str, forge: Callable[[], object]) -> None:
    with pytest.raises((VerificationError, InvalidInput, FrozenInstanceError, TypeError, ValueError)):
        forge()
    assert AGREEMENT.commitment == COMMITMENT
    assert AGREEMENT.digest == digest(DOMAIN, COMMITMENT)


def test_an_uninitialised_object_holds_nothing() -> None:
    empty = Agreement.__new__(Agreement)
    with pytest.raises(AttributeError):
        _ = empty.commitment


class Shifty(Commitment):
    """A commitment with another face each time."""

    __slots__ = ()

    def hash_struct(self) -> bytes:
        return COMMITMENT.hash_struct()


def test_subclasses_of_records_are_refused() -> None:
    values = {member.attribute: getattr(COMMITMENT, member.attribute) for member in Commitment.STRUCT.members}
    with pytest.raises(InvalidInput):
        make(FULL, Shifty(**(values | {"fee": 0})))
    for arguments, wanted in (
        ((None, TERMS, COMMITMENT, FULL), "a Domain and Terms"),
        ((DOMAIN, None, COMMITMENT, FULL), "a Domain and Terms"),
        ((DOMAIN, TERMS, None, FULL), "a Commitment and a SignatureSet"),
        ((DOMAIN, TERMS, COMMITMENT, (A, B)), "a Commitment and a SignatureSet"),
    ):
        with pytest.raises(InvalidInput, match=f"Agreement: {wanted} are wanted"):
            Agreement(*arguments)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput):
        SignedCommitment(COMMITMENT, (A, B))  # type: ignore[arg-type]
    with pytest.raises(InvalidInput):
        SignedCommitment(Shifty(**values), FULL)


# -- bytes -------------------------------------------------------------------------------------------------------------


def test_canonical_bytes() -> None:
    c = COMMITMENT
    fields = [
        c.thread_id,
        c.nonce,
        c.parent,
        c.status,
        c.awaiting,
        c.state_root,
        c.storage_root,
        c.machine_hash,
        c.batch_hash,
        c.receipts_root,
        c.gas_used,
        list(c.balances),
        c.fee,
    ]
    assert AGREEMENT.encode() == b"\x01" + rlp.encode([fields, 7, [A, B, C]])
    assert Agreement.decode(DOMAIN, TERMS, AGREEMENT.encode()) == AGREEMENT
    assert AGREEMENT.signed == SignedCommitment.decode(AGREEMENT.encode())


def test_the_largest_agreement_fits_the_decoders_bound() -> None:
    terms = samples.terms_of(16)
    top = (1 << 64) - 1
    base = samples.commitment_of(DOMAIN, terms, nonce=top, gas_used=top)
    agreement = samples.agree(DOMAIN, terms, base)
    assert Agreement.decode(DOMAIN, terms, agreement.encode()) == agreement


def test_every_truncation_extension_and_flip_of_the_bytes_is_refused() -> None:
    data = AGREEMENT.encode()
    for size in range(len(data)):
        with pytest.raises(DecodingError):
            Agreement.decode(DOMAIN, TERMS, data[:size])
    for tail in (b"\x00", b"\x80", data):
        with pytest.raises(DecodingError):
            Agreement.decode(DOMAIN, TERMS, data + tail)
    for position in range(len(data)):
        with pytest.raises((DecodingError, VerificationError)):
            Agreement.decode(DOMAIN, TERMS, data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])


def test_non_minimal_bytes_are_refused() -> None:
    fields = rlp.decode(COMMITMENT.to_rlp())
    for bitmap in (b"\x00\x07", b"\x00", b"\x01\x00\x00", [b"\x07"]):
        with pytest.raises(DecodingError, match="bitmap"):
            SignedCommitment.decode(b"\x01" + rlp.encode([fields, bitmap, [A, B, C]]))
    for signatures in (b"", A, [[A]]):
        with pytest.raises(DecodingError, match="signatures"):
            SignedCommitment.decode(b"\x01" + rlp.encode([fields, 7, signatures]))
    for items in ([fields, 7], [fields, 7, [A], []], [b"", 7, [A]], b"\x07"):
        with pytest.raises(DecodingError):
            SignedCommitment.decode(b"\x01" + rlp.encode(items))
    with pytest.raises(DecodingError, match="4097 bytes where at most 4096"):
        SignedCommitment.decode(b"\x01" + bytes(4096))


def test_json_form() -> None:
    value = AGREEMENT.to_json()
    assert list(value) == ["commitment", "bitmap", "signatures"]
    assert value["bitmap"] == 7
    assert value["signatures"] == ["0x" + each.hex() for each in FULL.signatures]
    text = json.loads(json.dumps(value))
    assert Agreement.from_json(DOMAIN, TERMS, text) == AGREEMENT
    with pytest.raises(SignatureCount):
        Agreement.from_json(DOMAIN, TERMS, text | {"bitmap": 3})
    for wrong in (text | {"bitmap": "7"}, text | {"bitmap": 1 << 16}, text | {"signatures": "0x"}, text | {"x": 1}, []):
        with pytest.raises(InvalidInput):
            Agreement.from_json(DOMAIN, TERMS, wrong)


def test_signature_sets() -> None:
    assert SignatureSet.of({2: C, 0: A}) == SignatureSet(0b101, (A, C))
    assert SignatureSet.of({}) == SignatureSet(0, ())
    assert SignatureSet(0b1000_0000_0000_0101, (A,) * 3).indexes() == (0, 2, 15)
    assert SignatureSet.from_json(FULL.to_json()) == FULL
    for wrong in (FULL.to_json() | {"more": 1}, {"bitmap": 7}, {"signatures": []}, None):
        with pytest.raises(InvalidInput, match=r"SignatureSet: (unknown member|member|None where)"):
            SignatureSet.from_json(wrong)  # type: ignore[arg-type]
    assert SignatureSet.of({15: A}) == SignatureSet(1 << 15, (A,))
    for party in (16, 10**9, -1):
        with pytest.raises(InvalidInput, match=f"party {party} of at most 16"):
            SignatureSet.of({party: A})
        with pytest.raises(InvalidInput, match=f"party {party} of at most 16"):
            SignatureSet.of({party: A, 3: B})
    with pytest.raises(InvalidInput, match="party 16 of at most 16"):
        SignatureSet.of({0: A, 16: B})
    for bitmap, signatures in ((-1, ()), (1 << 16, ()), (True, ()), (1, [A]), (1, ("",))):
        with pytest.raises(InvalidInput):
            SignatureSet(bitmap, signatures)  # type: ignore[arg-type]


@settings(max_examples=50)
@given(st.binary(max_size=400))
def test_random_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(DecodingError):
        Agreement.decode(DOMAIN, TERMS, b"\x01" + data)


# -- chains ------------------------------------------------------------------------------------------------------------

LINE = samples.line_of(DOMAIN, TERMS, (0, 1, 2, 5), final=True)
TIP = LINE[-1].digest
FORK = samples.agree(DOMAIN, TERMS, replace(LINE[2].commitment, fee=LINE[2].commitment.fee + 1, gas_used=9000))
SKIPPED = samples.agree(DOMAIN, TERMS, replace(LINE[3].commitment, nonce=3))


def test_a_line_ends_in_its_tip_in_any_order() -> None:
    expected = Chain(tuple(LINE), ())
    for order in itertools.islice(itertools.permutations(LINE), 0, 120, 17):
        assert verify_chain(DOMAIN, TERMS, order, TIP) == expected
    assert verify_chain(DOMAIN, TERMS, [*LINE, *LINE], TIP) == expected
    parts = [SignedCommitment.decode(each.encode()) for each in LINE]
    assert verify_chain(DOMAIN, TERMS, parts, TIP) == expected
    assert verify_chain(DOMAIN, TERMS, LINE[:1], LINE[0].digest) == Chain((LINE[0],), ())


def test_others_are_superseded() -> None:
    chain = verify_chain(DOMAIN, TERMS, [SKIPPED, FORK, *LINE], TIP)
    assert chain.line == tuple(LINE)
    assert chain.superseded == (FORK, SKIPPED)
    chain = verify_chain(DOMAIN, TERMS, [FORK, *LINE], FORK.digest)
    assert chain.line == (LINE[0], LINE[1], FORK)
    assert chain.superseded == tuple(LINE[2:])


def test_broken_chains_are_refused() -> None:
    with pytest.raises(UnknownTip):
        verify_chain(DOMAIN, TERMS, LINE, bytes(32))
    with pytest.raises(UnknownTip):
        verify_chain(DOMAIN, TERMS, [], TIP)
    with pytest.raises(BrokenParent) as caught:
        verify_chain(DOMAIN, TERMS, [LINE[0], *LINE[2:]], TIP)
    assert (caught.value.nonce, caught.value.parent) == (2, LINE[1].digest)
    with pytest.raises(BrokenParent, match="nonce 1: parent"):
        verify_chain(DOMAIN, TERMS, LINE[1:], TIP)


def child(parent: Agreement, **changes: object) -> Agreement:
    values: dict[str, object] = {"nonce": parent.commitment.nonce + 1, "parent": parent.digest}
    return samples.agree(DOMAIN, TERMS, replace(parent.commitment, **(values | changes)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("refusal", "wrong"),
    [
        (NonceOrder, child(LINE[2], nonce=2)),
        (NonceOrder, child(LINE[2], nonce=1)),
        (ParentIsFinal, child(LINE[4])),
        (ParentIsFinal, child(LINE[4], status=0, nonce=9)),
        (Decreased, child(LINE[3], gas_used=1)),
        (Decreased, child(LINE[3], fee=0)),
        (FinalDiffers, child(LINE[3], status=2, state_root=bytes(32))),
        (FinalDiffers, child(LINE[3], status=2, balances=(0, 0, 0))),
    ],
)
def test_successors_are_checked_along_the_line(refusal: type[Refusal], wrong: Agreement) -> None:
    with pytest.raises(refusal) as caught:
        verify_chain(DOMAIN, TERMS, [*LINE, wrong], wrong.digest)
    assert caught.value.nonce == wrong.commitment.nonce


def test_every_agreement_of_a_chain_is_verified() -> None:
    for position, each in enumerate([*LINE, FORK]):
        weak = SignedCommitment(each.commitment, SignatureSet.of({0: each.signatures.signatures[0]}))
        given_ = [*LINE, FORK]
        given_[position] = weak  # type: ignore[call-overload]
        with pytest.raises(NotEnoughSignatures) as caught:
            verify_chain(DOMAIN, TERMS, given_, TIP)
        assert caught.value.nonce == each.commitment.nonce
    with pytest.raises(WrongThread):
        verify_chain(Domain(2, samples.REGISTRY), TERMS, LINE, TIP)


def test_verify_uses_the_domain_and_terms_that_it_is_given() -> None:
    assert verify(DOMAIN, TERMS, AGREEMENT) == AGREEMENT
    assert verify(DOMAIN, TERMS, AGREEMENT.signed) == AGREEMENT
    with pytest.raises(WrongThread):
        verify(Domain(2, samples.REGISTRY), TERMS, AGREEMENT)
    with pytest.raises(WrongThread):
        verify(DOMAIN, replace(TERMS, salt=8), AGREEMENT)


def test_genesis_money() -> None:
    assert sum(genesis_deposits(TERMS.deposits, TERMS.max_fee)) + TERMS.max_fee == sum(TERMS.deposits)


# -- resumes and grants ------------------------------------------------------------------------------------------------


def test_a_resume_needs_all() -> None:
    resume = Resume(COMMITMENT.thread_id, 1_800_000_000)
    full = samples.sign_record(DOMAIN, TERMS, resume)
    verify_resume(DOMAIN, TERMS, resume, full)
    with pytest.raises(NotEnoughSignatures, match="3 needed, got 2"):
        verify_resume(DOMAIN, TERMS, resume, SignatureSet(0b011, full.signatures[:2]))
    with pytest.raises(WrongSignature):
        verify_resume(DOMAIN, TERMS, replace(resume, deadline=1_800_000_001), full)
    with pytest.raises(WrongThread):
        verify_resume(DOMAIN, TERMS, replace(resume, thread_id=bytes(32)), full)
    with pytest.raises(IllFormedTerms):
        verify_resume(DOMAIN, replace(TERMS, threshold=0), resume, full)


def test_a_key_grant_is_signed_by_its_owner() -> None:
    session = LocalSigner(samples.private_key(12))
    terms = replace(TERMS, keys=(TERMS.keys[0], session.address, TERMS.keys[2]))
    owner = samples.signers(3)[1]
    grant = KeyGrant(samples.commitment_of(DOMAIN, terms).thread_id, owner.address, session.address)
    signature = owner.sign(TypedData(DOMAIN, grant))
    assert verify_key_grant(DOMAIN, terms, grant, signature) == 1
    with pytest.raises(WrongSignature):
        verify_key_grant(DOMAIN, terms, grant, session.sign(TypedData(DOMAIN, grant)))
    with pytest.raises(MalformedSignature):
        verify_key_grant(DOMAIN, terms, grant, signature[:64])
    for other in (replace(grant, key=TERMS.keys[2]), replace(grant, owner=TERMS.owners[0])):
        with pytest.raises(UnknownGrant):
            verify_key_grant(DOMAIN, terms, other, owner.sign(TypedData(DOMAIN, other)))
    with pytest.raises(WrongThread):
        verify_key_grant(DOMAIN, terms, replace(grant, thread_id=bytes(32)), signature)


def judged(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: entry[name] for name in ("check", "clause", "message")}


@pytest.mark.parametrize("entry", VECTORS["chains"], ids=lambda entry: entry["what"])
def test_chains_of_the_vectors(entry: dict[str, Any]) -> None:
    terms = Terms.from_json(VECTORS["namedTerms"][entry["terms"]])
    given_ = [SignedCommitment.decode(bytes.fromhex(each[2:])) for each in entry["agreements"]]
    tip = bytes.fromhex(entry["tip"][2:])
    assert verdict(lambda: verify_chain(DOMAIN, terms, given_, tip)) == judged(entry)
    if entry["check"] is None:
        chain = verify_chain(DOMAIN, terms, given_, tip)
        assert ["0x" + each.digest.hex() for each in chain.line] == entry["line"]
        assert ["0x" + each.digest.hex() for each in chain.superseded] == entry["superseded"]


@pytest.mark.parametrize("entry", VECTORS["resumes"], ids=lambda entry: entry["what"])
def test_resumes_of_the_vectors(entry: dict[str, Any]) -> None:
    terms = Terms.from_json(VECTORS["namedTerms"][entry["terms"]])
    signatures = SignatureSet.from_json({name: entry[name] for name in ("bitmap", "signatures")})
    found = verdict(lambda: verify_resume(DOMAIN, terms, Resume.from_json(entry["value"]), signatures))
    assert found == judged(entry)


@pytest.mark.parametrize("entry", VECTORS["keyGrants"], ids=lambda entry: entry["what"])
def test_key_grants_of_the_vectors(entry: dict[str, Any]) -> None:
    terms = Terms.from_json(VECTORS["namedTerms"][entry["terms"]])
    grant, signature = KeyGrant.from_json(entry["value"]), bytes.fromhex(entry["signature"][2:])
    assert verdict(lambda: verify_key_grant(DOMAIN, terms, grant, signature)) == judged(entry)
    if entry["check"] is None:
        assert verify_key_grant(DOMAIN, terms, grant, signature) == entry["party"]
