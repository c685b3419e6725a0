"""The evidence file: one proof against one party, with the terms under which it holds, for a stranger to check.

A JSON object; docs/evidence.md is its specification. An Equivocation or InputEquivocation is checked with keccak and
signature recovery alone; a Divergence needs the thread's file as well, and executes it.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from evmthread.channel.divergence import Divergence
from evmthread.channel.replay import replay
from evmthread.channel.thread import Thread
from evmthread.commit.eip712 import Domain
from evmthread.commit.evidence import Equivocation, InputEquivocation
from evmthread.commit.members import Json
from evmthread.commit.refusals import BrokenParent
from evmthread.commit.terms import Terms, thread_id
from evmthread.errors import BackendError, InvalidInput
from evmthread.machine.code_cache import CodeCache
from evmthread.primitives.types import ZERO_HASH
from evmthread.primitives.untrusted_json import parse_json
from evmthread.store.json_file import read_json_file
from evmthread.store.thread_store import KeptThread
from evmthread.store.threadfile import ThreadFileReader
from evmthread.store.verification import verify_head, verify_line

FORMAT = "evmthread-evidence/1"
MAX_BYTES = 16 * 1024 * 1024
_MEMBERS = ["format", "kind", "domain", "terms", "evidence"]

Evidence: TypeAlias = Equivocation | InputEquivocation | Divergence


@dataclass(frozen=True, slots=True)
class EvidenceFile:
    """What a file says. An Equivocation or InputEquivocation in it was verified; a Divergence wasn't yet."""

    domain: Domain
    terms: Terms
    evidence: Evidence

    @property
    def party(self) -> int:
        """The party that it speaks against."""
        evidence = self.evidence
        match evidence:
            case Equivocation():
                return evidence.index
            case InputEquivocation():
                return self.terms.owners.index(evidence.first.actor)
            case Divergence():
                return evidence.party

    def convict(self, thread_file: str | Path | None = None, *, cache: CodeCache | None = None) -> str:
        """In a line, what the party is convicted of; for a Divergence `thread_file` leads up to it.

        Raises a Refusal where the evidence doesn't hold, what reading the thread's file raises, and InvalidInput
        where that is wanted and missing, or isn't this thread's.
        """
        evidence = self.evidence
        match evidence:
            case Equivocation():
                return f"signed two commitments for nonce {evidence.first.nonce}"
            case InputEquivocation():
                return f"signed two inputs for account nonce {evidence.first.nonce} on one commitment"
            case Divergence():
                if thread_file is None:
                    raise InvalidInput("this evidence needs the thread's file up to the commitment in question")
                conviction = evidence.check(self._thread_before(evidence, thread_file, cache))
                return f"signed what its batch doesn't lead to: {conviction}"

    def _thread_before(self, evidence: Divergence, path: str | Path, cache: CodeCache | None) -> Thread:
        with ThreadFileReader(path) as reader:
            head = reader.head
            if thread_id(head.domain, head.terms) != thread_id(self.domain, self.terms):
                raise InvalidInput(f"{path} is another thread's file")
            verify_head(head)
            thread = Thread.open(head.domain, head.terms, head.ruleset, code=head.code, cache=cache)
            parent = evidence.commitment.parent
            if parent == ZERO_HASH:
                return thread
            line = ((agreement, record.batch, record.suspension) for agreement, record in verify_line(reader))
            for replayed in replay(thread, line):
                if replayed.agreement.digest == parent:
                    return thread
        raise BrokenParent(parent, evidence.commitment.nonce)


def write_evidence(path: str | Path, domain: Domain, terms: Terms, evidence: Evidence) -> None:
    """Writes a new file, which is there only when it is whole. Raises BackendError, also where there is one already."""
    record = {
        "format": FORMAT,
        "kind": type(evidence).__name__,
        "domain": domain.to_json(),
        "terms": terms.to_json(),
        "evidence": evidence.to_json(),
    }
    target = Path(path)
    unfinished = target.with_name(target.name + ".unfinished")
    try:
        with unfinished.open("x", encoding="ascii") as file:
            try:
                json.dump(record, file, indent=1)
                file.write("\n")
                file.flush()
                os.fsync(file.fileno())
                os.link(unfinished, target)
            finally:
                unfinished.unlink()
    except FileExistsError as error:
        raise BackendError(f"{error.filename2 or error.filename}: is there already") from None
    except OSError as error:
        raise BackendError(f"{target}: {error.strerror}") from error


def export_evidence(thread: KeptThread, folder: str | Path) -> Iterator[tuple[Path, str, int]]:
    """Writes each proof that a store has into a new file of this folder; path, kind and party of each.

    Raises BackendError, also where a file is there already, and what reading what was kept raises.
    """
    place, head = Path(folder), thread.head
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BackendError(f"{place}: {error.strerror}") from error
    for number, record in enumerate(thread.evidence()):
        evidence = evidence_from_json(head.domain, head.terms, record.kind, parse_json(record.content))
        path = place / f"{record.kind.lower()}-{number}.json"
        write_evidence(path, head.domain, head.terms, evidence)
        yield path, record.kind, record.party


def read_evidence(path: str | Path) -> EvidenceFile:
    """What an evidence file says, as far as it can be verified without executing.

    Raises BackendError, DecodingError for what is no JSON, InvalidInput for another form, a Refusal for what doesn't
    convict.
    """
    value = read_json_file(path, "evidence file", file_format=FORMAT, members=_MEMBERS, max_bytes=MAX_BYTES)
    domain, terms = Domain.from_json(value["domain"]), Terms.from_json(value["terms"])
    return EvidenceFile(domain, terms, evidence_from_json(domain, terms, value["kind"], value["evidence"]))


def evidence_from_json(domain: Domain, terms: Terms, kind: Json, value: Json) -> Evidence:
    """The evidence of a kind. Raises InvalidInput, or a Refusal where it doesn't convict."""
    match kind:
        case "Equivocation":
            return Equivocation.from_json(domain, terms, value)
        case "InputEquivocation":
            return InputEquivocation.from_json(domain, terms, value)
        case "Divergence":
            return Divergence.from_json(value)
    raise InvalidInput(f"evidence of kind {kind!r}")
