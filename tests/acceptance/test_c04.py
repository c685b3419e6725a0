"""C4: reordered, extra and strangers' signatures are refused, and terms in which somebody stands twice."""

import itertools
from dataclasses import replace

import pytest

from evmthread.commit import LocalSigner, SignatureSet, TypedData, check_terms
from evmthread.commit.refusals import IllFormedTerms, SignatureCount, UnknownSigner, WrongSignature
from evmthread.errors import InvalidInput
from tests.acceptance.refusing import DOMAIN, Case
from tests.commit import commit_samples as samples


def test_c4_every_other_order() -> None:
    case = Case(4, 3)
    for order in itertools.permutations(range(4)):
        if order != (0, 1, 2, 3):
            signatures = tuple([case.full.signatures[index] for index in order])
            case.refused(WrongSignature, SignatureSet(0b1111, signatures))


def test_c4_under_other_parties_bits() -> None:
    case = Case(4, 3)
    for bitmap in (0b0111, 0b1011, 0b1101, 0b1110):
        right = [index for index in range(4) if bitmap >> index & 1]
        for chosen in itertools.combinations(range(4), 3):
            signatures = SignatureSet(bitmap, tuple([case.full.signatures[index] for index in chosen]))
            if list(chosen) != right:
                case.refused(WrongSignature, signatures)


@pytest.mark.parametrize("parties", [2, 3, 15])
def test_c4_extra_ones(parties: int) -> None:
    case = Case(parties)
    stranger = LocalSigner(samples.private_key(16)).sign(TypedData(DOMAIN, case.commitment))
    for more in (case.full.signatures[-1], stranger):
        case.refused(SignatureCount, SignatureSet(case.full.bitmap, (*case.full.signatures, more)))
        for bit in range(parties, 16):
            extra = SignatureSet(case.full.bitmap | 1 << bit, (*case.full.signatures, more))
            case.refused(UnknownSigner, extra)
    with pytest.raises(InvalidInput, match="uint16"):
        SignatureSet(1 << 16, (stranger,))


def test_c4_a_stranger_also_above_the_threshold() -> None:
    case = Case(5, 3)
    stranger = LocalSigner(samples.private_key(16)).sign(TypedData(DOMAIN, case.commitment))
    for place in range(5):
        signatures = list(case.full.signatures)
        signatures[place] = stranger
        case.refused(WrongSignature, SignatureSet(0b11111, tuple(signatures)))


def _twice() -> list[dict[str, object]]:
    """Terms of three in which a key or an owner stands twice, or one party's key is another's owner."""
    terms = samples.terms_of(3, threshold=2)
    sessions = tuple([LocalSigner(samples.private_key(index)).address for index in (4, 5, 6)])
    changes: list[dict[str, object]] = []
    for one, other in itertools.permutations(range(3), 2):
        for name in ("keys", "owners"):
            repeated = list(getattr(terms, name))
            repeated[one] = repeated[other]
            changes.append({name: tuple(repeated)})
        alias = list(sessions)
        alias[one] = terms.owners[other]
        changes.append({"keys": tuple(alias)})
    return changes


@pytest.mark.parametrize("changes", _twice())
def test_c4_whoever_stands_twice_in_the_terms(changes: dict[str, object]) -> None:
    case = Case(3, 2)
    terms = replace(case.terms, **changes)  # type: ignore[arg-type]
    with pytest.raises(IllFormedTerms):
        check_terms(terms)
    by_address = {signer.address: signer for signer in samples.signers(16)}
    commitment = samples.commitment_of(DOMAIN, terms)
    signatures = tuple([by_address[key].sign(TypedData(DOMAIN, commitment)) for key in terms.keys])
    case.refused(IllFormedTerms, SignatureSet(0b111, signatures), terms=terms, commitment=commitment)
