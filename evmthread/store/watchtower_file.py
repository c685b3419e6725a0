"""The watchtower file: the terms and the newest agreement of a thread. With it anyone can answer a stale challenge.

A JSON object without any key; docs/chain.md is its specification. It shows no batch: who is given one learns the
balances, and who signed.
"""

import json
import os
from pathlib import Path

from evmthread.commit.agreement import Agreement
from evmthread.commit.eip712 import Domain
from evmthread.commit.terms import Terms
from evmthread.errors import BackendError
from evmthread.store.json_file import read_json_file

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
    value = read_json_file(path, "watchtower file", file_format=FORMAT, members=_MEMBERS, max_bytes=MAX_BYTES)
    domain, terms = Domain.from_json(value["domain"]), Terms.from_json(value["terms"])
    return Agreement.from_json(domain, terms, value["agreement"])
