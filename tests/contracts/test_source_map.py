"""Source maps: instructions of real contracts come from the lines that they stand for."""

import json
from pathlib import Path
from typing import Any

import pytest

from evmthread.contracts import Artifact, load_artifact, parse_artifact
from evmthread.contracts.source_map import Jump, Place, SourceMap
from evmthread.errors import DecodingError

COVERED = Path(__file__).with_name("Covered.json")
JUMP, SSTORE, LOG2 = 0x56, 0x55, 0xA2


@pytest.fixture(scope="module")
def covered() -> Artifact:
    return parse_artifact(COVERED.read_bytes())


def line_of(artifact: Artifact, text: str) -> int:
    lines = [number for number, line in enumerate(artifact.sources[0].content.split("\n"), 1) if text in line]
    assert len(lines) == 1, text
    return lines[0]


def all_places(source_map: SourceMap) -> list[tuple[int, Place]]:
    return [(pc, place) for pc in source_map.pcs if (place := source_map.at(pc)) is not None]


def named(place: Place) -> str | None:
    return None if place.function is None else place.function.name


def places_of(source_map: SourceMap, opcode: int) -> set[tuple[int, str | None]]:
    places = [place for pc, place in all_places(source_map) if source_map.code[pc] == opcode]
    return {(place.line, named(place)) for place in places if not place.generated}


def test_instructions_come_from_their_lines(covered: Artifact) -> None:
    runtime = SourceMap(covered)
    assert places_of(runtime, SSTORE) == {(line_of(covered, "total += number"), "Covered._add")}
    assert places_of(runtime, LOG2) == {(line_of(covered, "emit Added"), "Covered._add")}
    creation = SourceMap(covered, creation=True)
    assert places_of(creation, SSTORE) == {(line_of(covered, "total = start"), "Covered.constructor")}


def test_a_place_is_the_text_that_it_names(covered: Artifact) -> None:
    runtime = SourceMap(covered)
    (pc,) = [pc for pc in runtime.pcs if runtime.code[pc] == SSTORE]
    place = runtime.at(pc)
    assert place is not None
    assert place.is_code
    text = runtime.text(place.source)
    assert text is not None
    assert text.raw[place.start :][: place.length] == b"total += number"
    assert text.lines[place.line - 1].strip() == "total += number;"


def test_heads_and_whole_contracts_are_no_code(covered: Artifact) -> None:
    runtime = SourceMap(covered)
    first = runtime.at(0)
    assert first is not None
    assert (first.function, first.is_code) == (None, False)
    heads = {line_of(covered, "function _add"), line_of(covered, "function larger"), line_of(covered, "public total")}
    places = [place for _, place in all_places(runtime)]
    assert heads <= {place.line for place in places if not place.generated}
    assert not heads & {place.line for place in places if place.is_code}


def test_jumps_into_functions_and_out(covered: Artifact) -> None:
    runtime = SourceMap(covered)
    jumps = [(pc, place) for pc, place in all_places(runtime) if place.jump is not Jump.NEITHER]
    assert all(runtime.code[pc] == JUMP for pc, _ in jumps)
    into = {(place.line, named(place)) for _, place in jumps if place.jump is Jump.INTO}
    assert (line_of(covered, "* _factorial"), "Covered._factorial") in into
    out = {named(place) for _, place in jumps if place.jump is Jump.OUT}
    assert {"Covered._factorial", "Covered._add"} <= out


def test_what_the_compiler_made_has_its_own_functions(covered: Artifact) -> None:
    made = [place for _, place in all_places(SourceMap(covered)) if place.generated]
    assert "checked_add_t_uint256" in {named(place) for place in made}
    assert not any(place.is_code for place in made)


def test_every_instruction_of_a_shipped_contract_is_in_its_map() -> None:
    for name in ("Morpion", "MorpionDraw"):
        artifact = load_artifact(name)
        for creation, code in ((False, artifact.runtime), (True, artifact.creation)):
            source_map = SourceMap(artifact, creation=creation)
            assert len(source_map.pcs) == code.source_map.count(";") + 1
            assert source_map.at(1) is None  # inside a PUSH1
            # The optimizer assigns constants to no source, but nothing that has an effect or decides.
            from_nowhere = {source_map.code[pc] for pc in source_map.pcs if source_map.at(pc) is None}
            assert from_nowhere.isdisjoint((0x54, 0x55, 0x57, *range(0xA0, 0x100)))


def with_map(text: str) -> Artifact:
    record: Any = json.loads(COVERED.read_bytes())
    record["runtime"]["sourceMap"] = text
    return parse_artifact(json.dumps(record))


@pytest.mark.parametrize("text", ["a", "1:b", "1:2:0:x", "1:2:0:i:0:0", "1:2:0:-:0;;1:2:c"])
def test_a_map_of_another_form_is_refused(text: str) -> None:
    artifact = with_map(text)
    with pytest.raises(DecodingError, match="source map: no entry"):
        SourceMap(artifact)


def test_what_comes_from_nowhere_has_no_place() -> None:
    source_map = SourceMap(with_map("1:2:-1;;0:5:99;0:8:0"))
    assert [source_map.at(pc) for pc in source_map.pcs[:3]] == [None] * 3
    place = source_map.at(source_map.pcs[3])
    assert place is not None
    assert (place.start, place.length, place.line) == (0, 8, 1)
    assert source_map.at(source_map.pcs[3] + 10**6) is None
    assert SourceMap(with_map("")).pcs == ()
