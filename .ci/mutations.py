#!/usr/bin/env python3
"""Take each check out of a folder's code in turn, and see whether a test fails.

    python .ci/mutations.py evmthread/commit              all of it, on two cores
    python .ci/mutations.py evmthread/commit --sample 100 a hundred mutants, the same for the same --seed
    python .ci/mutations.py evmthread/commit/batch.py     one file
    ... --list                                            what would be tried

A mutant is the code with one change: a statement that raises or checks is gone, a condition is always or never true,
one side of an `and` or `or` is gone, a comparison has another boundary or means the opposite, a loop finds nothing, a
finding is None. Its file's own test runs first (tests/commit/test_batch.py for evmthread/commit/batch.py), then, if
that passes, the tests that WIDER names for the folder. It is killed when one of them fails, or takes ten times as long
as it should; a mutant that all of them pass is a survivor: a check that no test needs.

Nothing on disk is changed. Each mutant runs in a child of this process, which has the libraries that tests need loaded;
the child takes the changed module's code from memory. Hypothesis runs its usual examples, always the same ones, without
shrinking. Needs the package with its `test` extra; nothing else but the standard library.
"""

import argparse
import ast
import copy
import importlib
import importlib.machinery
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType

REPOSITORY = Path(__file__).resolve().parent.parent
# What runs where a file's own test finds nothing.
WIDER = {
    "evmthread/commit": (
        "tests/commit",
        "tests/acceptance",
        "tests/store/test_signlog.py",
        "tests/chain/test_wallet.py",
    ),
    "evmthread/chain": ("tests/chain",),
    "evmthread/channel": ("tests/channel", "tests/acceptance"),
    "evmthread/merkle": ("tests/merkle", "tests/acceptance/test_c27.py"),
    "evmthread/store": ("tests/store",),
}
# What only says something to people: no check.
SPOKEN = {"__str__", "__repr__", "_show", "_line"}
PRELOADED = (
    "pytest",
    "hypothesis.stateful",
    "eth_account",
    "eth_keys",
    "trie.hexary",
    "coincurve",
    "Crypto.Cipher.AES",
)
SLOWER = 10
LEAST_SECONDS = 20.0

OPPOSITE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
BOUNDARY: dict[type[ast.cmpop], type[ast.cmpop]] = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}

# Mutants that mean the same as the code, each with the reason: (file, function, what is changed, source line).
SAME: dict[tuple[str, str, str, str], str] = {
    ("evmthread/commit/signing.py", "_signature", "always False", "type(self._signer) is LocalSigner"): (
        "a shortcut: what a LocalSigner made is right, and would be recovered for nothing"
    ),
}


@dataclass(frozen=True)
class Mutant:
    """One change: `place` is the node's number in the order of ast.walk, `kind` what is done, `part` to which part."""

    file: str
    line: int
    function: str
    what: str
    text: str
    place: int
    kind: str
    part: int
    field: str = ""

    @property
    def key(self) -> tuple[str, str, str, str]:
        return self.file, self.function, self.what, self.text

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}: {self.text}"

    def code(self) -> CodeType:
        """The changed module."""
        path = REPOSITORY / self.file
        tree = copy.deepcopy(ast.parse(path.read_text(encoding="utf-8")))
        change(list(ast.walk(tree))[self.place], self)
        return compile(ast.fix_missing_locations(tree), str(path), "exec")


def change(node: ast.AST, mutant: Mutant) -> None:
    """Does to a node of a tree what a mutant says."""
    match mutant.kind, node:
        case "drop", _:
            block = getattr(node, mutant.field)
            block[mutant.part] = ast.copy_location(ast.Pass(), block[mutant.part])
        case ("force", ast.If() | ast.IfExp() | ast.While()):
            node.test = ast.Constant(bool(mutant.part))
        case "filter", ast.comprehension():
            node.ifs = [ast.Constant(bool(mutant.part))]
        case "side", ast.BoolOp():
            kept = [value for index, value in enumerate(node.values) if index != mutant.part]
            node.values = kept if len(kept) > 1 else [kept[0], copy.deepcopy(kept[0])]
        case ("opposite" | "boundary", ast.Compare()):
            table = OPPOSITE if mutant.kind == "opposite" else BOUNDARY
            node.ops[mutant.part] = table[type(node.ops[mutant.part])]()
        case "empty", (ast.For() | ast.comprehension()):
            node.iter = ast.Tuple([], ast.Load())
        case "negate", ast.UnaryOp():
            node.operand = ast.UnaryOp(ast.Not(), node.operand)
        case "nothing", ast.Return():
            node.value = ast.Constant(None)
        case _:
            raise AssertionError(f"{mutant}: not this node")


def functions(tree: ast.AST) -> dict[ast.AST, ast.FunctionDef | None]:
    """Each node's innermost function."""
    found: dict[ast.AST, ast.FunctionDef | None] = {}

    def visit(node: ast.AST, inside: ast.FunctionDef | None) -> None:
        found[node] = inside
        for child in ast.iter_child_nodes(node):
            visit(child, node if isinstance(node, ast.FunctionDef) else inside)

    visit(tree, None)
    return found


