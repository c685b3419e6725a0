"""The contract ABI of one function, event or custom error: parameters, selectors, encoding and decoding.

Types are checked and coded by eth-abi, imported when first used. Knows nothing of where an ABI comes from.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from evmthread.errors import DecodingError, InvalidInput
from evmthread.primitives.keccak import keccak256
from evmthread.primitives.types import Address, Log

SELECTOR_SIZE = 4

# An object read from JSON; what is in it is checked where it is used.
JsonObject: TypeAlias = dict[str, object]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One input or output: its name ("" if it has none) and its type; tuples carry their components."""

    name: str
    type: str
    components: tuple["Parameter", ...] = ()
    indexed: bool = False

    @property
    def canonical_type(self) -> str:
        """The type as it stands in signatures: tuples spelled out."""
        if self.type.startswith("tuple"):
            return f"({','.join(part.canonical_type for part in self.components)}){self.type.removeprefix('tuple')}"
        return self.type

    @property
    def is_dynamic(self) -> bool:
        """Whether an indexed value of this type is replaced by its hash in a log: everything longer than a word."""
        return self.type in ("string", "bytes") or self.type.startswith("tuple") or self.type.endswith("]")


@dataclass(frozen=True, slots=True)
class Decoded:
    """A decoded event or error: its name, and its values in order and by name."""

    name: str
    parameters: tuple[Parameter, ...]
    values: tuple[object, ...]

    def __getitem__(self, name: str) -> object:
        for parameter, value in zip(self.parameters, self.values, strict=True):
            if parameter.name == name:
                return value
        raise InvalidInput(f"{self.name} has no parameter {name!r}")

    def __iter__(self) -> Iterator[object]:
        return iter(self.values)

    def __str__(self) -> str:
        pairs = zip(self.parameters, self.values, strict=True)
        return f"{self.name}({', '.join(f'{p.name}={_show(v)}' if p.name else _show(v) for p, v in pairs)})"


