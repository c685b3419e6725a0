"""The house rules that a machine can check: who imports whom, sizes of files, no mutable state, a light import.

See docs/architecture.md, "Who may import whom". Imports are read from the syntax tree, those inside functions too.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1] / "evmthread"
FILES = sorted(ROOT.rglob("*.py"))

# A package imports itself and what lies on a lower floor.
FLOORS = {
    "errors": -1,
    "primitives": 0,
    **dict.fromkeys(("contracts", "rpc", "precompiles", "merkle"), 1),
    **dict.fromkeys(("isa", "state", "commit"), 2),
    "machine": 3,
    "execution": 4,
    **dict.fromkeys(("channel", "debugging", "tracers"), 5),
    "store": 6,
    **dict.fromkeys(("chain", "oracle"), 7),
}
# These stand above the house: they import anything, and nothing imports them but they themselves.
TOP = {"testing", "commands", "cli", "__main__", ""}
# What the floors alone would let through.
NEVER = {
    "machine": {"state"},
    "commit": {"machine", "isa", "state", "execution"},
    "contracts": {"precompiles", "merkle"},
}

LINES = 450
# Modules that choose an implementation at first use; it needs their constants, and they need it inside a function only.
CHOOSERS = {
    "evmthread.precompiles.bls12_381_groups": "loads py_ecc or py-arkworks-bls12381, both heavy, when first used"
}

CONTAINERS = {"list", "dict", "set", "bytearray", "defaultdict", "OrderedDict", "deque", "Counter", "ChainMap"}
CHANGING_METHODS = {
    *("append", "extend", "insert", "remove", "pop", "popitem", "clear", "update", "setdefault", "add", "discard"),
    *("sort", "reverse", "appendleft", "move_to_end", "intersection_update", "difference_update", "__setitem__"),
}

HEAVY = ("web3", "eth_abi", "trie", "rlp", "py_ecc", "cryptography", "ckzg", "py_arkworks_bls12381", "eth_account")


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path) for path in FILES}


def package_of(module: str) -> str:
    """The name after `evmthread.`; empty for the package itself."""
    return module.partition(".")[2].partition(".")[0]


def is_for_types_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def imports_of(tree: ast.AST, *, types: bool) -> Iterator[tuple[int, str, int]]:
    """(line, module, level) of every import, wherever it stands; `types`: under TYPE_CHECKING too."""
    for node in ast.iter_child_nodes(tree):
        if is_for_types_only(node) and not types:
            continue
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, 0
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            for alias in node.names:
                whole = f"{module}.{alias.name}"
                yield node.lineno, whole if whole in MODULES else module, node.level
        else:
            yield from imports_of(node, types=types)


def may_import(importer: str, imported: str) -> bool:
    if importer in TOP or importer == imported:
        return True
    if imported in TOP or imported in NEVER.get(importer, ()):
        return False
    return FLOORS[imported] < FLOORS[importer]


def test_every_package_has_its_floor() -> None:
    assert {package_of(module_of(path)) for path in FILES} <= FLOORS.keys() | TOP


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_imports_go_downward_only(path: Path) -> None:
    importer = package_of(module_of(path))
    wrong = []
    for line, module, level in imports_of(ast.parse(path.read_text()), types=True):
        assert level == 0, f"{path}:{line}: a relative import"
        if module.split(".")[0] == "evmthread" and not may_import(importer, package_of(module)):
            wrong.append(f"line {line}: {importer or 'evmthread'} imports {module}")
    assert wrong == []


def test_the_rules_can_fail() -> None:
    for importer, imported in (
        *(("machine", "state"), ("commit", "isa"), ("commit", "machine"), ("isa", "machine"), ("isa", "state")),
        *(
            ("state", "isa"),
            ("state", "execution"),
            ("execution", "testing"),
            ("primitives", "merkle"),
            ("channel", "cli"),
        ),
        *(("channel", "store"), ("errors", "primitives")),
    ):
        assert not may_import(importer, imported), (importer, imported)
    for importer, imported in (
        *(
            ("channel", "commit"),
            ("commit", "merkle"),
            ("execution", "state"),
            ("execution", "machine"),
            ("machine", "isa"),
        ),
        *(("testing", "execution"), ("cli", "commands"), ("chain", "channel"), ("isa", "precompiles"), ("isa", "isa")),
    ):
        assert may_import(importer, imported), (importer, imported)
    found = list(imports_of(ast.parse("def f():\n  from evmthread import machine\n  import os.path"), types=True))
    assert found == [(2, "evmthread.machine", 0), (3, "os.path", 0)]


def test_no_module_needs_itself() -> None:
    """No cycle among modules, not even one that an import inside a function breaks, but for those that choose."""
    needs = {
        module_of(path): {
            module
            for _, module, _ in imports_of(ast.parse(path.read_text()), types=False)
            if module in MODULES and module != module_of(path)
        }
        for path in FILES
    }
    # An __init__ that shows what its modules have is no cycle by itself: only what the modules need counts.
    plain = {module: {need for need in wanted if need not in PACKAGES} for module, wanted in needs.items()}
    done: set[str] = set()

    def visit(module: str, above: tuple[str, ...]) -> None:
        assert module not in above, " -> ".join((*above, module))
        if module not in done:
            for need in () if module in CHOOSERS else plain[module]:
                visit(need, (*above, module))
            done.add(module)

    for module in plain:
        visit(module, ())


PACKAGES = {module_of(path) for path in FILES if path.name == "__init__.py"}


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_files_are_short(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    assert lines <= LINES, f"{path.relative_to(ROOT)} has {lines} lines"


def held_at_module_level(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """(name, value) of the module's own assignments."""
    for node in tree.body:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                yield ast.unparse(target), node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            yield ast.unparse(node.target), node.value


