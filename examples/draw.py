"""An offer of a draw suspends a contract in mid-execution; both sign that, and the answer comes through a file.

The two halves share the players' keys and one file, nothing else: they could run in two processes, or years apart.

Run it: python examples/draw.py [FILE]     (without FILE the game is kept nowhere)
"""

import sys
import tempfile
from pathlib import Path

from evmthread.channel.local import LOCAL_DOMAIN
from evmthread.channel.party import Party, SignedInput, agree_on
from evmthread.channel.thread import Thread
from evmthread.commit import Batch, GuardedSigner, InputKind, LocalSigner, MemorySignLog, Ruleset, SignedBatch, Terms
from evmthread.commit.commitment import Commitment, Status
from evmthread.contracts import load_artifact
from evmthread.primitives.keccak import keccak256
from evmthread.store.continuing import continue_file
from evmthread.store.replaying import replay_file
from evmthread.store.threadfile import ThreadFileReader, ThreadFileWriter, ThreadHead
from evmthread.store.verification import verify_file

MORPION = load_artifact("MorpionDraw")
DAY = 24 * 3600
START = 1_760_000_000
PLAYING, DRAWN = 1, 4  # MorpionDraw.State
YES = (1).to_bytes(32, "big")  # abi.encode(true)


class Game:
    """Both parties, each with its own copy of the state, and the file that takes what they agree on."""

    def __init__(self, parties: list[Party], file: ThreadFileWriter) -> None:
        self.parties, self.file = parties, file

    def agree(self, each: SignedInput) -> None:
        thread = self.parties[0].thread
        environment = thread.environment(timestamp=START)
        agreement = agree_on(self.parties, [each], environment)
        batch = SignedBatch(Batch(environment, (each.input,)), (each.signature,))
        self.file.append(agreement, batch, thread.open_call.suspension if thread.open_call else None)

    def call(self, party: Party, name: str, *arguments: object) -> None:
        self.agree(party.sign_input(MORPION.function(name).encode(*arguments), gas=1_000_000))

    def ask(self, name: str) -> object:
        function = MORPION.function(name)
        return function.decode(self.parties[0].thread.call(function.encode()).output)[0]


def first_half(path: Path, signers: list[LocalSigner]) -> None:
    """X and O play two moves; X offers a draw; the file ends with `offerDraw` in the middle of its execution."""
    players = tuple(signer.address for signer in signers)
    rules = Ruleset(contract_timeout=DAY)
    terms = Terms(
        origin=bytes(20),
        code_hash=keccak256(MORPION.runtime_code),
        ruleset=rules.hash_struct(),
        asset=bytes(20),
        keys=players,
        owners=players,
        deposits=(0, 0),
        threshold=2,
        operator=bytes(20),
        max_fee=0,
        challenge_period=3600,
        open_before=START + 3600,
        salt=1,
    )
    x, o = parties = [
        Party(Thread.open(LOCAL_DOMAIN, terms, rules), GuardedSigner(signer, MemorySignLog())) for signer in signers
    ]
    game = Game(parties, ThreadFileWriter.create(path, ThreadHead(LOCAL_DOMAIN, terms, rules, MORPION.runtime_code)))

    init_code = MORPION.creation_code + MORPION.encode_constructor(x.owner, o.owner, 0, DAY)
    game.agree(x.sign_input(init_code, kind=InputKind.CREATE, gas=4_000_000))
    for party in parties:
        game.call(party, "join")
    game.call(x, "play", 4)
    game.call(o, "play", 0)
    game.call(x, "offerDraw")
    game.file.seal()

    opened = x.thread.open_call
    assert opened is not None
    (move,) = MORPION.function("acceptDraw").decode_input(opened.suspension.question)
    print(f"suspended: {'O' if opened.suspension.awaiting == o.owner else 'X'} is asked acceptDraw({move})")
    print(f"signed by {signatures(x)} parties: the machine's hash: {opened.machine_hash == tip(x).machine_hash}")


def second_half(path: Path, signers: list[LocalSigner]) -> None:
    """From the file alone: each party executes everything again; O answers; the machine goes on to its end."""
    with ThreadFileReader(path) as reader:
        continued = continue_file(reader, path, copies=2)
    parties = []
    for signer, thread in zip(signers, continued.threads, strict=True):
        log = MemorySignLog()
        log.set_floor(thread.thread_id, thread.next_nonce - 1)  # never sign again what the file holds
        parties.append(Party(thread, GuardedSigner(signer, log)))
    x, o = parties
    game = Game(parties, continued.writer)
    print(f"read again: the game is over: {game.ask('state') != PLAYING}")

    game.agree(o.answer(YES))
    game.file.seal()  # now the file has the answer, too
    print(f"answered yes: the game is over: {game.ask('state') != PLAYING}, drawn: {game.ask('state') == DRAWN}")
    print(f"signed by {signatures(x)} parties: at rest: {tip(x).status == Status.REST}")


def tip(party: Party) -> Commitment:
    """The latest commitment that all agreed on."""
    assert party.agreement is not None
    return party.agreement.commitment


def signatures(party: Party) -> int:
    """How many signed it."""
    assert party.agreement is not None
    return len(party.agreement.signatures.indexes())


def check(path: Path) -> None:
    """A stranger, with the file alone."""
    report = verify_file(path)
    thread, count = replay_file(path)
    waits = "suspended" if report.suspension and thread.open_call else "at rest"
    print(f"verified: {report.count} commitments; replayed: {count}, every field equal; {waits}")


def main(path: Path) -> None:
    signers = sorted([LocalSigner.generate(), LocalSigner.generate()], key=lambda signer: signer.address)
    first_half(path, signers)
    check(path)
    second_half(path, signers)
    check(path)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            main(Path(folder) / "draw.thread")
