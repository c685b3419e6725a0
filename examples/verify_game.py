"""What a stranger can check with a game's file: here a true game, and one in which both players signed a lie.

Run it: python examples/verify_game.py
"""

import tempfile
from dataclasses import replace
from pathlib import Path

from evmthread.commands.board import O, X
from evmthread.commands.morpion_game import MorpionGame
from evmthread.commit import Agreement, LocalSigner, SignatureSet, TypedData
from evmthread.errors import VerificationError
from evmthread.store.replaying import replay_file
from evmthread.store.threadfile import ThreadFileReader, ThreadFileWriter
from evmthread.store.verification import verify_file


def play(path: Path, x: LocalSigner, o: LocalSigner) -> None:
    """A short game, written to a file."""
    game = MorpionGame.open(x, o, stake=100, turn_seconds=86_400, clock=lambda: 1_760_000_000, out=path)
    game.create()
    game.join(X)
    game.join(O)
    for mark, cell in ((X, 4), (O, 0), (X, 2), (O, 1), (X, 6)):
        game.play(mark, cell)
    game.withdraw(X)
    game.close()
    game.seal_file()


def lie(true: Path, false: Path, signers: list[LocalSigner]) -> None:
    """The same game up to nonce 4, where both players sign that 50 wei changed hands."""
    with ThreadFileReader(true) as reader, ThreadFileWriter.create(false, reader.head) as writer:
        head = reader.head
        for record in reader.agreed():
            commitment = record.signed.commitment
            if commitment.nonce == 4:
                first, second = commitment.balances
                commitment = replace(commitment, balances=(first + 50, second))
            signatures = {
                head.terms.keys.index(each.address): each.sign(TypedData(head.domain, commitment)) for each in signers
            }
            agreement = Agreement(head.domain, head.terms, commitment, SignatureSet.of(signatures))
            writer.append(agreement, record.batch)
            if commitment.nonce == 4:
                break
        writer.seal()


def judge(path: Path) -> None:
    """Prints what verify and replay say."""
    for name, check in (("verify", verify_file), ("replay", replay_file)):
        try:
            check(path)
        except VerificationError as error:
            print(f"{path.name}: {name} refutes it: {error}")
        else:
            print(f"{path.name}: {name} finds nothing wrong")


def main() -> None:
    signers = [LocalSigner.generate(), LocalSigner.generate()]
    with tempfile.TemporaryDirectory() as folder:
        true, false = Path(folder) / "true.thread", Path(folder) / "false.thread"
        play(true, *signers)
        lie(true, false, signers)
        judge(true)
        judge(false)


if __name__ == "__main__":
    main()
