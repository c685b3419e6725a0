"""Which artifact a running code belongs to, and what calls are called."""

import pytest

from evmthread.contracts import load_artifact
from evmthread.debugging.known_code import MOST_CODES, KnownCode, shipped_and
from evmthread.isa.message import CallKind, Message
from tests.debugging.contracts import artifact

COVERED, FAILING = artifact("Covered"), artifact("Failing")
KNOWN = KnownCode([FAILING, COVERED])
HERE = b"\xcc" * 20


def message(code: bytes, data: bytes = b"", kind: CallKind = CallKind.CALL) -> Message:
    return Message(kind, bytes(20), HERE, HERE, code, data, 0, 0, 0, False, 0)


def with_owner(owner: bytes) -> bytes:
    """Covered's code with its immutable set."""
    code = bytearray(COVERED.runtime_code)
    ((start, length),) = next(iter(COVERED.runtime.immutables.values()))
    code[start : start + length] = owner.rjust(length, b"\0")
    return bytes(code)


def test_a_contract_is_known_whatever_its_immutables_hold() -> None:
    for owner in (bytes(20), b"\x11" * 20, b"\xff" * 32):
        found = KNOWN.source_map(message(with_owner(owner)))
        assert found is not None
        assert (found.artifact, found.creation) == (COVERED, False)


def test_a_creation_is_known_with_its_arguments() -> None:
    code = COVERED.creation_code + COVERED.encode_constructor(5)
    found = KNOWN.source_map(message(code, kind=CallKind.CREATE2))
    assert found is not None
    assert (found.artifact, found.creation) == (COVERED, True)
    assert KNOWN.source_map(message(code)) is None


@pytest.mark.parametrize(
    "code", [b"", b"\x00", COVERED.runtime_code + b"\0", COVERED.runtime_code[:-1], b"\xfe" + COVERED.runtime_code[1:]]
)
def test_other_code_is_not(code: bytes) -> None:
    assert KNOWN.source_map(message(code)) is None
    assert KNOWN.source_map(message(code, kind=CallKind.CREATE)) is None


def test_titles() -> None:
    code, creation = with_owner(bytes(20)), COVERED.creation_code
    assert KNOWN.title(message(code, COVERED.function("add").encode(1))) == "Covered.add(uint256)"
    assert KNOWN.title(message(code, b"\1\2\3\4\5")) == "Covered.0x01020304"
    assert KNOWN.title(message(code)) == "Covered.receive()"
    assert KNOWN.title(message(creation, kind=CallKind.CREATE)) == "Covered constructor"
    assert KNOWN.title(message(b"\0", b"\1\2\3\4\5")) == f"0x{HERE.hex()}.0x01020304"
    assert KNOWN.title(message(b"\0")) == f"0x{HERE.hex()} with no bytes of data"
    assert KNOWN.title(message(b"\0", b"\1\2")) == f"0x{HERE.hex()} with 2 bytes of data"
    assert KNOWN.title(message(b"\0", kind=CallKind.CREATE)) == f"0x{HERE.hex()} constructor"


def test_shipped_contracts_are_known_beside_ones_own() -> None:
    known = shipped_and([COVERED])
    for wanted in (COVERED, load_artifact("Morpion"), load_artifact("MorpionDraw")):
        found = known.source_map(message(wanted.runtime_code))
        assert found is not None
        assert found.artifact.name == wanted.name


def test_any_number_of_codes_may_come() -> None:
    known = KnownCode([COVERED])
    first = known.source_map(message(COVERED.runtime_code))
    for number in range(MOST_CODES + 5):
        assert known.source_map(message(number.to_bytes(2, "big"))) is None
    assert len(known._found) <= MOST_CODES
    assert known.source_map(message(COVERED.runtime_code)) is first