@dataclass(frozen=True, slots=True)
class Function:
    """One function: encodes calls to it and decodes what it returns."""

    name: str
    inputs: tuple[Parameter, ...]
    outputs: tuple[Parameter, ...]
    mutability: str
    selector: bytes = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "selector", keccak256(self.signature.encode())[:SELECTOR_SIZE])

    @property
    def signature(self) -> str:
        """Name and input types, as hashed for the selector."""
        return signature(self.name, self.inputs)

    def encode(self, *arguments: object) -> bytes:
        """The calldata of a call.

        Raises InvalidInput when the number of arguments, a type or a range is wrong.
        """
        return self.selector + encode_values(self.inputs, arguments, what=self.signature)

    def decode_input(self, calldata: bytes) -> tuple[object, ...]:
        """The arguments in a call's calldata.

        Raises DecodingError when it is no call of this function.
        """
        if calldata[:SELECTOR_SIZE] != self.selector:
            raise DecodingError(f"{self.signature}: calldata begins with {calldata[:SELECTOR_SIZE].hex() or 'nothing'}")
        return decode_values(self.inputs, calldata[SELECTOR_SIZE:], what=self.signature)

    def decode(self, output: bytes) -> tuple[object, ...]:
        """The values returned, addresses as `Address`, arrays as tuples.

        Raises DecodingError when the output is too short or has dirty padding.
        """
        return decode_values(self.outputs, output, what=f"{self.signature} output")


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its topic and the decoding of its logs."""

    name: str
    inputs: tuple[Parameter, ...]
    anonymous: bool
    topic: bytes = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "topic", keccak256(self.signature.encode()))

    @property
    def signature(self) -> str:
        """Name and parameter types, as hashed for the topic."""
        return signature(self.name, self.inputs)

    def decode(self, log: Log) -> Decoded:
        """What a log of this event says; an indexed value longer than a word is given as its hash.

        Raises DecodingError when the log has other topics or its data is too short.
        """
        topics = list(log.topics)
        if not self.anonymous and (not topics or topics.pop(0) != self.topic):
            raise DecodingError(f"{self.signature}: a log of another event")
        indexed = [parameter for parameter in self.inputs if parameter.indexed]
        if len(topics) != len(indexed):
            raise DecodingError(f"{self.signature}: {len(topics)} indexed values where {len(indexed)} are wanted")
        plain = tuple(parameter for parameter in self.inputs if not parameter.indexed)
        from_data = iter(decode_values(plain, log.data, what=self.signature))
        from_topics = (
            topic if parameter.is_dynamic else decode_values((parameter,), topic, what=self.signature)[0]
            for parameter, topic in zip(indexed, topics, strict=True)
        )
        values = tuple(next(from_topics if parameter.indexed else from_data) for parameter in self.inputs)
        return Decoded(self.name, self.inputs, values)


@dataclass(frozen=True, slots=True)
class CustomError:
    """One custom error: its selector and the decoding of revert data."""

    name: str
    inputs: tuple[Parameter, ...]
    selector: bytes = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "selector", keccak256(self.signature.encode())[:SELECTOR_SIZE])

    @property
    def signature(self) -> str:
        """Name and parameter types, as hashed for the selector."""
        return signature(self.name, self.inputs)

    def encode(self, *arguments: object) -> bytes:
        """The revert data with these arguments.

        Raises InvalidInput when the number of arguments, a type or a range is wrong.
        """
        return self.selector + encode_values(self.inputs, arguments, what=self.signature)

    def decode(self, revert_data: bytes) -> Decoded:
        """What revert data of this error says.

        Raises DecodingError when it is another error's or too short.
        """
        if revert_data[:SELECTOR_SIZE] != self.selector:
            raise DecodingError(f"{self.signature}: revert data of another error")
        return Decoded(
            self.name, self.inputs, decode_values(self.inputs, revert_data[SELECTOR_SIZE:], what=self.signature)
        )


def signature(name: str, inputs: Sequence[Parameter]) -> str:
    """The text that is hashed for a selector or a topic."""
    return f"{name}({','.join(parameter.canonical_type for parameter in inputs)})"


def encode_values(parameters: Sequence[Parameter], values: Sequence[object], *, what: str) -> bytes:
    """The ABI encoding of a list of values.

    Raises InvalidInput when their number, a type or a range is wrong; `what` names the callee in the message.
    """
    from eth_abi import encode
    from eth_abi.exceptions import EncodingError, ParseError

    if len(values) != len(parameters):
        raise InvalidInput(f"{what}: {len(values)} arguments where {len(parameters)} are wanted")
    try:
        encoded: bytes = encode([parameter.canonical_type for parameter in parameters], list(values))
    except (EncodingError, ParseError, ValueError, TypeError, OverflowError, AttributeError) as error:
        raise InvalidInput(f"{what}: {_first_line(error)}") from None
    return encoded


def decode_values(parameters: Sequence[Parameter], data: bytes, *, what: str) -> tuple[object, ...]:
    """The values in an ABI encoding; bytes after them are ignored, as contracts do.

    Raises DecodingError when the data is too short, has dirty padding, or text in it is no UTF-8.
    """
    from eth_abi import decode
    from eth_abi.exceptions import DecodingError as CodingError
    from eth_abi.exceptions import ParseError

    try:
        values = decode([parameter.canonical_type for parameter in parameters], bytes(data))
    except (CodingError, ParseError, ValueError, TypeError, OverflowError) as error:
        raise DecodingError(f"{what}: {_first_line(error)}") from None
    except RecursionError:
        raise DecodingError(f"{what}: nested too deep") from None
    return tuple(
        _typed(parameter.type, parameter.components, value) for parameter, value in zip(parameters, values, strict=True)
    )


def parse_parameters(entries: object, *, what: str) -> tuple[Parameter, ...]:
    """Parameters from the lists in a JSON ABI.

    Raises DecodingError when the entries are not of the ABI's form.
    """
    if not isinstance(entries, list):
        raise DecodingError(f"{what}: no list of parameters")
    parameters = []
    for entry in entries:
        if not (isinstance(entry, dict) and isinstance(entry.get("type"), str)):
            raise DecodingError(f"{what}: a parameter without a type")
        components = parse_parameters(entry["components"], what=what) if "components" in entry else ()
        name, indexed = entry.get("name", ""), entry.get("indexed", False)
        if not (isinstance(name, str) and isinstance(indexed, bool)):
            raise DecodingError(f"{what}: a parameter without a readable name")
        parameters.append(Parameter(name, entry["type"], components, indexed))
    return tuple(parameters)


def _typed(type_name: str, components: tuple[Parameter, ...], value: object) -> object:
    """Addresses as `Address` at any depth, where eth-abi gives text."""
    if type_name.endswith("]"):
        element = type_name[: type_name.rindex("[")]
        assert isinstance(value, Sequence)
        return tuple(_typed(element, components, item) for item in value)
    if type_name == "tuple":
        assert isinstance(value, Sequence)
        return tuple(_typed(part.type, part.components, item) for part, item in zip(components, value, strict=True))
    return Address(value) if type_name == "address" and isinstance(value, str) else value


def _show(value: object) -> str:
    """A value on one line: bytes as hex, text quoted with control characters escaped, anything long cut short."""
    if isinstance(value, Address):
        return str(value)
    text = "0x" + value.hex() if isinstance(value, bytes) else ascii(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 200 else text[:200] + "..."


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
