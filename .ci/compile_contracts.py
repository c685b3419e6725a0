#!/usr/bin/env python3
"""Compile the repository's Solidity and Yul sources and write, or with --check compare, what is committed beside them.

Needs node (12 or newer) and npm on PATH; the compiler itself comes from npm into a scratch folder, in the one version
named below, and its code must have the hash named below. Nothing but the standard library is used.

What makes the bytes the same everywhere: source names are paths relative to the repository; each file is compiled by
itself, with what it imports; and the code ends in metadata without a hash (`bytecodeHash: none`), so that it depends on
the program alone, while the compiler's version in it still lets explorers recognise the compiler. Source maps refer to
the committed sources, which are in the artifact, with their hashes and the places of functions and branches in them.
Sources of npm packages aren't ours to hand on: an artifact names the package, its version, its licence, their hashes.
Of a Yul source, one object without others inside, there is the code alone, as hex.
"""

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
SOURCE_FOLDERS = ("evmthread/contracts", "benchmarks/contracts", "tests/contracts")
YUL_FOLDERS = ("examples",)
ARTIFACT_FORMAT = "evmthread-artifact/2"

COMPILER = "0.8.37"
# sha256 of soljson.js in the npm package solc 0.8.37: the whole compiler, as WebAssembly inside JavaScript.
COMPILER_SHA256 = "221d7a667378b5068d913e75fe092507e061363cd1d23b64c49ae82febabad4c"
SETTINGS: dict[str, Any] = {
    "evmVersion": "cancun",
    "optimizer": {"enabled": True, "runs": 200},
    "metadata": {"bytecodeHash": "none"},
    "viaIR": False,
}
# npm packages from which test contracts import, in the version that artifacts name.
PACKAGES = {"@openzeppelin/contracts": "5.7.0"}
# The registry, and what stands on it, is compiled for what users pay: through the intermediate representation, which
# needs fewer moves on the stack, and with more runs; many more would exceed the code limit of 24,576 bytes.
BY_INTERMEDIATE = ("evmthread/contracts/registry/", "tests/contracts/registry/")
INTERMEDIATE_SETTINGS = {"viaIR": True, "optimizer": {"enabled": True, "runs": 10_000}}
# Compiled without the optimizer, which merges equal code of several functions: here each line has code of its own.
UNOPTIMIZED = ("tests/contracts/Covered.sol", "tests/contracts/Failing.sol")
OUTPUTS = [
    "abi",
    "metadata",
    "storageLayout",
    "evm.bytecode.object",
    "evm.bytecode.sourceMap",
    "evm.bytecode.generatedSources",
    "evm.bytecode.linkReferences",
    "evm.deployedBytecode.object",
    "evm.deployedBytecode.sourceMap",
    "evm.deployedBytecode.generatedSources",
    "evm.deployedBytecode.linkReferences",
    "evm.deployedBytecode.immutableReferences",
    "evm.methodIdentifiers",
]
# import "x"; import "x" as y; import {a, b as c} from "x"; import * as y from "x";
IMPORT = re.compile(r"""^\s*import\s+(?:[^"';]*?\bfrom\s+)?["']([^"']+)["']""", re.MULTILINE)


class CompileError(Exception):
    """Something that the user is told in one message, without a traceback."""


def run(command: list[str], *, folder: Path, text: str | None = None) -> str:
    """What a command prints; raises CompileError with its complaint when it fails.

    Input and output go through files: node writes them to the end, but drops what a pipe hasn't taken when it exits,
    and may find a pipe's input not there yet (EAGAIN).
    """
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as given,
        tempfile.TemporaryFile("w+", encoding="utf-8") as output,
    ):
        given.write(text or "")
        given.seek(0)
        done = subprocess.run(
            command, cwd=folder, stdin=given, stdout=output, stderr=subprocess.PIPE, encoding="utf-8", check=False
        )
        output.seek(0)
        printed = output.read()
    if done.returncode:
        complaint = (done.stderr or printed).strip()[-2000:]
        raise CompileError(f"{' '.join(command)} failed with exit code {done.returncode}:\n{complaint}")
    return printed


def find_program(name: str) -> str:
    """The path of a program; raises CompileError when there is none."""
    path = shutil.which(name)
    if path is None:
        raise CompileError(f"{name} is not on PATH: install node and npm (Debian: apt-get install nodejs npm)")
    return path


