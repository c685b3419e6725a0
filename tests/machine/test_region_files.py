"""Compiled code kept in files: found again by an equal process, and by nobody else's leave."""

import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from evmthread.errors import BackendError
from evmthread.isa.forks import CANCUN, OSAKA
from evmthread.machine.code_cache import CodeCache
from evmthread.machine.region_files import RegionFiles
from evmthread.machine.tiers import TieredEngine
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
