"""Party: one participant: its own Thread, and its key behind a guard that never signs two things for one nonce.

What it says and hears are plain values (SignedInput, Proposal, Acceptance); how they travel is no matter of this
module. The clock and the chain are its caller's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evmthread.channel.errors import LocalProtocolError
from evmthread.channel.review import (
    check_clock,
    check_leader_signature,
    check_nonce_step,
    check_proposed,
    execute_proposed,
    leader_of,
)
from evmthread.channel.suspension import OpenCall
from evmthread.channel.thread import Thread
from evmthread.commit.agreement import Agreement, SignatureSet
from evmthread.commit.batch import Batch, Environment, Input, InputKind, SignedBatch
from evmthread.commit.commitment import FINAL, Commitment, Suspension
from evmthread.commit.eip712 import TypedData, digest
from evmthread.commit.opening import DEFAULT_INCLUSION, check_opening
from evmthread.commit.signing import GuardedSigner, InputEquivocationError
from evmthread.errors import InvalidInput
from evmthread.primitives import rlp
from evmthread.primitives.arguments import show
from evmthread.primitives.quick import quick
from evmthread.primitives.types import ZERO_ADDRESS, ZERO_HASH


@quick
@dataclass(frozen=True, slots=True)
class SignedInput:
    """An input with its actor's signature."""

    input: Input
    signature: bytes


