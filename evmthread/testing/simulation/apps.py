"""What the simulated parties run: a contract, and what its users may ask of it.

An app of one's own is an object with the members of `App`; run.py takes it in place of these.
"""

from dataclasses import dataclass
from random import Random
from typing import Protocol

from evmthread.channel.thread import Thread
from evmthread.commit.batch import InputKind
from evmthread.contracts import load_artifact

MIX, BREAK, ASK, PAY, FAIL, SPIN = range(6)
"""What the plain contract does beside mixing its caller and its second word into slot 0."""

PLAIN_CODE = bytes.fromhex(
    "5f545f52"  # memory 0: slot 0
    "33602052"  # memory 32: the caller
    "60203560405260605f205f55"  # memory 64: the second word; slot 0 becomes the hash of all three
    "600154600101600155"  # slot 1 counts
    "5f35"  # the first word says what else
    "8060011461004857"
    "8060021461004b57"
    "8060031461005857"
    "8060041461006757"
    "8060051461006b57"
    "00"
    "5bb000"  # BREAK: the opcode BREAKPOINT
    "5b60206020602035b160025500"  # ASK: the owner in the second word is asked; the answer's first word to slot 2
    "5b5f5f5f5f600234046020355af100"  # PAY: half of what came goes to the address in the second word
    "5b5f5ffd"  # FAIL
    "5b61006b56"  # SPIN: until the gas is gone
)


@dataclass(frozen=True, slots=True)
class Call:
    """What a user asks for: the arguments of Channel.request."""

    data: bytes
    value: int = 0
    gas: int = 200_000
    kind: InputKind = InputKind.CALL


class App(Protocol):
    """A contract and its users. Implementations draw all chance from the Random that they are given."""

    @property
    def code(self) -> bytes:
        """The runtime code."""

    def creation(self, owners: tuple[bytes, ...]) -> Call | None:
        """What party 0 asks for so that the genesis creates the contract; None where it begins with its code."""

    def call(self, random: Random, thread: Thread, party: int) -> Call:
        """Something that this party's user may ask for now, reasonable or not."""

    def sure(self, thread: Thread, party: int, mark: int) -> Call:
        """A call, another one for each mark, that can always be in a batch; it may revert."""


class PlainApp:
    """The plain contract: mixes, breaks, asks, pays, fails and spins."""

    code = PLAIN_CODE

    def __init__(self, *, asks: bool = True) -> None:
        self._most = SPIN if asks else PAY

    def creation(self, owners: tuple[bytes, ...]) -> Call | None:
        """Nothing: the thread begins with the code."""
        return None

    def call(self, random: Random, thread: Thread, party: int) -> Call:
        """Any of what the contract does; sometimes more than the owner can pay for."""
        what = random.choice((MIX, MIX, MIX, BREAK, ASK, PAY, PAY, FAIL, SPIN))
        owner = random.choice(thread.terms.owners)
        if what == ASK and self._most < SPIN:
            what = MIX
        word = bytes(12) + owner if what in (ASK, PAY) else random.randbytes(32)
        value = 0
        if what == PAY:
            value = random.choice((0, 1, 10, 200, 10_000_000))
        return Call(bytes(31) + bytes([what]) + word, value=value)

    def sure(self, thread: Thread, party: int, mark: int) -> Call:
        """A plain mix."""
        return Call(bytes(32) + mark.to_bytes(32, "big"))


class MorpionApp:
    """A game of Morpion between parties 0 and 1; who else takes part calls in vain."""

    def __init__(self) -> None:
        self._artifact = load_artifact("Morpion")

    @property
    def code(self) -> bytes:
        """The contract's runtime code."""
        return self._artifact.runtime_code

    def creation(self, owners: tuple[bytes, ...]) -> Call | None:
        """Creation code and arguments."""
        arguments = self._artifact.encode_constructor(owners[0], owners[1], 1000, 86_400)
        return Call(self._artifact.creation_code + arguments, gas=4_000_000, kind=InputKind.CREATE)

    def call(self, random: Random, thread: Thread, party: int) -> Call:
        """Joining, or some move, whoever's turn it is."""
        artifact = self._artifact
        if random.random() < 0.2:
            return Call(artifact.function("join").encode(), value=1000)
        return Call(artifact.function("play").encode(random.randrange(9)))

    def sure(self, thread: Thread, party: int, mark: int) -> Call:
        """A move that may revert; the mark is in the bytes behind it."""
        return Call(self._artifact.function("play").encode(mark % 9) + mark.to_bytes(32, "big"))
