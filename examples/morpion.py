"""Two parties play a game of Morpion in a thread, through the library alone; a stranger checks it from one file.

Run it: python examples/morpion.py [FILE]     (without FILE the game is kept nowhere)
"""

import sys
import tempfile
from pathlib import Path

from evmthread.channel.local import LOCAL_DOMAIN
from evmthread.channel.party import Party, SignedInput, agree_on
from evmthread.channel.thread import Thread
from evmthread.commit import Batch, GuardedSigner, InputKind, LocalSigner, MemorySignLog, Ruleset, SignedBatch, Terms
from evmthread.contracts import load_artifact
from evmthread.primitives.keccak import keccak256
from evmthread.store.replaying import replay_file
from evmthread.store.threadfile import ThreadFileWriter, ThreadHead
from evmthread.store.verification import verify_file

STAKE = 10**15
DAY = 24 * 3600
START = 1_760_000_000


def main(path: Path) -> None:
    morpion = load_artifact("Morpion")

    # What both sign up for: who they are, what they deposit, which code, under which rules.
    signers = sorted([LocalSigner.generate(), LocalSigner.generate()], key=lambda signer: signer.address)
    players = tuple(signer.address for signer in signers)
    rules = Ruleset(contract_timeout=DAY)
    terms = Terms(
        origin=bytes(20),
        code_hash=keccak256(morpion.runtime_code),
        ruleset=rules.hash_struct(),
        asset=bytes(20),
        keys=players,
        owners=players,
        deposits=(STAKE, STAKE),
        threshold=2,
        operator=bytes(20),
        max_fee=0,
        challenge_period=3600,
        open_before=START + 3600,
        salt=1,
    )

    # Each party has its own copy of the state, its own key, and a guard that never signs two things for one nonce.
    parties = [
        Party(Thread.open(LOCAL_DOMAIN, terms, rules), GuardedSigner(signer, MemorySignLog())) for signer in signers
    ]
    file = ThreadFileWriter.create(path, ThreadHead(LOCAL_DOMAIN, terms, rules, morpion.runtime_code))

    def agree(*inputs: SignedInput, final: bool = False) -> None:
        environment = parties[0].thread.environment(timestamp=None if final else START)
        agreement = agree_on(parties, inputs, environment, final=final)
        batch = Batch(environment, tuple(each.input for each in inputs))
        file.append(agreement, SignedBatch(batch, tuple(each.signature for each in inputs)))

    def call(party: Party, name: str, *arguments: object, value: int = 0) -> None:
        agree(party.sign_input(morpion.function(name).encode(*arguments), value=value, gas=1_000_000))

    def ask(name: str) -> object:
        function = morpion.function(name)
        return function.decode(parties[0].thread.call(function.encode()).output)[0]

    x, o = parties
    init_code = morpion.creation_code + morpion.encode_constructor(x.owner, o.owner, STAKE, DAY)
    agree(x.sign_input(init_code, kind=InputKind.CREATE, gas=4_000_000))
    for party in parties:
        call(party, "join", value=STAKE)
    for number, cell in enumerate([0, 1, 4, 2, 8]):
        call(parties[number % 2], "play", cell)
    winner = "X" if ask("winner") == x.owner else "O"
    call(x, "withdraw")
    agree(final=True)
    file.seal()

    latest = x.agreement
    assert latest is not None
    print(f"board: {ask('board')}")
    print(f"winner: {winner}")
    print(f"balances: {latest.commitment.balances}")

    # A stranger, with the file alone: who signed what, and that executing it gives the same.
    report = verify_file(path)
    _, count = replay_file(path)
    print(f"verified: {report.count} commitments")
    print(f"replayed: {count} commitments")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            main(Path(folder) / "game.thread")
