"""Remembers what was signed under each nonce, and keeps the proof where a key contradicts itself, or execution.

Signatures that come in here were recovered before; the evidence verifies them once more. All memory is bounded.
"""

import json
from collections import Counter, OrderedDict
from typing import Any

from evmthread.channel.desk import Desk
from evmthread.channel.divergence import Divergence
from evmthread.channel.errors import DivergentField
from evmthread.channel.events import Convicted, Diverged, Event, StopReason
from evmthread.channel.kept import EvidenceRecord
from evmthread.channel.messages import Propose
from evmthread.channel.party import SignedInput
from evmthread.commit.commitment import Commitment
from evmthread.commit.evidence import Equivocation, InputEquivocation
from evmthread.commit.refusals import Refusal
from evmthread.primitives.types import ZERO_HASH

MAX_REMEMBERED = 512
"""Commitments of all parties together, and inputs; the oldest of who has most go first."""

MAX_REMEMBERED_BATCHES = 32
"""The data of inputs that are remembered are together no longer than so many batches may be."""

MAX_KEPT = 8
"""Proofs of one kind against one party: what convicts it once does so for ever."""


class Watch:
    """One participant's memory of what others signed."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._commitments: OrderedDict[tuple[int, int], tuple[Commitment, bytes]] = OrderedDict()
        self._inputs: OrderedDict[tuple[bytes, int, int, bytes], SignedInput] = OrderedDict()
        self._data: Counter[bytes] = Counter()
        """How long the data of the inputs are that are remembered, by actor."""
        self._kept: Counter[tuple[str, int]] = Counter()

    def commitment(self, party: int, commitment: Commitment, signature: bytes) -> None:
        """This party, or the operator that is none, signed this; keeps the proof where it signed another."""
        if party == self._desk.index:
            return
        first = self._commitments.setdefault((party, commitment.nonce), (commitment, signature))
        _make_room(self._commitments)
        if first[0] != commitment:
            thread = self._desk.thread
            try:
                proof = Equivocation(thread.domain, thread.terms, party, *first, commitment, signature)
            except Refusal:
                return
            self._keep(party, Convicted(party, proof), "Equivocation", proof.to_json())

    def highest_of(self, party: int) -> tuple[int, Commitment | None, bytes] | None:
        """Of the commitments of a party that are remembered, the highest's nonce, itself and its signature."""
        nonce = max((nonce for each, nonce in self._commitments if each == party), default=None)
        if nonce is None:
            return None
        return nonce, *self._commitments[party, nonce]

    def input(self, party: int, signed: SignedInput) -> None:
        """This party signed this input; keeps the proof where it signed another of its kind, nonce and parent."""
        each = signed.input
        if each.parent == ZERO_HASH or party == self._desk.index:
            return
        first = self._inputs.setdefault((each.actor, each.kind, each.nonce, each.parent), signed)
        if first is signed:
            self._data[each.actor] += len(each.data)
            self._forget_inputs()
        if first.input != each:
            thread = self._desk.thread
            try:
                proof = InputEquivocation(
                    thread.domain, thread.terms, first.input, first.signature, each, signed.signature
                )
            except Refusal:
                return
            self._keep(party, Convicted(party, proof), "InputEquivocation", proof.to_json())

    def _forget_inputs(self) -> None:
        if len(self._inputs) > MAX_REMEMBERED:
            self._forget_input(Counter(key[0] for key in self._inputs))
        most = MAX_REMEMBERED_BATCHES * self._desk.thread.ruleset.batch_bytes
        while self._data.total() > most:
            self._forget_input(self._data)

    def _forget_input(self, of: Counter[bytes]) -> None:
        """Forgets the oldest of the actor that has most."""
        ((most, _),) = of.most_common(1)
        key = next(key for key in self._inputs if key[0] == most)
        self._data[most] -= len(self._inputs.pop(key).input.data)

    def divergence(self, leader: int, propose: Propose, error: DivergentField) -> None:
        """This leader signed what its batch doesn't lead to: whoever executes it can check that."""
        self._keep(leader, Diverged(leader, propose, error), "Divergence", Divergence.of(leader, propose).to_json())

    def _keep(self, party: int, event: Event, kind: str, content: object) -> None:
        desk = self._desk
        self._kept[kind, party] += 1
        if self._kept[kind, party] > MAX_KEPT:
            return
        record = EvidenceRecord(kind, party, json.dumps(content).encode())
        desk.outbox.persist(
            record,
            urgent=False,
            then=lambda: desk.outbox.notify(event),
            failed=lambda why: desk.stop(StopReason.REFUSED, why),
        )


def _make_room(remembered: OrderedDict[tuple[int, int], Any]) -> None:
    """Forgets one where there are too many; who signs whatever it likes pushes out nobody else's."""
    if len(remembered) > MAX_REMEMBERED:
        ((most, _),) = Counter(key[0] for key in remembered).most_common(1)
        del remembered[next(key for key in remembered if key[0] == most)]
