"""A liar that lies to the chain, too: it withholds signatures, and posts whatever may pay or confuse.

What it sends isn't tried first, so that much of it fails in its block; and it breaks no key but its own.
"""

from contextlib import suppress
from dataclasses import replace
from random import Random

from evmthread.chain.accounts import KeyAccount
from evmthread.chain.errors import CallReverted
from evmthread.chain.follower import Follower
from evmthread.chain.registry import Registry, signed_arguments
from evmthread.chain.watcher import Head, Watcher
from evmthread.channel.desk import ChainHead, Mode
from evmthread.channel.messages import Accept, Agreed
from evmthread.commit.agreement import Agreement, SignatureSet
from evmthread.commit.commitment import Commitment, Status
from evmthread.commit.eip712 import TypedData
from evmthread.errors import BackendError
from evmthread.store.handing_on import verified_line
from evmthread.testing.simulation.liar import Liar

_GAS = 600_000
"""More than any call of a few parties uses."""


class Swindler(Liar):
    """A liar that keeps some agreements to itself: all others signed, and wait for its own signature.

    It plays along until the deposits of all are in, or longer.
    """

    may_lie = False
    mute = False
    """It says nothing more."""

    @property
    def is_lying(self) -> bool:
        """Whether it has begun to lie."""
        return self.may_lie and super().is_lying

    def send(self, to: int, data: bytes) -> None:
        """Signatures that would let others have an agreement are held back: often one, and most often an end."""
        if self.mute:
            return
        message = self._decoded(data)
        if self.is_lying and isinstance(message, Accept | Agreed) and self._withholds(message):
            return
        super().send(to, data)

    def _withholds(self, message: Accept | Agreed) -> bool:
        """The same for all that concerns one nonce."""
        if isinstance(message, Agreed):
            commitment = message.signed.commitment
            nonce, final = commitment.nonce, commitment.status == Status.FINAL
        else:
            nonce = message.nonce
            standing = {} if self.endpoint is None else self.endpoint.channel._desk.ballot.standing
            final = nonce in standing and standing[nonce].propose.commitment.status == Status.FINAL
        return Random(f"{self.scenario.seed} {self.index} {nonce}").random() < (0.7 if final else 0.2)


class Swindle:
    """What a swindler does on chain."""

    def __init__(self, node: Swindler, registry: Registry, account: KeyAccount) -> None:
        self.node = node
        self.registry = registry
        self.account = account
        self.tried = 0
        self._begun = False
        self._early = node.random.random() < 0.3
        self._steals = node.random.random() < 0.6
        """A thief posts what is older than the latest, and nothing that would help others; else it is all the same."""
        self._follower = Follower(registry.provider, Watcher(registry.domain, node.scenario.head.terms))
        self._head: ChainHead | None = None

    def begin(self) -> None:
        """From now on it doesn't play along. A thief has no other way out than an old commitment."""
        self._begun = self.node.may_lie = True
        self.node.mute = self._steals

    def look(self) -> None:
        """Its endpoint is told what the chain shows, from time to time."""
        node = self.node
        node.timeline.after(6.0 * (0.5 + node.random.random()), self.look)
        with suppress(BackendError):
            for each in self._follower.poll():
                if isinstance(each, Head):
                    self._head = each.head
                    self.node.may_lie |= self._early and each.head.latest is Mode.LIVE
        if (head := self._head) is not None:
            node.act(lambda endpoint: endpoint.head(head))

    def mind(self) -> None:
        """One misdeed, from time to time; it pays its deposit, mostly, so that there is something to take."""
        node, random = self.node, self.node.random
        pause = random.expovariate(1 / 15 if self._begun else 1 / 5)
        node.timeline.after(pause * (1 + self.tried / 20), self.mind)
        if node.endpoint is None or node.endpoint.channel.agreement is None or node.index >= node.scenario.parties:
            return
        with suppress(BackendError, CallReverted):
            line = [agreement for agreement, _ in verified_line(node.endpoint.lease)]
            if line:
                self._act(line)

    def _act(self, line: list[Agreement]) -> None:
        registry, random, terms = self.registry, self.node.random, self.node.scenario.head.terms
        state = registry.thread(self.node.thread_id)
        if state.mode in (Mode.NONE, Mode.FUNDING):
            if random.random() < 0.9 and not int.from_bytes(state.digest, "big") >> self.node.index & 1:
                registry.open(self.account, line[0], self.node.index)
            return
        if not self._begun:
            return
        self.tried += 1
        older = line[:-1] if self._steals and len(line) > 1 else line
        some = random.choice(older)
        match random.randrange(10):
            case 0 | 1 | 2:
                self._say("challenge", *signed_arguments(registry.domain, some))
            case 3:
                self._say("exit", terms)
            case 4 | 5:
                self._say("respond", *signed_arguments(registry.domain, some))
            case 6:
                self._say("checkpoint", *signed_arguments(registry.domain, some))
            case 7:
                self._say("settle", terms, some.commitment, 0, ())
            case 8:
                self._say(random.choice(("respond", "challenge", "settle")), *self._forged(line[-1]))
            case _:
                name = random.choice(("refund", "settle"))
                self._say(name, *((terms,) if name == "refund" else signed_arguments(registry.domain, older[-1])))

    def _forged(self, tip: Agreement) -> tuple[object, ...]:
        """A commitment that pays it everything, with its own signature in everybody's place, or alone."""
        node = self.node
        status = Status.FINAL if node.random.random() < 0.5 else Status.REST
        everything = tuple(
            sum(tip.commitment.balances) if index == node.index else 0 for index in range(node.scenario.parties)
        )
        forged: Commitment = replace(
            tip.commitment,
            nonce=tip.commitment.nonce + node.random.randrange(3),
            parent=tip.digest,
            status=status,
            balances=everything,
            awaiting=bytes(20),
            machine_hash=bytes(32),
        )
        signature = node.signer.sign(TypedData(self.registry.domain, forged))
        who = range(node.scenario.parties) if node.random.random() < 0.5 else (node.index,)
        signatures = SignatureSet.of(dict.fromkeys(who, signature))
        return tip.terms, forged, signatures.bitmap, signatures.signatures

    def _say(self, name: str, *arguments: object) -> None:
        transactions = self.registry.transactions
        call = self.registry.call(name, *arguments)
        transactions.submit(self.account, call, gas=_GAS, hurry=self.node.random.choice((1, 1, 3)))
