"""From what our user wants to a signed input that all have: kept first, then signed, then sent, and sent again.

An input is bound to the latest agreement. One digest stands for a kind, a nonce and a parent, so that no two inputs of
ours can contradict each other.
"""

from evmthread.channel.desk import Desk
from evmthread.channel.errors import LocalProtocolError, RemoteProtocolError
from evmthread.channel.events import StopReason, Undone
from evmthread.channel.kept import InputRecord
from evmthread.channel.messages import Request
from evmthread.channel.party import SignedInput
from evmthread.channel.pool import Own, Wish
from evmthread.channel.refusing import next_environment, rejection
from evmthread.channel.watch import Watch
from evmthread.commit.batch import CONTINUATIONS, Batch, Input, InputKind, SignedBatch, check_input_signature
from evmthread.commit.eip712 import TypedData, digest
from evmthread.commit.records import VERSION_BYTE, decode_versioned, decoded_list
from evmthread.commit.refusals import Refusal
from evmthread.commit.signature import SIGNATURE_BYTES
from evmthread.errors import DecodingError
from evmthread.primitives import rlp
from evmthread.primitives.types import ZERO_HASH

ROOM_BESIDE_DATA = 1024
"""More than a batch of one input takes beside that one's data."""


class Wishes:
    """One participant's inputs, and others' requests."""

    def __init__(self, desk: Desk, watch: Watch) -> None:
        self._desk = desk
        self._watch = watch

    def wish(self, kind: InputKind, to: bytes, value: int, gas: int, data: bytes, *, lasting: bool) -> Wish:
        """What our user wants, where it can want that now. Raises LocalProtocolError, InvalidInput."""
        desk = self._desk
        if not desk.is_party:
            raise LocalProtocolError("the operator has no account in the thread")
        if desk.ballot.final is not None:
            raise LocalProtocolError("this party signed the end, and signs nothing else")
        wish = Wish(kind, to, value, gas, data, desk.thread.parent, lasting)
        wish.as_input(desk.thread.thread_id, desk.owner, 0, desk.thread.parent)  # refuses what is out of range
        if desk.pool.is_full(kind):
            raise LocalProtocolError(f"{desk.thread.ruleset.batch_inputs} inputs of this party wait already")
        return wish

    def sign_waiting(self) -> None:
        """Makes inputs of all wishes, unless a proposal is on its way after which they would be void."""
        desk = self._desk
        if not desk.pool.wishes or not desk.may_sign or desk.ballot.final is not None:
            return
        if desk.ready_to_close is not None or (desk.ballot.standing and not desk.pacing.misses):
            return
        wishes, desk.pool.wishes, desk.pool.barred = desk.pool.wishes, [], False
        for wish in wishes:
            if why := self._why_never(wish):
                desk.outbox.notify(Undone(wish, why))
            elif (own := self._own(wish)) is not None:
                self._sign(own)
            else:
                desk.pool.wishes.append(wish)
                desk.pool.barred = True

    def _why_never(self, wish: Wish) -> str:
        """Why a wish can be in no batch on this agreement, as far as that is seen without executing; or nothing.

        What is signed and then undone bars its nonce until there is another agreement.
        """
        desk = self._desk
        if wish.gas > desk.thread.ruleset.batch_gas:
            return f"gas at most batchGas, {desk.thread.ruleset.batch_gas}"
        most = desk.thread.ruleset.batch_bytes
        if len(wish.data) + ROOM_BESIDE_DATA > most and len(self._alone(wish).to_rlp()) > most:
            return f"at most {most} bytes with signatures"
        if desk.tip is not None and not desk.pool and wish.value > desk.balance:
            return f"{wish.value} wei is more than the {desk.balance} that the owner has"
        return ""

    def _alone(self, wish: Wish) -> SignedBatch:
        """A batch as long as one with this wish and nothing else."""
        desk = self._desk
        each = wish.as_input(desk.thread.thread_id, desk.owner, desk.owner_nonce, desk.thread.parent)
        return SignedBatch(Batch(next_environment(desk, empty=False), (each,)), (bytes(SIGNATURE_BYTES),))

    def _own(self, wish: Wish) -> Own | None:
        """The input that a wish becomes; None where it has to wait for another agreement."""
        desk, thread = self._desk, self._desk.thread
        if not desk.may_ask:
            return None
        calls = len([None for own in desk.pool.own if own.input.kind not in CONTINUATIONS])
        nonce = 0 if wish.kind in CONTINUATIONS else desk.owner_nonce + calls
        each = wish.as_input(thread.thread_id, desk.owner, nonce, thread.parent)
        if thread.parent != ZERO_HASH and desk.pool.used.setdefault((wish.kind, nonce), each) != each:
            return None
        own = Own(wish, each)
        desk.pool.own.append(own)
        return own

    def _sign(self, own: Own) -> None:
        desk, each = self._desk, own.input
        if each.parent == ZERO_HASH:  # two inputs that any state may take don't contradict each other
            self.ask_signature(own)
            return
        signed_digest = digest(desk.thread.domain, each)
        record = InputRecord(int(each.kind), each.nonce, each.parent, signed_digest, encode_own(own))
        desk.outbox.persist(
            record, urgent=True, then=lambda: self.ask_signature(own), failed=lambda why: self._undo(own, why)
        )

    def ask_signature(self, own: Own) -> None:
        """Asks for the signature on an input that is kept."""
        desk = self._desk
        desk.outbox.sign(
            TypedData(desk.thread.domain, own.input),
            None,
            then=lambda signature: self._signed(own, signature),
            failed=lambda why: self._undo(own, why),
        )

    def _signed(self, own: Own, signature: bytes) -> None:
        own.signature = signature
        if own in self._desk.pool.own:
            self._send(own)

    def _send(self, own: Own) -> None:
        desk = self._desk
        own.sent = desk.now
        if not self._leads_alone():
            desk.outbox.send_all(desk.others, Request(SignedInput(own.input, own.signature)))

    def _leads_alone(self) -> bool:
        """Whether a proposal that we make at once carries what waits."""
        desk = self._desk
        turn = desk.options.automatic and not desk.options.linger and not desk.ballot.standing
        return turn and desk.ballot.leader(desk.free_nonce) == desk.index

    def send_again(self) -> None:
        """All of ours that wait, to all."""
        for own in self._desk.pool.own:
            if own.signature:
                self._desk.outbox.send_all(self._desk.others, Request(SignedInput(own.input, own.signature)))
            elif not self._desk.outbox.waits:
                self.ask_signature(own)

    def _undo(self, own: Own, why: str) -> None:
        desk = self._desk
        if own in desk.pool.own:
            # What follows has nonces that need this one.
            first = desk.pool.own.index(own)
            undone = desk.pool.own[first:]
            del desk.pool.own[first:]
            for each in undone:
                desk.outbox.notify(Undone(each.wish, why))

    def on_doubt(self, input_digest: bytes) -> None:
        """Somebody rejects an input of ours: we look ourselves, once, whether it can be in a batch."""
        desk, thread = self._desk, self._desk.thread
        for place, own in enumerate(desk.pool.own):
            if own.doubted or desk.tip is None or not own.signature or digest(thread.domain, own.input) != input_digest:
                continue
            own.doubted = True
            first = desk.pool.own[: place + 1]
            batch = Batch(next_environment(desk, empty=False), tuple([each.input for each in first]))
            try:
                thread.execute(SignedBatch(batch, tuple([each.signature for each in first])), nonce=desk.free_nonce)
            except Refusal as error:
                if getattr(error, "index", None) == place:
                    self._undo(own, rejection(error)[1])
            return

    def on_request(self, peer: int, request: Request) -> None:
        """Takes up another's input. Raises RemoteProtocolError."""
        desk, thread, each = self._desk, self._desk.thread, request.signed.input
        try:
            check_input_signature(
                thread.domain, thread.terms, each, request.signed.signature, recoveries=thread.recoveries
            )
        except Refusal as error:
            raise RemoteProtocolError(str(error)) from None
        if each.thread_id != thread.thread_id:
            raise RemoteProtocolError("an input of another thread")
        index = thread.terms.owners.index(each.actor)
        if index == desk.index:
            known = desk.pool.used.get((each.kind, each.nonce)) == each
            if each.parent == thread.parent and not known and desk.tip is not None and desk.may_ask:
                desk.stop(StopReason.STALE_STORE, f"an input of ours with nonce {each.nonce}")
            return
        self._watch.input(index, request.signed)
        if each.parent == thread.parent:
            desk.pool.add(request.signed, desk.now)
        elif desk.tip is not None:
            desk.answer(peer, desk.tip)  # whoever asks on an older agreement may lack ours
            desk.fetch_unknown(peer, each.parent)


def encode_own(own: Own) -> bytes:
    """What is kept of an input of ours."""
    return VERSION_BYTE + rlp.encode_list([own.input.to_rlp(), rlp.encode_int(int(own.wish.lasting))])


def decode_own(data: bytes) -> Own:
    """The input that was kept, without its signature. Raises DecodingError."""
    each, lasting = decoded_list(decode_versioned(data, "input", max_bytes=len(data)), "input", 2)
    if lasting not in (b"", b"\x01"):
        raise DecodingError("input: lasting is 0 or 1")
    read = Input.from_rlp(each)
    if read.kind not in tuple(InputKind):
        raise DecodingError(f"input: no kind {read.kind}")
    wish = Wish(InputKind(read.kind), read.to, read.value, read.gas, read.data, read.parent, lasting == b"\x01")
    return Own(wish, read)
