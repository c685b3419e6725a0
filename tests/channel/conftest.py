"""What channel tests are given by name."""

import pytest


@pytest.fixture(params=[True, False], ids=["transcript", "machine"])
def transcript(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)
