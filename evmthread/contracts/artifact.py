"""A compiled contract as it is committed beside its source: code, ABI, source maps, storage layout.

Must not know any particular contract, nor run code. The format is written by the repository's compile script.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evmthread.contracts.abi import (
    SELECTOR_SIZE,
    CustomError,
    Decoded,
    Event,
    Function,
    JsonObject,
    Parameter,
    encode_values,
    parse_parameters,
)
from evmthread.errors import DecodingError, InvalidInput
from evmthread.primitives.keccak import keccak256
from evmthread.primitives.types import Hash32, Log, parse_hex
from evmthread.primitives.untrusted_json import parse_json

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

ARTIFACT_FORMAT = "evmthread-artifact/2"

# What Solidity reverts with by itself (Solidity documentation, "Panic via assert and Error via require").
_ERROR = CustomError("Error", (Parameter("message", "string"),))
_PANIC = CustomError("Panic", (Parameter("code", "uint256"),))
_PANIC_REASONS = {
    0x00: "generic panic",
    0x01: "assertion failed",
    0x11: "arithmetic overflow or underflow",
    0x12: "division or modulo by zero",
    0x21: "conversion to an enum out of range",
    0x22: "badly encoded byte array in storage",
    0x31: "pop of an empty array",
    0x32: "array index out of bounds",
    0x41: "out of memory",
    0x51: "call of an uninitialised function pointer",
}

# How functions and branches stand in an artifact: start:length:body:kind:name and start:length:kind:start:length.
_FUNCTION = re.compile(r"([0-9]{1,9}):([0-9]{1,9}):([0-9]{1,9}):([a-z]+):([\w$.]+)", re.ASCII)
_BRANCH = re.compile(r"([0-9]{1,9}):([0-9]{1,9}):([a-z]+):([0-9]{1,9}):([0-9]{1,9})")


@dataclass(frozen=True, slots=True)
class StorageVariable:
    """Where a state variable or struct member lies: slot, offset in bytes from the slot's low end, size in bytes."""

    label: str
    type: str
    slot: int
    offset: int
    size: int
    members: tuple["StorageVariable", ...] = ()


@dataclass(frozen=True, slots=True)
class GeneratedSource:
    """A source that the compiler made itself and to which source maps refer by this id."""

    id: int
    name: str
    contents: str


@dataclass(frozen=True, slots=True)
class Code:
    """Bytecode with its source map (solc's compressed form) and the compiler-made sources that the map refers to.

    `immutables` gives, for each immutable's syntax-tree id, the (start, length) places that hold it.
    """

    bytecode: bytes
    source_map: str
    generated_sources: tuple[GeneratedSource, ...]
    immutables: Mapping[str, tuple[tuple[int, int], ...]]


@dataclass(frozen=True, slots=True)
class SourceFunction:
    """A function with code and its place in its source, in bytes. `name` is "Contract.name" as written there.

    `body` is where its body begins: at its end where it has none.
    `kind` is function, constructor, receive, fallback, modifier or getter (of a public state variable).
    """

    start: int
    length: int
    body: int
    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class SourceBranch:
    """A place in a source, in bytes, where code goes one of two ways; `part` (start, length) is run by one of them.

    `kind` is if, conditional, for, while, and, or; require and assert, which have no part of their own, (0, 0).
    """

    start: int
    length: int
    kind: str
    part: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Source:
    """A source file that went into the contract: its id in source maps, its hashes, its text and what is in it."""

    id: int
    name: str
    keccak256: Hash32
    sha256: Hash32
    content: str
    functions: tuple[SourceFunction, ...]
    branches: tuple[SourceBranch, ...]


