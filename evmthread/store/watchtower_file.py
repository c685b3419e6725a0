"""The watchtower file: the terms and the newest agreement of a thread. With it anyone can answer a stale challenge.

A JSON object without any key; docs/chain.md is its specification. It shows no batch: who is given one learns the
balances, and who signed.
"""

import json
import os
from pathlib import Path

from evmthread.commit.agreement import Agreement
from evmthread.commit.eip712 import Domain
from evmthread.commit.records import check_object
from evmthread.commit.terms import Terms
from evmthread.errors import BackendError, InvalidInput
from evmthread.primitives.untrusted_json import parse_json

FORMAT = "evmthread-watchtower/1"
MAX_BYTES = 64 * 1024
_MEMBERS = ["format", "domain", "terms", "agreement"]


def write_watchtower_file(path: str | Path, agreement: Agreement) -> None:
    """Writes the file, in the place of an older one: at every moment there is a whole one. Raises BackendError."""
    record = {
        "format": FORMAT,
        "domain": agreement.domain.to_json(),
        "terms": agreement.terms.to_json(),
        "agreement": agreement.to_json(),
    }
    target = Path(path)
    unfinished = target.with_name(target.name + ".unfinished")
    try:
        with unfinished.open("w", encoding="ascii") as file:
            json.dump(record, file, indent=1)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(target)
    except OSError as error:
        raise BackendError(f"{target}: {error.strerror}") from error


def read_watchtower_file(path: str | Path) -> Agreement:
    """The agreement in the file, verified.

    Raises BackendError, DecodingError for what is no JSON, InvalidInput for another form, a Refusal for an agreement
    that doesn't hold.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise BackendError(f"{path}: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise InvalidInput(f"{path}: more than {MAX_BYTES} bytes")
    value = parse_json(data)
    check_object(value, "watchtower file", _MEMBERS)
    assert isinstance(value, dict)
    if value["format"] != FORMAT:
        raise InvalidInput(f"watchtower file: format {value['format']!r} where {FORMAT!r} is wanted")
    domain, terms = Domain.from_json(value["domain"]), Terms.from_json(value["terms"])
    return Agreement.from_json(domain, terms, value["agreement"])