def install_compiler(folder: Path) -> Path:
    """Install the pinned compiler and packages with npm into a folder, unless they are there, and return its solc.js.

    Raises CompileError where the compiler's code has another hash.
    """
    package = folder / "node_modules" / "solc"
    if not (package / "soljson.js").is_file() or any(
        package_version(folder / "node_modules", name)[0] != version for name, version in PACKAGES.items()
    ):
        npm = find_program("npm")
        folder.mkdir(parents=True, exist_ok=True)
        # A manifest of its own keeps npm from walking up to somebody else's.
        (folder / "package.json").write_text(json.dumps({"private": True}), encoding="utf-8")
        command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--save-exact", f"solc@{COMPILER}"]
        run([*command, *(f"{name}@{version}" for name, version in PACKAGES.items())], folder=folder)
    found = hashlib.sha256((package / "soljson.js").read_bytes()).hexdigest()
    if found != COMPILER_SHA256:
        raise CompileError(f"solc {COMPILER}: soljson.js in {package} has sha256 {found}, not {COMPILER_SHA256}")
    return package / "solc.js"


def package_version(modules: Path, name: str) -> tuple[str, str]:
    """Version and licence of an npm package that is installed there; empty where it isn't."""
    manifest = modules / name / "package.json"
    if not manifest.is_file():
        return "", ""
    said = json.loads(manifest.read_bytes())
    return said["version"], said["license"]


def package_of(source: str) -> str | None:
    """The npm package of a source, None where it is one of the repository's."""
    return next((name for name in PACKAGES if source.startswith(name + "/")), None)


def read_sources(name: str, sources: dict[str, str], *, modules: Path) -> dict[str, str]:
    """Add a source and all that it imports to `sources`, by name relative to the repository, or to the npm packages."""
    if name in sources:
        return sources
    path = (REPOSITORY if package_of(name) is None else modules) / name
    if not path.is_file():
        raise CompileError(f"{name}: no such source")
    sources[name] = path.read_bytes().decode("utf-8")
    for target in IMPORT.findall(sources[name]):
        if target.startswith("."):
            parts: list[str] = []
            for part in (PurePosixPath(name).parent / target).parts:
                if part == "..":
                    parts.pop()
                else:
                    parts.append(part)
            target = "/".join(parts)
        read_sources(target, sources, modules=modules)
    return sources


def compile_source(name: str, *, node: str, compiler: Path) -> dict[str, dict[str, Any]]:
    """The artifacts of one source file by contract name.

    Abstract contracts, interfaces and libraries of internal functions have none: nothing of them is deployed.
    Raises CompileError on any error or warning of the compiler.
    """
    modules = compiler.parent.parent
    sources = read_sources(name, {}, modules=modules)
    settings = SETTINGS | ({"optimizer": {"enabled": False}} if name in UNOPTIMIZED else {})
    if name.startswith(BY_INTERMEDIATE):
        settings |= INTERMEDIATE_SETTINGS
    request = {
        "language": "Solidity",
        "sources": {source: {"content": text} for source, text in sources.items()},
        "settings": settings | {"outputSelection": {name: {"*": OUTPUTS}, "*": {"": ["ast"]}}},
    }
    answer = ask_compiler(request, name=name, node=node, compiler=compiler)
    deployed = {
        contract: output for contract, output in answer["contracts"].get(name, {}).items() if is_deployed(output)
    }
    if not deployed:
        return {}
    records = {
        source: {
            "id": answer["sources"][source]["id"],
            "keccak256": json_hash(answer, name, source),
            "sha256": "0x" + hashlib.sha256(text.encode("utf-8")).hexdigest(),
            "content": text,
            **outline(answer["sources"][source]["ast"]),
        }
        for source, text in sources.items()
        if package_of(source) is None
    }
    made = {contract: artifact(contract, name, output, records, settings) for contract, output in deployed.items()}
    used = sorted({package for package in map(package_of, sources) if package is not None})
    if used:
        for record in made.values():
            record["packages"] = [package_record(package, answer, name, sources, modules) for package in used]
    return made


def package_record(
    package: str, answer: dict[str, Any], name: str, sources: dict[str, str], modules: Path
) -> dict[str, Any]:
    """What an artifact says of an npm package: the sources are known by their hashes alone."""
    version, licence = package_version(modules, package)
    return {
        "name": package,
        "version": version,
        "license": licence,
        "sources": {
            source: {"id": answer["sources"][source]["id"], "keccak256": json_hash(answer, name, source)}
            for source in sources
            if package_of(source) == package
        },
    }


def outline(tree: dict[str, Any]) -> dict[str, list[str]]:
    """Where functions and branches of a source are, from its syntax tree; places are in bytes, as in source maps.

    A function is "start:length:body:kind:name"; its body begins at `body` (at its end where it has none). A branch is
    "start:length:kind:start:length": where it is, and the part of it that one of its two ways runs (0:0 for require and
    assert). Code that decides a branch is mapped to its place.
    """
    functions, branches = [], []
    for node, contract in nodes(tree, ""):
        kind = function_kind(node)
        if kind:
            name = node["name"] or kind
            start, length = place(node)
            body = place(node["body"])[0] if node.get("body") else start + length
            functions.append((start, length, body, kind, f"{contract}.{name}" if contract else name))
        kind, part = branch(node)
        if kind:
            branches.append((*place(node), kind, *(place(part) if part else (0, 0))))
    return {key: [":".join(map(str, row)) for row in sorted(rows)] for key, rows in
            (("functions", functions), ("branches", branches))}  # fmt: skip


