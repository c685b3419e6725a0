"""C2: signatures that are missing, empty or too few are refused."""

import pytest

from evmthread.commit import SignatureSet
from evmthread.commit.refusals import MalformedSignature, NotEnoughSignatures, SignatureCount
from tests.acceptance.refusing import Case

CASES = [(2, 2), (3, 2), (3, 3), (5, 3), (5, 5), (16, 9), (16, 16)]


@pytest.mark.parametrize(("parties", "threshold"), CASES)
def test_c2_none_at_all(parties: int, threshold: int) -> None:
    case = Case(parties, threshold)
    case.refused(NotEnoughSignatures, SignatureSet(0, ()))
    for missing in range(1, parties + 1):
        case.refused(SignatureCount, SignatureSet(case.full.bitmap, case.full.signatures[:-missing]))
    case.refused(SignatureCount, SignatureSet(0, case.full.signatures))


@pytest.mark.parametrize(("parties", "threshold"), CASES)
def test_c2_one_fewer_than_the_threshold(parties: int, threshold: int) -> None:
    case = Case(parties, threshold)
    by_index = dict(enumerate(case.full.signatures))
    for first in range(parties - threshold + 2):
        few = {index: by_index[index] for index in range(first, first + threshold - 1)}
        case.refused(NotEnoughSignatures, SignatureSet.of(few))


@pytest.mark.parametrize("changes", [{"nonce": 0, "parent": bytes(32)}, {"status": 2}])
def test_c2_the_genesis_and_the_end_need_all(changes: dict[str, object]) -> None:
    case = Case(4, 3, **changes)
    for missing in range(4):
        others = {index: each for index, each in enumerate(case.full.signatures) if index != missing}
        case.refused(NotEnoughSignatures, SignatureSet.of(others))


@pytest.mark.parametrize(("parties", "threshold"), CASES)
def test_c2_an_empty_signature_is_none_wherever_it_stands(parties: int, threshold: int) -> None:
    case = Case(parties, threshold)
    for place in range(parties):
        signatures = list(case.full.signatures)
        for empty in (b"", bytes(65)):
            signatures[place] = empty
            case.refused(MalformedSignature, SignatureSet(case.full.bitmap, tuple(signatures)))
