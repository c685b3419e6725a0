"""What a store says of one thread, for people and as JSON. Verifies no signature and executes nothing."""

from dataclasses import dataclass
from datetime import UTC, datetime
from json import loads
from typing import Self

from evmthread.channel.kept import EvidenceRecord
from evmthread.commands.open_question import shipped_contract, tell_json, tell_lines
from evmthread.commands.reporting import printable, show_hash
from evmthread.commit.commitment import Status, check_well_formed
from evmthread.commit.members import Json
from evmthread.commit.refusals import WrongThread
from evmthread.commit.terms import thread_address
from evmthread.primitives.types import ZERO_ADDRESS
from evmthread.store.handing_on import read_agreed
from evmthread.store.thread_store import KeptThread, SavedThread, identify
from evmthread.store.threadfile import AgreedRecord, ThreadHead

_STATUS = {Status.REST: "at rest", Status.SUSPENDED: "suspended", Status.FINAL: "final"}


@dataclass(frozen=True, slots=True)
class ThreadReport:
    """One thread as the store has it. `latest` is what the tip's record holds."""

    thread_id: bytes
    head: ThreadHead
    key: bytes
    restored: bool
    floor: int | None
    saved: SavedThread
    latest: AgreedRecord | None
    evidence: tuple[EvidenceRecord, ...]

    @classmethod
    def of(cls, thread: KeptThread) -> Self:
        """All that is told of a thread. Raises BackendErrors, DecodingError, a Refusal, InvalidInput."""
        head, saved = thread.head, thread.load()
        if (identity := identify(head, thread.key)) != thread.thread_id:
            raise WrongThread(thread.thread_id, identity)
        latest = None if saved.tip is None else read_agreed(head, saved.tip)
        if latest is not None:
            check_well_formed(head.terms, latest.signed.commitment)
        evidence = tuple(thread.evidence())
        return cls(thread.thread_id, head, thread.key, thread.restored, thread.floor, saved, latest, evidence)

    # In short ---------------------------------------------------------------------------------------------------------
    @property
    def _self(self) -> int:
        """The party whose store it is; the number of parties where it is the operator's, who is none."""
        keys = self.head.terms.keys
        return keys.index(self.key) if self.key in keys else len(keys)

    @property
    def _address(self) -> bytes:
        return thread_address(self.head.domain.verifying_contract, self.thread_id)

    def line(self) -> str:
        """One line, without the id."""
        count = len(self.head.terms.keys)
        parties = f"{count} parties, own key {self._self if self._self < count else 'the operator'}"
        return f"{parties}; {self._standing()}{'; restored, needs a floor' if self.restored else ''}"

    def _standing(self) -> str:
        if self.latest is None:
            return "no genesis yet"
        commitment = self.latest.signed.commitment
        asked = ""
        if commitment.status == Status.SUSPENDED:
            asked = f", awaits party {self.head.terms.owners.index(commitment.awaiting)}"
        when = _when(self.latest.batch.batch.environment.timestamp)
        return f"nonce {commitment.nonce}, {_STATUS[Status(commitment.status)]}{asked}; {when}"

    def summary(self) -> dict[str, Json]:
        """What `list` gives as JSON."""
        latest = self.latest
        commitment = None if latest is None else latest.signed.commitment
        suspended = commitment is not None and commitment.status == Status.SUSPENDED
        return {
            "threadId": show_hash(self.thread_id),
            "owners": [show_hash(owner) for owner in self.head.terms.owners],
            "party": self._self,
            "commitments": self.saved.agreed,
            "nonce": None if commitment is None else str(commitment.nonce),
            "status": None if commitment is None else int(commitment.status),
            "awaiting": show_hash(commitment.awaiting) if commitment is not None and suspended else None,
            "timestamp": None if latest is None else str(latest.batch.batch.environment.timestamp),
            "restored": self.restored,
        }

    # At length --------------------------------------------------------------------------------------------------------
    def lines(self) -> list[str]:
        """The report for people."""
        return [
            f"thread {show_hash(self.thread_id)}",
            *self._terms_lines(),
            *self._agreed_lines(),
            *self._own_lines(),
        ]

    def _terms_lines(self) -> list[str]:
        terms, domain, rules = self.head.terms, self.head.domain, self.head.ruleset
        artifact = shipped_contract(terms.code_hash)
        name = f"{artifact.name}, " if artifact is not None else ""
        count = len(terms.keys)
        needed = "all of them sign" if terms.threshold == count else f"{terms.threshold} of them decide"
        lines = [
            f"  contract: {name}code {show_hash(terms.code_hash)}",
            f"    at {show_hash(self._address)}, here and on chain {domain.chain_id}",
            f"    registry {show_hash(domain.verifying_contract)}, challenges last {terms.challenge_period:,} s",
            f"  rules: {rules.fork}, at most {rules.batch_gas:,} gas and {rules.batch_inputs:,} inputs a batch",
            f"  parties: {count}, {needed}",
        ]
        balances = terms.deposits if self.latest is None else self.latest.signed.commitment.balances
        for index, (owner, key, deposit) in enumerate(zip(terms.owners, terms.keys, terms.deposits, strict=True)):
            own = " (this store's)" if index == self._self else ""
            signs = "" if key == owner else f", key {show_hash(key)}"
            money = f"deposit {deposit:,} wei, balance {balances[index]:,} wei"
            lines.append(f"    {index}: {show_hash(owner)}{signs}{own}: {money}")
        if terms.operator == ZERO_ADDRESS:
            return [*lines, "  operator: none"]
        fee = 0 if self.latest is None else self.latest.signed.commitment.fee
        own = " (this store's)" if self._self == count else ""
        return [*lines, f"  operator: {show_hash(terms.operator)}{own}, fee {fee:,} of at most {terms.max_fee:,} wei"]

    def _agreed_lines(self) -> list[str]:
        lines = [f"  agreed: {self._standing()}; {self.saved.agreed:,} commitments are kept"]
        if self.latest is None:
            return lines
        commitment, tip = self.latest.signed.commitment, self.saved.tip
        assert tip is not None
        lines.append(f"    digest {show_hash(tip.digest)}")
        lines.append(f"    state root {show_hash(commitment.state_root)}, {commitment.gas_used:,} gas")
        if self.latest.suspension is not None:
            lines += tell_lines(self.head.terms, commitment, self.latest.suspension)
        return lines

    def _own_lines(self) -> list[str]:
        saved = self.saved
        signed = "nothing" if saved.highest < 0 else f"up to nonce {saved.highest}"
        above = f", {len(saved.signed)} above the latest agreement" if saved.signed else ""
        final = ", the final one too" if saved.final is not None else ""
        floor = "none" if self.floor is None else f"nothing is signed up to nonce {self.floor}"
        needs = "; restored from a copy: a new one is needed before anything is signed" if self.restored else ""
        lines = [f"  signed: {signed}{above}{final}", f"  floor: {floor}{needs}"]
        if not self.evidence:
            return [*lines, "  evidence: none"]
        return [*lines, *[printable(f"  evidence: {each.kind} of party {each.party}") for each in self.evidence]]

    def to_json(self) -> dict[str, Json]:
        """The report as JSON: all of it."""
        head, latest = self.head, self.latest
        suspension = None if latest is None else latest.suspension
        suspended: Json = None
        if latest is not None and suspension is not None:
            suspended = tell_json(head.terms, latest.signed.commitment, suspension, checked=False)
        return {
            **self.summary(),
            "chainId": str(head.domain.chain_id),
            "registry": show_hash(head.domain.verifying_contract),
            "address": show_hash(self._address),
            "terms": head.terms.to_json(),
            "ruleset": head.ruleset.to_json(),
            "key": show_hash(self.key),
            "tip": None if self.saved.tip is None else show_hash(self.saved.tip.digest),
            "agreement": None if latest is None else latest.signed.to_json(),
            "suspended": suspended,
            "highestSigned": None if self.saved.highest < 0 else str(self.saved.highest),
            "signedAbove": [str(each.nonce) for each in self.saved.signed],
            "final": None if self.saved.final is None else show_hash(self.saved.final),
            "floor": None if self.floor is None else str(self.floor),
            "evidence": [{"kind": each.kind, "party": each.party, "content": _json(each)} for each in self.evidence],
        }


def _when(timestamp: int) -> str:
    try:
        return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):  # later than calendars go
        return f"time {timestamp}"


def _json(evidence: EvidenceRecord) -> Json:
    """The evidence's own JSON; its bytes in hex where it is none."""
    try:
        read: Json = loads(evidence.content)
    except (ValueError, RecursionError):
        return show_hash(evidence.content)
    return read
