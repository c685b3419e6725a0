"""Which artifact the code belongs to that a frame runs, and what it is called. Knows no machine but its messages."""

from collections.abc import Iterable, Iterator

from evmthread.contracts.abi import SELECTOR_SIZE
from evmthread.contracts.artifact import Artifact, artifact_names, load_artifact
from evmthread.contracts.source_map import SourceMap
from evmthread.isa.message import Message

MOST_CODES = 1024  # that are remembered; a test run may make any number of contracts


class KnownCode:
    """Artifacts, found by the code that runs: equal but for immutables, or a creation's code before its arguments.

    The metadata at a code's end counts: a contract of other sources or settings is another contract.
    """

    def __init__(self, artifacts: Iterable[Artifact] = ()) -> None:
        self.artifacts = tuple(artifacts)
        self._found: dict[tuple[bytes, bool], SourceMap | None] = {}
        self._maps: dict[tuple[int, bool], SourceMap] = {}

    def source_map(self, message: Message) -> SourceMap | None:
        """The source map of the code that a message runs; None where no artifact has it."""
        key = message.code, message.kind.creates
        if key not in self._found:
            if len(self._found) >= MOST_CODES:
                self._found.clear()
            self._found[key] = self._search(*key)
        return self._found[key]

    def maps(self) -> Iterator[SourceMap]:
        """The source maps of everything that is known: each contract's creation and its code."""
        for index in range(len(self.artifacts)):
            for creates in (True, False):
                yield self._map(index, creates)

    def title(self, message: Message) -> str:
        """What a call is called: "Morpion.play(uint8)", "Morpion constructor", or address and selector."""
        found = self.source_map(message)
        where = f"0x{message.code_address.hex()}" if found is None else found.artifact.name
        if message.kind.creates:
            return f"{where} constructor"
        selector = bytes(message.data[:SELECTOR_SIZE])
        for function in () if found is None else found.artifact.functions:
            if function.selector == selector:
                return f"{where}.{function.signature}"
        if len(selector) == SELECTOR_SIZE:
            return f"{where}.0x{selector.hex()}"
        return f"{where} with {len(selector) or 'no'} bytes of data" if found is None else f"{where}.receive()"

    def _search(self, code: bytes, creates: bool) -> SourceMap | None:
        for index, artifact in enumerate(self.artifacts):
            if code.startswith(artifact.creation_code) if creates else _is_runtime(code, artifact):
                return self._map(index, creates) if code else None
        return None

    def _map(self, index: int, creates: bool) -> SourceMap:
        if (index, creates) not in self._maps:
            self._maps[index, creates] = SourceMap(self.artifacts[index], creation=creates)
        return self._maps[index, creates]


def shipped_and(artifacts: Iterable[Artifact]) -> KnownCode:
    """These artifacts and those that come with the library."""
    return KnownCode([*artifacts, *[load_artifact(name) for name in artifact_names()]])


def _is_runtime(code: bytes, artifact: Artifact) -> bool:
    """Whether this is the contract's code, with whatever values in the places of immutables."""
    wanted = artifact.runtime_code
    if len(code) != len(wanted):
        return False
    if code == wanted:
        return True
    blank = bytearray(code)
    for places in artifact.runtime.immutables.values():
        for start, length in places:
            blank[start : start + length] = bytes(length)
    return bytes(blank) == wanted
