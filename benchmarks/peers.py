"""Other EVMs, each in an environment of its own below .peers/; any EVM as a long-lived process that times calls."""

import json
import os
import subprocess
import sys
import venv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

REPOSITORY = Path(__file__).resolve().parent.parent
ENVIRONMENTS = REPOSITORY / ".peers"


class Work(Protocol):
    """What a worker is given: a record that it reads, and what is wrong with its answer, or None."""

    @property
    def name(self) -> str: ...

    @property
    def record(self) -> dict[str, Any]: ...

    def problem(self, answer: Mapping[str, object]) -> str | None: ...


class PeerError(Exception):
    """An environment can't be made, or its EVM fails or gives something wrong; a message for the user."""


@dataclass(frozen=True, slots=True)
class Peer:
    """An EVM with the exact versions it is measured in. `providers` are what it must say that it uses."""

    name: str
    requirements: tuple[str, ...]
    variables: dict[str, str] = field(default_factory=dict)
    providers: dict[str, str] = field(default_factory=dict)
    most_opcodes: int | None = None  # workloads from this size on are left out


PEERS = (
    # Its speed depends on its libraries: an ecrecover takes 5 ms without coincurve.
    Peer(
        "py-evm",
        ("py-evm==0.12.1b1", "coincurve==21.0.0", "safe-pysha3==1.0.7"),
        variables={"ETH_HASH_BACKEND": "pysha3", "ECC_BACKEND_CLASS": "eth_keys.backends.CoinCurveECCBackend"},
        providers={
            "py-evm": "0.12.1b1",
            "keccak": "eth_hash.backends.pysha3",
            "secp256k1": "CoinCurveECCBackend",
        },
    ),
    Peer("pyrevm", ("pyrevm==0.3.7",), providers={"pyrevm": "0.3.7"}),
    Peer(
        "eels",
        ("ethereum-execution==2.20.0",),
        providers={"ethereum-execution": "2.20.0"},
        most_opcodes=1_000_000,
    ),
)


def environment(peer: Peer) -> Path:
    """The Python of a peer's environment, which is made when it isn't there or has other versions. Raises PeerError."""
    folder = ENVIRONMENTS / peer.name
    python = folder / "bin" / "python"
    stamp = folder / "requirements.txt"
    wanted = "\n".join(peer.requirements) + "\n"
    if python.exists() and stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return python
    print(f"{peer.name}: installing {' '.join(peer.requirements)}", file=sys.stderr, flush=True)
    venv.create(folder, with_pip=True, clear=True)
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *peer.requirements]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PeerError(f"{peer.name}: pip failed:\n{done.stderr.strip()[-2000:]}")
    stamp.write_text(wanted, encoding="utf-8")  # last: an interrupted installation is made again
    return python


# The libraries with which a channel can be built on py-evm, whose own tries are those of `trie`.
CHANNEL_PEER = Peer(
    "py-evm-channel",
    (*PEERS[0].requirements, "eth-account==0.13.7"),
    variables=PEERS[0].variables,
    providers=PEERS[0].providers | {"eth-account": "0.13.7"},
)


class Worker:
    """A process that makes a workload's call as often as it is told to. `name`: see benchmarks/worker.py."""

    module: ClassVar[str] = "benchmarks.worker"

    def __init__(self, name: str, python: Path | str = sys.executable, variables: dict[str, str] | None = None) -> None:
        self.name = name
        self._process = subprocess.Popen(
            [str(python), "-m", self.module, name],
            cwd=REPOSITORY,
            env=os.environ | (variables or {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.providers: dict[str, str] = self._answer()["providers"]

    def prepare(self, workload: Work) -> None:
        """Makes a workload the one to call. Raises PeerError."""
        self._ask({"workload": workload.record})

    def call(self, workload: Work, calls: int) -> list[float]:
        """CPU seconds of some calls of the prepared workload. Raises PeerError when what came out isn't right."""
        answer = self._ask({"calls": calls})
        problem = workload.problem(answer["answer"])
        if problem:
            raise PeerError(f"{self.name}, {workload.name}: {problem}")
        seconds: list[float] = answer["seconds"]
        return seconds

    def close(self) -> None:
        """Ends the process."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise PeerError(f"{self.name}: its process has ended") from error
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise PeerError(f"{self.name}: its process ended with exit code {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer


Kind = TypeVar("Kind", bound=Worker)


def start(peer: Peer, kind: type[Kind]) -> Kind:
    """A worker for a peer. Raises PeerError when it doesn't run on the libraries that it should."""
    worker = kind(peer.name, environment(peer), peer.variables)
    for what, wanted in peer.providers.items():
        if worker.providers.get(what) != wanted:
            worker.close()
            raise PeerError(f"{peer.name}: {what} is {worker.providers.get(what)}, not {wanted}")
    return worker


def first_call(peer: Peer, workload: Work) -> tuple[float, str | None]:
    """CPU seconds of the first call in a fresh process, and what it got wrong, or None. Raises PeerError."""
    done = subprocess.run(
        [str(environment(peer)), "-m", Worker.module, peer.name, "--first"],
        cwd=REPOSITORY,
        env=os.environ | peer.variables,
        input=json.dumps(workload.record),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise PeerError(f"{peer.name}, {workload.name}, cold: {lines[-1]}")
    answer = json.loads(done.stdout)
    return answer["seconds"], workload.problem(answer["answer"])
