"""The books of one thread under a real registry: who was paid what, block by block, and what must be true of it.

They look at the chain itself, from outside, and go back with it when a reorg takes blocks. Each check raises Broken.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from evmthread.chain.blocks import FINALIZED, block_at, receipts_of
from evmthread.chain.events import Event, Materialized, Refunded, Settled, ThreadState, read_event
from evmthread.chain.registry import Registry
from evmthread.channel.desk import Mode
from evmthread.commit.commitment import Commitment
from evmthread.commit.terms import Terms
from evmthread.execution.transaction import Transaction
from evmthread.isa.forks import OSAKA
from evmthread.primitives.types import ZERO_ADDRESS
from evmthread.testing.simulation.ledger import Broken
from evmthread.testing.simulation.mempool import Made, Mempool


@dataclass(slots=True)
class Page:
    """What blocks that were made at once did. `paid` is what accounts were given by the registry, in wei."""

    state: ThreadState
    paid: Counter[bytes] = field(default_factory=Counter)
    deposited: int = 0
    events: tuple[Event, ...] = ()
    failed: int = 0


class Books:
    """Follows one thread from the moment it is made; `accounts` are all that send anything, or may be paid."""

    def __init__(
        self, mempool: Mempool, registry: Registry, thread_id: bytes, terms: Terms, accounts: Sequence[bytes]
    ) -> None:
        self.registry = registry
        self.terms = terms
        self.thread_id = thread_id
        self.pages: list[Page] = [Page(ThreadState())]
        self.transactions = 0
        self.gone = 0
        """How many steps of the chain reorgs took."""
        self._mempool = mempool
        # Without an operator there is no fee; what the zero address has besides is what miners earn.
        receivers = (*terms.owners, terms.operator)
        self._owed = tuple(dict.fromkeys(each for each in receivers if each != ZERO_ADDRESS))
        self._accounts = tuple(dict.fromkeys((*accounts, *self._owed)))
        self._balances = [self._all_balances()]
        mempool.when_made.append(self._made)
        mempool.when_gone.append(self._taken_back)

    @property
    def state(self) -> ThreadState:
        """What the registry keeps of the thread now."""
        return self.pages[-1].state

    @property
    def deadline(self) -> int:
        """The latest challenge's deadline, zero where there was none."""
        return next((page.state.deadline for page in reversed(self.pages) if page.state.deadline), 0)

    @property
    def final_mode(self) -> Mode:
        """The thread's mode in the finalized block."""
        return self.registry.thread(self.thread_id, block_at(self._mempool, FINALIZED)).mode

    @property
    def events(self) -> list[Event]:
        """All events of the thread, as the chain stands."""
        return [event for page in self.pages for event in page.events]

    @property
    def paid(self) -> Counter[bytes]:
        """What each account was given, as the chain stands."""
        total: Counter[bytes] = Counter()
        for page in self.pages:
            total.update(page.paid)
        return total

    # As the chain goes on ---------------------------------------------------------------------------------------------
    def _made(self, made: Made) -> None:
        if not made.transactions:
            self.pages.append(Page(self.state))
            self._balances.append(self._balances[-1])
            return
        self.transactions += len(made.transactions)
        page, spent = self._read(made)
        before, after = self._balances[-1], self._all_balances()
        for account in self._accounts:
            gained = after[account] - before[account] + spent[account]
            if gained < 0:
                raise Broken(f"0x{account.hex()} lost {-gained} wei that it sent nowhere")
            if gained:
                page.paid[account] = gained
        self.pages.append(page)
        self._balances.append(after)
        self.check()

    def _taken_back(self, count: int) -> None:
        if count >= len(self.pages):
            raise Broken("a reorg goes back further than the thread's books")
        self.gone += count
        del self.pages[-count:], self._balances[-count:]

    def _read(self, made: Made) -> tuple[Page, Counter[bytes]]:
        """The page of the latest blocks, and what their senders spent on gas and deposits."""
        state = self.registry.thread(self.thread_id)
        page, spent = Page(state), Counter[bytes]()
        latest = block_at(self._mempool, "latest")
        blocks = [block_at(self._mempool, latest.number - back) for back in reversed(range(made.blocks))]
        receipts = [(block, receipt) for block in blocks for receipt in receipts_of(self._mempool, block)]
        events: list[Event] = []
        used = 0
        for (block, receipt), transaction in zip(receipts, made.transactions, strict=True):
            used = 0 if made.blocks > 1 else used
            gas, used = receipt.cumulative_gas - used, receipt.cumulative_gas
            sender = _sender(transaction, self.registry.domain.chain_id)
            spent[sender] += gas * transaction.effective_gas_price(block.base_fee)
            if not receipt.success:
                page.failed += 1
                continue
            spent[sender] += transaction.value
            page.deposited += transaction.value
            logs = [log for log in receipt.logs if log.topics[1:2] == (self.thread_id,)]
            events += [event for event in map(read_event, logs) if event is not None]
        page.events = tuple(events)
        return page, spent

    def _all_balances(self) -> dict[bytes, int]:
        return {account: self._balance(account) for account in self._accounts}

    def _balance(self, account: bytes) -> int:
        return int(str(self._mempool.request("eth_getBalance", "0x" + account.hex(), "latest")), 16)

    # What must be true ------------------------------------------------------------------------------------------------
    def check(self) -> None:
        """After each block: the registry has what it holds and owes, and the thread ended at most once."""
        here = self._balance(self.registry.address)
        owed = sum(self.registry.owed(account) for account in self._owed)
        if here != self.state.held + owed:
            raise Broken(f"the registry has {here} wei, holds {self.state.held} and owes {owed}")
        deposited = sum(page.deposited for page in self.pages)
        returned = sum(event.balance for event in self.events if isinstance(event, Materialized))
        if deposited != here + sum(self.paid.values()) + returned:
            raise Broken(f"{deposited} wei came in, {sum(self.paid.values())} were paid, {here} are there")
        ends = [event for event in self.events if isinstance(event, Settled | Refunded)]
        if len(ends) > 1:
            raise Broken(f"the thread ended {len(ends)} times: {ends}")

    def check_paid(self, settled: Commitment | None) -> None:
        """At the end: everybody was paid what was settled, or got its deposit back where nothing was."""
        paid, terms = self.paid, self.terms
        wanted: Counter[bytes] = Counter()
        if settled is None:
            wanted.update(dict(zip(terms.owners, terms.deposits, strict=True)))
        else:
            wanted.update(dict(zip(terms.owners, settled.balances, strict=True)))
            wanted[terms.operator] += settled.fee
        for account in self._owed:
            got = paid[account] + self.registry.owed(account)
            if got != wanted[account]:
                raise Broken(f"0x{account.hex()} got {got} wei, and {wanted[account]} is what it had")


def _sender(transaction: Transaction, chain_id: int) -> bytes:
    return transaction.sender(OSAKA.transactions, chain_id)
