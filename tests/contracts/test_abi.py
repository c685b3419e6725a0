"""Functions, events and errors of the contract ABI: vectors from the ABI specification and well-known contracts."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evmthread.contracts.abi import CustomError, Decoded, Event, Function, Parameter, parse_parameters
from evmthread.errors import DecodingError, InvalidInput
from evmthread.primitives.types import Address, Log

ALICE = Address(b"\x11" * 20)
BOB = Address(b"\x22" * 20)
PAIR = Parameter("pair", "tuple[]", (Parameter("who", "address"), Parameter("scores", "uint8[2]")))


def function(name: str, *types: str, outputs: tuple[str, ...] = ()) -> Function:
    inputs = tuple(Parameter(f"argument{index}", type_name) for index, type_name in enumerate(types))
    return Function(name, inputs, tuple(Parameter("", type_name) for type_name in outputs), "nonpayable")


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


# Solidity documentation, "Contract ABI Specification", examples.
def test_encoding_from_the_specification() -> None:
    baz = function("baz", "uint32", "bool")
    assert baz.selector.hex() == "cdcd77c0"
    assert baz.encode(69, True) == baz.selector + word(69) + word(1)
    sam = function("sam", "bytes", "bool", "uint256[]")
    assert sam.encode(b"dave", True, [1, 2, 3]).hex() == (
        "a5643bf2"
        + (word(0x60) + word(1) + word(0xA0) + word(4) + b"dave".ljust(32, b"\0")).hex()
        + (word(3) + word(1) + word(2) + word(3)).hex()
    )


def test_selector_of_a_tuple_spells_out_its_components() -> None:
    nested = Function("f", (PAIR,), (), "view")
    assert nested.signature == "f((address,uint8[2])[])"


def test_addresses_come_back_typed_at_any_depth() -> None:
    encode = Function("f", (PAIR,), (PAIR,), "view").encode([(ALICE, [1, 2]), (str(BOB), (3, 4))])
    decoded = Function("f", (PAIR,), (PAIR,), "view").decode(encode[4:])
    assert decoded == (((ALICE, (1, 2)), (BOB, (3, 4))),)
    pairs = decoded[0]
    assert isinstance(pairs, tuple)
    assert isinstance(pairs[1][0], Address)


@given(st.integers(0, 2**64 - 1), st.binary(max_size=70), st.booleans())
def test_calls_survive_a_round_trip(number: int, data: bytes, flag: bool) -> None:
    call = function("f", "uint64", "bytes", "bool")
    assert call.decode_input(call.encode(number, data, flag)) == (number, data, flag)


@pytest.mark.parametrize(
    "encode",
    [
        lambda: function("f", "uint8").encode(),
        lambda: function("f", "uint8").encode(1, 2),
        lambda: function("f", "uint8").encode(256),
        lambda: function("f", "uint8").encode(-1),
        lambda: function("f", "uint8").encode("1"),
        lambda: function("f", "uint8").encode(True),
        lambda: function("f", "address").encode(b"\x11" * 19),
        lambda: function("f", "address").encode("nobody"),
        lambda: function("f", "address").encode(None),
        lambda: function("f", "uint8[2]").encode([1]),
        lambda: function("f", "uint8[]").encode(7),
        lambda: function("f", "bytes32").encode(bytes(33)),
        lambda: function("f", "string").encode(b"bytes"),
        lambda: function("f", "nonsense").encode(1),
        lambda: function("f", "uint8(").encode(1),
    ],
)
def test_wrong_arguments_are_refused(encode: Callable[[], bytes]) -> None:
    with pytest.raises(InvalidInput, match=r"^f\("):
        encode()


@pytest.mark.parametrize(
    ("type_name", "output"),
    [
        ("uint256", b""),
        ("uint256", bytes(31)),
        ("uint8", word(256)),
        ("bool", word(2)),
        ("address", b"\xff" * 32),
        ("string", word(32)),
        ("string", word(2**255)),
        ("string", word(32) + word(1) + b"\xff".ljust(32, b"\0")),
        ("uint256[]", word(32) + word(2**64)),
        ("nonsense", bytes(64)),
    ],
)
def test_outputs_of_another_shape_are_refused(type_name: str, output: bytes) -> None:
    with pytest.raises(DecodingError, match=r"^f\(\) output: "):
        function("f", outputs=(type_name,)).decode(output)


def test_calldata_of_another_function_is_refused() -> None:
    with pytest.raises(DecodingError, match="begins with nothing"):
        function("f").decode_input(b"")
    with pytest.raises(DecodingError):
        function("f").decode_input(function("g").encode())


def transfer_event() -> Event:
    return Event(
        "Transfer",
        (
            Parameter("from", "address", indexed=True),
            Parameter("to", "address", indexed=True),
            Parameter("value", "uint256"),
        ),
        anonymous=False,
    )


def test_event_of_erc20() -> None:
    event = transfer_event()
    # EIP-20's Transfer, as every explorer shows it.
    assert event.topic.hex() == "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
    log = Log(BOB, (event.topic, bytes(12) + ALICE, bytes(12) + BOB), word(7))
    decoded = event.decode(log)
    assert (decoded["from"], decoded["to"], decoded["value"]) == (ALICE, BOB, 7)
    assert list(decoded) == [ALICE, BOB, 7]
    assert str(decoded) == f"Transfer(from={ALICE}, to={BOB}, value=7)"
    with pytest.raises(InvalidInput, match="no parameter 'amount'"):
        decoded["amount"]


def test_a_long_indexed_value_is_given_as_its_hash() -> None:
    event = Event("Named", (Parameter("name", "string", indexed=True), Parameter("", "bytes")), anonymous=False)
    data = word(32) + word(2) + b"ok".ljust(32, b"\0")
    assert event.decode(Log(BOB, (event.topic, b"\x05" * 32), data)).values == (b"\x05" * 32, b"ok")


def test_an_anonymous_event_has_no_topic_of_its_own() -> None:
    event = Event("Silent", (Parameter("who", "address", indexed=True),), anonymous=True)
    assert event.decode(Log(BOB, (bytes(12) + ALICE,), b"")).values == (ALICE,)


@pytest.mark.parametrize("change", ["no topics", "other topic", "topic missing", "topic too many", "data short"])
def test_logs_that_do_not_fit_are_refused(change: str) -> None:
    event = transfer_event()
    topics, data = [event.topic, bytes(12) + ALICE, bytes(12) + BOB], word(7)
    match change:
        case "no topics":
            topics = []
        case "other topic":
            topics[0] = bytes(32)
        case "topic missing":
            topics.pop()
        case "topic too many":
            topics.append(bytes(32))
        case _:
            data = data[:-1]
    with pytest.raises(DecodingError):
        event.decode(Log(BOB, tuple(topics), data))


def test_custom_errors_survive_a_round_trip() -> None:
    error = CustomError("InsufficientBalance", (Parameter("available", "uint256"), Parameter("required", "uint256")))
    assert error.selector.hex() == "cf479181"  # Solidity documentation, "Errors and the Revert Statement"
    assert error.decode(error.encode(1, 2)) == Decoded("InsufficientBalance", error.inputs, (1, 2))
    with pytest.raises(DecodingError, match="another error"):
        error.decode(b"\0\0\0\0" + bytes(64))
    with pytest.raises(DecodingError):
        error.decode(error.encode(1, 2)[:-1])


def test_shown_text_is_escaped_and_cut() -> None:
    parameters = (Parameter("text", "string"), Parameter("data", "bytes"))
    shown = str(Decoded("E", parameters, ("\x1b[2Jé\n", b"\xab" * 500)))
    assert shown.startswith(r"E(text='\x1b[2J\xe9\n', data=0xabab")
    assert len(shown) < 300


@pytest.mark.parametrize("entries", [None, {}, [1], [{}], [{"type": 1}], [{"type": "uint8", "name": 3}]])
def test_parameters_of_another_form_are_refused(entries: object) -> None:
    with pytest.raises(DecodingError):
        parse_parameters(entries, what="f")
