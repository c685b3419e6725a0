"""Artifacts: the loader, what an artifact says about its contract, and the words for revert data."""

import json
import subprocess
import sys
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evmthread.contracts import Artifact, artifact_names, load_artifact, parse_artifact
from evmthread.errors import DecodingError, InvalidInput
from evmthread.primitives.keccak import keccak256
from evmthread.primitives.types import Address, Log

ALICE = Address(b"\x11" * 20)
BOB = Address(b"\x22" * 20)
THREAD = bytes(19) + b"\x99"

# What a user of the contract relies on; a change here breaks threads that are open.
MORPION_FUNCTIONS = {
    "board()", "claimTimeout()", "deadline()", "hasJoined(address)", "join()", "moves()", "owed(address)",
    "play(uint8)", "playerO()", "playerX()", "pot()", "stake()", "state()", "turn()", "turnSeconds()", "unjoin()",
    "winner()", "withdraw()",
}  # fmt: skip


@pytest.fixture(scope="module")
def morpion() -> Artifact:
    return load_artifact("Morpion")


def committed() -> Any:
    return json.loads((files("evmthread.contracts") / "morpion" / "Morpion.json").read_bytes())


def test_morpion_is_shipped(morpion: Artifact) -> None:
    assert "Morpion" in artifact_names()
    assert morpion.name == "Morpion"
    assert morpion.source_name == "evmthread/contracts/morpion/Morpion.sol"
    assert morpion.compiler_version.startswith("0.8.37+commit.")
    assert morpion.settings["evmVersion"] == "cancun"


@pytest.mark.parametrize("name", ["", "morpion", "Morpion.json", "../morpion/Morpion", "Nothing"])
def test_an_unknown_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match=r"no contract .*; there is .*Morpion"):
        load_artifact(name)


def test_importing_the_loader_is_light() -> None:
    heavy = "('eth_abi', 'eth_utils', 'importlib.resources', 'evmthread.isa', 'evmthread.commit')"
    program = f"import sys, evmthread.contracts; sys.exit(any(name in sys.modules for name in {heavy}))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_functions_have_the_selectors_that_the_compiler_gave(morpion: Artifact) -> None:
    identifiers = committed()["methodIdentifiers"]
    assert {function.signature: function.selector.hex() for function in morpion.functions} == identifiers
    assert set(identifiers) == MORPION_FUNCTIONS


def test_the_breakpoint_event_has_the_topic_that_threads_look_for(morpion: Artifact) -> None:
    event = morpion.event("BREAKPOINT")
    assert event.topic.hex() == "9c7df4a0203560fc7dba3a116f6d95686b2b0405dd90ad5e061cd69518cdf04c"
    assert not event.anonymous
    assert not any(parameter.indexed for parameter in event.inputs)


def test_code_is_what_the_artifact_says(morpion: Artifact) -> None:
    # No immutables: every game has the same code, so that one deployment is the origin of any thread.
    assert not morpion.runtime.immutables
    assert morpion.creation_code.endswith(morpion.runtime_code)
    assert len(morpion.runtime_code) < 24_576  # EIP-170
    assert morpion.runtime_code[0] != 0xEF  # EIP-3541
    assert morpion.creation.source_map
    assert morpion.runtime.source_map.count(";") > 1000
    assert {source.id for source in morpion.sources} == {0}
    assert {source.id for source in morpion.runtime.generated_sources} == {1}


def test_a_move_writes_one_slot(morpion: Artifact) -> None:
    game = next(variable for variable in morpion.storage if variable.label == "game")
    assert game.size == 32
    assert {member.slot for member in game.members} == {game.slot}
    assert [member.label for member in game.members][:2] == ["deadline", "turnSeconds"]
    assert [variable.slot for variable in morpion.storage] == [0, 1, 2, 3]


def test_encoding_calls(morpion: Artifact) -> None:
    assert morpion.function("play").encode(4).hex() == "53a04b05" + "4".rjust(64, "0")
    assert morpion.function("play(uint8)") is morpion.function("play")
    assert morpion.function("board").decode(b"".join(n.to_bytes(32, "big") for n in [0, 1, 2] * 3)) == ((0, 1, 2) * 3,)
    assert morpion.function("turn").decode(bytes(12) + BOB) == (BOB,)
    arguments = morpion.encode_constructor(ALICE, BOB, 10**18, 3600)
    assert arguments == bytes(12) + ALICE + bytes(12) + BOB + (10**18).to_bytes(32, "big") + (3600).to_bytes(32, "big")


def test_wrong_names_and_arguments_are_refused(morpion: Artifact) -> None:
    for name in ("Play", "play(uint256)", "constructor", ""):
        with pytest.raises(InvalidInput, match="Morpion has no function"):
            morpion.function(name)
    with pytest.raises(InvalidInput, match=r"play\(uint8\): .*256"):
        morpion.function("play").encode(256)
    with pytest.raises(InvalidInput, match="0 arguments where 1 are wanted"):
        morpion.function("play").encode()
    with pytest.raises(InvalidInput, match="Morpion constructor: 1 arguments where 4 are wanted"):
        morpion.encode_constructor(ALICE)
    with pytest.raises(InvalidInput, match="no event 'Moved'"):
        morpion.event("Moved")


def test_an_overloaded_name_needs_the_signature() -> None:
    record = committed()
    play = next(entry for entry in record["abi"] if entry.get("name") == "play")
    record["abi"].append(play | {"inputs": []})
    artifact = parse_artifact(json.dumps(record))
    with pytest.raises(InvalidInput, match=r"'play' is overloaded: play\(uint8\), play\(\)"):
        artifact.function("play")
    assert artifact.function("play()").inputs == ()