def changed_names(tree: ast.Module) -> set[str]:
    """The names whose value some code of the module changes in place."""
    changed = set()
    for node in ast.walk(tree):
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign | ast.Delete):
            targets = node.targets
        elif isinstance(node, ast.AugAssign):
            targets = [node.target]
            changed.add(ast.unparse(node.target))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CHANGING_METHODS:
            changed.add(ast.unparse(node.func.value))
        changed |= {ast.unparse(target.value) for target in targets if isinstance(target, ast.Subscript)}
    return changed


def mutable_names(tree: ast.Module) -> list[str]:
    """The names at module level that hold state.

    A list, dictionary or set there is a constant: written in capitals, not empty (an empty one waits to be filled),
    and changed by no code of the module. Better still it is wrapped in MappingProxyType, tuple or frozenset.
    """
    changed, names = changed_names(tree), []
    for name, value in held_at_module_level(tree):
        if name == "__all__":
            continue
        display = isinstance(value, ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp)
        empty = isinstance(value, ast.List | ast.Dict | ast.Set) and not any(ast.iter_child_nodes(value))
        empty = empty or (isinstance(value, ast.List) and not value.elts)
        called = isinstance(value, ast.Call) and ast.unparse(value.func).split(".")[-1] in CONTAINERS
        if called or (display and (empty or not name.isupper() or name in changed)):
            names.append(name)
    return names


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_no_mutable_state_at_module_level(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert mutable_names(tree) == []
    assert [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Global)] == []


def test_mutable_state_is_found() -> None:
    text = """
from types import MappingProxyType
A = []
B: dict[str, int] = {}
C = set()
D = collections.defaultdict(list)
small = [x for x in y]
FILLED = {"a": 1}
GROWN = [1]
CUT: Final = {1, 2}
MORE = [1]
FINE = MappingProxyType({})
_ALSO: Mapping[str, int] = {"a": 1}
TUPLES = (1, 2)
__all__ = ["FINE"]
def f():
    FILLED["b"] = 2
    GROWN.append(2)
    del CUT[1]
    MORE += [2]
    local = []
    local.append(1)
"""
    assert mutable_names(ast.parse(text)) == ["A", "B", "C", "D", "small", "FILLED", "GROWN", "CUT", "MORE"]


def loaded_by(statement: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after a statement."""
    shown = f"import sys; before = set(sys.modules); {statement}; print(*sorted(set(sys.modules) - before))"
    return set(subprocess.run([sys.executable, "-c", shown], check=True, capture_output=True, text=True).stdout.split())


def test_importing_the_library_loads_nothing_heavy() -> None:
    loaded = {module.split(".")[0] for module in loaded_by("import evmthread")}
    assert "evmthread" in loaded
    assert loaded.isdisjoint(HEAVY)


def test_importing_what_runs_and_what_signs_loads_nothing_heavy() -> None:
    for statement in ("import evmthread.execution", "import evmthread.commit", "import evmthread.cli"):
        loaded = {module.split(".")[0] for module in loaded_by(statement)}
        assert loaded.isdisjoint(HEAVY), statement


def test_verifying_needs_no_evm() -> None:
    loaded = loaded_by("import evmthread.commit")
    assert "evmthread.commit" in loaded
    for package in ("isa", "machine", "state", "execution", "channel", "precompiles"):
        assert f"evmthread.{package}" not in loaded
