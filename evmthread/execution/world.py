"""World: one long-lived sandbox in which contracts run.

A journal over a state view, a block environment, a fork with its limits, and the cache of decoded code. No global
state: two worlds with two forks live side by side.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

from evmthread.errors import InvalidInput
from evmthread.execution.environment import BLOB_GAS, BlockEnvironment, TransactionEnvironment, WorldHost
from evmthread.execution.result import CallResult
from evmthread.execution.transaction import Transaction
from evmthread.execution.validation import check_transaction, floor_gas, intrinsic_gas
from evmthread.isa.forks import CANCUN, Fork
from evmthread.isa.frame import Frame
from evmthread.isa.halts import HaltReason, Status
from evmthread.isa.instructions.creates import MAX_NONCE, create_address, is_taken
from evmthread.isa.message import CallKind, Message
from evmthread.isa.rules import DELEGATION_PREFIX, delegation_of
from evmthread.machine.code_cache import CodeCache
from evmthread.machine.machine import Engine, Machine
from evmthread.machine.stepper import execute, fail
from evmthread.machine.tiers import DEFAULT_THRESHOLD, TieredEngine
from evmthread.merkle.accounts import StateRoots
from evmthread.primitives.types import ZERO_ADDRESS, Log
from evmthread.state.journal import Mark
from evmthread.state.memory import MemoryState, apply_to_roots
from evmthread.state.view import Account, StateChanges, StateView

DEFAULT_CALL_GAS = 2**24  # EIP-7825: what the largest transaction of today's mainnet may use


@runtime_checkable
class _Rooted(Protocol):
    def roots(self) -> StateRoots: ...


class WorldMark(NamedTuple):
    """A point to which a World can go back: state, scope and environment."""

    journal: Mark
    block: BlockEnvironment


@dataclass(frozen=True, slots=True)
class TransactionResult:
    """A transaction that was run. `gas_used` is after refunds; `gas_price` is what was paid, in wei."""

    result: CallResult
    gas_used: int
    gas_refunded: int
    gas_price: int
    logs: tuple[Log, ...]
    created: bytes | None
    destroyed: tuple[bytes, ...]

    @property
    def success(self) -> bool:
        return self.result.success


class World:
    """Runs calls, creations and transactions on a state; keeps what they change until asked for it.

    `drive` runs a machine to its end; another function may watch it on the way (see machine/tracing.py).
    """

    def __init__(
        self,
        *,
        fork: Fork = CANCUN,
        environment: BlockEnvironment | None = None,
        view: StateView | None = None,
        cache: CodeCache | None = None,
        drive: Callable[[Machine], Frame] = Machine.run,
        engine: str = "auto",
        threshold: int = DEFAULT_THRESHOLD,
    ) -> None:
        """`engine` is "auto" (compile what is hot: what was visited more than `threshold` times) or "stepper"."""
        if engine not in ("auto", "stepper"):
            raise InvalidInput(f"no engine is called {engine!r}; there are auto and stepper")
        self._engine: Engine = execute if engine == "stepper" else TieredEngine(threshold)
        self.fork = fork
        self.drive = drive
        self.view = view if view is not None else MemoryState()
        self.cache = cache if cache is not None else CodeCache()
        self.cache.table(fork)
        self._host = WorldHost(self.view, environment if environment is not None else BlockEnvironment())
        self.begin_transaction()

    @property
    def environment(self) -> BlockEnvironment:
        """The block in which calls run. Assign another to move on."""
        return self._host.block

    @environment.setter
    def environment(self, block: BlockEnvironment) -> None:
        self._host.block = block

    # Reads and setters ------------------------------------------------------------------------------------------------
    def account(self, address: bytes) -> Account | None:
        """The account, or None where there is none."""
        return self._host.account(_address(address))

    def balance(self, address: bytes) -> int:
        """In wei; 0 for an absent account."""
        return self._host.balance(_address(address))

    def nonce(self, address: bytes) -> int:
        return self._host.nonce(_address(address))

    def code(self, address: bytes) -> bytes:
        return self._host.code(_address(address))

    def storage(self, address: bytes, key: int) -> int:
        """The value of a storage slot."""
        return self._host.slot(_address(address), _number(key, 256, "storage key"))

    def set_balance(self, address: bytes, balance: int) -> None:
        self._host.set_balance(_address(address), _number(balance, 256, "balance"))

    def set_nonce(self, address: bytes, nonce: int) -> None:
        self._host.set_nonce(_address(address), _number(nonce, 64, "nonce"))

    def set_code(self, address: bytes, code: bytes) -> None:
        self._host.set_code(_address(address), bytes(code))

    def set_storage(self, address: bytes, key: int, value: int) -> None:
        """Writes a slot; the account comes into being where there was none."""
        _address(address), _number(key, 256, "storage key"), _number(value, 256, "storage value")
        if self._host.account(address) is None:
            self._host.set_balance(address, 0)
        self._host.set_slot(address, key, value)

    # Marks, changes ---------------------------------------------------------------------------------------------------
    def mark(self) -> WorldMark:
        """A point to go back to. Marks nest; they cover the environment too, and hold across transactions."""
        return WorldMark(self._host.keep_mark(), self._host.block)

    def rollback(self, mark: WorldMark) -> None:
        """Makes everything as it was at the mark; the cost follows what changed since. The mark stays good.

        Raises InvalidInput for a mark that is void: by `settle`, or by a rollback to an earlier one.
        """
        self._host.return_to(mark.journal)
        self._host.block = mark.block

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

    def changes(self) -> StateChanges:
        """What differs from the view, with the values before and after."""
        return self._host.changes()

    def settle(self) -> StateChanges:
        """Ends the transaction scope and applies all changes to the view, which must be a backend; goes on from there.

        Older marks are void. Raises InvalidInput when the view can't be written.
        """
        apply = getattr(self.view, "apply", None)
        if apply is None:
            raise InvalidInput("this world's view can't be written: it has no apply")
        self.begin_transaction()
        changes = self.changes()
        apply(changes)
        self._host.rebase()
        self._host.forget_marks()
        self.begin_transaction()
        return changes

    def roots(self) -> StateRoots:
        """The Merkle tries of the present state. Raises InvalidInput when the view keeps no tries."""
        if not isinstance(self.view, _Rooted):
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
        host = self._host
        host.end_transaction(delete_empty=self.fork.rules.deletes_empty_accounts)
        host.begin_transaction(dict.fromkeys(self.fork.precompiles, True))
        if self.fork.transactions.warm_coinbase:
            host.warm_account(host.block.coinbase)

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
        Raises InvalidInput for arguments of the wrong form; may raise Missing or LimitExceeded, with nothing changed.
        """
        host = self._host
        if len(to) != 20 or start_pc < 0:
            raise InvalidInput(f"an address is 20 bytes, not {len(to)}, and a place in code isn't negative: {start_pc}")
        if static and value:
            raise InvalidInput(f"a static call can't bring a value: {value}")
        environment = _environment(sender, value, gas, origin, gas_price)
        mark = host.mark()
        try:
            host.transaction = environment
            host.warm_account(sender)
            host.warm_account(to)
            if code is None:
                code, delegate = self.fork.rules.code_to_run(host, to)
                if delegate is not None:
                    host.warm_account(delegate)
            return self._run(
                Message(
                    CallKind.CALL,
                    sender,
                    to,
                    to,
                    bytes(code),
                    bytes(data),
                    value,
                    value,
                    gas,
                    static,
                    0,
                    start_pc=start_pc,
                )
            )
        except BaseException:
            host.rollback(mark)
            raise

    def create(
        self,
        init_code: bytes,
        *,
        sender: bytes = ZERO_ADDRESS,
        value: int = 0,
        gas: int = DEFAULT_CALL_GAS,
        address: bytes | None = None,
        origin: bytes | None = None,
        gas_price: int = 0,
    ) -> CallResult:
        """Creates a contract, at the address that the sender's nonce gives or at `address`; the nonce is incremented.

        Raises InvalidInput for arguments of the wrong form; may raise Missing or LimitExceeded, with nothing changed.
        """
        host = self._host
        if address is not None:
            _address(address)
        environment = _environment(sender, value, gas, origin, gas_price)
        mark = host.mark()
        try:
            host.transaction = environment
            nonce = host.nonce(sender)
            if address is None:
                address = create_address(sender, nonce)
            host.warm_account(sender)
            host.warm_account(address)
            if nonce < MAX_NONCE:
                host.increment_nonce(sender)
            code = bytes(init_code)
            return self._run(Message(CallKind.CREATE, sender, address, address, code, b"", value, value, gas, False, 0))
        except BaseException:
            host.rollback(mark)
            raise

    def _run(self, message: Message) -> CallResult:
        host = self._host
        if message.transfer and host.balance(message.sender) < message.transfer:
            return self._refused(message, HaltReason.INSUFFICIENT_BALANCE, gas_left=message.gas)
        if message.kind.creates and is_taken(host, message.address):
            return self._refused(message, HaltReason.CONTRACT_COLLISION, gas_left=0)
        frame = self.drive(Machine(message, fork=self.fork, host=host, cache=self.cache, engine=self._engine))
        return CallResult(frame, host.logs[frame.log_start : frame.log_end])

    def _refused(self, message: Message, reason: HaltReason, *, gas_left: int) -> CallResult:
        """The result of a call that fails before its first instruction."""
        host = self._host
        program = self.cache.program(message.code, self.fork)
        frame = Frame(message, self.fork, host, program, program.destinations)
        frame.log_start = frame.log_end = len(host.logs)
        frame.refund_start = frame.refund_end = host.refund
        frame.caller_pc = 0
        fail(frame, reason)
        frame.gas = gas_left
        return CallResult(frame, [])

    def apply(self, transaction: Transaction, *, sender: bytes | None = None) -> TransactionResult:
        """Runs a whole transaction: checks, fee, nonce, intrinsic gas, refund, payment, deletions.

        The sender is recovered from the signature unless given. Raises an InvalidTransaction, with nothing changed.
        """
        host, fork, block = self._host, self.fork, self._host.block
        rules = fork.transactions
        if sender is None:
            sender = transaction.sender(rules, block.chain_id)
        self.begin_transaction()
        check_transaction(transaction, sender, fork, block, host)
        mark = host.mark()
        try:
            return self._apply(transaction, sender)
        except BaseException:
            host.rollback(mark)
            raise

    def _apply(self, transaction: Transaction, sender: bytes) -> TransactionResult:
        host, fork, block = self._host, self.fork, self._host.block
        rules = fork.transactions
        base_fee = block.base_fee if rules.base_fee else 0
        price = transaction.effective_gas_price(base_fee)
        blob_fee = BLOB_GAS * len(transaction.blob_hashes) * block.blob_base_fee
        host.transaction = TransactionEnvironment(sender, price, transaction.blob_hashes)
        host.set_balance(sender, host.balance(sender) - transaction.gas_limit * price - blob_fee)
        host.increment_nonce(sender)
        self._warm_for(transaction, sender)
        if transaction.authorizations:
            self._delegate(transaction)
        gas = transaction.gas_limit - intrinsic_gas(transaction, fork)
        value, data = transaction.value, transaction.data
        if transaction.to is None:
            address = create_address(sender, transaction.nonce)
            host.warm_account(address)
            message = Message(CallKind.CREATE, sender, address, address, data, b"", value, value, gas, False, 0)
        else:
            to = transaction.to
            code, delegate = fork.rules.code_to_run(host, to)
            if delegate is not None:
                host.warm_account(delegate)
            message = Message(CallKind.CALL, sender, to, to, code, data, value, value, gas, False, 0)
        result = self._run(message)
        used = transaction.gas_limit - result.gas_left
        refunded = min(host.refund, used // rules.refund_quotient)
        used = max(used - refunded, floor_gas(transaction, fork))
        host.credit(sender, (transaction.gas_limit - used) * price)
        host.credit(block.coinbase, used * (price - base_fee))
        destroyed = host.destroyed()
        host.end_transaction(delete_empty=fork.rules.deletes_empty_accounts)
        logs = tuple(host.logs)
        return TransactionResult(result, used, refunded, price, logs, result.created, destroyed)

    def _warm_for(self, transaction: Transaction, sender: bytes) -> None:
        host = self._host
        host.warm_account(sender)
        if transaction.to is not None:
            host.warm_account(transaction.to)
        for entry in transaction.access_list:
            host.warm_account(entry.address)
            slots, _ = host.open_storage(entry.address)
            for key in entry.keys:
                if key not in slots:
                    host.warm_slot(slots, key, host.peek_slot(entry.address, key))

    def _delegate(self, transaction: Transaction) -> None:
        """Sets the delegations of a transaction's authorizations; bad ones are passed over (EIP-7702)."""
        host = self._host
        for authorization in transaction.authorizations:
            if authorization.chain_id not in (0, host.block.chain_id) or authorization.nonce >= MAX_NONCE:
                continue
            authority = authorization.authority()
            if authority is None:
                continue
            host.warm_account(authority)
            code = host.code(authority)
            if code and delegation_of(code) is None:
                continue
            if host.nonce(authority) != authorization.nonce:
                continue
            if host.account(authority) is not None:
                host.refund += self.fork.transactions.authorization_refund
            clears = authorization.address == ZERO_ADDRESS
            host.set_code(authority, b"" if clears else DELEGATION_PREFIX + authorization.address)
            host.increment_nonce(authority)

    def touch_coinbase(self) -> None:
        """Ends a block without reward: the coinbase is touched (EIP-161)."""
        self._host.touch(self._host.block.coinbase)
        self._host.end_transaction(delete_empty=self.fork.rules.deletes_empty_accounts)

    def with_limits(self, **limits: int) -> None:
        """Other limits (see Limits) from now on; the fork of this world becomes a private one. Raises InvalidInput."""
        self.fork = self.fork.evolve(self.fork.name, limits=limits)


def _address(address: bytes) -> bytes:
    if len(address) != 20:
        raise InvalidInput(f"an address is 20 bytes, not {len(address)}")
    return address


def _environment(sender: bytes, value: int, gas: int, origin: bytes | None, gas_price: int) -> TransactionEnvironment:
    """The transaction environment of a call from outside, when its arguments are in range. Raises InvalidInput."""
    if gas < 0:
        raise InvalidInput(f"gas isn't negative: {gas}")
    _number(value, 256, "value")
    _address(sender)
    return TransactionEnvironment(sender if origin is None else _address(origin), _number(gas_price, 256, "gas price"))


def _number(value: int, bits: int, what: str) -> int:
    if not 0 <= value < 1 << bits:
        raise InvalidInput(f"{what} is no unsigned number of {bits} bits: {value}")
    return value


__all__ = ["DEFAULT_CALL_GAS", "Status", "TransactionResult", "World", "WorldMark"]
