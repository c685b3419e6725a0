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
- A BREAKPOINT is a log that stands, of the root contract, whose first topic is the ruleset's; creates emit it, too. The
  dialect's opcode is one where the root contract runs it, and it stands; it emits no log.
- A call that suspends is the last input of its batch. An answer's gas counts where the open call ends.
- An account that is empty (EIP-161) never has storage: before Spurious Dragon a batch that leads there is invalid.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from evmthread.channel.calls import ThreadCalls
from evmthread.channel.errors import InvalidBatch, LocalProtocolError
from evmthread.channel.rules import ThreadRules
from evmthread.channel.suspension import (
    OpenCall,
    block_environment,
    open_call_of,
    rerun,
    transaction_of,
    with_answer,
)
from evmthread.commit.batch import (
    ANSWER,
    CALL,
    CONTINUATIONS,
    CREATE,
    MACHINE_HASH_BYTES,
    Batch,
    Environment,
    Input,
    InputKind,
)
from evmthread.commit.money import genesis_deposits
from evmthread.commit.terms import check_origin_code
from evmthread.errors import DecodingError, LimitExceeded
from evmthread.execution.computation import Computation
from evmthread.execution.invalid import InvalidTransaction
from evmthread.execution.receipts import Receipt
from evmthread.execution.result import CallResult, TransactionResult
from evmthread.execution.world import World
from evmthread.machine.traps import Question, Suspended
from evmthread.primitives.quick import quick
from evmthread.primitives.types import ZERO_HASH, Log
from evmthread.state.overlay import OverlayState
from evmthread.state.pending import WrongBase
from evmthread.state.view import StateChanges

NEW_SLOT_PRICE = 20_000
"""G_sset (Yellow Paper, appendix G): what making a slot non-zero costs at least, in every fork, before refunds."""


@quick
@dataclass(frozen=True, slots=True)
class InputOutcome:
    """One input that ended: its tree of calls, the gas that it used after refunds, the logs that stand."""

    result: CallResult
    gas_used: int
    gas_refunded: int
    logs: tuple[Log, ...]
    breaks: bool = False


@quick
@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """What running a batch gave: `changes` to the state before it; `slots` counts the root's non-zero slots.

    `inputs` are those that ended; `open_call` is the one that is suspended, of which nothing else shows.
    """

    inputs: tuple[InputOutcome, ...]
    gas_used: int
    slots: int
    changes: StateChanges
    open_call: OpenCall | None = None

    def receipts(self) -> list[Receipt]:
        """The receipts, cumulative gas counted from 0."""
        receipts, gas = [], 0
        for outcome in self.inputs:
            gas += outcome.gas_used
            receipts.append(Receipt(outcome.result.success, gas, outcome.logs))
        return receipts


def found_world(rules: ThreadRules, world: World, code: bytes, inputs: Sequence[Input]) -> None:
    """The world in which the genesis batch with these inputs runs (section 3, Money). `code` is the origin's.

    Raises LocalProtocolError where it is needed and missing.
    """
    terms = rules.terms
    for owner, balance in zip(terms.owners, genesis_deposits(terms.deposits, terms.max_fee), strict=True):
        if balance:
            world.set_balance(owner, balance)
    if any(each.kind == CREATE for each in inputs):
        return
    if not code:
        raise LocalProtocolError("the genesis batch creates no contract, and the origin's code wasn't given")
    world.set_code(rules.address, code)
    world.set_nonce(rules.address, 1)


def run_batch(
    calls: ThreadCalls,
    world: World,
    batch: Batch,
    *,
    slots: int,
    nonce: int,
    open_call: OpenCall | None = None,
    steps: int = 0,
) -> BatchOutcome:
    """Runs all inputs in order, watched by `calls`.

    `slots`: the root's non-zero slots before; `nonce`: the commitment's, for errors.
    `open_call` is suspended when the batch begins. `steps`: the last input is to be suspended after so many
    instructions in all. Raises InvalidBatch (MissingAccount) naming input and rule. Rules that need no execution were
    checked before.
    """
    return _Run(calls, world, batch, slots=slots, nonce=nonce, open_call=open_call, steps=steps).all()


