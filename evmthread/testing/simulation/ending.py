"""What must be true when a run has ended: one line, replayed alike, no money lost, proofs that hold, and progress."""

from collections.abc import Iterable, Iterator, Sequence

from evmthread.channel.errors import DivergentField
from evmthread.channel.messages import Propose, decode_agreed
from evmthread.channel.phases import Phase
from evmthread.channel.replay import replay
from evmthread.channel.review import execute_proposed
from evmthread.channel.thread import Thread
from evmthread.commit.agreement import SignedCommitment
from evmthread.commit.batch import SignedBatch
from evmthread.commit.commitment import Status, Suspension
from evmthread.commit.refusals import Refusal
from evmthread.machine.code_cache import CodeCache
from evmthread.testing.simulation.ledger import Broken, Ledger
from evmthread.testing.simulation.node import Node
from evmthread.testing.simulation.scenario import START, Scenario

FINAL_SIGNED = "a final was signed"


class Ending:
    """The state of all honest nodes of a run, looked at from outside."""

    def __init__(self, scenario: Scenario, nodes: Sequence[Node], ledger: Ledger) -> None:
        self.scenario = scenario
        self.nodes = [node for node in nodes if not node.member.lies]
        self.liars = [node for node in nodes if node.member.lies]
        self.ledger = ledger

    @property
    def able(self) -> list[Node]:
        """The honest that haven't stopped."""
        return [node for node in self.nodes if self.ledger.told[node.index].stopped is None]

    @property
    def able_parties(self) -> list[Node]:
        """Those of them that are parties."""
        return [node for node in self.able if node.index < self.scenario.parties]

    # What may be expected ---------------------------------------------------------------------------------------------
    def excuse(self) -> str:
        """Why no progress can be asked for; empty where it can."""
        scenario, terms = self.scenario, self.scenario.head.terms
        leads = scenario.leads_always
        able = self.able_parties
        if leads is not None and leads not in [node.index for node in self.able]:
            return "the operator that leads lies or stopped"
        if len(able) < terms.threshold:
            return "too few are honest and able"
        if len([node for node in able if not self._signs_last(node)]) < terms.threshold - 1:
            return "too many wait with restored stores until others have signed"
        if all(node.endpoint is None or node.endpoint.channel.agreement is None for node in self.nodes):
            if any(node.index < scenario.parties and node.member.lies_at_once for node in self.liars):
                return "the genesis needs all, and some lied before it"
            if any(member.lies and member.silent for member in scenario.members):
                return "the genesis needs all, and some are silent"
            if len(able) + len(scenario.liars) < scenario.parties:
                return "the genesis needs all, and some stopped"
            if any(self._grew_old(node) for node in (*self.nodes, *self.liars)):
                return "the genesis grew old before all had it: other terms are wanted"
            if any(kept.floor or kept.restored for kept in [node.store.look(node.thread_id) for node in self.nodes]):
                return "the genesis needs all, and some restored a store before it"
        bound = [node for node in able if self.ledger.signed_final(node.index)]
        if bound and len(able) - len(bound) < terms.threshold:
            return FINAL_SIGNED
        if scenario.disputed:
            return "the chain settles it"
        return "" if not self._waits_for_the_gone() else "an open call waits for who is gone"

    def _signs_last(self, node: Node) -> bool:
        return node.endpoint is not None and node.endpoint.channel._desk.is_restored

    def _grew_old(self, node: Node) -> bool:
        signed = node.store.look(node.thread_id).load().signed
        return bool(signed) and node.timeline.now - START > self.scenario.head.ruleset.clock_drift / 2

    def _waits_for_the_gone(self) -> bool:
        here = {self.scenario.head.terms.owners[node.index] for node in self.able_parties}
        for node in self.able:
            assert node.endpoint is not None
            opened = node.endpoint.channel.thread.agreed_call
            if opened is not None and not here & {opened.input.actor, opened.suspension.awaiting}:
                return True
        return False

    # What was reached -------------------------------------------------------------------------------------------------
    def missing(self, wishes: Iterable[tuple[bytes, bytes]]) -> str:
        """What hasn't been reached yet; empty where all has."""
        tips = set()
        for node in self.able:
            if node.endpoint is None:
                return f"member {node.index} is down"
            channel = node.endpoint.channel
            if channel.phase == Phase.OPENING:
                return f"member {node.index} has no genesis"
            tips.add(channel.thread.parent)
        for actor, data in wishes:
            if (actor, data) not in self.ledger.executed:
                return f"the call {data[-2:].hex()} of 0x{actor.hex()} isn't executed"
        return f"{len(tips)} different tips" if len(tips) > 1 else ""

    def not_closed(self) -> str:
        """Who hasn't closed; empty where all have."""
        for node in self.able:
            if node.endpoint is None or node.endpoint.channel.phase != Phase.CLOSED:
                return f"member {node.index} isn't closed"
        return ""

    # What always holds ------------------------------------------------------------------------------------------------
    def check(self, cache: CodeCache) -> None:
        """All that doesn't depend on progress."""
        seen: dict[bytes, Thread] = {}
        for node in self.nodes:
            if node.endpoint is not None:
                self._check_line(node, seen, cache)
        for each in self.ledger.diverged[:3]:
            self._check_diverged(each.proposal, each.party, cache)

    def _check_line(self, node: Node, seen: dict[bytes, Thread], cache: CodeCache) -> None:
        assert node.endpoint is not None
        live, lease = node.endpoint.channel.thread, node.endpoint.lease
        node.write_all()
        live.discard()
        if live.agreement is None:
            return
        if live.parent not in seen:
            thread = self._fresh(cache)
            for _ in replay(thread, self._line(node)):
                pass
            seen[live.parent] = thread
        thread = seen[live.parent]
        if thread.parent != live.parent:
            raise Broken(f"member {node.index}: the line that is kept doesn't lead to where the thread stands")
        for key in range(3):
            if thread.storage(key) != live.storage(key):
                raise Broken(f"member {node.index}: slot {key} isn't what replaying gives")
        self._check_money(node.index, live)
        told = self.ledger.told[node.index].adopted
        lost = [each for each in told if lease.agreed(each) is None and node.index not in self.ledger.forgotten]
        if lost:
            raise Broken(f"member {node.index} lost {len(lost)} agreements that it was told of")

    def _fresh(self, cache: CodeCache) -> Thread:
        head = self.scenario.head
        return Thread.open(head.domain, head.terms, head.ruleset, code=head.code, cache=cache)

    def _line(self, node: Node) -> Iterator[tuple[SignedCommitment, SignedBatch, Suspension | None]]:
        assert node.endpoint is not None
        for record in node.endpoint.lease.line_after(-1, 1 << 20):
            agreed = decode_agreed(record.content, batch_bytes=self.scenario.head.ruleset.batch_bytes)
            yield agreed.signed, agreed.batch, agreed.suspension

    def _check_money(self, member: int, thread: Thread) -> None:
        terms = self.scenario.head.terms
        assert thread.agreement is not None
        commitment = thread.agreement.commitment
        others = thread.account_balance(thread.address)
        if sum(commitment.balances) + commitment.fee + others != sum(terms.deposits):
            raise Broken(f"member {member}: money was made or lost")

    def _check_diverged(self, proposal: Propose, party: int, cache: CodeCache) -> None:
        commitment = proposal.commitment
        for node in self.nodes:
            if node.endpoint is None:
                continue
            thread = self._fresh(cache)
            for signed, batch, suspension in self._line(node):
                for _ in replay(thread, [(signed, batch, suspension)]):
                    pass
                if thread.parent == commitment.parent:
                    break
            if thread.parent != commitment.parent:
                continue
            try:
                final = commitment.status == Status.FINAL
                execute_proposed(thread, commitment, proposal.batch, proposal.suspension, final=final)
            except (DivergentField, Refusal):
                return
            raise Broken(f"what member {party} is said to have signed wrongly executes so")
