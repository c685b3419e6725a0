"""Official RLP tests: a value and its encoding, or bytes that must be refused."""

from collections.abc import Iterator
from functools import partial

from evmthread.errors import DecodingError
from evmthread.machine.code_cache import CodeCache
from evmthread.primitives import rlp
from evmthread.testing.cases import Case, CaseOutcome, Hooks, differences
from evmthread.testing.fixtures import FixtureTest, Json, data, number, reading

REQUIRED = ("in", "out")


def cases(test: FixtureTest) -> Iterator[Case]:
    """The one case of a test."""
    yield Case(test.name, "", 0, partial(_check, test.name, test.body))


def _item(value: object) -> rlp.Item:
    if isinstance(value, list):
        return [_item(child) for child in value]
    if isinstance(value, str):
        # Integers that JSON can't hold are written "#...".
        return rlp.integer_bytes(number(value[1:])) if value.startswith("#") else value.encode()
    return rlp.integer_bytes(number(value))


def _lists(decoded: rlp.Decoded) -> rlp.Item:
    return decoded if isinstance(decoded, bytes) else [_lists(child) for child in decoded]


def _check(name: str, body: Json, _cache: CodeCache, _hooks: Hooks) -> CaseOutcome:
    with reading(name):
        value, encoded = body["in"], data(body["out"])
        item = None if value in ("VALID", "INVALID") else _item(value)
    try:
        decoded = rlp.decode(encoded)
    except DecodingError as error:
        return CaseOutcome("" if value == "INVALID" else f"{error}")
    if value == "INVALID":
        return CaseOutcome("expected a refusal, got none")
    problem = differences(("encoding again", rlp.encode(_lists(decoded)), encoded))
    if item is not None:
        problem = problem or differences(("encoding", rlp.encode(item), encoded), ("decoding", decoded, item))
    return CaseOutcome(problem)
