"""Games of MorpionDraw that the commands' tests share: made through the library, their files and keys."""

from pathlib import Path

from evmthread.channel.local import LOCAL_DOMAIN
from evmthread.commit import Agreement, InputKind, LocalSigner
from evmthread.contracts import load_artifact
from evmthread.primitives.keccak import keccak256
from evmthread.store.threadfile import ThreadFileWriter, ThreadHead
from tests.channel.games import CREATE_GAS, TURN_SECONDS, Match, ruleset

DRAW = load_artifact("MorpionDraw")


class DrawMatch(Match):
    """A game whose players are parties 0 (X) and 1 (O), by default both joined; stake 0."""

    def __init__(self, *, parties: int = 2, begun: bool = True, transcript: bool = True) -> None:
        super().__init__(DRAW.runtime_code, parties=parties, rules=ruleset(transcript=transcript))
        owners = self.terms.owners
        arguments = DRAW.encode_constructor(owners[0], owners[1], 0, TURN_SECONDS)
        self.call(0, DRAW.creation_code + arguments, kind=InputKind.CREATE, gas=CREATE_GAS)
        for player in (0, 1) if begun else ():
            self.do(player, "join")

    def do(self, player: int, name: str, *arguments: object) -> Agreement:
        """One call, agreed."""
        return self.call(player, DRAW.function(name).encode(*arguments))

    def offered(self) -> "DrawMatch":
        """X has offered a draw."""
        self.do(0, "offerDraw")
        return self


def save(match: Match, path: Path) -> bytes:
    """The match's sealed file, suspended or not; returns its bytes."""
    with ThreadFileWriter.create(path, ThreadHead(LOCAL_DOMAIN, match.terms, match.rules, match.code)) as writer:
        for item in match.whole_line:
            writer.append(*item)
        writer.seal()
    return path.read_bytes()


def key_file(path: Path, key: bytes) -> str:
    """A file that `--x-key` and its like read."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(key.hex())
    path.chmod(0o600)
    return str(path)


def keys_of(match: Match, folder: Path) -> list[str]:
    """The arguments that give the keys of parties 0 (X) and 1 (O)."""
    known = [keccak256(b"evmthread test key %d" % index) for index in range(16)]
    keys = {LocalSigner(key).address: key for key in known}
    for name, address in zip("xo", match.terms.keys, strict=False):
        key_file(folder / f"{name}.key", keys[address])
    return ["--keys", str(folder)]


def tree(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
