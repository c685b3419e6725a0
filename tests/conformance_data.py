"""Where the official test vectors are: a folder of gzip-compressed JSON lines, too large for the repository.

EVMTHREAD_CONFORMANCE names it; otherwise `../shared/conformance`, beside the repository, is taken if it is there.
Tests that need it are skipped without it, unless EVMTHREAD_REQUIRE_CONFORMANCE=1 asks for failure.
"""

import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FOLDER_VARIABLE = "EVMTHREAD_CONFORMANCE"
REQUIRE_VARIABLE = "EVMTHREAD_REQUIRE_CONFORMANCE"


def conformance_folder() -> Path | None:
    """The folder of the vectors, or None when there is none. A folder that was named but isn't there is an error."""
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        folder = Path(named)
        if not folder.is_dir():
            raise FileNotFoundError(f"{FOLDER_VARIABLE}={named}: no such folder")
        return folder
    beside = Path(__file__).resolve().parents[2] / "shared" / "conformance"
    return beside if beside.is_dir() else None


def require_conformance(*, module: bool = False) -> Path:
    """The folder of the vectors; without it the calling test is skipped, or fails when the vectors are required.

    `module`: called while a test file is imported, so that the whole file is skipped.
    """
    folder = conformance_folder()
    if folder is not None:
        return folder
    reason = f"no conformance data: set {FOLDER_VARIABLE} to its folder"
    if os.environ.get(REQUIRE_VARIABLE) == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason, allow_module_level=module)


def read_vectors(path: Path) -> Iterator[dict[str, Any]]:
    """The tests of one .jsonl.gz file, one by one."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)