def nodes(item: Any, contract: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Every node of a syntax tree, with the contract in which it stands."""
    if isinstance(item, list):
        for each in item:
            yield from nodes(each, contract)
    elif isinstance(item, dict):
        if "nodeType" in item and "src" in item:
            yield item, contract
            contract = item["name"] if item["nodeType"] == "ContractDefinition" else contract
        for each in item.values():
            yield from nodes(each, contract)


def place(node: dict[str, Any]) -> tuple[int, int]:
    """Start and length of a node, in bytes."""
    start, length, _ = node["src"].split(":")
    return int(start), int(length)


def function_kind(node: dict[str, Any]) -> str:
    """What function a node is, "" where it is none that has code."""
    match node["nodeType"]:
        case "FunctionDefinition" if node["implemented"]:
            kind: str = node["kind"]
            return "function" if kind == "freeFunction" else kind
        case "ModifierDefinition" if node.get("body"):
            return "modifier"
        case "VariableDeclaration" if node["stateVariable"] and node["visibility"] == "public":
            return "getter"
    return ""


def branch(node: dict[str, Any]) -> tuple[str, dict[str, Any] | None]:
    """What branch a node is ("" where it is none), and the part that one way runs."""
    match node["nodeType"]:
        case "IfStatement":
            return "if", node["trueBody"]
        case "Conditional":
            return "conditional", node["trueExpression"]
        case "ForStatement" if node.get("condition"):
            return "for", node["body"]
        case "WhileStatement" | "DoWhileStatement":
            return "while", node["body"]
        case "BinaryOperation" if node["operator"] in ("&&", "||"):
            return "and" if node["operator"] == "&&" else "or", node["rightExpression"]
        case "FunctionCall" if node["expression"].get("name") in ("require", "assert"):
            return node["expression"]["name"], None
    return "", None


def compile_yul(name: str, *, node: str, compiler: Path) -> str:
    """The code of a Yul source, as hex. Raises CompileError on any error or warning of the compiler."""
    request = {
        "language": "Yul",
        "sources": {name: {"content": (REPOSITORY / name).read_bytes().decode("utf-8")}},
        "settings": {key: SETTINGS[key] for key in ("evmVersion", "optimizer")}
        | {"outputSelection": {name: {"*": ["evm.bytecode.object"]}}},
    }
    answer = ask_compiler(request, name=name, node=node, compiler=compiler)
    (output,) = answer["contracts"][name].values()
    code_: str = output["evm"]["bytecode"]["object"]
    return code_


def ask_compiler(request: dict[str, Any], *, name: str, node: str, compiler: Path) -> dict[str, Any]:
    """The compiler's answer to a request in standard JSON. Raises CompileError on any error or warning."""
    printed = run([node, str(compiler), "--standard-json"], folder=compiler.parent, text=json.dumps(request))
    if "{" not in printed:
        raise CompileError(f"{name}: the compiler printed no JSON: {printed[:200]!r}")
    answer: dict[str, Any] = json.loads(printed[printed.index("{") :])  # a line about SMT solvers may come first
    complaints = [error.get("formattedMessage", str(error)) for error in answer.get("errors", [])]
    if complaints:
        raise CompileError(f"{name}:\n" + "\n".join(complaints))
    return answer


def is_deployed(output: dict[str, Any]) -> bool:
    """Whether a contract has code, and anything that could be called: constructor, function, receive or fallback."""
    callable_ = any(entry["type"] not in ("event", "error") for entry in output["abi"])
    return bool(output["evm"]["bytecode"]["object"]) and callable_


def json_hash(answer: dict[str, Any], name: str, source: str) -> str:
    """The keccak-256 of a source, as the compiler names it in the metadata of a contract that uses it."""
    for output in answer["contracts"][name].values():
        if output["metadata"]:
            record = json.loads(output["metadata"])["sources"].get(source)
            if record:
                digest: str = record["keccak256"]
                return digest
    raise CompileError(f"{name}: no contract in it uses {source}")


def artifact(
    contract: str, name: str, output: dict[str, Any], sources: dict[str, Any], settings: dict[str, Any]
) -> dict[str, Any]:
    """One contract's artifact, as it is committed."""
    for part in ("bytecode", "deployedBytecode"):
        if output["evm"][part]["linkReferences"]:
            raise CompileError(f"{name}: {contract} needs linking to a library, which artifacts don't support")
    creation, runtime = output["evm"]["bytecode"], output["evm"]["deployedBytecode"]
    return {
        "format": ARTIFACT_FORMAT,
        "contractName": contract,
        "sourceName": name,
        "sources": sources,
        "compiler": {
            "name": "solc",
            "version": json.loads(output["metadata"])["compiler"]["version"],
            "settings": settings,
        },
        "abi": output["abi"],
        "methodIdentifiers": output["evm"]["methodIdentifiers"],
        "storageLayout": output["storageLayout"],
        "creation": code(creation),
        "runtime": code(runtime) | {"immutableReferences": runtime.get("immutableReferences", {})},
    }


def code(output: dict[str, Any]) -> dict[str, Any]:
    """Bytecode, source map, and the compiler-made sources to which the map also refers (without their syntax tree)."""
    generated = [
        {key: source[key] for key in ("id", "name", "language", "contents")} for source in output["generatedSources"]
    ]
    return {"bytecode": "0x" + output["object"], "sourceMap": output["sourceMap"], "generatedSources": generated}


def artifacts(*, node: str, compiler: Path) -> Iterator[tuple[Path, str]]:
    """Path and text of every artifact that should be committed."""
    for folder in SOURCE_FOLDERS:
        for path in sorted((REPOSITORY / folder).rglob("*.sol")):
            compiled = compile_source(path.relative_to(REPOSITORY).as_posix(), node=node, compiler=compiler)
            for contract, record in compiled.items():
                yield path.with_name(contract + ".json"), json.dumps(record, indent=1, sort_keys=True) + "\n"
    for folder in YUL_FOLDERS:
        for path in sorted((REPOSITORY / folder).rglob("*.yul")):
            made = compile_yul(path.relative_to(REPOSITORY).as_posix(), node=node, compiler=compiler)
            yield path.with_suffix(".hex"), made + "\n"


def write(expected: dict[Path, str]) -> None:
    """Write the artifacts that are missing or differ, and remove those that no source makes any more."""
    for path, text in expected.items():
        if not path.is_file() or path.read_bytes() != text.encode():
            path.write_bytes(text.encode())
            print(f"wrote {path.relative_to(REPOSITORY)}")
    for path in stray_artifacts(expected):
        path.unlink()
        print(f"removed {path.relative_to(REPOSITORY)}")


def differences(expected: dict[Path, str]) -> Iterator[str]:
    """One line for each committed artifact that is not what the sources give."""
    for path, text in expected.items():
        name = path.relative_to(REPOSITORY)
        if not path.is_file():
            yield f"{name}: missing"
        elif path.read_bytes() != text.encode():
            try:
                committed = json.loads(path.read_bytes())
                made = json.loads(text)
                keys = sorted(key for key in committed.keys() | made.keys() if committed.get(key) != made.get(key))
            except (ValueError, AttributeError):
                keys = ["not readable"]
            yield f"{name}: differs in {', '.join(keys) or 'its formatting'}"
    for path in stray_artifacts(expected):
        yield f"{path.relative_to(REPOSITORY)}: no source makes it"


def stray_artifacts(expected: dict[Path, str]) -> list[Path]:
    """Artifact files in the source folders that are not among the expected ones."""
    kinds = ((SOURCE_FOLDERS, "*.json"), (YUL_FOLDERS, "*.hex"))
    found = (
        path for folders, kind in kinds for folder in folders for path in sorted((REPOSITORY / folder).rglob(kind))
    )
    return [path for path in found if path not in expected]


def main() -> int:
    """Exit code 0 when the artifacts are written or right, 1 when --check finds a difference or something fails."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a committed artifact differs")
    parser.add_argument(
        "--toolchain", type=Path, metavar="DIR", help="keep the compiler in this folder (default: a temporary one)"
    )
    options = parser.parse_args()
    try:
        node = find_program("node")
        with tempfile.TemporaryDirectory(prefix="evmthread-solc-") as scratch:
            compiler = install_compiler((options.toolchain or Path(scratch)).resolve())
            expected = dict(artifacts(node=node, compiler=compiler))
    except CompileError as error:
        print(f"compile_contracts: {error}", file=sys.stderr)
        return 1
    if not options.check:
        write(expected)
        return 0
    found = list(differences(expected))
    for line in found:
        print(line, file=sys.stderr)
    if found:
        print(
            f"{len(found)} of {len(expected)} artifacts are not what solc {COMPILER} makes of the committed sources; "
            "run .ci/compile_contracts.py and commit",
            file=sys.stderr,
        )
        return 1
    print(f"{len(expected)} artifacts are what solc {COMPILER} makes of the committed sources")
    return 0


if __name__ == "__main__":
    sys.exit(main())
