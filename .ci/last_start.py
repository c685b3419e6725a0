"""A pytest plugin (`-p last_start`): after the time in EVMTHREAD_LAST_START, in seconds since 1970, no test begins."""

import os
import time

import pytest

LAST_START = float(os.environ["EVMTHREAD_LAST_START"])


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    if time.time() > LAST_START:
        pytest.skip("its time is up")