@dataclass(frozen=True, slots=True)
class Artifact:
    """A compiled contract; made by `load_artifact` and `parse_artifact`."""

    name: str
    source_name: str
    sources: tuple[Source, ...]
    compiler_version: str
    settings: Mapping[str, object]
    creation: Code
    runtime: Code
    storage: tuple[StorageVariable, ...]
    constructor: tuple[Parameter, ...]
    functions: tuple[Function, ...]
    events: tuple[Event, ...]
    errors: tuple[CustomError, ...]
    abi: tuple[JsonObject, ...]

    @property
    def creation_code(self) -> bytes:
        """The code that creates the contract, without constructor arguments."""
        return self.creation.bytecode

    @property
    def runtime_code(self) -> bytes:
        """The code of the created contract, with zeros where immutables go."""
        return self.runtime.bytecode

    @property
    def is_optimized(self) -> bool:
        """Whether code of several functions may have been merged: source maps are then less exact."""
        optimizer = self.settings.get("optimizer")
        return isinstance(optimizer, dict) and optimizer.get("enabled") is True

    @property
    def source_hash(self) -> Hash32:
        """keccak-256 of the source file that defines the contract."""
        return next(source.keccak256 for source in self.sources if source.name == self.source_name)

    def function(self, name: str) -> Function:
        """The function of this name, or of this signature ("play(uint8)") where a name is overloaded.

        Raises InvalidInput when there is none, or more than one.
        """
        found = [function for function in self.functions if name in (function.name, function.signature)]
        if len(found) > 1:
            raise InvalidInput(f"{self.name}: {name!r} is overloaded: {', '.join(f.signature for f in found)}")
        if not found:
            raise InvalidInput(f"{self.name} has no function {name!r}")
        return found[0]

    def event(self, name: str) -> Event:
        """The event of this name or signature.

        Raises InvalidInput when there is none, or more than one.
        """
        found = [event for event in self.events if name in (event.name, event.signature)]
        if len(found) != 1:
            raise InvalidInput(f"{self.name} has {len(found) or 'no'} event{'s' * (len(found) > 1)} {name!r}")
        return found[0]

    def encode_constructor(self, *arguments: object) -> bytes:
        """The ABI-encoded constructor arguments, which follow the creation code.

        Raises InvalidInput when their number, a type or a range is wrong.
        """
        return encode_values(self.constructor, arguments, what=f"{self.name} constructor")

    def decode_event(self, log: Log) -> Decoded | None:
        """What a log says, None when its first topic is no event of this contract.

        Raises DecodingError when the topic is known but the rest doesn't fit it.
        """
        if log.topics:
            for event in self.events:
                if not event.anonymous and event.topic == log.topics[0]:
                    return event.decode(log)
        return None

    def parse_error(self, data: bytes) -> Decoded | None:
        """The custom error, Error(string) or Panic(uint256) in revert data; None when it is none of them."""
        return parse_revert(data, self.errors)

    def decode_error(self, data: bytes) -> str:
        """Revert data on one line, for people; never raises."""
        return decode_revert(data, self.errors)


def decode_revert(data: bytes, errors: Sequence[CustomError] = ()) -> str:
    """Revert data on one line, for people: one of these errors, Error(string), Panic(uint256), or the data itself."""
    if not data:
        return "reverted without a reason"
    decoded = parse_revert(data, errors)
    if decoded is None:
        return f"reverted with unknown data 0x{data[:64].hex()}{'...' * (len(data) > 64)}"
    if decoded.name == _PANIC.name and isinstance(code := decoded.values[0], int):
        return f"Panic(0x{code:02x}): {_PANIC_REASONS.get(code, 'unknown code')}"
    return str(decoded)


def parse_revert(data: bytes, errors: Sequence[CustomError] = ()) -> Decoded | None:
    """One of these errors, Error(string) or Panic(uint256) in revert data; None when it is none of them."""
    for error in (*errors, _ERROR, _PANIC):
        if error.selector == data[:SELECTOR_SIZE]:
            try:
                return error.decode(data)
            except DecodingError:
                return None
    return None


def artifact_names() -> tuple[str, ...]:
    """The contracts shipped with the package, in alphabetic order."""
    return tuple(sorted(_shipped()))


def load_artifact(name: str) -> Artifact:
    """The artifact of a contract shipped with the package, such as "Morpion".

    Raises InvalidInput for an unknown name, DecodingError when the installed file is damaged.
    """
    shipped = _shipped()
    if name not in shipped:
        raise InvalidInput(f"no contract {name!r}; there is {', '.join(sorted(shipped))}")
    return parse_artifact(shipped[name].read_bytes())


def parse_artifact(text: str | bytes) -> Artifact:
    """An artifact from its JSON text.

    Raises DecodingError when it isn't one, or of another version of the format.
    """
    try:
        record = parse_json(text)
    except DecodingError as error:
        raise DecodingError(f"artifact: {error}") from None
    if not isinstance(record, dict) or record.get("format") != ARTIFACT_FORMAT:
        found = record.get("format") if isinstance(record, dict) else type(record).__name__
        raise DecodingError(f"artifact: format {found!r} where {ARTIFACT_FORMAT!r} is wanted")
    try:
        return _artifact(record)
    except DecodingError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise DecodingError(f"artifact: {type(error).__name__}: {str(error)[:200]}") from None


