"""Goes on with a game of Morpion that a sealed file holds, at rest or with an offer of a draw open."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from evmthread.channel.local import LOCAL_DOMAIN
from evmthread.channel.party import Party
from evmthread.channel.thread import Thread
from evmthread.commands.board import NAMES, O, X
from evmthread.commands.morpion_game import MorpionGame, ask_contract
from evmthread.commit.commitment import Status
from evmthread.commit.signing import GuardedSigner, LocalSigner, MemorySignLog
from evmthread.contracts import Artifact, load_artifact
from evmthread.errors import InvalidInput
from evmthread.store.continuing import continue_file
from evmthread.store.threadfile import ThreadFileReader, ThreadHead

_CONTRACTS = ("Morpion", "MorpionDraw")
_JOINING = 0  # Morpion.State


def resume_game(path: Path, signers: Mapping[int, LocalSigner], *, clock: Callable[[], int], out: Path) -> MorpionGame:
    """The game in a sealed file, after both parties have verified and executed it again; `signers` by mark.

    What follows is written to `out`, which begins with what `path` holds and may be `path` itself. Raises InvalidInput
    for a file that holds no game that can go on, or one of other keys, and what continue_file raises; nothing is left
    behind then.
    """
    with ThreadFileReader(path) as reader:
        artifact = _artifact_of(reader.head)
        continued = continue_file(reader, out, copies=len(signers))
    try:
        _check_goes_on(continued.threads[0], artifact)
        players = _seated(continued.threads, artifact, signers)
        stake, turn_seconds = (ask_contract(continued.threads[0], artifact, name) for name in ("stake", "turnSeconds"))
        assert isinstance(stake, int)
        assert isinstance(turn_seconds, int)
        game = MorpionGame(
            players, artifact, stake=stake, turn_seconds=turn_seconds, clock=clock, file=continued.writer
        )
        game.offer()  # which refuses any other open call
    except BaseException:
        continued.writer.remove()
        raise
    return game


def _artifact_of(head: ThreadHead) -> Artifact:
    if head.domain != LOCAL_DOMAIN:
        # Its signatures are worth something: they want a log of what was signed that outlives the process.
        raise InvalidInput(f"a thread of chain {head.domain.chain_id}; only games without a chain go on here")
    artifacts = (load_artifact(name) for name in _CONTRACTS)
    artifact = next((artifact for artifact in artifacts if artifact.runtime_code == head.code), None)
    if artifact is None:
        names = " nor ".join(_CONTRACTS)
        raise InvalidInput(f"the thread's contract, of code hash 0x{head.terms.code_hash.hex()}, is neither {names}")
    if len(head.terms.keys) != len(NAMES):
        raise InvalidInput(f"a thread of {len(head.terms.keys)} parties, where a game has two")
    return artifact


def _check_goes_on(thread: Thread, artifact: Artifact) -> None:
    latest = thread.agreement
    if latest is None or ask_contract(thread, artifact, "state") == _JOINING:
        raise InvalidInput("the game hasn't begun: both players join first")
    if latest.commitment.status == Status.FINAL:
        raise InvalidInput(f"the thread is closed since nonce {latest.commitment.nonce}: nothing follows")


def _seated(threads: Sequence[Thread], artifact: Artifact, signers: Mapping[int, LocalSigner]) -> dict[int, Party]:
    """The players, by mark, each with a thread of its own."""
    players = {}
    for (mark, signer), thread in zip(signers.items(), threads, strict=True):
        latest, terms = thread.agreement, thread.terms
        assert latest is not None
        owner = ask_contract(thread, artifact, {X: "playerX", O: "playerO"}[mark])
        if owner not in terms.owners:
            raise InvalidInput(f"{NAMES[mark]} is no party of the thread")
        key = terms.keys[terms.owners.index(owner)]
        if signer.address != key:
            raise InvalidInput(f"{NAMES[mark]}'s key is that of 0x{signer.address.hex()}; the file's is 0x{key.hex()}")
        log = MemorySignLog()
        log.set_floor(thread.thread_id, latest.commitment.nonce)  # what the file holds was signed by these keys
        players[mark] = Party(thread, GuardedSigner(signer, log))
    return players
