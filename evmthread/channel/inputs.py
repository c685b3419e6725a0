"""Runs the inputs of one batch on a World and checks the rules that only running can check.

Knows nothing of commitments and signatures. It leaves the world changed, also where it refuses: its caller has a mark.

What the specification's one-liners leave open, pinned here:
- A call runs as a legacy transaction at gas price 0 in a block of base fee 0 and blob base fee 1 (EIP-4844's lowest).
- A batch's gas is the sum of what its inputs used, after refunds; it is at most batchGas after each input.
- A create is no transaction: no intrinsic gas, no floor, no transaction gas cap. Its code runs with exactly Input.gas;
  what it used is that less what is left, less the refund, which is capped as a transaction's is. The actor's nonce
  counts up first. Its logs and gas make an ordinary receipt. In forks in which contracts begin with nonce 0, the root
  contract, and any that its constructor makes, begin with 1.
- An input breaks the rule on missing accounts, too, when it is itself a call with data to such an account. An account
  under construction is one without code. Calls that depth or balance forbids aren't made. calls.py checks it.
- An input creates something where a CREATE or CREATE2 stood: it and all calls above it succeeded.
- A BREAKPOINT is a log that stands, of the root contract, whose first topic is the ruleset's; creates emit it, too.
- An account that is empty (EIP-161) never has storage: before Spurious Dragon a batch that leads there is invalid.
"""

from dataclasses import dataclass

from evmthread.channel.calls import CallWatch
from evmthread.channel.errors import InvalidBatch, NeedsSuspension
from evmthread.channel.rules import ThreadRules
from evmthread.commit.batch import Batch, Environment, Input, InputKind
from evmthread.commit.terms import check_origin_code
from evmthread.errors import LimitExceeded
from evmthread.execution.environment import BlockEnvironment
from evmthread.execution.invalid import InvalidTransaction
from evmthread.execution.receipts import Receipt
from evmthread.execution.result import CallResult
from evmthread.execution.transaction import Transaction
from evmthread.execution.world import World
from evmthread.primitives.types import Log
from evmthread.state.view import StateChanges

NEW_SLOT_PRICE = 20_000
"""G_sset (Yellow Paper, appendix G): what making a slot non-zero costs at least, in every fork, before refunds."""


@dataclass(frozen=True, slots=True)
class InputOutcome:
    """One input that ended: its tree of calls, the gas that it used after refunds, the logs that stand."""

    result: CallResult
    gas_used: int
    gas_refunded: int
    logs: tuple[Log, ...]


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """What running a batch gave: `changes` to the state before it; `slots` counts the root's non-zero slots."""

    inputs: tuple[InputOutcome, ...]
    gas_used: int
    slots: int
    changes: StateChanges

    def receipts(self) -> list[Receipt]:
        """The receipts, cumulative gas counted from 0."""
        receipts, gas = [], 0
        for outcome in self.inputs:
            gas += outcome.gas_used
            receipts.append(Receipt(outcome.result.success, gas, outcome.logs))
        return receipts


def block_environment(rules: ThreadRules, environment: Environment) -> BlockEnvironment:
    """The block that a batch's inputs see."""
    return BlockEnvironment(
        number=environment.number,
        timestamp=environment.timestamp,
        coinbase=environment.coinbase,
        gas_limit=environment.gas_limit,
        prev_randao=int.from_bytes(environment.prev_randao, "big"),
        chain_id=rules.domain.chain_id,
    )