def test_events_are_found_by_topic(morpion: Artifact) -> None:
    topics = (keccak256(b"Played(address,uint8,uint8)"), bytes(12) + ALICE)
    decoded = morpion.decode_event(Log(THREAD, topics, (4).to_bytes(32, "big") + (1).to_bytes(32, "big")))
    assert str(decoded) == f"Played(player={ALICE}, cell=4, number=1)"
    assert morpion.decode_event(Log(THREAD, (), b"")) is None
    assert morpion.decode_event(Log(THREAD, (bytes(32),), b"")) is None
    with pytest.raises(DecodingError):
        morpion.decode_event(Log(THREAD, topics, b""))


def custom(name: str, *words: int) -> bytes:
    return keccak256(name.encode())[:4] + b"".join(word.to_bytes(32, "big") for word in words)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "reverted without a reason"),
        (custom("CellTaken(uint8)", 4), "CellTaken(cell=4)"),
        (custom("NotYourTurn()"), "NotYourTurn()"),
        (custom("WrongStake(uint256,uint256)", 1, 10**18), f"WrongStake(sent=1, wanted={10**18})"),
        (custom("Error(string)", 32, 2) + b"no".ljust(32, b"\0"), "Error(message='no')"),
        (custom("Error(string)", 32, 1) + b"\n".ljust(32, b"\0"), r"Error(message='\n')"),
        (custom("Panic(uint256)", 0x11), "Panic(0x11): arithmetic overflow or underflow"),
        (custom("Panic(uint256)", 0x99), "Panic(0x99): unknown code"),
        (custom("CellTaken(uint8)"), "reverted with unknown data 0x" + custom("CellTaken(uint8)").hex()),
        (custom("Error(string)", 32, 2**200), "reverted with unknown data 0x" + custom("Error(string)", 32).hex()),
        (b"\xab" * 3, "reverted with unknown data 0xababab"),
        (b"\xab" * 65, "reverted with unknown data 0x" + "ab" * 64 + "..."),
    ],
)
def test_revert_data_in_words(morpion: Artifact, data: bytes, text: str) -> None:
    assert morpion.decode_error(data).startswith(text)


def test_revert_data_for_programs(morpion: Artifact) -> None:
    decoded = morpion.parse_error(custom("CellTaken(uint8)", 4))
    assert decoded is not None
    assert (decoded.name, decoded.values) == ("CellTaken", (4,))
    assert morpion.parse_error(b"") is None
    assert morpion.parse_error(custom("CellTaken(uint8)", 256)) is None


@given(st.one_of(st.binary(max_size=100), st.binary(max_size=200).map(lambda tail: custom("Error(string)") + tail)))
def test_any_revert_data_becomes_one_line(data: bytes) -> None:
    text = load_artifact("Morpion").decode_error(data)
    assert text.isprintable()


def test_artifacts_of_another_form_are_refused() -> None:
    for text in (
        "",
        "[]",
        "{}",
        '{"format": "evmthread-artifact/1"}',
        '{"format": "evmthread-artifact/2"}',
        "[" * 10**5,
    ):
        with pytest.raises(DecodingError, match=r"^artifact: "):
            parse_artifact(text)


@pytest.mark.parametrize("key", sorted(set(committed()) - {"methodIdentifiers"}))
def test_every_key_of_an_artifact_is_needed(key: str) -> None:
    for value in (None, 7, "0xabc", [1], {"a": 1}):
        record = committed() | {key: value}
        if key == "contractName" and isinstance(value, str):
            continue
        with pytest.raises(DecodingError):
            parse_artifact(json.dumps(record))
    record = committed()
    del record[key]
    with pytest.raises(DecodingError):
        parse_artifact(json.dumps(record))


def test_sources_are_in_the_artifact(morpion: Artifact) -> None:
    (source,) = morpion.sources
    assert source.content == (files("evmthread.contracts") / "morpion" / "Morpion.sol").read_text("utf-8")
    raw = source.content.encode()
    named = {function.name: raw[function.start :][: function.length].decode() for function in source.functions}
    assert named["Morpion.play"].startswith("function play(uint8 cell)")
    assert named["Morpion.play"].endswith("}")
    assert named["Morpion.playerX"] == "address public playerX"
    play = next(function for function in source.functions if function.name == "Morpion.play")
    assert raw[play.start : play.body] == b"function play(uint8 cell) external "
    assert {function.kind for function in source.functions} == {"constructor", "function", "getter"}
    branch = next(branch for branch in source.branches if raw[branch.start :].startswith(b"if (cell > 8)"))
    assert branch.kind == "if"
    assert raw[branch.part[0] :][: branch.part[1]] == b"revert NoSuchCell(cell)"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("content", "pragma solidity;"),
        ("content", None),
        ("functions", None),
        ("functions", ["1:2:3:function"]),
        ("functions", ["1:2:3:function:a b"]),
        ("functions", ["0:99999999:0:function:a"]),
        ("functions", [7]),
        ("branches", ["1:2:if:3"]),
        ("branches", ["0:99999999:if:0:0"]),
        ("branches", [None]),
    ],
)
def test_a_source_of_another_form_is_refused(key: str, value: object) -> None:
    record = committed()
    record["sources"][record["sourceName"]][key] = value
    with pytest.raises(DecodingError, match=r"^artifact: "):
        parse_artifact(json.dumps(record))
    del record["sources"][record["sourceName"]][key]
    with pytest.raises(DecodingError, match=key):
        parse_artifact(json.dumps(record))
