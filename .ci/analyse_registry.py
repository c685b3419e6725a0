#!/usr/bin/env python3
"""Run slither's detectors on the registry: each finding needs a reason in this file, each reason a finding.

Runs in an environment with slither-analyzer; the compiler is the one of compile_contracts.py, from npm, with the same
sources and settings. No detector is left out.
"""

import argparse
import inspect
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import compile_contracts
from crytic_compile import CryticCompile
from crytic_compile.platform.solc_standard_json import SolcStandardJson
from slither import Slither
from slither.detectors import all_detectors
from slither.detectors.abstract_detector import AbstractDetector

SOURCE = "evmthread/contracts/registry/Registry.sol"
OUTPUTS = ["abi", "devdoc", "userdoc", "evm.bytecode", "evm.deployedBytecode"]

# Why a finding is none: by detector, and by the function or contract that it is about.
_ASSEMBLY = "its comment says what Solidity can't do there; the tests of what it makes are exact"
_CLOCK = "deadlines are in seconds of block time; a validator can move it by a slot, and periods are a minute at least"
_PART = "only one of the values that the reader of RLP gives is of use there"
REASONS: dict[tuple[str, str], str] = {
    ("assembly", "Create3.create"): _ASSEMBLY,
    ("assembly", "CreationCode._writeSlot"): _ASSEMBLY,
    ("assembly", "CreationCode.make"): _ASSEMBLY,
    ("assembly", "Payments._send"): _ASSEMBLY,
    ("assembly", "Registry._checkOrigin"): _ASSEMBLY,
    ("assembly", "Rlp.byteAt"): _ASSEMBLY,
    ("assembly", "StorageRoot._branch"): _ASSEMBLY,
    ("assembly", "StorageRoot._freeFrom"): _ASSEMBLY,
    ("assembly", "StorageRoot._freeMemory"): _ASSEMBLY,
    ("assembly", "StorageRoot._start"): _ASSEMBLY,
    ("timestamp", "Registry.open"): _CLOCK,
    ("timestamp", "Registry.refund"): _CLOCK,
    ("timestamp", "Registry.respond"): _CLOCK,
    ("timestamp", "Registry.settle"): _CLOCK,
    ("timestamp", "Registry.slot"): "it compares a mode; slither follows the deadline into the same word",
    ("unused-return", "Proofs._read"): _PART,
    ("unused-return", "Proofs._readBranch"): _PART,
}

# Slither starts a compiler program and speaks to it through pipes; node reads files better.
PROGRAM = """#!{python}
import subprocess, sys, tempfile
if "--version" in sys.argv:
    print("Version: {version}+commit.00000000.Linux.g++")
    sys.exit()
with tempfile.TemporaryFile("w+") as given, tempfile.TemporaryFile("w+") as output:
    given.write(sys.stdin.read())
    given.seek(0)
    subprocess.run(["{node}", "{compiler}", "--standard-json"], stdin=given, stdout=output, check=True)
    output.seek(0)
    text = output.read()
print(text[text.index("{{"):])
"""


def findings(toolchain: Path) -> list[dict[str, Any]]:
    """What all detectors say."""
    node = compile_contracts.find_program("node")
    compiler = compile_contracts.install_compiler(toolchain)
    sources = compile_contracts.read_sources(SOURCE, {}, modules=compiler.parent.parent)
    settings = compile_contracts.SETTINGS | compile_contracts.INTERMEDIATE_SETTINGS
    request = {
        "language": "Solidity",
        "sources": {name: {"content": text} for name, text in sources.items()},
        "settings": settings | {"outputSelection": {"*": {"*": OUTPUTS, "": ["ast"]}}},
    }
    program = toolchain / "solc-for-slither"
    program.write_text(
        PROGRAM.format(python=sys.executable, version=compile_contracts.COMPILER, node=node, compiler=compiler)
    )
    program.chmod(0o755)
    compiled = CryticCompile(
        SolcStandardJson(request), solc=str(program), solc_working_dir=str(compile_contracts.REPOSITORY)
    )
    slither = Slither(compiled)
    for _, detector in inspect.getmembers(all_detectors, inspect.isclass):
        if issubclass(detector, AbstractDetector) and detector is not AbstractDetector:
            slither.register_detector(detector)
    return [finding for found in slither.run_detectors() for finding in found]


def place_of(finding: dict[str, Any]) -> str:
    """The function, variable or contract that a finding is about first."""
    element = finding["elements"][0]
    parent = element.get("type_specific_fields", {}).get("parent", {})
    if element["type"] == "pragma":
        return "pragma"
    if element["type"] in ("function", "variable", "event", "struct", "enum") and parent:
        return f"{parent['name']}.{element['name']}"
    if element["type"] == "node" and parent:
        contract = parent.get("type_specific_fields", {}).get("parent", {}).get("name", "")
        return f"{contract}.{parent['name']}"
    name: str = element["name"]
    return name


def main() -> int:
    """Exit code 0 when every finding has its reason, and every reason its finding."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--toolchain", type=Path, metavar="DIR", help="keep the compiler in this folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="evmthread-slither-") as scratch:
        found = findings((options.toolchain or Path(scratch)).resolve())
    explained, unexplained = set(), []
    for finding in found:
        key = (finding["check"], place_of(finding))
        if key in REASONS:
            explained.add(key)
        else:
            unexplained.append((key, finding))
    for key, finding in unexplained:
        print(f"{finding['impact']}: {json.dumps(key)}\n{finding['description']}", file=sys.stderr)
    for check, place in sorted(REASONS.keys() - explained):
        print(f"a reason without a finding: {check} in {place}", file=sys.stderr)
    if unexplained or REASONS.keys() - explained:
        return 1
    print(f"slither: {len(found)} findings, each with its reason")
    return 0


if __name__ == "__main__":
    sys.exit(main())
