"""Says where an open call stands, for people and as JSON. Executes nothing: shipped contracts explain questions."""

from evmthread.commands.reporting import printable, show_hash
from evmthread.commit.commitment import Commitment, Suspension
from evmthread.commit.members import Json
from evmthread.commit.terms import Terms
from evmthread.contracts import Artifact, Decoded, artifact_names, load_artifact
from evmthread.errors import DecodingError, InvalidInput
from evmthread.primitives.keccak import keccak256

_SHOWN_BYTES = 64
"""Of a question that nothing explains; the JSON has all of it."""


def shipped_contract(code_hash: bytes) -> Artifact | None:
    """The contract shipped with the package whose runtime code has this hash."""
    artifacts = (load_artifact(name) for name in artifact_names())
    return next((artifact for artifact in artifacts if keccak256(artifact.runtime_code) == code_hash), None)


def read_question(artifact: Artifact | None, question: bytes) -> Decoded | None:
    """The function that the question is a call of (docs/traps.md); None where it isn't exactly that."""
    for function in () if artifact is None else artifact.functions:
        try:
            values = function.decode_input(question)
            exact = function.encode(*values) == question
        except (DecodingError, InvalidInput):
            continue
        if exact:
            return Decoded(function.name, function.inputs, values)
    return None


def tell_lines(terms: Terms, commitment: Commitment, suspension: Suspension) -> list[str]:
    """The lines that a report on a suspended thread has below its first."""
    party = terms.owners.index(commitment.awaiting)
    return [
        f"    awaited: {show_hash(commitment.awaiting)}, party {party}",
        f"    asked: {_asked(terms, suspension)}",
        f"    machine hash {show_hash(commitment.machine_hash)}",
    ]


def tell_json(terms: Terms, commitment: Commitment, suspension: Suspension, *, checked: bool) -> dict[str, Json]:
    """The same as a JSON object; `asked` is null where nothing explains the question.

    `checked`: what is asked is known to lead to the machine hash.
    """
    artifact = shipped_contract(terms.code_hash)
    asked = None if suspension.steps else read_question(artifact, suspension.question)
    return {
        "awaiting": show_hash(commitment.awaiting),
        "party": terms.owners.index(commitment.awaiting),
        "contract": artifact.name if artifact is not None else None,
        "asked": str(asked) if asked is not None else None,
        "checked": checked,
        "question": show_hash(suspension.question),
        "answers": [show_hash(answer) for answer in suspension.answers],
        "steps": suspension.steps,
        "input": show_hash(suspension.input),
        "machineHash": show_hash(commitment.machine_hash),
    }


def _asked(terms: Terms, suspension: Suspension) -> str:
    if suspension.steps:
        return f"nothing; the call stopped after {suspension.steps:,} instructions, to go on"
    artifact = shipped_contract(terms.code_hash)
    decoded = read_question(artifact, suspension.question)
    if artifact is not None and decoded is not None:
        return printable(f"{decoded} of {artifact.name}")
    size = len(suspension.question)
    rest = f"... ({size:,} bytes)" if size > _SHOWN_BYTES else ""
    return f"{show_hash(suspension.question[:_SHOWN_BYTES])}{rest}"
