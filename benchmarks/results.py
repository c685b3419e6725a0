"""Results files, as benchmarks.compare and benchmarks.backends keep them."""

import json
from pathlib import Path
from typing import Any

FORMAT = "evmthread-results/1"
BACKENDS_FORMAT = "evmthread-backends/1"
HOOKS_FORMAT = "evmthread-hooks/1"
CHANNELS_FORMAT = "evmthread-channels/1"


class ResultsError(Exception):
    """A file that holds no results; one line for the user."""


def read_results(path: Path, form: str = FORMAT) -> dict[str, Any]:
    """The record in a results file. Raises ResultsError, which names the file."""
    try:
        record = json.loads(path.read_bytes())
    except OSError as error:
        raise ResultsError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise ResultsError(f"{path}: not JSON: {error}") from error
    if not isinstance(record, dict) or record.get("format") != form:
        raise ResultsError(f"{path}: no results of the format {form}")
    return record