class _Run:
    """One batch while it runs."""

    def __init__(
        self,
        calls: ThreadCalls,
        world: World,
        batch: Batch,
        *,
        slots: int,
        nonce: int,
        open_call: OpenCall | None,
        steps: int,
    ) -> None:
        self.calls = calls
        self.rules = calls.rules
        self.world = world
        self.batch = batch
        self.slots = slots
        self.nonce = nonce
        self.open_call = open_call
        self.steps = steps

    def all(self) -> BatchOutcome:
        """Runs the batch."""
        rules, world, batch = self.rules, self.world, self.batch
        if not batch.inputs:
            if self.steps:
                raise InvalidBatch("an empty batch suspends nothing", self.steps, None, self.nonce)
            return BatchOutcome((), 0, self.slots, world.changes(), self.open_call)
        outcomes: list[InputOutcome] = []
        gas = 0
        counted, possible = self.slots, self.slots
        ended = False
        block = block_environment(rules, batch.environment)
        calls = self.calls
        calls.nonce = self.nonce
        world.environment = block
        for index, each in enumerate(batch.inputs):
            if ended:
                raise InvalidBatch("no input follows a BREAKPOINT", index, index, self.nonce, ends_batch=True)
            if index and self.open_call is not None:
                rule = "a call that suspends is the last input of its batch"
                raise InvalidBatch(rule, index, index, self.nonce, ends_batch=True)
            calls.index = index
            outcome = self._run(each, index)
            if each.kind == ANSWER:  # its call ran in the block in which it began
                world.environment = block
            if outcome is None:
                continue
            outcomes.append(outcome)
            gas += outcome.gas_used
            if gas > rules.ruleset.batch_gas:
                rule = f"the batch's gas at most batchGas, {rules.ruleset.batch_gas}"
                raise InvalidBatch(rule, gas, index, self.nonce, ends_batch=True)
            # New slots cost so much that nearly always gas alone shows that the limit is far.
            possible += (outcome.gas_used + outcome.gas_refunded) // NEW_SLOT_PRICE
            if possible > rules.ruleset.storage_slots:
                counted = possible = _slots_after(rules, world.changes(), self.slots)
                if counted > rules.ruleset.storage_slots:
                    limit = rules.ruleset.storage_slots
                    rule = f"the root contract has at most {limit} non-zero slots"
                    raise InvalidBatch(rule, counted, index, self.nonce)
            ended = outcome.breaks
        changes = world.changes()
        return BatchOutcome(tuple(outcomes), gas, _slots_after(rules, changes, self.slots), changes, self.open_call)

    def _run(self, each: Input, index: int) -> InputOutcome | None:
        """What came of an input; None where it didn't end, or has no receipt."""
        rules, world = self.rules, self.world
        continues = each.kind in CONTINUATIONS
        if continues != (self.open_call is not None):
            rule = "an answer or abort of the open call" if self.open_call is not None else "no call is open"
            raise InvalidBatch(rule, InputKind(each.kind).name.lower(), index, self.nonce)
        hooks, world.hooks = world.hooks, self.calls.watching
        try:
            kind = each.kind
            if kind == CALL:
                return self._call(each, index)
            if kind == CREATE:
                return self._create(each, index)
            if kind == ANSWER:
                return self._answer(each, index)
            self._abort(each, index)
            return None
        except InvalidTransaction as error:
            raise InvalidBatch(f"{error.summary}: expected {error.expected}", error.got, index, self.nonce) from error
        except LimitExceeded as error:
            limit = rules.ruleset.memory_bytes
            rule = f"at most {limit} bytes of memory in all open frames"
            raise InvalidBatch(rule, "more", index, self.nonce) from error
        finally:
            world.hooks = hooks

    def _steps_of(self, index: int) -> int:
        return self.steps if index == len(self.batch.inputs) - 1 else 0

    def _call(self, each: Input, index: int) -> InputOutcome | None:
        if self.steps and self._steps_of(index):
            self._suspend(each, index, answers=())
            return None
        computation = self.world.open_transaction(transaction_of(each), sender=each.actor)
        outcome = computation.run()
        if not isinstance(outcome, Suspended):
            return self._ended(outcome, index)
        if index:  # what came before isn't in the state below, on which an open call has to stand
            computation.abort()
            self._suspend(each, index, answers=())
        else:
            self._keep(computation, each, self.batch.environment, index, answers=())
        return None

    def _answer(self, each: Input, index: int) -> InputOutcome | None:
        opened = self._opened(each, index)
        if each.actor != opened.suspension.awaiting:
            raise InvalidBatch("an answer by the owner who is awaited", each.actor, index, self.nonce)
        answer = each.data[MACHINE_HASH_BYTES:]
        if opened.suspension.steps and answer:
            rule = "an empty answer to a call that was suspended after a number of steps"
            raise InvalidBatch(rule, answer, index, self.nonce)
        answers = with_answer(opened, answer)
        self.open_call = None
        if steps := self._steps_of(index):
            if steps <= opened.suspension.steps:
                rule = f"a call that goes on stops after more than {opened.suspension.steps} instructions"
                raise InvalidBatch(rule, steps, index, self.nonce)
            self._suspend(opened.input, index, answers=answers, environment=opened.environment)
            return None
        computation = self._loaded(opened, index)
        outcome = computation.resume(answer if isinstance(computation.trap, Question) else None)
        if isinstance(outcome, Suspended):
            self._keep(computation, opened.input, opened.environment, index, answers=answers)
            return None
        return self._ended(outcome, index)

    def _loaded(self, opened: OpenCall, index: int) -> Computation:
        try:
            return self.world.load(opened.snapshot)
        except (DecodingError, WrongBase) as error:  # what a store kept isn't what was suspended, or is too large
            raise InvalidBatch("an open call whose machine can be read", str(error), index, self.nonce) from error

    def _abort(self, each: Input, index: int) -> None:
        opened = self._opened(each, index)
        if each.actor not in (opened.input.actor, opened.suspension.awaiting):
            raise InvalidBatch("an abort by the open call's actor or by who is awaited", each.actor, index, self.nonce)
        if self._steps_of(index):
            raise InvalidBatch("an abort suspends nothing", self.steps, index, self.nonce)
        self.open_call = None
        self.world.begin_transaction()
        self.world.set_nonce(opened.input.actor, self.world.nonce(opened.input.actor) + 1)

    def _opened(self, each: Input, index: int) -> OpenCall:
        opened = self.open_call
        assert opened is not None
        if each.data[:MACHINE_HASH_BYTES] != opened.machine_hash:
            raise InvalidBatch("data that begins with the open call's machineHash", each.data, index, self.nonce)
        return opened

    def _keep(
        self, computation: Computation, each: Input, environment: Environment, index: int, *, answers: tuple[bytes, ...]
    ) -> None:
        """Keeps a computation that is suspended; the state is as before its call."""
        self._check_may_suspend(index)
        self.open_call = open_call_of(self.rules, computation, each, environment, answers=answers, steps=0)
        computation.abort()

    def _suspend(
        self,
        each: Input,
        index: int,
        *,
        answers: tuple[bytes, ...],
        environment: Environment | None = None,
    ) -> None:
        """Runs a call from its beginning, beside this world, to where it is suspended."""
        self._check_may_suspend(index)
        world = self.world
        view = OverlayState(world.view)
        view.apply(world.changes())
        self.open_call = rerun(
            self.rules,
            view,
            world.cache,
            each,
            self.batch.environment if environment is None else environment,
            self.calls,
            answers=answers,
            steps=self._steps_of(index),
        )

    def _check_may_suspend(self, index: int) -> None:
        if not self.nonce:
            raise InvalidBatch("the genesis batch doesn't suspend", "a suspended call", index, self.nonce)

    def _ended(self, outcome: object, index: int) -> InputOutcome:
        assert isinstance(outcome, TransactionResult)
        self._check_created(index)
        return InputOutcome(
            outcome.result, outcome.gas_used, outcome.gas_refunded, outcome.logs, self._breaks(outcome.logs)
        )

    def _breaks(self, logs: tuple[Log, ...]) -> bool:
        topic, root = self.rules.ruleset.breakpoint_topic, self.rules.address
        if root in self.world.breakpoints:
            return True
        return topic != ZERO_HASH and any([log.address == root and log.topics[:1] == (topic,) for log in logs])  # noqa: C419

    def _check_created(self, index: int, *, besides: bytes = b"") -> None:
        if self.rules.ruleset.create:
            return
        for address in self.world.created:
            if address != besides:
                raise InvalidBatch("nothing is created where the ruleset says no create", address, index, self.nonce)

    def _create(self, each: Input, index: int) -> InputOutcome:
        rules, world = self.rules, self.world
        expected = world.nonce(each.actor)
        if each.nonce != expected:
            raise InvalidBatch(f"the actor's nonce is {expected}", each.nonce, index, self.nonce)
        if len(each.data) > rules.fork.limits.init_code_size:
            limit = rules.fork.limits.init_code_size
            raise InvalidBatch(f"creation code at most {limit} bytes (EIP-3860)", len(each.data), index, self.nonce)
        if self._steps_of(index):
            self._check_may_suspend(index)
        world.begin_transaction()
        world.fork = rules.creation_fork
        try:
            computation = world.open_create(
                each.data, sender=each.actor, value=each.value, gas=each.gas, address=rules.address, origin=each.actor
            )
            result = computation.run()
            if isinstance(result, Suspended):
                self._check_may_suspend(index)
        finally:
            world.fork = rules.fork
        assert isinstance(result, CallResult)
        used = each.gas - result.gas_left
        refunded = min(max(result.refund, 0), used // rules.fork.transactions.refund_quotient)
        logs, breaks = world.logs, self._breaks(world.logs)
        self._check_created(index, besides=rules.address)
        world.touch_coinbase()  # which ends the transaction as a call's ends
        if not result.success:
            raise InvalidBatch("the contract is created", result.reason, index, self.nonce)
        account = world.account(rules.address)
        created = account.code_hash if account is not None else b""
        if created != rules.terms.code_hash:
            rule = f"the created code hashes to codeHash, 0x{rules.terms.code_hash.hex()}"
            raise InvalidBatch(rule, created, index, self.nonce)
        check_origin_code(rules.terms, world.code(rules.address))
        return InputOutcome(result, used - refunded, refunded, logs, breaks)


def _slots_after(rules: ThreadRules, changes: StateChanges, before: int) -> int:
    change = changes.accounts.get(rules.address)
    if change is None:
        return before
    kept = 0 if change.wiped else before
    return kept + sum([(new != 0) - (old != 0) for old, new in change.slots.values()])
