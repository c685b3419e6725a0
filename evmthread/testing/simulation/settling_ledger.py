"""The ledger of a run under a registry: when honest participants may sign, and who had which agreement when."""

from collections.abc import Callable

from evmthread.channel.desk import ChainHead, Mode
from evmthread.commit.agreement import Agreement
from evmthread.commit.commitment import Commitment, Status
from evmthread.commit.eip712 import TypedData
from evmthread.testing.simulation.ledger import Broken, Ledger
from evmthread.testing.simulation.scenario import Scenario


class SettlingLedger(Ledger):
    """The ledger of a run under a registry: also when honest participants may sign (signer law, rule 4)."""

    def __init__(self, scenario: Scenario) -> None:
        super().__init__(scenario)
        self.final_mode: Callable[[], Mode] = lambda: Mode.NONE
        """What the finalized block says of the thread."""
        self.shown: Callable[[int], ChainHead | None] = lambda member: None
        """What a member knows of the chain."""
        self.held: dict[int, list[tuple[float, Agreement]]] = {}
        """When each honest member, or its watchtower, first had which highest agreement."""
        self.broken: Broken | None = None
        self._was_live = False

    def signed(self, member: int, typed_data: TypedData) -> None:
        """See Ledger. What is first signed above nonce 0, and is no end, is signed while the chain is LIVE."""
        record = typed_data.record
        again = isinstance(record, Commitment) and (member, record.nonce) in self._signed
        try:
            super().signed(member, typed_data)
            if isinstance(record, Commitment) and member not in self.scenario.liars and not again:
                self._check_live(member, record)
        except Broken as error:  # whoever asked for the signature takes it for a refusal of the signer's
            self.broken = self.broken or error
            raise

    def _check_live(self, member: int, commitment: Commitment) -> None:
        """An end may be signed in a dispute, too; before all deposits are in, nothing is."""
        if not commitment.nonce:
            return
        self._was_live = self._was_live or self.final_mode() in (Mode.LIVE, Mode.CHALLENGED, Mode.SETTLED)
        if not self._was_live:
            raise Broken(f"member {member} signed nonce {commitment.nonce} before the thread was LIVE for good")
        if commitment.status == Status.FINAL:
            return
        head = self.shown(member)
        if head is None or (head.finalized, head.latest) != (Mode.LIVE, Mode.LIVE):
            raise Broken(f"member {member} signed nonce {commitment.nonce}, and was shown {head}")

    def now_holds(self, holder: int, now: float, agreement: Agreement) -> None:
        """From now on this member has this agreement. Watchtowers have numbers of their own."""
        held = self.held.setdefault(holder, [])
        if not held or held[-1][1].commitment.nonce < agreement.commitment.nonce:
            held.append((now, agreement))

    def highest(self, holder: int, until: float) -> Agreement | None:
        """The highest agreement that a holder had at this time."""
        return next((agreement for when, agreement in reversed(self.held.get(holder, [])) if when <= until), None)