def run_batch(rules: ThreadRules, world: World, batch: Batch, *, slots: int, nonce: int) -> BatchOutcome:
    """Runs all inputs in order. `slots`: the root's non-zero slots before; `nonce`: the commitment's, for errors.

    Raises InvalidBatch (MissingAccount) naming input and rule, NeedsSuspension. Rules that need no execution were
    checked before.
    """
    world.environment = block_environment(rules, batch.environment)
    outcomes: list[InputOutcome] = []
    gas = 0
    counted, possible = slots, slots
    ended = False
    for index, each in enumerate(batch.inputs):
        if ended:
            raise InvalidBatch("no input follows a BREAKPOINT", index, index, nonce)
        drive, world.drive = world.drive, CallWatch(rules, index, nonce)
        try:
            outcome = _run_input(rules, world, each, index, nonce)
        finally:
            world.drive = drive
        outcomes.append(outcome)
        gas += outcome.gas_used
        if gas > rules.ruleset.batch_gas:
            raise InvalidBatch(f"the batch's gas at most batchGas, {rules.ruleset.batch_gas}", gas, index, nonce)
        # New slots cost so much that nearly always gas alone shows that the limit is far: counting costs what changed.
        possible += (outcome.gas_used + outcome.gas_refunded) // NEW_SLOT_PRICE
        if possible > rules.ruleset.storage_slots or each.kind == InputKind.CREATE:
            counted = possible = _slots_after(rules, world.changes(), slots)
            if counted > rules.ruleset.storage_slots:
                limit = rules.ruleset.storage_slots
                raise InvalidBatch(f"the root contract has at most {limit} non-zero slots", counted, index, nonce)
        ended = any(
            log.address == rules.address and log.topics[:1] == (rules.ruleset.breakpoint_topic,) for log in outcome.logs
        )
    changes = world.changes()
    return BatchOutcome(tuple(outcomes), gas, _slots_after(rules, changes, slots), changes)


def _run_input(rules: ThreadRules, world: World, each: Input, index: int, nonce: int) -> InputOutcome:
    try:
        match each.kind:
            case InputKind.CALL:
                return _run_call(world, each)
            case InputKind.CREATE:
                return _run_create(rules, world, each, index, nonce)
            case InputKind.ANSWER | InputKind.ABORT:
                raise NeedsSuspension(f"kind {each.kind}, {InputKind(each.kind).name.lower()},", index, nonce)
            case _:
                raise InvalidBatch("kind <= 3", each.kind, index, nonce)
    except InvalidTransaction as error:
        raise InvalidBatch(f"{error.summary}: expected {error.expected}", error.got, index, nonce) from error
    except LimitExceeded as error:
        limit = rules.ruleset.memory_bytes
        raise InvalidBatch(f"at most {limit} bytes of memory in all open frames", "more", index, nonce) from error


def _run_call(world: World, each: Input) -> InputOutcome:
    transaction = Transaction(
        nonce=each.nonce, gas_limit=each.gas, to=each.to, value=each.value, data=each.data, gas_price=0
    )
    applied = world.apply(transaction, sender=each.actor)
    return InputOutcome(applied.result, applied.gas_used, applied.gas_refunded, applied.logs)


def _run_create(rules: ThreadRules, world: World, each: Input, index: int, nonce: int) -> InputOutcome:
    expected = world.nonce(each.actor)
    if each.nonce != expected:
        raise InvalidBatch(f"the actor's nonce is {expected}", each.nonce, index, nonce)
    if len(each.data) > rules.fork.limits.init_code_size:
        limit = rules.fork.limits.init_code_size
        raise InvalidBatch(f"creation code at most {limit} bytes (EIP-3860)", len(each.data), index, nonce)
    world.begin_transaction()
    world.fork = rules.creation_fork
    try:
        result = world.create(
            each.data, sender=each.actor, value=each.value, gas=each.gas, address=rules.address, origin=each.actor
        )
    finally:
        world.fork = rules.fork
    used = each.gas - result.gas_left
    refunded = min(max(result.refund, 0), used // rules.fork.transactions.refund_quotient)
    logs = world.logs
    world.touch_coinbase()  # which ends the transaction as a call's ends
    if not result.success:
        raise InvalidBatch("the contract is created", result.reason, index, nonce)
    account = world.account(rules.address)
    created = account.code_hash if account is not None else b""
    if created != rules.terms.code_hash:
        raise InvalidBatch(
            f"the created code hashes to codeHash, 0x{rules.terms.code_hash.hex()}", created, index, nonce
        )
    check_origin_code(rules.terms, world.code(rules.address))
    return InputOutcome(result, used - refunded, refunded, logs)


def _slots_after(rules: ThreadRules, changes: StateChanges, before: int) -> int:
    change = changes.accounts.get(rules.address)
    if change is None:
        return before
    kept = 0 if change.wiped else before
    return kept + sum([(new != 0) - (old != 0) for old, new in change.slots.values()])
