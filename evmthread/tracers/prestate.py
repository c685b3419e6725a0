"""go-ethereum's prestateTracer: the accounts and slots that a transaction touched, before it and, on request, after it.

Built of the instructions that touch accounts or storage; the others run at full speed. Whatever is read of the state is
read before the instruction that touches it has had an effect, so that it may be missing and fetched.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from evmthread.contracts.abi import JsonObject
from evmthread.execution.result import TransactionResult
from evmthread.execution.transaction import SET_CODE, Transaction
from evmthread.execution.world import World
from evmthread.isa.frame import Frame, read_memory
from evmthread.isa.instruction import Instruction
from evmthread.isa.instructions.accounts import address_of
from evmthread.isa.instructions.creates import create2_address, create_address
from evmthread.isa.rules import delegation_of
from evmthread.machine.hooks import Hook
from evmthread.machine.tracing import memory_price
from evmthread.primitives.keccak import EMPTY_HASH, keccak256
from evmthread.tracers.json_values import hex_bytes, hex_word

_STORAGE = ("SLOAD", "SSTORE")
_ACCOUNTS = ("BALANCE", "EXTCODESIZE", "EXTCODECOPY", "EXTCODEHASH", "SELFDESTRUCT")
_CALLS = ("CALL", "CALLCODE", "DELEGATECALL", "STATICCALL")
_CREATES = ("CREATE", "CREATE2")


@dataclass(slots=True)
class _Account:
    """An account as it was, with the slots that were touched."""

    balance: int
    nonce: int
    code: bytes
    storage: dict[int, int] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        return not (self.balance or self.nonce or self.code)


class PrestateTracer(Hook):
    """Looks at what one transaction touches; `result` makes the whole object of it.

    Made before its transaction runs, in the World in which it will.
    """

    def __init__(
        self,
        world: World,
        transaction: Transaction,
        sender: bytes,
        *,
        diff_mode: bool = False,
        with_code: bool = True,
        with_storage: bool = True,
        include_empty: bool = False,
    ) -> None:
        """`diff_mode`: only what changes, before and after. Empty accounts are left out unless they are asked for."""
        names = {record.name for record in world.fork.table if record is not None}
        storage = _STORAGE if with_storage else ()
        self.opcodes = tuple([name for name in (*storage, *_ACCOUNTS, *_CALLS, *_CREATES) if name in names])
        self._world = world
        self._diff_mode = diff_mode
        self._with_code = with_code
        self._include_empty = include_empty
        self._delegates = SET_CODE in world.fork.transactions.types
        self._before: dict[bytes, _Account] = {}
        self._seen: list[tuple[bytes, _Account]] = []
        for address in self._known_from(transaction, sender):
            account = world.account(address)
            balance, nonce = (account.balance, account.nonce) if account is not None else (0, 0)
            self._before.setdefault(address, _Account(balance, nonce, world.code(address)))

    def _known_from(self, transaction: Transaction, sender: bytes) -> Iterator[bytes]:
        """The accounts that a transaction touches by itself."""
        yield sender
        if transaction.to is None:
            yield create_address(sender, transaction.nonce)
        else:
            yield transaction.to
            delegate = delegation_of(self._world.code(transaction.to)) if self._delegates else None
            if delegate is not None:
                yield delegate
        yield self._world.environment.coinbase
        for authorization in transaction.authorizations:
            authority = authorization.authority()
            if authority is not None:
                yield authority

    # What is told -----------------------------------------------------------------------------------------------------
    def opcode_start(self, frame: Frame, instruction: Instruction, operands: tuple[int, ...]) -> str | None:
        self._seen = []
        name = instruction.name
        if name in _ACCOUNTS:
            self._look_at(frame, address_of(operands[0]))
        elif name in _CALLS:
            code = self._look_at(frame, address_of(operands[1]))
            delegate = delegation_of(code) if self._delegates else None
            if delegate is not None:
                self._look_at(frame, delegate)
        elif name in _CREATES:
            address = _address_of_creation(frame, operands)
            if address is not None:
                self._look_at(frame, address)
        return None

    def _look_at(self, frame: Frame, address: bytes) -> bytes:
        """Notes an account as it is now, until it is known that the instruction touches it; its code."""
        known = self._before.get(address)
        host = frame.host
        code = host.code(address)
        if known is None:
            account = host.account(address)
            balance, nonce = (account.balance, account.nonce) if account is not None else (0, 0)
            self._seen.append((address, _Account(balance, nonce, code)))
        return code

    def opcode_end(self, frame: Frame, instruction: Instruction, operands: tuple[int, ...], result: object) -> None:
        for address, account in self._seen:
            self._before.setdefault(address, account)
        self._seen = []
        if instruction.name in _STORAGE:
            key = operands[0]
            self._before[frame.address].storage.setdefault(key, frame.stored[key])

    # What came of it --------------------------------------------------------------------------------------------------
    def result(self, applied: TransactionResult) -> JsonObject:
        """The accounts by address; in diff mode {"post": ..., "pre": ...}. To be asked before anything else runs."""
        before = {address: self._before[address] for address in sorted(self._before)}
        if not self._diff_mode:
            return self._records(before)
        after: JsonObject = {}
        for address, account in list(before.items()):
            if address in applied.destroyed:
                continue
            changed = self._changes(address, account)
            if changed is not None:
                after[hex_bytes(address)] = changed
            else:
                del before[address]
        return {"post": after, "pre": self._records(before)}

    def _records(self, accounts: dict[bytes, _Account]) -> JsonObject:
        return {
            hex_bytes(address): self._record(account)
            for address, account in accounts.items()
            if self._include_empty or not account.is_empty
        }

    def _record(self, account: _Account) -> JsonObject:
        made: JsonObject = {"balance": hex(account.balance)}
        if account.code:
            if self._with_code:
                made["code"] = hex_bytes(account.code)
            made["codeHash"] = hex_bytes(keccak256(account.code))
        if account.nonce:
            made["nonce"] = account.nonce
        if account.storage:
            made["storage"] = _storage(account.storage)
        return made

    def _changes(self, address: bytes, before: _Account) -> JsonObject | None:
        """What is now otherwise, None where nothing is; leaves in `before` the slots that changed and weren't zero."""
        world = self._world
        now = world.account(address)
        balance, nonce, code_hash = (now.balance, now.nonce, now.code_hash) if now is not None else (0, 0, EMPTY_HASH)
        made: JsonObject = {}
        if balance != before.balance:
            made["balance"] = hex(balance)
        if code_hash != keccak256(before.code):
            if self._with_code:
                made["code"] = hex_bytes(world.code(address))
            made["codeHash"] = hex_bytes(code_hash)
        if nonce != before.nonce:
            made["nonce"] = nonce
        slots = {key: (old, world.storage(address, key)) for key, old in before.storage.items()}
        before.storage = {key: old for key, (old, new) in slots.items() if old and old != new}
        changed = {key: new for key, (old, new) in slots.items() if old != new}
        written = {key: new for key, new in changed.items() if new}
        if written:
            made["storage"] = _storage(written)
        return made if made or changed else None


def _storage(slots: dict[int, int]) -> JsonObject:
    return {hex_word(key): hex_word(slots[key]) for key in sorted(slots)}


def _address_of_creation(frame: Frame, operands: tuple[int, ...]) -> bytes | None:
    """Where a creation that is about to begin will put its contract; None where it can't begin."""
    if len(operands) == 3:
        account = frame.host.account(frame.address)
        return create_address(frame.address, account.nonce if account is not None else 0)
    _, offset, size, salt = operands
    if size > frame.fork.limits.init_code_size:
        return None
    have, words = len(frame.memory), (offset + size + 31) >> 5 if size else 0
    if words > frame.memory_limit or (words > have and memory_price(words) - memory_price(have) > frame.gas):
        return None
    memory = frame.memory if words <= have else [*frame.memory, *[0] * (words - have)]
    return create2_address(frame.address, salt.to_bytes(32, "big"), read_memory(memory, offset, size))
