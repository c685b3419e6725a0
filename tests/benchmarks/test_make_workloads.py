"""The committed Solidity workloads are made of the committed contracts, and all workloads have one form."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import make_families
from benchmarks.make_workloads import RECIPES, WORKLOADS, Recipe, gas_after_refund, workload

ALL = sorted(WORKLOADS.parent.rglob("*.json"))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.contract)
def test_a_solidity_workload_is_of_the_committed_contract(recipe: Recipe) -> None:
    record = json.loads((WORKLOADS / f"{recipe.contract.lower()}.json").read_bytes())
    expect = record.pop("expect")
    assert record == workload(recipe), "run benchmarks/make_workloads.py"
    assert expect["success"]
    assert 20_000 <= expect["ops"] <= 500_000


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_a_workload_has_the_documented_form(path: Path) -> None:
    record: dict[str, Any] = json.loads(path.read_bytes())
    assert list(record) == ["format", "name", "source", "fork", "env", "pre", "call", "expect"]
    assert (record["format"], record["fork"]) == ("evmthread-bench/1", "cancun")
    expect = record["expect"]
    assert list(expect) == ["success", "output", "execGas", "refund", "ops", "hist"]
    assert sum(expect["hist"].values()) == expect["ops"]
    assert {record["call"]["from"], record["call"]["to"]} <= record["pre"].keys()


@pytest.mark.parametrize("name", make_families.FAMILIES)
def test_a_family_is_of_the_committed_program(name: str) -> None:
    record = json.loads((make_families.WORKLOADS / f"{name}.json").read_bytes())
    expect = record.pop("expect")
    assert record == make_families.workload(name), "run python -m benchmarks.make_families"
    assert expect["success"]
    assert 1_000 <= expect["ops"] <= 100_000


def test_words_become_code() -> None:
    assert make_families.assembled("0 1 0x1ff back: @back JUMP").hex() == "5f60016101ff5b61000656"


def test_the_folder_holds_what_its_notice_says() -> None:
    assert len(ALL) == 21 + len(RECIPES) + len(make_families.FAMILIES)
    foreign = [path for path in ALL if "ipsilon/evm-benchmarks" in json.loads(path.read_bytes())["source"]]
    assert len(foreign) == 17
    notice = (WORKLOADS.parent / "NOTICE").read_text(encoding="utf-8")
    assert all(path.name.partition(".")[0] in notice for path in foreign)


def test_gas_after_refund_is_capped_at_a_fifth() -> None:
    record = {"call": {"data": "0x0001"}}
    assert gas_after_refund(record, {"execGas": 4_000, "refund": 0}) == 25_020
    assert gas_after_refund(record, {"execGas": 4_000, "refund": 5_000}) == 20_020
    assert gas_after_refund(record, {"execGas": 4_000, "refund": 10**6}) == 25_020 - 5_004
