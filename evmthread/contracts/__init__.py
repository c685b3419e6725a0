"""Floor 0: Solidity contracts with their compiled artifacts, and what is needed to talk to them. Knows no EVM."""

from evmthread.contracts.abi import CustomError, Decoded, Event, Function, Parameter
from evmthread.contracts.artifact import Artifact, StorageVariable, artifact_names, load_artifact, parse_artifact

__all__ = [
    "Artifact",
    "CustomError",
    "Decoded",
    "Event",
    "Function",
    "Parameter",
    "StorageVariable",
    "artifact_names",
    "load_artifact",
    "parse_artifact",
]
