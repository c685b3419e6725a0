"""Committed artifacts belong to the committed sources: seen here without a compiler, and byte for byte in CI."""

import hashlib
import json
from pathlib import Path

import pytest

from evmthread.contracts import parse_artifact
from evmthread.primitives.keccak import keccak256

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDERS = [REPOSITORY / folder / "contracts" for folder in ("evmthread", "benchmarks", "tests")]
SOURCES = sorted(path.relative_to(REPOSITORY).as_posix() for folder in FOLDERS for path in folder.rglob("*.sol"))
ARTIFACTS = sorted(path for folder in FOLDERS for path in folder.rglob("*.json"))


def test_every_source_went_into_an_artifact() -> None:
    assert SOURCES
    artifacts = [parse_artifact(path.read_bytes()) for path in ARTIFACTS]
    assert {source.name for artifact in artifacts for source in artifact.sources} == set(SOURCES)


@pytest.mark.parametrize("path", ARTIFACTS, ids=lambda path: path.stem)
def test_an_artifact_is_of_the_committed_source(path: Path) -> None:
    artifact = parse_artifact(path.read_bytes())
    assert path.stem == artifact.name
    assert path.parent == (REPOSITORY / artifact.source_name).parent
    for source in artifact.sources:
        content = (REPOSITORY / source.name).read_bytes()
        assert (source.keccak256, source.sha256) == (keccak256(content), hashlib.sha256(content).digest()), (
            f"{source.name} has changed since {path.name} was made: run .ci/compile_contracts.py"
        )
    assert artifact.source_hash == keccak256((REPOSITORY / artifact.source_name).read_bytes())


@pytest.mark.parametrize("path", ARTIFACTS, ids=lambda path: path.stem)
def test_an_artifact_is_in_its_stable_form(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text == json.dumps(json.loads(text), indent=1, sort_keys=True) + "\n"
    assert parse_artifact(text).compiler_version == "0.8.37+commit.f401782d"
