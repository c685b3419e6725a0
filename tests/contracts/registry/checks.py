"""The contract Checks on a chain: the registry's parts, asked directly."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from evmthread.contracts.artifact import Artifact, parse_artifact
from evmthread.errors import DecodingError
from evmthread.primitives.keccak import keccak256
from tests.contracts.registry.chains import Chain

ADDRESS = keccak256(b"checks")[12:]
BATCH = 100  # proofs in one call

Case: TypeAlias = "tuple[bytes, bytes, Sequence[bytes]]"  # root, hashed key, proof
REFUSED = "refused"
Verdict: TypeAlias = "bytes | str | None"  # the value; None for absence; REFUSED


@dataclass(frozen=True)
class Checks:
    """Where the contract is."""

    chain: Chain
    artifact: Artifact

    @classmethod
    def on(cls, chain: Chain) -> "Checks":
        artifact = parse_artifact(Path(__file__).with_name("Checks.json").read_bytes())
        chain.put(ADDRESS, code=artifact.runtime_code)
        return cls(chain, artifact)

    def ask(self, name: str, *arguments: object) -> object:
        """What a function returns; the name of the error, and its values, where it reverts."""
        function = self.artifact.function(name)
        success, output = self.chain.ask(ADDRESS, function.encode(*arguments))
        if success:
            values = function.decode(output)
            return values[0] if len(values) == 1 else values
        found = self.artifact.parse_error(output)
        if found is None:
            raise DecodingError(self.artifact.decode_error(output))
        return found.name

    def verdicts(self, cases: Sequence[Case]) -> list[Verdict]:
        """What the registry's proof reader says of many proofs."""
        found: list[Verdict] = []
        for start in range(0, len(cases), BATCH):
            answer = self.ask(
                "verdicts", [(root, key, list(proof)) for root, key, proof in cases[start : start + BATCH]]
            )
            assert isinstance(answer, tuple)
            found += [(value or None) if accepted else REFUSED for accepted, value in answer]
        assert len(found) == len(cases)
        return found