def changes(node: ast.AST, function: ast.FunctionDef | None) -> Iterator[tuple[str, str, int, str, ast.AST]]:
    """(what, kind, part, field, the node to show) of every change to a node."""
    for field in ("body", "orelse", "finalbody"):
        block = getattr(node, field, None)
        for part, statement in enumerate(block if isinstance(block, list) else ()):
            if isinstance(statement, ast.Raise):
                yield "nothing is raised", "drop", part, field, statement
            elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
                yield "not called", "drop", part, field, statement
    if isinstance(node, ast.If | ast.IfExp | ast.While):
        for part in (0,) if isinstance(node, ast.While) else (0, 1):
            yield f"always {bool(part)}", "force", part, "", node.test
    if isinstance(node, ast.comprehension):
        yield "nothing is found", "empty", 0, "", node.iter
        for part in (0, 1) if node.ifs else ():
            yield f"always {bool(part)}", "filter", part, "", node.ifs[0]
    if isinstance(node, ast.For):
        yield "nothing is found", "empty", 0, "", node.iter
    if isinstance(node, ast.BoolOp):
        for part, value in enumerate(node.values):
            yield "left out", "side", part, "", value
    if isinstance(node, ast.Compare):
        for part, operator in enumerate(node.ops):
            if type(operator) in OPPOSITE:
                yield f"the opposite of {type(operator).__name__} {part}", "opposite", part, "", node
            if type(operator) in BOUNDARY:
                yield f"the other boundary of {type(operator).__name__} {part}", "boundary", part, "", node
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "not negated", "negate", 0, "", node
    if isinstance(node, ast.Return) and function is not None and function.returns is not None:
        nothing = node.value is None or (isinstance(node.value, ast.Constant) and node.value.value is None)
        if "None" in ast.unparse(function.returns) and not nothing:
            yield "finds nothing", "nothing", 0, "", node


def mutants(file: str) -> list[Mutant]:
    """Every mutant of a file."""
    tree = ast.parse((REPOSITORY / file).read_text(encoding="utf-8"))
    inside, found = functions(tree), []
    for place, node in enumerate(ast.walk(tree)):
        function = node if isinstance(node, ast.FunctionDef) else inside[node]
        if function is not None and function.name in SPOKEN:
            continue
        for what, kind, part, field, shown in changes(node, function):
            text = ast.unparse(shown).splitlines()[0]
            name = "" if function is None else function.name
            found.append(Mutant(file, shown.lineno, name, what, text[:100], place, kind, part, field))
    return sorted(found, key=lambda each: (each.line, each.what, each.part))


def files_of(names: list[str]) -> list[str]:
    """The Python files that are named, or lie in the folders that are."""
    files: list[Path] = []
    for name in names:
        path = (REPOSITORY / name).resolve()
        files += sorted(path.glob("*.py")) if path.is_dir() else [path]
    return [str(path.relative_to(REPOSITORY)) for path in files if path.name != "__init__.py"]


def tests_of(file: str) -> list[list[str]]:
    """The tests that run for a file, in stages."""
    path = Path(file)
    own = Path("tests", *path.parts[1:-1], f"test_{path.name}")
    stages = [[str(own)]] if (REPOSITORY / own).exists() else []
    wider = [name for name in WIDER.get(str(path.parent), ()) if (REPOSITORY / name).exists()]
    return [*stages, wider] if wider else stages


