"""World: one long-lived sandbox in which contracts run.

A journal over a state view, a block environment, a fork with its limits, and the cache of decoded code. No global
state: two worlds with two forks live side by side.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple, Unpack

from evmthread.errors import InvalidInput
from evmthread.execution.computation import Computation, Finished, finish_transaction, trap_of
from evmthread.execution.environment import BlockEnvironment, BlockFields, WorldHost
from evmthread.execution.messages import (
    DEFAULT_CALL_GAS,
    CallOptions,
    CreateOptions,
    call_message,
    create_message,
    refusal,
    transaction_message,
)
from evmthread.execution.replaying import CallOrigin
from evmthread.execution.result import CallResult, TransactionResult
from evmthread.execution.snapshot import OpenTransaction, decode_snapshot
from evmthread.execution.transaction import Transaction
from evmthread.execution.validation import GasPrice, check_transaction
from evmthread.isa.forks import CANCUN, Fork
from evmthread.isa.halts import Status
from evmthread.isa.instructions.traps import trap
from evmthread.isa.message import Message
from evmthread.machine.code_cache import CodeCache
from evmthread.machine.hooks import Hook, Observers
from evmthread.machine.machine import Engine, Machine
from evmthread.machine.stepper import execute
from evmthread.machine.tiers import DEFAULT_THRESHOLD, TieredEngine
from evmthread.machine.traps import Suspended
from evmthread.machine.watched import WatchedMachine
from evmthread.merkle.accounts import StateRoots
from evmthread.primitives.arguments import address_bytes, byte_string, instance_of, number_of_bits
from evmthread.primitives.types import ZERO_ADDRESS, Log
from evmthread.state.memory import MemoryState, apply_to_roots
from evmthread.state.scope import Mark
from evmthread.state.view import Account, KeepsRoots, StateChanges, StateView


class WorldMark(NamedTuple):
    """A point to which a World can go back: state, scope and environment."""

    journal: Mark
    block: BlockEnvironment


class World:
    """Runs calls, creations and transactions on a state; keeps what they change until asked for it."""

    def __init__(
        self,
        *,
        fork: Fork = CANCUN,
        environment: BlockEnvironment | None = None,
        view: StateView | None = None,
        cache: CodeCache | None = None,
        engine: str = "auto",
        threshold: int = DEFAULT_THRESHOLD,
        hooks: Iterable[Hook] = (),
    ) -> None:
        """On an empty state in memory, unless `view` says otherwise, by Cancun's rules, unless `fork` does.

        `engine` is "auto" (compile what is hot: what was visited more than `threshold` times) or "stepper".
        """
        if engine not in ("auto", "stepper"):
            raise InvalidInput(f"no engine is called {engine!r}; there are auto and stepper")
        threshold = number_of_bits(threshold, 64, "threshold")
        self._engine: Engine = execute if engine == "stepper" else TieredEngine(threshold)
        self.fork = instance_of(fork, Fork, "a Fork, such as fork_named('Cancun'),")
        self.hooks = tuple(hooks)
        self._observers: Observers | None = None
        self._computation: Computation | None = None
        self.view = view if view is not None else MemoryState()
        self.cache = cache if cache is not None else CodeCache()
        self.cache.table(fork)
        self._host = WorldHost(self.view, BlockEnvironment() if environment is None else environment)
        self.begin_transaction()

    @property
    def environment(self) -> BlockEnvironment:
        """The block in which calls run. Assign another to move on."""
        return self._host.block

    @environment.setter
    def environment(self, block: BlockEnvironment) -> None:
        self._free_host().block = instance_of(block, BlockEnvironment, "a BlockEnvironment")

    # Reads and setters ------------------------------------------------------------------------------------------------
    def account(self, address: bytes) -> Account | None:
        """The account, or None where there is none."""
        return self._host.account(address_bytes(address))

    def balance(self, address: bytes) -> int:
        """In wei; 0 for an absent account."""
        return self._host.balance(address_bytes(address))

    def nonce(self, address: bytes) -> int:
        return self._host.nonce(address_bytes(address))

    def code(self, address: bytes) -> bytes:
        return self._host.code(address_bytes(address))

    def storage(self, address: bytes, key: int) -> int:
        """The value of a storage slot."""
        return self._host.slot(address_bytes(address), number_of_bits(key, 256, "storage key"))

    def set_balance(self, address: bytes, balance: int) -> None:
        self._free_host().set_balance(address_bytes(address), number_of_bits(balance, 256, "balance"))

    def set_nonce(self, address: bytes, nonce: int) -> None:
        self._free_host().set_nonce(address_bytes(address), number_of_bits(nonce, 64, "nonce"))

    def set_code(self, address: bytes, code: bytes) -> None:
        self._free_host().set_code(address_bytes(address), byte_string(code, "code"))

    def set_storage(self, address: bytes, key: int, value: int) -> None:
        """Writes a slot; the account comes into being where there was none."""
        address = address_bytes(address)
        key, value = number_of_bits(key, 256, "storage key"), number_of_bits(value, 256, "storage value")
        host = self._free_host()
        if host.account(address) is None:
            host.set_balance(address, 0)
        host.set_slot(address, key, value)

    # Marks, changes ---------------------------------------------------------------------------------------------------
    def mark(self) -> WorldMark:
        """A point to go back to. Marks nest; they cover the environment too, and hold across transactions."""
        return WorldMark(self._host.keep_mark(), self._host.block)

    def rollback(self, mark: WorldMark) -> None:
        """Makes everything as it was at the mark; the cost follows what changed since. The mark stays good.

        A computation that is open ends.

        Raises InvalidInput for a mark that is void, by `settle` or by a rollback to an earlier one, or another World's.
        """
        self._host.return_to(instance_of(mark, WorldMark, "a mark, as World.mark gives it,").journal)
        self._host.block = mark.block
        if self._computation is not None:
            self._computation.drop()

    @contextmanager
    def isolated(self) -> Iterator["World"]:
        """Whatever happens inside is undone at the end."""
        marks_kept = self._host.marks_kept
        mark = self.mark()
        try:
            yield self
        finally:
            self.rollback(mark)
            if not marks_kept:
                self._host.forget_marks()

    @contextmanager
    def in_block(self, **fields: Unpack[BlockFields]) -> Iterator["World"]:
        """Fields of the block are others inside; what happens there stays.

        Raises InvalidInput for no such value, and where a computation that was begun inside hasn't ended there.
        """
        before = self.environment
        self.environment = replace(before, **fields)
        try:
            yield self
        finally:
            self.environment = before

    def changes(self) -> StateChanges:
        """What differs from the view, with the values before and after."""
        return self._host.changes()

    def settle(self, known: StateChanges | None = None) -> StateChanges:
        """Ends the transaction scope and applies all changes to the view, which must be a backend; goes on from there.

        `known` is what `changes` gave after the last transaction had ended, and then they aren't looked for again.
        Older marks are void. Raises InvalidInput when the view can't be written.
        """
        apply = getattr(self.view, "apply", None)
        if apply is None:
            raise InvalidInput("this world's view can't be written: it has no apply")
        host = self._free_host()
        if known is None:
            self.begin_transaction()
        changes = self.changes() if known is None else known
        apply(changes)
        host.forget_marks()
        self.begin_transaction()
        host.rebase()
        return changes

    def roots(self) -> StateRoots:
        """The Merkle tries of the present state. Raises InvalidInput when the view keeps no tries."""
        if not isinstance(self.view, KeepsRoots):
            raise InvalidInput("this world's view keeps no Merkle tries")
        roots = self.view.roots().copy()
        apply_to_roots(roots, self.changes())
        return roots

    def state_root(self) -> bytes:
        """The state root (32 bytes) of the present state (Yellow Paper, section 4.1)."""
        return self.roots().root()

    # Running ----------------------------------------------------------------------------------------------------------
    def begin_transaction(self) -> None:
        """A new transaction scope: cold accounts and slots, no transient storage, no logs, no refund.

        The scope before it ends: accounts that were destroyed in it, or touched and left empty, are deleted.
        """
        host = self._free_host()
        host.end_transaction(delete_empty=self.fork.rules.deletes_empty_accounts)
        host.begin_transaction(self.fork.warm_precompiles)
        if self.fork.transactions.warm_coinbase:
            host.warm_account(host.block.coinbase)

    @property
    def created(self) -> tuple[bytes, ...]:
        """The accounts that this transaction scope created, as far as they stand."""
        return self._host.created

    @property
    def breakpoints(self) -> frozenset[bytes]:
        """The accounts that ran the thread dialect's BREAKPOINT in this transaction scope, as far as it stands."""
        return self._host.breakpoints

    @property
    def logs(self) -> tuple[Log, ...]:
        """The logs of this transaction scope so far."""
        return tuple(self._host.logs)

    def call(
        self,
        to: bytes,
        data: bytes = b"",
        *,
        sender: bytes = ZERO_ADDRESS,
        value: int = 0,
        gas: int = DEFAULT_CALL_GAS,
        static: bool = False,
        code: bytes | None = None,
        start_pc: int = 0,
        origin: bytes | None = None,
        gas_price: int = 0,
    ) -> CallResult:
        """Calls an account: no nonce, no fee, no intrinsic gas; warm sets stay from call to call.

        `code` runs in the place of the account's own. Value is moved and must be there: else the result is a halt.
        Raises InvalidInput for arguments of the wrong form, and where a hook stops the call; may raise Missing or
        LimitExceeded, with nothing changed.
        """
        host = self._free_host()
        mark = host.mark()
        try:
            message = call_message(
                host,
                self.fork,
                to,
                data,
                sender=sender,
                value=value,
                gas=gas,
                static=static,
                code=code,
                start_pc=start_pc,
                origin=origin,
                gas_price=gas_price,
            )
            result = self._run(message, mark)
            assert isinstance(result, CallResult)
            return result
        except BaseException:
            host.rollback(mark)
            raise

    def open_call(self, to: bytes, data: bytes = b"", **options: Unpack[CallOptions]) -> Computation:
        """A call, as `call` makes it and with its options, that may stop on the way: `run` it."""
        host = self._free_host()
        return self._open(host, lambda: (call_message(host, self.fork, to, data, **options), None))

    def create(self, init_code: bytes, **options: Unpack[CreateOptions]) -> CallResult:
        """Creates a contract, at the address that the sender's nonce gives or at `address`; the nonce is incremented.

        By name it takes `sender`, `value`, `gas`, `address`, `origin` and `gas_price`. Where the contract is, the
        result's `created` tells. Raises InvalidInput for arguments of the wrong form, and where a hook stops the
        creation; may raise Missing or LimitExceeded, with nothing changed.
        """
        host = self._free_host()
        mark = host.mark()
        try:
            result = self._run(create_message(host, init_code, **options), mark)
            assert isinstance(result, CallResult)
            return result
        except BaseException:
            host.rollback(mark)
            raise

    def open_create(self, init_code: bytes, **options: Unpack[CreateOptions]) -> Computation:
        """A creation, as `create` makes it and with its options, that may stop on the way: `run` it."""
        host = self._free_host()
        return self._open(host, lambda: (create_message(host, init_code, **options), None))

    def apply(
        self, transaction: Transaction, *, sender: bytes | None = None, simulated: bool = False
    ) -> TransactionResult:
        """Runs a whole transaction: checks, fee, nonce, intrinsic gas, refund, payment, deletions.

        The sender is recovered from the signature unless given. `simulated`: as nodes run eth_call, whatever the
        sender's nonce and code, and above the limits of gas; without a price it wants a block without a base fee
        (`with world.in_block(base_fee=0)`). Raises an InvalidTransaction, with nothing changed; InvalidInput for
        arguments of the wrong form, and where a hook stops it.
        """
        host, sender, price = self._checked(transaction, sender, simulated=simulated)
        mark = host.mark()
        try:
            message, opened = transaction_message(host, self.fork, transaction, sender, price)
            finished = self._run(message, mark, opened)
            assert isinstance(finished, TransactionResult)
            return finished
        except BaseException:
            host.rollback(mark)
            raise

    def open_transaction(
        self, transaction: Transaction, *, sender: bytes | None = None, simulated: bool = False
    ) -> Computation:
        """A transaction, as `apply` runs it, that may stop on the way: `run` it. Raises an InvalidTransaction."""
        host, known, price = self._checked(transaction, sender, simulated=simulated)
        return self._open(host, lambda: transaction_message(host, self.fork, transaction, known, price))

    def load(self, snapshot: bytes) -> Computation:
        """A suspended computation of its canonical bytes: `resume` it.

        The state must be the one on which it began, with nothing pending. Raises DecodingError for other bytes than
        Computation.snapshot gives, WrongBase for another state, InvalidInput when something is pending; may raise
        Missing. Nothing has changed then. Marks are void where the snapshot brings changes of earlier transactions.
        """
        host = self._free_host()
        self.begin_transaction()
        if self.changes().accounts:
            raise InvalidInput(
                "a suspended computation is loaded on a state without pending changes: settle them first"
            )
        # First beside this world, then in it: what is refused half-way leaves a host that is good for nothing.
        block = host.block
        trap = trap_of(self._decoded(snapshot, WorldHost(self.view, block))[0])
        machine, opened, mark = self._decoded(snapshot, host)
        self._computation = Computation(self, opened, mark, trap=trap, block=block).begin(machine)
        return self._computation

    def _decoded(
        self, snapshot: bytes, host: WorldHost
    ) -> tuple[WatchedMachine, OpenTransaction | None, tuple[int, int, int]]:
        observers = Observers(self.hooks, self.fork)
        return decode_snapshot(
            snapshot, host=host, fork=self.fork, cache=self.cache, engine=self._engine, observers=observers
        )

    def _free_host(self) -> WorldHost:
        if self._computation is not None:
            raise InvalidInput("a computation is open in this world: let it end, abort it, or go back to a mark")
        return self._host

    def _checked(
        self, transaction: Transaction, sender: bytes | None, *, simulated: bool
    ) -> tuple[WorldHost, bytes, GasPrice]:
        """The host, in a new transaction scope in which the transaction may run, the sender, what it costs at least."""
        host = self._free_host()
        instance_of(transaction, Transaction, "a Transaction (decode_transaction reads the bytes of one)")
        if sender is None:
            sender = transaction.sender(self.fork.transactions, host.block.chain_id)
        else:
            sender = address_bytes(sender, "a sender")
        self.begin_transaction()
        price = check_transaction(transaction, sender, self.fork, host.block, host, simulated=simulated)
        return host, sender, price

    @property
    def _asks(self) -> bool:
        """True where the fork itself has an instruction that may stop a machine."""
        return self.fork.table[trap.instruction.opcode] is not None  # type: ignore[attr-defined]

    def _run(self, message: Message, mark: tuple[int, int, int], opened: OpenTransaction | None = None) -> Finished:
        host = self._host
        result = refusal(self._host, self.fork, self.cache, message)
        if result is None:
            if self.hooks or self._asks:
                return self._run_watched(message, mark, opened)
            frame = Machine(message, fork=self.fork, host=host, cache=self.cache, engine=self._engine).run()
            result = CallResult(frame, host.logs[frame.log_start : frame.log_end], self._origin())
        return result if opened is None else finish_transaction(host, self.fork, opened, result)

    def _origin(self) -> CallOrigin:
        host = self._host
        return CallOrigin(
            host, host.scope, host.returns, host.block, host.transaction, self.fork, self.cache, self._engine
        )

    def _open(self, host: WorldHost, prepare: Callable[[], tuple[Message, OpenTransaction | None]]) -> Computation:
        mark = host.mark()
        try:
            message, opened = prepare()
            refused = refusal(self._host, self.fork, self.cache, message)
            computation = self._computation = Computation(self, opened, mark, refused=refused)
            if refused is None:
                computation.begin(self._watched(message))
            return computation
        except BaseException:
            self._computation = None
            host.rollback(mark)
            raise

    def _watched(self, message: Message) -> WatchedMachine:
        observers = self._observers
        if observers is None or not observers.serve(self.hooks):
            observers = self._observers = Observers(self.hooks, self.fork)
        return WatchedMachine(
            message, fork=self.fork, host=self._host, cache=self.cache, engine=self._engine, observers=observers
        )

    def _run_watched(self, message: Message, mark: tuple[int, int, int], opened: OpenTransaction | None) -> Finished:
        """A computation that mustn't stop. As long as it runs, hooks can't run another in this world."""
        computation = self._computation = Computation(self, opened, mark)
        try:
            outcome = computation.begin(self._watched(message)).run()
        finally:
            self._computation = None
        if isinstance(outcome, Suspended):
            raise InvalidInput(
                f"{outcome.trap} stopped the machine: what may stop is begun with open_call and its like"
            )
        return outcome

    def touch_coinbase(self) -> None:
        """Ends a block without reward: the coinbase is touched (EIP-161)."""
        host = self._free_host()
        host.touch(host.block.coinbase)
        host.end_transaction(delete_empty=self.fork.rules.deletes_empty_accounts)

    def with_limits(self, **limits: int) -> None:
        """Other limits (see Limits) from now on; the fork of this world becomes a private one. Raises InvalidInput."""
        self.fork = self.fork.evolve(self.fork.name, limits=limits)


__all__ = ["DEFAULT_CALL_GAS", "Status", "TransactionResult", "World", "WorldMark"]
