"""The official sample again, with every transaction stopped at random places and resumed elsewhere."""

from pathlib import Path
from random import Random

import pytest

from evmthread.machine.code_cache import CodeCache
from evmthread.testing import state_tests
from evmthread.testing.runner import Options, Row, run_file
from tests.conformance.test_sample import FILES
from tests.differential.peers import seed_of
from tests.execution.interrupted import InterruptedWorld


@pytest.mark.slow
@pytest.mark.parametrize("path", [path for path in FILES if path.parent.name == "state"], ids=lambda path: path.name)
def test_stopped_anywhere(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seed = seed_of()
    print(f"seed {seed}")
    monkeypatch.setattr(InterruptedWorld, "random", Random(seed))
    monkeypatch.setattr(state_tests, "World", InterruptedWorld)
    for event in run_file(path, Options(), cache=CodeCache()):
        assert isinstance(event, Row), event
        assert event.passed, event
