"""Compiled code kept in files: found again by an equal process, and by nobody else's leave."""

import gc
import linecache
import marshal
import os
import re
import shutil
import subprocess
import sys
import traceback
from pathlib import Path
from random import Random
from types import CodeType, FunctionType

import pytest

from evmthread.errors import BackendError
from evmthread.execution.environment import WorldHost
from evmthread.isa.forks import CANCUN, OSAKA
from evmthread.machine import region_files
from evmthread.machine.analysis import Program
from evmthread.machine.code_cache import CodeCache
from evmthread.machine.region_files import RegionFiles
from evmthread.machine.tiers import TieredEngine
from tests.assembler import assemble
from tests.machine.drivers import effects, seen, start
from tests.machine.structured import calldata
from tests.machine.test_compiler import gas_of, structured_state
from tests.sandbox import CONTRACT, state

LOOP = (
    "PUSH 200 l: PUSH 1 SWAP1 SUB DUP1 PUSH 0 MSTORE PUSH 64 PUSH 0 KECCAK256 PUSH 1 SSTORE PUSH 2 SLOAD POP"
    " DUP1 PUSH @l JUMPI PUSH 32 PUSH 0 RETURN"
)


def warmed(directory: Path, text: str = LOOP) -> CodeCache:
    cache = CodeCache(store=RegionFiles(directory))
    machine, _ = start(state({CONTRACT: text}), CANCUN, gas=10**6, cache=cache, engine=TieredEngine(0))
    machine.run()
    cache.save()
    return cache


def regions_of(cache: CodeCache, text: str = LOOP) -> set[int]:
    machine, _ = start(state({CONTRACT: text}), CANCUN, gas=10**6, cache=cache)
    return set(machine.root.program.regions)  # type: ignore[attr-defined]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "own" / "regions"


def test_regions_are_there_again_and_give_the_same(directory: Path) -> None:
    first = warmed(directory)
    again = CodeCache(store=RegionFiles(directory))
    assert regions_of(again) == regions_of(first) != set()
    assert oct(directory.stat().st_mode & 0o777) == "0o700"
    (file,) = directory.iterdir()
    assert oct(file.stat().st_mode & 0o777) == "0o600"
    results = []
    for cache in (first, again, CodeCache()):
        machine, host = start(state({CONTRACT: LOOP}), CANCUN, gas=10**6, cache=cache, engine=TieredEngine(1 << 40))
        results.append((seen(machine.run()), effects(host, CANCUN)))
    assert results[0] == results[1] == results[2]


def test_structured_programs_from_files(directory: Path) -> None:
    random = Random(11)
    for _ in range(12):
        view = structured_state(random, OSAKA)
        calls = [(gas_of(random), calldata(random)) for _ in range(3)]
        cache = CodeCache(store=RegionFiles(directory))
        for gas, data in calls:
            start(view, OSAKA, gas=gas, data=data, cache=cache, engine=TieredEngine(0))[0].run()
        cache.save()
        stored = CodeCache(store=RegionFiles(directory))
        for gas, data in calls:
            machine, host = start(view, OSAKA, gas=gas, data=data, cache=stored, engine=TieredEngine(1 << 40))
            plain, plain_host = start(view, OSAKA, gas=gas, data=data)
            assert seen(machine.run()) == seen(plain.run())
            assert effects(host, OSAKA) == effects(plain_host, OSAKA)


def test_another_process_finds_them(directory: Path) -> None:
    warmed(directory)
    script = (
        "import sys; from pathlib import Path; from tests.machine.test_region_files import *;"
        "print(sorted(regions_of(CodeCache(store=RegionFiles(Path(sys.argv[1]))))))"
    )
    root = Path(__file__).parent.parent.parent
    done = subprocess.run(
        [sys.executable, "-c", script, str(directory)], capture_output=True, text=True, check=True, cwd=root
    )
    assert done.stdout.strip() == str(sorted(regions_of(CodeCache(store=RegionFiles(directory)))))
    assert done.stdout.strip() != "[]"


def test_each_fork_has_its_own(directory: Path) -> None:
    warmed(directory)
    cache = CodeCache(store=RegionFiles(directory))
    assert not cache.program(assemble(LOOP), OSAKA).regions
    assert cache.program(assemble(LOOP), CANCUN).regions


def test_a_private_fork_is_not_kept(directory: Path) -> None:
    cache = CodeCache(store=RegionFiles(directory))
    fork = CANCUN.evolve("Cancun")
    machine, _ = start(state({CONTRACT: LOOP}), fork, gas=10**6, cache=cache, engine=TieredEngine(0))
    machine.run()
    cache.save()
    assert list(directory.iterdir()) == []