# Running --------------------------------------------------------------------------------------------------------------
def run_tests(tests: list[str], mutant: Mutant | None) -> int:
    """In a child: pytest's exit code with the mutant in the place of its module."""
    import hypothesis
    import pytest

    hypothesis.settings.register_profile(
        "mutations",
        derandomize=True,
        database=None,
        deadline=None,
        phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    hypothesis.settings.load_profile("mutations")
    if mutant is not None:
        code, path = mutant.code(), str(REPOSITORY / mutant.file)
        given = importlib.machinery.SourceFileLoader.get_code

        def get_code(self: importlib.machinery.SourceFileLoader, name: str) -> CodeType | None:
            return code if os.path.realpath(self.path) == path else given(self, name)

        importlib.machinery.SourceFileLoader.get_code = get_code  # type: ignore[method-assign]
    return int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--no-header", *tests]))


def child(stages: list[list[str]], mutant: Mutant | None, log: Path) -> None:
    """Runs the stages until one fails; the exit code is 0 when all pass, 1 when one fails."""
    os.setsid()
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    code = 1
    try:
        sys.path.insert(0, str(REPOSITORY))
        os.chdir(REPOSITORY)
        # A stage is a process of its own: modules that the first has loaded aren't loaded again by the second.
        for tests in stages:
            process = os.fork()
            if not process:
                os._exit(1 if run_tests(tests, mutant) else 0)
            code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
            if code:
                break
    finally:
        os._exit(1 if code else 0)


@dataclass
class Running:
    mutant: Mutant | None
    process: int
    until: float
    began: float


def run_all(found: list[Mutant], *, workers: int, allowed: dict[str, float], scratch: Path) -> dict[Mutant, str]:
    """What became of each mutant: killed, slow (killed by its time) or survived."""
    verdicts: dict[Mutant, str] = {}
    waiting, running = list(reversed(found)), list[Running]()
    began = time.monotonic()
    while waiting or running:
        while waiting and len(running) < workers:
            mutant = waiting.pop()
            process = os.fork()
            if not process:
                child(tests_of(mutant.file), mutant, scratch / f"log.{os.getpid()}")
            now = time.monotonic()
            running.append(Running(mutant, process, now + allowed[mutant.file], now))
        for each in list(running):
            assert each.mutant is not None
            process, status = os.waitpid(each.process, os.WNOHANG)
            late = time.monotonic() > each.until
            if not process and late:
                os.killpg(each.process, signal.SIGKILL)
                os.waitpid(each.process, 0)
            if process or late:
                running.remove(each)
                survived = process and not os.waitstatus_to_exitcode(status)
                verdicts[each.mutant] = "survived" if survived else "killed" if process else "slow"
                (scratch / f"log.{each.process}").unlink(missing_ok=True)
                if survived:
                    print(f"survived: {each.mutant}", flush=True)
                if len(verdicts) % 50 == 0:
                    took = time.monotonic() - began
                    print(f"... {len(verdicts)} of {len(found)} after {took:.0f} s", flush=True)
        time.sleep(0.01)
    return verdicts


def measure(tests: list[str], scratch: Path) -> float:
    """How many seconds tests take without a change; ends the program where they fail."""
    began = time.monotonic()
    process = os.fork()
    if not process:
        child([tests], None, scratch / "log.base")
    if os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]):
        print((scratch / "log.base").read_text(errors="replace")[-3000:])
        sys.exit(f"{' '.join(tests)}: fails without any change")
    return time.monotonic() - began


def main() -> int:
    parser = argparse.ArgumentParser(description="Mutation testing: each check removed in turn.")
    parser.add_argument("paths", nargs="+", help="folders or files under evmthread/")
    parser.add_argument("--sample", type=int, help="try so many mutants only")
    parser.add_argument("--seed", type=int, default=0, help="which ones (default: 0)")
    parser.add_argument("--workers", type=int, default=2, help="how many at once (default: 2)")
    parser.add_argument("--list", action="store_true", help="only list the mutants")
    arguments = parser.parse_args()
    files = files_of(arguments.paths)
    found = [mutant for file in files for mutant in mutants(file)]
    same = [mutant for mutant in found if mutant.key in SAME]
    found = [mutant for mutant in found if mutant.key not in SAME]
    if arguments.sample is not None and arguments.sample < len(found):
        found = sorted(random.Random(arguments.seed).sample(found, arguments.sample), key=str)
    if arguments.list:
        print(*found, f"{len(found)} mutants", sep="\n")
        return 0
    unused = {key for key in SAME if key[0] in files} - {mutant.key for mutant in same}
    if unused:
        sys.exit(f"SAME names what isn't there any more: {sorted(unused)}")
    for name in PRELOADED:
        importlib.import_module(name)
    began = time.monotonic()
    scratch = Path(tempfile.mkdtemp(prefix="mutations-"))
    try:
        os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(scratch / "hypothesis")
        tried = sorted({mutant.file for mutant in found})
        took = {tuple(tests): 0.0 for file in tried for tests in tests_of(file)}
        for tests in took:
            took[tests] = measure(list(tests), scratch)
        allowed = {
            file: max(LEAST_SECONDS, SLOWER * sum(took[tuple(tests)] for tests in tests_of(file))) for file in tried
        }
        print(f"{len(found)} mutants of {len(tried)} files; their tests pass as they are", flush=True)
        verdicts = run_all(found, workers=arguments.workers, allowed=allowed, scratch=scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return report(verdicts, len(same), time.monotonic() - began)


def report(verdicts: dict[Mutant, str], same: int, seconds: float) -> int:
    """The table by files, the survivors, the score; 1 where something survived."""
    survivors = [mutant for mutant, verdict in verdicts.items() if verdict == "survived"]
    print()
    for file in sorted({mutant.file for mutant in verdicts}):
        of_file = [verdict for mutant, verdict in verdicts.items() if mutant.file == file]
        print(f"{file:44} {len(of_file) - of_file.count('survived'):4} of {len(of_file):4} killed")
    for mutant in survivors:
        print(f"survived: {mutant}")
    killed, slow = len(verdicts) - len(survivors), list(verdicts.values()).count("slow")
    print(f"{killed} of {len(verdicts)} mutants killed ({slow} by their time), {len(survivors)} survived;", end=" ")
    print(f"{same} mean the same as the code and were left out; {seconds:.0f} s")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
