"""A participant that lies: it plays along with an endpoint of its own, changes what that says, and says more.

All that it signs falsely is signed by its own key, without any guard.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import replace

from evmthread.channel.messages import (
    Accept,
    Agreed,
    Close,
    CloseReady,
    Fetch,
    Hello,
    Message,
    Propose,
    Reject,
    Request,
    decode_message,
    encode_message,
)
from evmthread.channel.party import SignedInput
from evmthread.channel.thread import Thread
from evmthread.commit.agreement import SignatureSet, SignedCommitment
from evmthread.commit.batch import Batch, Input, InputKind, SignedBatch
from evmthread.commit.commitment import Commitment
from evmthread.commit.eip712 import TypedData, digest
from evmthread.errors import EvmthreadError
from evmthread.testing.simulation.network import damage
from evmthread.testing.simulation.node import Node

_FAR = (2**64 - 1, 2**64 - 2, 2**40, 2**39, 1000)


class Liar(Node):
    """A node whose words aren't its endpoint's."""

    def begin(self) -> None:
        """From now on it also says things of its own accord."""
        self._heard_bytes: deque[bytes] = deque(maxlen=64)
        self._attacks = 0
        self._attack()

    @property
    def is_lying(self) -> bool:
        """Whether it has begun to lie: most let the thread begin first."""
        channel = self.endpoint.channel if self.endpoint is not None else None
        return channel is not None and (self.member.lies_at_once or channel.agreement is not None)

    def receives(self, data: bytes) -> None:
        """It remembers what it hears."""
        self._heard_bytes.append(data)

    # What its endpoint says -------------------------------------------------------------------------------------------
    def send(self, to: int, data: bytes) -> None:
        """Bytes go out, or others, or none."""
        random = self.random
        if not self.is_lying:
            self.network.send(self.index, to, data)
            return
        if random.random() < self.member.silent:
            return
        self._heard_bytes.append(data)
        if random.random() < 0.25:
            message = self._decoded(data)
            if isinstance(message, Propose):
                for changed in self._changed(message):
                    self._say(to, changed)
                if random.random() < 0.7:
                    return
            elif random.random() < 0.3:
                data = damage(random, data)
        self.network.send(self.index, to, data)

    def _decoded(self, data: bytes) -> Message | None:
        try:
            return decode_message(data, batch_bytes=self.scenario.head.ruleset.batch_bytes)[1]
        except EvmthreadError:
            return None

    def _say(self, to: int, message: Message, *, thread_id: bytes | None = None) -> None:
        self.network.send(self.index, to, encode_message(self.thread_id if thread_id is None else thread_id, message))

    def _sign(self, record: Commitment | Input) -> bytes:
        return self.signer.sign(TypedData(self.scenario.head.domain, record))

    @property
    def _thread(self) -> Thread:
        assert self.endpoint is not None
        return self.endpoint.channel.thread

    def _changed(self, propose: Propose) -> list[Propose]:
        """Another proposal under the same nonce: one that doesn't execute so, or one that does."""
        random, commitment = self.random, propose.commitment
        if random.random() < 0.5:
            name = random.choice(("state_root", "storage_root", "fee", "gas_used", "balances", "receipts_root"))
            value: object = random.randbytes(32)
            if name in ("fee", "gas_used"):
                value = getattr(commitment, name) + 1
            elif name == "balances":
                value = (commitment.balances[0] - 1, commitment.balances[1] + 1, *commitment.balances[2:])
            if commitment.balances[0] == 0:
                return []
            changed = replace(commitment, **{name: value})  # type: ignore[arg-type]
            return [replace(propose, commitment=changed, signature=self._sign(changed))]
        batch = propose.batch
        environment = batch.batch.environment
        if batch.batch.inputs:
            seconds = random.choice((1, 1, 5000))
            environment = replace(environment, timestamp=environment.timestamp + seconds)
        inputs, signatures = batch.batch.inputs, batch.signatures
        if len(inputs) > 1 and random.random() < 0.5:
            inputs, signatures = inputs[:-1], signatures[:-1]
        return self._executed(SignedBatch(Batch(environment, inputs), signatures), commitment.nonce)

    def _executed(self, batch: SignedBatch, nonce: int) -> list[Propose]:
        thread = self._thread
        try:
            changed = thread.prepare(batch, nonce=nonce)
            suspension = None if thread.open_call is None else thread.open_call.suspension
            thread.discard()
        except EvmthreadError:
            return []
        return [Propose(changed, batch, suspension if changed.status == 1 else None, self._sign(changed))]

    # What it says besides ---------------------------------------------------------------------------------------------
    def _attack(self) -> None:
        self._attacks += 1  # it gets tired, so that a run has an end
        self.timeline.after(self.random.expovariate(0.5) * (1 + self._attacks / 10), self._attack)
        if not self.is_lying or self.member.silent == 1.0 or self.endpoint is None:
            return
        attacks: tuple[Callable[[int], None], ...] = (
            *(self._greet, self._reject, self._accept, self._propose, self._skip, self._agreed, self._request),
            *(self._flood, self._repeat, self._close, self._fetch, self._foreign, self._final),
        )
        attack = self.random.choice(attacks)
        for to in self.endpoint.channel._desk.others:
            if self.random.random() < 0.7:
                attack(to)

    def _greet(self, to: int) -> None:
        random = self.random
        numbers = [random.choice((*_FAR[1:], 0, self._tip + 1)) for _ in range(3)]
        known = self._thread.parent if random.random() < 0.5 else random.randbytes(32)
        self._say(to, Hello(numbers[0], numbers[1], known, numbers[2]))

    @property
    def _tip(self) -> int:
        return self._thread.next_nonce - 1

    def _reject(self, to: int) -> None:
        for data in list(self._heard_bytes)[-8:]:
            message = self._decoded(data)
            if isinstance(message, Propose):
                signed = digest(self.scenario.head.domain, message.commitment)
                code = self.random.randrange(12)
                self._say(to, Reject(message.commitment.nonce, signed, code, "no"))

    def _accept(self, to: int) -> None:
        commitment = self._some_commitment(self._tip + 1 + self.random.choice((0, 1, 2, *_FAR[2:])))
        if commitment is not None:
            signed = digest(self.scenario.head.domain, commitment)
            self._say(to, Accept(commitment.nonce, signed, self._sign(commitment)))

    def _some_commitment(self, nonce: int) -> Commitment | None:
        agreement = self._thread.agreement
        if agreement is None or nonce >= 1 << 64:
            return None
        return replace(agreement.commitment, nonce=nonce, parent=agreement.digest, state_root=self.random.randbytes(32))

    def _propose(self, to: int) -> None:
        """Nonsense under some nonce, led by it or by another."""
        commitment = self._some_commitment(self.random.choice((self._tip + self.random.randrange(1, 9), *_FAR)))
        if commitment is not None:
            batch = SignedBatch(Batch(self._thread.environment(), ()), ())
            self._say(to, Propose(commitment, batch, None, self._sign(commitment)))

    def _skip(self, to: int) -> None:
        """An empty batch that executes, under a nonce that it leads, near or far; others don't get it."""
        thread, ballot = self._thread, self.endpoint and self.endpoint.channel._desk.ballot
        if thread.agreement is None or not ballot or not ballot.leads(self.index):
            return
        nonce = self._tip + self.random.choice((1, 1, 9, 30, 2**39, 2**40 - 16))
        while ballot.leader(nonce) != self.index:
            nonce += 1
        for propose in self._executed(SignedBatch(Batch(thread.environment(), ()), ()), nonce):
            self._say(to, propose)

    def _final(self, to: int) -> None:
        """A final commitment that nobody asked for."""
        thread = self._thread
        if thread.agreement is None:
            return
        batch = SignedBatch(Batch(thread.environment(), ()), ())
        try:
            changed = thread.execute(batch, nonce=self._tip + self.random.randrange(1, 5), final=True)
        except EvmthreadError:
            return
        self._say(to, Propose(changed, batch, None, self._sign(changed)))

    def _agreed(self, to: int) -> None:
        """What too few have signed, or one many times."""
        commitment = self._some_commitment(self._tip + 1)
        if commitment is None:
            return
        signature, parties = self._sign(commitment), self.scenario.parties
        batch = SignedBatch(Batch(self._thread.environment(), ()), ())
        signatures = SignatureSet.of(dict.fromkeys(range(self.random.randrange(1, parties + 1)), signature))
        self._say(to, Agreed(SignedCommitment(commitment, signatures), batch, None))

    def _request(self, to: int) -> None:
        """Two inputs for one place."""
        if self.index >= self.scenario.parties or self._thread.agreement is None:
            return
        call = self.scenario.app.sure(self._thread, self.index, self.random.randrange(3))
        owner = self.scenario.head.terms.owners[self.index]
        each = Input(
            thread_id=self.thread_id,
            nonce=self._thread.account_nonce(owner) + self.random.choice((0, 0, 0, 1, 50)),
            parent=self._thread.parent,
            kind=InputKind.CALL,
            actor=owner,
            to=self._thread.address,
            value=self.random.choice((0, 0, 10**9)),
            gas=call.gas,
            data=call.data,
        )
        self._say(to, Request(SignedInput(each, self._sign(each))))

    def _flood(self, to: int) -> None:
        """Many small messages, each another one."""
        for _ in range(40):
            self.random.choice((self._greet, self._accept, self._request, self._fetch, self._propose))(to)

    def _repeat(self, to: int) -> None:
        """What it heard or said before, others' words too."""
        for data in self.random.sample(list(self._heard_bytes), min(5, len(self._heard_bytes))):
            self.network.send(self.index, to, data)

    def _close(self, to: int) -> None:
        self._say(to, Close())
        self._say(to, CloseReady(self._thread.parent if self.random.random() < 0.7 else self.random.randbytes(32)))

    def _fetch(self, to: int) -> None:
        self._say(to, Fetch(self._thread.parent if self.random.random() < 0.5 else self.random.randbytes(32)))

    def _foreign(self, to: int) -> None:
        """Words of another thread, and no words at all."""
        self._say(to, Hello(5, 4, self.random.randbytes(32)), thread_id=self.random.randbytes(32))
        self.network.send(self.index, to, self.random.randbytes(self.random.randrange(200)))