def test_what_is_damaged_is_passed_over(directory: Path) -> None:
    warmed(directory)
    (file,) = directory.iterdir()
    whole = file.read_bytes()
    for place in (0, 25, 60, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert regions_of(CodeCache(store=RegionFiles(directory))) == set()
    for content in (b"", whole[:40], whole[:-1]):
        file.write_bytes(content)
        assert regions_of(CodeCache(store=RegionFiles(directory))) == set()
    file.write_bytes(whole)
    assert regions_of(CodeCache(store=RegionFiles(directory))) != set()


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_what_others_may_have_written_is_refused(directory: Path, mode: int) -> None:
    warmed(directory)
    (file,) = directory.iterdir()
    file.chmod(mode)
    assert regions_of(CodeCache(store=RegionFiles(directory))) == set()
    file.chmod(0o600)
    assert regions_of(CodeCache(store=RegionFiles(directory))) != set()
    directory.chmod(0o700 | mode & 0o022)
    with pytest.raises(BackendError, match="others may write"):
        RegionFiles(directory)
    directory.chmod(0o700)


def test_links_are_not_followed(directory: Path, tmp_path: Path) -> None:
    warmed(directory)
    (file,) = directory.iterdir()
    elsewhere = tmp_path / "elsewhere"
    file.rename(elsewhere)
    file.symlink_to(elsewhere)
    assert regions_of(CodeCache(store=RegionFiles(directory))) == set()
    link = tmp_path / "link"
    link.symlink_to(directory)
    with pytest.raises(BackendError, match="not a folder itself"):
        RegionFiles(link)
    with pytest.raises(BackendError):
        RegionFiles(elsewhere / "below")
    file.unlink()
    os.mkfifo(file)
    assert regions_of(CodeCache(store=RegionFiles(directory))) == set()


def test_the_default_folder_is_the_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    files = RegionFiles()
    assert files.directory.parent == tmp_path / "caches" / "evmthread"
    assert files.directory.is_dir()


# Two loops: the call data says which is run.
TWO = (
    "PUSH 0 CALLDATALOAD PUSH @b JUMPI"
    " PUSH 9 a: PUSH 1 SWAP1 SUB DUP1 PUSH @a JUMPI STOP"
    " b: PUSH 9 c: PUSH 1 SWAP1 SUB DUP1 PUSH 7 SSTORE DUP1 PUSH @c JUMPI STOP"
)


def run_two(cache: CodeCache, which: int, threshold: int = 1 << 40) -> Program:
    """The program of TWO, one of whose loops was run."""
    data, engine = which.to_bytes(32, "big"), TieredEngine(threshold)
    start(state({CONTRACT: TWO}), CANCUN, gas=10**6, data=data, cache=cache, engine=engine)[0].run()
    return cache.program(assemble(TWO), CANCUN)


@pytest.fixture
def both(directory: Path) -> Path:
    """The folder, with the regions of both loops in it."""
    cache = CodeCache(store=RegionFiles(directory))
    run_two(cache, 0, 0)
    assert len(run_two(cache, 1, 0).regions) > 1
    cache.save()
    return directory


def awake(program: Program) -> set[int]:
    return {head for head, region in program.regions.items() if isinstance(region, FunctionType)}


def test_regions_wake_when_they_are_called(both: Path) -> None:
    cache = CodeCache(store=RegionFiles(both))
    program = cache.program(assemble(TWO), CANCUN)
    asleep = set(program.regions)
    assert awake(program) == set()
    held = program.compiled_bytes
    assert held > 0
    run_two(cache, 0)
    assert awake(program) != set()
    assert awake(program) < asleep
    run_two(cache, 1)
    assert awake(program) == asleep
    assert program.compiled_bytes == held


@pytest.mark.parametrize("apart", [False, True])
def test_a_group_is_unpacked_with_its_first_region(
    directory: Path, monkeypatch: pytest.MonkeyPatch, apart: bool
) -> None:
    if apart:
        monkeypatch.setattr(region_files, "_GROUP_BYTES", 1)
    cache = CodeCache(store=RegionFiles(directory))
    run_two(cache, 0, 0)
    run_two(cache, 1, 0)
    cache.save()
    unpacked: list[int] = []
    plain_loads = marshal.loads

    def loads(part: bytes) -> object:
        content = plain_loads(part)
        if isinstance(content, list):
            unpacked.append(len(content))
        return content

    monkeypatch.setattr(region_files.marshal, "loads", loads)
    again = CodeCache(store=RegionFiles(directory))
    count = len(again.program(assemble(TWO), CANCUN).regions)
    assert (count > 2, unpacked) == (True, [])
    woken = awake(run_two(again, 0))
    assert unpacked == ([1] * len(woken) if apart else [count])
    assert 0 < len(woken) < count


def test_what_still_sleeps_is_kept_too(both: Path) -> None:
    cache = CodeCache(store=RegionFiles(both))
    program = run_two(cache, 0)
    gone = max(awake(program))
    left = set(program.regions) - {gone}
    del program.regions[gone]
    program.unsaved = True
    cache.save()
    again = CodeCache(store=RegionFiles(both))
    assert set(again.program(assemble(TWO), CANCUN).regions) == left
    assert left >= awake(run_two(again, 1)) != set()


def test_only_what_is_new_is_written(both: Path) -> None:
    (file,) = both.iterdir()
    written = file.stat().st_ino
    cache = CodeCache(store=RegionFiles(both))
    program = run_two(cache, 0, 0)
    cache.save()
    assert file.stat().st_ino == written
    program.unsaved = True
    file.unlink()
    cache.save()
    assert file.exists()
    file.unlink()
    cache.save()
    assert not file.exists()


def test_tracebacks_show_the_lines_of_regions_from_files(both: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(WorldHost, "write_slot", broken)
    with pytest.raises(ZeroDivisionError) as caught:
        run_two(CodeCache(store=RegionFiles(both)), 1)
    lines = "".join(traceback.format_tb(caught.value.__traceback__)).splitlines()
    (place,) = [number for number, line in enumerate(lines) if '"<evmthread ' in line]
    assert "in region" in lines[place]
    assert "(frame, " in lines[place + 1]


def names_of(program: Program) -> set[str]:
    return {region.__code__.co_filename for region in program.regions.values() if isinstance(region, FunctionType)}


def test_two_caches_of_one_process_share_names_and_lines(both: Path) -> None:
    first = run_two(CodeCache(store=RegionFiles(both)), 1)
    names = names_of(first)
    second = run_two(CodeCache(store=RegionFiles(both)), 1)
    assert names_of(second) == names != set()
    del first
    gc.collect()
    assert all("def region" in "".join(linecache.getlines(name)) for name in names)
    del second
    gc.collect()
    assert names.isdisjoint(linecache.cache)


def test_names_from_files_are_no_numbers_of_a_process(both: Path) -> None:
    names = names_of(run_two(CodeCache(store=RegionFiles(both)), 1))
    assert len({name.partition(":")[0] for name in names}) == len(names) > 0
    assert all(re.fullmatch(r"<evmthread [0-9a-f]{16}:[0-9]+>", name) for name in names)


def test_another_edition_is_not_read(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warmed(directory)
    for name, value in (("version", f"{sys.version} "), ("flags", type("Flags", (), {"optimize": 2}))):
        with monkeypatch.context() as changed:
            changed.setattr(sys, name, value)
            assert regions_of(CodeCache(store=RegionFiles(directory))) == set()
    assert regions_of(CodeCache(store=RegionFiles(directory))) != set()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of this package's sources, which compiled code now hangs on."""
    root = Path(region_files.__file__).parent.parent
    for folder in ("isa", "machine", "precompiles", "primitives"):
        shutil.copytree(root / folder, tmp_path / "package" / folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(region_files, "__file__", str(tmp_path / "package" / "machine" / "region_files.py"))
    return tmp_path / "package"


def test_a_byte_of_any_source_makes_another_edition(package: Path, directory: Path) -> None:
    warmed(directory)
    assert regions_of(CodeCache(store=RegionFiles(directory))) != set()
    for file in ("isa/instructions/jumps.py", "machine/compiler.py", "precompiles/bn254.py", "primitives/words.py"):
        source = package / file
        content = source.read_bytes()
        times = source.stat().st_atime_ns, source.stat().st_mtime_ns
        source.write_bytes(content[:-1] + b" ")
        os.utime(source, ns=times)
        assert regions_of(CodeCache(store=RegionFiles(directory))) == set()
        source.write_bytes(content)
        assert regions_of(CodeCache(store=RegionFiles(directory))) != set()
        source.rename(source.with_name("other.py"))
        assert regions_of(CodeCache(store=RegionFiles(directory))) == set()
        source.with_name("other.py").rename(source)


def test_without_sources_nothing_is_kept(package: Path, directory: Path) -> None:
    for source in (package / "isa").rglob("*.py"):
        source.unlink()
    with pytest.raises(BackendError, match="no sources"):
        RegionFiles(directory)


def test_a_file_of_another_format_is_not_read(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as changed:
        changed.setattr(region_files, "FORMAT", b"evmthread regions 1\n")
        warmed(directory)
        assert regions_of(CodeCache(store=RegionFiles(directory))) != set()
    assert regions_of(CodeCache(store=RegionFiles(directory))) == set()


def test_what_is_too_large_is_not_written(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(region_files, "LARGEST_FILE", 1000)
    warmed(directory)
    assert list(directory.iterdir()) == []


def test_code_without_columns_has_the_same_lines() -> None:
    text = Path(region_files.__file__).read_text(encoding="utf-8")
    codes = [compile(text, "module", "exec")]
    for code in codes:
        codes += [each for each in code.co_consts if isinstance(each, CodeType)]
        short = region_files._without_columns(code)
        lines = [(line, count) for line, count in region_files._runs(code) if count]
        assert [(line, count) for line, count in region_files._runs(short) if count] == lines
        assert len(short.co_linetable) < len(code.co_linetable) or len(code.co_linetable) < 20
        assert {position[2:] for position in short.co_positions()} == {(None, None)}
    assert len(codes) > 10


def test_a_group_that_two_threads_unpack_at_once() -> None:
    class Overtaken(region_files._Group):
        """Another thread is through with the whole of it just before this one reads the bytes."""

        __slots__ = ("done",)

        def __getattribute__(self, name: str) -> object:
            if name == "_part" and not hasattr(self, "done"):
                self.done = True
                assert self[0] == "first"
            return super().__getattribute__(name)

    assert Overtaken(marshal.dumps(["first", "second"]))[1] == "second"