def _shipped() -> dict[str, "Traversable"]:
    """The artifact files inside the package, by contract name."""
    from importlib.resources import files  # here because it takes longer to import than all the rest

    folders = [entry for entry in files("evmthread.contracts").iterdir() if entry.is_dir()]
    entries = (entry for folder in folders for entry in folder.iterdir())
    return {entry.name.removesuffix(".json"): entry for entry in entries if entry.name.endswith(".json")}


def _artifact(record: Any) -> Artifact:
    abi = record["abi"]
    sources = tuple(_source(name, source) for name, source in sorted(record["sources"].items()))
    if record["sourceName"] not in record["sources"]:
        raise DecodingError(f"artifact: {record['sourceName']!r} is not among its sources")
    constructors = [entry for entry in abi if entry["type"] == "constructor"]
    return Artifact(
        name=_text(record["contractName"]),
        source_name=_text(record["sourceName"]),
        sources=sources,
        compiler_version=_text(record["compiler"]["version"]),
        settings=dict(record["compiler"]["settings"]),
        creation=_code(record["creation"]),
        runtime=_code(record["runtime"]),
        storage=_storage(record["storageLayout"]["storage"], record["storageLayout"]["types"]),
        constructor=parse_parameters(constructors[0]["inputs"], what="constructor") if constructors else (),
        functions=tuple(_function(entry) for entry in abi if entry["type"] == "function"),
        events=tuple(
            Event(
                _text(entry["name"]),
                parse_parameters(entry["inputs"], what=entry["name"]),
                anonymous=entry["anonymous"] is True,
            )
            for entry in abi
            if entry["type"] == "event"
        ),
        errors=tuple(
            CustomError(_text(entry["name"]), parse_parameters(entry["inputs"], what=entry["name"]))
            for entry in abi
            if entry["type"] == "error"
        ),
        abi=tuple(abi),
    )


def _source(name: str, record: Any) -> Source:
    content = _text(record["content"])
    digest = Hash32(record["keccak256"])
    raw = content.encode()
    if keccak256(raw) != digest:
        raise DecodingError(f"artifact: the content of {name} isn't that of its hash, {digest}")
    functions = [_fields(entry, _FUNCTION, len(raw)) for entry in record["functions"]]
    branches = [_fields(entry, _BRANCH, len(raw)) for entry in record["branches"]]
    return Source(
        _number(record["id"]),
        name,
        digest,
        Hash32(record["sha256"]),
        content,
        tuple(SourceFunction(int(a), int(b), int(c), kind, called) for a, b, c, kind, called in functions),
        tuple(SourceBranch(int(start), int(length), kind, (int(a), int(b))) for start, length, kind, a, b in branches),
    )


def _fields(entry: Any, form: re.Pattern[str], size: int) -> tuple[str, ...]:
    """The fields of a function or branch, which lies within a source of so many bytes."""
    found = form.fullmatch(_text(entry))
    if found is None:
        raise DecodingError(f"artifact: {entry[:80]!r} is no place of a function or branch")
    if int(found[1]) + int(found[2]) > size:
        raise DecodingError(f"artifact: {entry[:80]!r} lies beyond a source of {size} bytes")
    return found.groups()


def _function(entry: Any) -> Function:
    name = _text(entry["name"])
    inputs, outputs = parse_parameters(entry["inputs"], what=name), parse_parameters(entry["outputs"], what=name)
    return Function(name, inputs, outputs, _text(entry["stateMutability"]))


def _code(record: Any) -> Code:
    generated = tuple(
        GeneratedSource(_number(source["id"]), _text(source["name"]), _text(source["contents"]))
        for source in record["generatedSources"]
    )
    immutables = {
        identifier: tuple((_number(place["start"]), _number(place["length"])) for place in places)
        for identifier, places in record.get("immutableReferences", {}).items()
    }
    return Code(parse_hex(record["bytecode"], what="bytecode"), _text(record["sourceMap"]), generated, immutables)


def _storage(entries: Any, types: Any, first_slot: int = 0) -> tuple[StorageVariable, ...]:
    variables = []
    for entry in entries:
        described = types[entry["type"]]
        slot = first_slot + int(entry["slot"])
        variables.append(
            StorageVariable(
                label=_text(entry["label"]),
                type=_text(described["label"]),
                slot=slot,
                offset=_number(entry["offset"]),
                size=int(described["numberOfBytes"]),
                members=_storage(described.get("members", ()), types, slot),
            )
        )
    return tuple(variables)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise DecodingError(f"artifact: {value!r:.80} where a text is wanted")
    return value


def _number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise DecodingError(f"artifact: {value!r:.80} where a number is wanted")
    return value