@dataclass(frozen=True, slots=True)
class Proposal:
    """A leader's commitment with the batch that leads to it, its signature, and where an open call stands."""

    commitment: Commitment
    signed: SignedBatch
    signature: bytes
    suspension: Suspension | None = None


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A party's signature on a proposal. `index` is the party's."""

    nonce: int
    digest: bytes
    index: int
    signature: bytes


class Party:
    """One participant. Everything that it signs, it has executed itself, on its own state."""

    def __init__(self, thread: Thread, signer: GuardedSigner, *, inclusion: int = DEFAULT_INCLUSION) -> None:
        """The party whose session key the signer holds. Raises InvalidInput when the terms have no such key.

        Raises a Refusal as check_opening does, for a thread whose genesis isn't agreed yet.
        """
        if signer.address not in thread.terms.keys:
            raise InvalidInput(f"0x{signer.address.hex()} is no session key of this thread")
        if thread.agreement is None:
            check_opening(thread.terms, thread.ruleset, inclusion=inclusion)
        self.thread = thread
        self.index = thread.terms.keys.index(signer.address)
        self._signer = signer
        self._signature: bytes | None = None
        self._inputs: dict[tuple[bytes, InputKind, int], bytes] = {}
        """The digest of each input that was signed above the genesis, by parent, kind and nonce."""

    @property
    def owner(self) -> bytes:
        """The account that this party acts for inside the thread: 20 bytes."""
        return self.thread.terms.owners[self.index]

    @property
    def agreement(self) -> Agreement | None:
        """The latest agreement that this party executed and adopted."""
        return self.thread.agreement

    def sign_input(
        self,
        data: bytes = b"",
        *,
        to: bytes | None = None,
        value: int = 0,
        gas: int,
        kind: InputKind = InputKind.CALL,
        nonce: int | None = None,
    ) -> SignedInput:
        """An input of this party, bound to its latest agreement.

        By default to the root contract and with the owner's next nonce; pass `nonce` for a second one in a batch.
        Raises InvalidInput for values out of range, SigningRefused after a final commitment, InputEquivocationError
        where this party signed another input of this kind and nonce on this agreement.
        """
        if kind not in tuple(InputKind):
            raise InvalidInput(f"no kind of input: {show(kind)}")
        thread = self.thread
        each = Input(
            thread_id=thread.thread_id,
            nonce=thread.account_nonce(self.owner) if nonce is None else nonce,
            parent=thread.parent,
            kind=kind,
            actor=self.owner,
            to=thread.address if to is None else to,
            value=value,
            gas=gas,
            data=data,
        )
        self._admit(each)
        return SignedInput(each, self._signer.sign(TypedData(thread.domain, each)))

    def _admit(self, each: Input) -> None:
        if each.parent == ZERO_HASH:  # two inputs that any state may take don't contradict each other
            return
        asked = digest(self.thread.domain, each)
        signed = self._inputs.setdefault((each.parent, InputKind(each.kind), each.nonce), asked)
        if signed != asked:
            raise InputEquivocationError(each.thread_id, each.kind, each.nonce, each.parent, signed, asked)

    def answer(self, answer: bytes = b"") -> SignedInput:
        """This party's answer to the question that is asked of it; empty for a call that stopped after some steps.

        Raises LocalProtocolError when no call waits for it.
        """
        opened = self._open_call()
        if opened.suspension.awaiting != self.owner:
            raise LocalProtocolError(f"the open call waits for 0x{opened.suspension.awaiting.hex()}")
        return self.sign_input(opened.machine_hash + answer, to=ZERO_ADDRESS, gas=0, kind=InputKind.ANSWER, nonce=0)

    def abort(self) -> SignedInput:
        """This party's wish to drop the open call; its own, or one that waits for it.

        Raises LocalProtocolError when it is neither.
        """
        opened = self._open_call()
        if self.owner not in (opened.suspension.awaiting, opened.input.actor):
            raise LocalProtocolError("only the open call's actor and who is awaited may abort it")
        return self.sign_input(opened.machine_hash, to=ZERO_ADDRESS, gas=0, kind=InputKind.ABORT, nonce=0)

    def _open_call(self) -> OpenCall:
        opened = self.thread.open_call
        if opened is None:
            raise LocalProtocolError("no call is open")
        return opened

    def propose(
        self,
        inputs: Sequence[SignedInput],
        environment: Environment | None = None,
        *,
        final: bool = False,
        nonce: int | None = None,
        steps: int = 0,
    ) -> Proposal:
        """Executes a batch and signs what follows from it.

        `environment` is by default the latest batch's, `nonce` the next; `steps` suspends the last input after so many
        instructions. Raises LocalProtocolError for a nonce that
        another party leads, what Thread.prepare raises, SigningRefused; the thread is then at its latest agreement.
        """
        thread = self.thread
        nonce = thread.next_nonce if nonce is None else nonce
        leader = leader_of(nonce, len(thread.terms.keys))
        if leader != self.index:
            raise LocalProtocolError(f"nonce {nonce} is party {leader}'s to propose, not party {self.index}'s")
        check_nonce_step(thread.agreement, nonce)
        batch = Batch(environment or thread.environment(), tuple([each.input for each in inputs]))
        signed = SignedBatch(batch, tuple([each.signature for each in inputs]))
        commitment = thread.prepare(signed, nonce=nonce, final=final, steps=steps)
        signature = self._sign(commitment, signed)
        return Proposal(
            commitment, signed, signature, None if thread.open_call is None else thread.open_call.suspension
        )

    def review(self, proposal: Proposal, *, now: int | None = None) -> Acceptance:
        """Executes what another party proposes, compares every field, and signs.

        `now` is this party's clock in seconds, where timestamps are to be checked against one. Raises a Refusal that
        names the failed check (DivergentField the first field that differs), SigningRefused; nothing is
        signed then.
        """
        commitment, signed = proposal.commitment, proposal.signed
        self._check_proposal(proposal)
        if now is not None:
            check_clock(self.thread, signed, now, nonce=commitment.nonce)
        execute_proposed(self.thread, commitment, signed, proposal.suspension, final=commitment.status == FINAL)
        signature = self._sign(commitment, signed)
        prepared = self.thread.prepared
        assert prepared is not None
        return Acceptance(commitment.nonce, prepared.digest, self.index, signature)

    def agree(self, signatures: Mapping[int, bytes]) -> Agreement:
        """Adopts what this party proposed or reviewed last, with the others' signatures by party and its own.

        Raises a Refusal when they aren't enough or one isn't its party's (the batch stays pending then), and
        LocalProtocolError when nothing is pending.
        """
        prepared = self.thread.prepared
        if prepared is None or self._signature is None:
            raise LocalProtocolError("nothing is pending that could be agreed on")
        collected = SignatureSet.of({self.index: self._signature, **signatures})
        agreement = Agreement(
            self.thread.domain, self.thread.terms, prepared.commitment, collected, recoveries=self.thread.recoveries
        )
        self.thread.adopt(agreement)
        self._signature = None
        return agreement

    def drop(self) -> None:
        """Forgets what is pending; its nonce is used up for other content, the thread goes on at a higher one."""
        self.thread.discard()
        self._signature = None

    def _check_proposal(self, proposal: Proposal) -> None:
        """What can be refused without executing, cheapest first."""
        commitment, terms = proposal.commitment, self.thread.terms
        check_proposed(self.thread, commitment)
        leader = leader_of(commitment.nonce, len(terms.keys))
        signed = digest(self.thread.domain, commitment)
        check_leader_signature(self.thread, leader, terms.keys[leader], signed, proposal.signature, commitment.nonce)

    def _sign(self, commitment: Commitment, signed: SignedBatch) -> bytes:
        """Signs through the guard, which logs all that has to be sent again; drops what is pending where it refuses."""
        opened = self.thread.open_call
        suspension = rlp.EMPTY_LIST if opened is None else opened.suspension.to_rlp()
        content = b"\x01" + rlp.encode_list([commitment.to_rlp(), signed.to_rlp(), suspension])
        try:
            self._signature = self._signer.sign(TypedData(self.thread.domain, commitment), content=content)
        except BaseException:
            self.drop()
            raise
        return self._signature


def agree_on(
    parties: Sequence[Party],
    inputs: Sequence[SignedInput],
    environment: Environment | None = None,
    *,
    final: bool = False,
    now: int | None = None,
    steps: int = 0,
) -> Agreement:
    """One round among all parties, in one process: the next nonce's leader proposes, the others review, all adopt.

    `parties` in the order of the terms. Raises what propose, review and agree raise; nobody has anything pending then.
    """
    leader = parties[leader_of(parties[0].thread.next_nonce, len(parties))]
    try:
        proposal = leader.propose(inputs, environment, final=final, steps=steps)
        signatures = {leader.index: proposal.signature}
        for party in parties:
            if party is not leader:
                signatures[party.index] = party.review(proposal, now=now).signature
        agreements = [party.agree(signatures) for party in parties]
    except BaseException:
        for party in parties:
            party.drop()
        raise
    return agreements[0]
