"""C3: one signature given many times counts once, or not at all."""

import pytest

from evmthread.commit import SignatureSet
from evmthread.commit.refusals import NotEnoughSignatures, SignatureCount, WrongSignature
from tests.acceptance.refusing import Case


@pytest.mark.parametrize(("parties", "threshold"), [(2, 2), (3, 2), (5, 3), (7, 7)])
def test_c3_a_duplicate_in_anothers_place(parties: int, threshold: int) -> None:
    case = Case(parties, threshold)
    for whose in range(parties):
        for place in range(parties):
            if place != whose:
                signatures = list(case.full.signatures)
                signatures[place] = signatures[whose]
                case.refused(WrongSignature, SignatureSet(case.full.bitmap, tuple(signatures)))


@pytest.mark.parametrize("copies", [2, 3, 7, 16])
def test_c3_copies_of_one_signature(copies: int) -> None:
    case = Case(16, 9)
    one = case.full.signatures[0]
    case.refused(SignatureCount, SignatureSet(1, (one,) * copies))
    case.refused(
        NotEnoughSignatures if copies < 9 else WrongSignature, SignatureSet((1 << copies) - 1, (one,) * copies)
    )
    seven = Case(7)
    case.refused(SignatureCount, SignatureSet(0b11, (one,) * 7))
    seven.refused(WrongSignature, SignatureSet(0b1111111, seven.full.signatures[:1] * 7))
