"""Thread: what is computed together: the terms, the state, the latest agreement.

Executes batches exactly as the specification says and gives the commitment that follows; it holds no key, signs
nothing, does no I/O and reads no clock. What a batch did stays pending until its agreement is adopted.

Pinned here, where the specification leaves it open: an owner who begins with nothing has no account in the genesis
world; `number` and `timestamp` of the genesis batch are free, of an empty batch they repeat the parent's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from evmthread.channel.calls import ThreadCalls
from evmthread.channel.errors import DivergentField, LocalProtocolError
from evmthread.channel.inputs import BatchOutcome, found_world, run_batch
from evmthread.channel.roots import apply_rooted
from evmthread.channel.rules import ThreadRules, thread_rules
from evmthread.channel.saved import SavedStep
from evmthread.channel.suspension import OpenCall, block_environment, steps_until, with_answer
from evmthread.commit.agreement import Agreement
from evmthread.commit.batch import (
    MACHINE_HASH_BYTES,
    Environment,
    Input,
    InputKind,
    Place,
    SignedBatch,
    check_batch_form,
    check_environment,
    check_input_signatures,
)
from evmthread.commit.commitment import FINAL, REST, SUSPENDED, Commitment
from evmthread.commit.eip712 import Domain, digest
from evmthread.commit.money import operator_fee, owner_balances
from evmthread.commit.refusals import NonceOrder, ParentIsFinal
from evmthread.commit.signature import Recoveries
from evmthread.commit.terms import Ruleset, Terms, check_origin_code
from evmthread.execution.receipts import receipts_root
from evmthread.execution.result import CallResult
from evmthread.execution.world import DEFAULT_CALL_GAS, World, WorldMark
from evmthread.machine.code_cache import CodeCache
from evmthread.machine.hooks import Hook
from evmthread.merkle.accounts import StateRoots
from evmthread.primitives.keccak import EMPTY_HASH
from evmthread.primitives.quick import quick
from evmthread.primitives.types import ZERO_ADDRESS, ZERO_HASH
from evmthread.state.memory import MemoryState
from evmthread.state.overlay import OverlayState
from evmthread.state.view import AccountChange, ListsAccounts, ListsSlots, StateBackend, StateChanges, joined


@quick
@dataclass(frozen=True, slots=True)
class Prepared:
    """An executed batch that waits for its agreement."""

    domain: Domain
    commitment: Commitment
    signed: SignedBatch
    outcome: BatchOutcome
    roots: StateRoots
    mark: WorldMark

    @property
    def digest(self) -> bytes:
        """The commitment's."""
        return digest(self.domain, self.commitment)


class Thread:
    """One thread at its latest agreement, and at most one executed batch on top. Made by `Thread.open`."""

    def __init__(
        self, rules: ThreadRules, code: bytes, state: StateBackend, cache: CodeCache | None, hooks: Sequence[Hook]
    ) -> None:
        """Made by `open`."""
        self._rules = rules
        # Plain attributes, these and more below: each is asked for a dozen times a move. Whoever assigns is on its own.
        self.domain, self.terms, self.ruleset = rules.domain, rules.terms, rules.ruleset
        self.thread_id = rules.thread_id
        """32 bytes."""
        self.address = rules.address
        """Where the root contract lives, here and on chain alike: 20 bytes."""
        self._code = code
        self._state = state
        self._world = World(fork=rules.fork, view=state, cache=cache, hooks=hooks)
        self._calls = ThreadCalls(rules, beside=self._world.hooks)
        self._roots = StateRoots()
        self._slots = 0
        self._environment: Environment | None = None
        self.agreement: Agreement | None = None
        """The latest adopted agreement; None before the genesis."""
        self.parent = ZERO_HASH
        """The digest on which the next commitment builds; zero before the genesis."""
        self._open: OpenCall | None = None
        self._prepared: Prepared | None = None
        self.recoveries = Recoveries()
        """Whose signatures this thread has met: none is recovered twice on its way from a request to an agreement."""
        self._checked: SignedBatch | None = None

    @classmethod
    def open(
        cls,
        domain: Domain,
        terms: Terms,
        ruleset: Ruleset,
        *,
        code: bytes = b"",
        state: StateBackend | None = None,
        cache: CodeCache | None = None,
        hooks: Sequence[Hook] = (),
    ) -> Self:
        """A thread without its genesis yet.

        `code` is the origin's runtime code; a thread whose genesis batch creates the contract does without. `state`
        takes the accounts and holds none yet; by default it is in memory. Threads on the same code that share a `cache`
        decode it once. `hooks` observe what the thread executes, but for calls that run beside it, to find where to
        stop; they mustn't stop or answer anything. Raises a Refusal for terms, ruleset or code that aren't well-formed
        or don't belong together, NotSupported for a ruleset that this version can't execute.
        """
        rules = thread_rules(domain, terms, ruleset)
        if code:
            check_origin_code(terms, code)
        return cls(rules, code, MemoryState() if state is None else state, cache, hooks)

    @property
    def state(self) -> StateBackend:
        """The accounts at the latest agreement, to read and to prove from; what is written to it is lost, or worse."""
        return self._state

    @property
    def next_nonce(self) -> int:
        """The lowest nonce that the next commitment can have."""
        return 0 if self.agreement is None else self.agreement.commitment.nonce + 1

    @property
    def open_call(self) -> OpenCall | None:
        """The call that is suspended, after what is prepared or else after the latest agreement."""
        return self._open if self._prepared is None else self._prepared.outcome.open_call

    @property
    def agreed_call(self) -> OpenCall | None:
        """The call that is suspended after the latest agreement, whatever is prepared."""
        return self._open

    @property
    def latest_environment(self) -> Environment | None:
        """The latest batch's; None before the genesis."""
        return self._environment

    @property
    def prepared(self) -> Prepared | None:
        """The executed batch that waits for its agreement."""
        return self._prepared

    def environment(self, *, number: int | None = None, timestamp: int | None = None) -> Environment:
        """An environment for the next batch: as these rules want it, and by default as the latest batch's."""
        latest = self._environment
        return Environment(
            number=number if number is not None else latest.number if latest else 0,
            timestamp=timestamp if timestamp is not None else latest.timestamp if latest else 0,
            prev_randao=ZERO_HASH,
            coinbase=self.terms.operator,
            gas_limit=self.ruleset.batch_gas,
        )

    # Reads; they see a prepared batch's effects -----------------------------------------------------------------------
    def account_nonce(self, owner: bytes) -> int:
        """The nonce that the owner's next input has."""
        return self._world.nonce(owner)

    def account_balance(self, address: bytes) -> int:
        """In wei, inside the thread, without reserve and fee."""
        return self._world.balance(address)

    def storage(self, key: int) -> int:
        """The value of a storage slot of the root contract."""
        return self._world.storage(self.address, key)

    def call(
        self,
        data: bytes,
        *,
        sender: bytes | None = None,
        to: bytes | None = None,
        value: int = 0,
        gas: int = DEFAULT_CALL_GAS,
        environment: Environment | None = None,
    ) -> CallResult:
        """What a call would do, without intrinsic gas; nothing of it is kept.

        Nobody is there to be asked: a contract that asks takes its on-chain path, and `Thread.inThread` is false.
        By default owner 0 calls the root contract. `environment` is by default the latest batch's. Raises InvalidInput
        for arguments of the wrong form.
        """
        block = block_environment(self._rules, environment or self.environment())
        with self._world.isolated() as world:
            world.environment = block
            world.begin_transaction()
            return world.call(
                self.address if to is None else to,
                data,
                sender=self.terms.owners[0] if sender is None else sender,
                value=value,
                gas=gas,
            )

    def steps_until(self, each: Input, *stops: Hook, environment: Environment | None = None) -> int | None:
        """After how many instructions a call, or the open call that this answers, reaches one of these breakpoints.

        Pass it as `steps` to `prepare`, or to a Party's `propose`: all can tell that place by its number. None where
        the call ends, or asks somebody, before. The call begins on the present state. Raises what executing raises.
        """
        opened, after = self.open_call, 0
        answers: tuple[bytes, ...] = ()
        if each.kind == InputKind.ANSWER:
            if opened is None:
                raise LocalProtocolError("no call is open")
            answers = with_answer(opened, each.data[MACHINE_HASH_BYTES:])
            each, environment, after = opened.input, opened.environment, opened.suspension.steps
        view = OverlayState(self._world.view)
        view.apply(self._world.changes())
        block = environment or self.environment()
        return steps_until(self._rules, view, self._world.cache, each, block, answers=answers, after=after, stops=stops)

    # Batches ----------------------------------------------------------------------------------------------------------
    def check_input_signatures(self, signed: SignedBatch, *, nonce: int) -> None:
        """Nothing, or a Refusal: every input is signed by its actor's session key. `nonce` is named in errors.

        The very batch that it was asked of last isn't gone through again: its receiver looks before it executes.
        """
        if signed is self._checked:
            return
        check_input_signatures(self.domain, self.terms, signed, nonce=nonce, recoveries=self.recoveries)
        if type(signed) is SignedBatch:  # a subclass could show other inputs the next time
            self._checked = signed

    def execute(
        self, signed: SignedBatch, *, nonce: int | None = None, final: bool = False, steps: int = 0
    ) -> Commitment:
        """The commitment that a batch leads to; nothing of it is kept, not even what was prepared before.

        Raises as `prepare` does.
        """
        commitment = self.prepare(signed, nonce=nonce, final=final, steps=steps)
        self.discard()
        return commitment

    def prepare(
        self, signed: SignedBatch, *, nonce: int | None = None, final: bool = False, steps: int = 0
    ) -> Commitment:
        """Executes a batch on the latest agreement and keeps what it did until `adopt` or `discard`.

        What was prepared before is discarded first. `nonce` is by default the next one. `steps`: the last input is to
        be suspended after so many instructions, counted from the beginning of its call. Costs what changes. Raises a
        Refusal naming input and rule (IllFormedBatch, InvalidBatch, MissingAccount, signatures), LocalProtocolError for
        a genesis that lacks the origin's code; the thread is then at its latest agreement.
        """
        self.discard()
        nonce = self.next_nonce if nonce is None else nonce
        if self.agreement is not None:
            if self.agreement.commitment.status == FINAL:
                raise ParentIsFinal(self.agreement.commitment.nonce, nonce)
            if nonce < self.next_nonce:
                raise NonceOrder(self.next_nonce - 1, nonce)
        elif nonce or final:
            raise LocalProtocolError("the first commitment is the genesis: nonce 0, at rest")
        place = Place(nonce, self.parent, final)
        check_batch_form(self.domain, self.terms, self.ruleset, place, signed)
        self.check_input_signatures(signed, nonce=nonce)
        check_environment(self._environment, signed.batch, nonce=nonce)
        mark = self._world.mark()
        try:
            self._prepared = self._execute(place, signed, mark, steps)
        except BaseException:
            self._world.rollback(mark)
            raise
        return self._prepared.commitment

    def stand_for(self, commitment: Commitment) -> None:
        """What is prepared led to this very commitment: it takes the place of ours, with the hashes known of it.

        Raises LocalProtocolError for any other.
        """
        prepared = self._prepared
        if prepared is None or type(commitment) is not Commitment or commitment != prepared.commitment:
            raise LocalProtocolError("nothing is prepared that led to this commitment")
        self._prepared = Prepared(
            self.domain, commitment, prepared.signed, prepared.outcome, prepared.roots, prepared.mark
        )

    def adopt(self, agreement: Agreement) -> None:
        """Makes the prepared batch permanent, on its agreement. Raises LocalProtocolError for any other."""
        prepared = self._prepared
        if prepared is None:
            raise LocalProtocolError("nothing is prepared that could be adopted")
        if type(agreement) is not Agreement:  # whatever has a digest would do below, verified or not
            raise LocalProtocolError(f"an Agreement is adopted, not a {type(agreement).__name__}")
        if agreement.digest != prepared.digest:
            raise LocalProtocolError(
                f"prepared is 0x{prepared.digest.hex()}, the agreement is on 0x{agreement.digest.hex()}"
            )
        self._world.settle(prepared.outcome.changes)
        self._roots = prepared.roots
        self._slots = prepared.outcome.slots
        self._environment = prepared.signed.batch.environment
        self.agreement, self.parent = agreement, agreement.digest
        self._open = prepared.outcome.open_call
        self._prepared = None

    def discard(self) -> None:
        """Forgets the prepared batch, if there is one: the thread is at its latest agreement again."""
        if self._prepared is not None:
            mark, self._prepared = self._prepared.mark, None
            self._world.rollback(mark)

    # Keeping, and going back ------------------------------------------------------------------------------------------
    def prepared_step(self, *, turn_since: int = 0) -> SavedStep:
        """What leads from the latest agreement's state to that after the prepared batch. `turn_since`: see SavedStep.

        Raises LocalProtocolError when nothing is prepared.
        """
        prepared = self._prepared
        if prepared is None:
            raise LocalProtocolError("nothing is prepared")
        outcome = prepared.outcome
        environment = prepared.signed.batch.environment
        return SavedStep(outcome.changes, environment, outcome.slots, outcome.open_call, turn_since)

    def whole_step(self) -> SavedStep | None:
        """All of the latest agreement's state as a step from nothing; None where the state can't be listed.

        Costs what the state holds. Raises LocalProtocolError when a batch is prepared, or before the genesis.
        """
        if self._prepared is not None or self._environment is None:
            raise LocalProtocolError("the whole state is that of an agreement, with nothing prepared")
        state = self._state
        if not isinstance(state, ListsAccounts) or not isinstance(state, ListsSlots):
            return None
        accounts = dict(state.accounts())
        changes = {
            address: AccountChange(None, account, {key: (0, value) for key, value in state.slots(address)})
            for address, account in accounts.items()
        }
        codes = {account.code_hash: state.code(account.code_hash) for account in accounts.values()}
        codes.pop(EMPTY_HASH, None)
        return SavedStep(StateChanges(changes, codes), self._environment, self._slots, self._open)

    def advance(self, agreement: Agreement, steps: Sequence[SavedStep]) -> None:
        """Goes on to a later agreement by the steps that lead there, from the latest one or from nothing.

        Executes nothing; what is prepared is discarded. Raises DivergentField where the steps lead to another state
        than the agreement's, InvalidInput where they don't follow each other; the thread is then as it was.
        """
        self.restore(agreement, (), steps)

    def restore(self, agreement: Agreement, before: Sequence[StateChanges], steps: Sequence[SavedStep]) -> None:
        """As `advance`; of the steps that come `before` these the changes are enough."""
        self.discard()
        if not steps:
            raise LocalProtocolError("the steps that lead to the agreement are wanted")
        self._move(agreement, [*before, *[step.changes for step in steps]], steps[-1])

    def revert(self, agreement: Agreement, before: SavedStep, undone: Sequence[SavedStep]) -> None:
        """Goes back to an earlier agreement; `before` led to it, `undone` from there to the latest one.

        What is prepared is discarded. Raises DivergentField where these steps lead elsewhere; nothing has changed then.
        """
        self.discard()
        self._move(agreement, [step.changes.inverted() for step in reversed(undone)], before)

    def _move(self, agreement: Agreement, changes: Sequence[StateChanges], step: SavedStep) -> None:
        merged = joined(changes)
        roots = self._roots.copy()
        self._enter(roots, merged)
        machine = ZERO_HASH if step.open_call is None else step.open_call.machine_hash
        commitment = agreement.commitment
        for field, committed, got in (
            ("stateRoot", commitment.state_root, roots.root()),
            ("machineHash", commitment.machine_hash, machine),
        ):
            if committed != got:
                raise DivergentField(field, got, committed, commitment.nonce)
        self._state.apply(merged)
        # A world remembers what it read; one on the changed state is made anew.
        world = self._world
        self._world = World(fork=world.fork, view=self._state, cache=world.cache, hooks=world.hooks)
        self._roots, self._slots, self._environment = roots, step.slots, step.environment
        self.agreement, self.parent, self._open = agreement, agreement.digest, step.open_call

    def _enter(self, roots: StateRoots, changes: StateChanges) -> None:
        apply_rooted(roots, changes, empty_accounts_stay=not self._rules.fork.rules.deletes_empty_accounts)

    def _execute(self, place: Place, signed: SignedBatch, mark: WorldMark, steps: int) -> Prepared:
        terms, world, gas_used = self.terms, self._world, 0
        if self.agreement is None:
            found_world(self._rules, world, self._code, signed.batch.inputs)
        else:
            gas_used = self.agreement.commitment.gas_used
        opened = None if place.final else self._open
        outcome = run_batch(
            self._calls, world, signed.batch, slots=self._slots, nonce=place.nonce, open_call=opened, steps=steps
        )
        opened = outcome.open_call
        roots = self._roots.copy()
        self._enter(roots, outcome.changes)
        state_root = roots.root()
        gas_used += outcome.gas_used
        fee = operator_fee(terms.max_fee, self.ruleset.fee_per_gigagas, gas_used)
        status = FINAL if place.final else REST if opened is None else SUSPENDED
        commitment = Commitment(
            thread_id=self.thread_id,
            nonce=place.nonce,
            parent=place.parent,
            status=int(status),
            awaiting=ZERO_ADDRESS if opened is None else opened.suspension.awaiting,
            state_root=state_root,
            storage_root=roots.storage_root(self.address),
            machine_hash=ZERO_HASH if opened is None else opened.machine_hash,
            batch_hash=signed.batch.hash_struct(),
            receipts_root=receipts_root(outcome.receipts()),
            gas_used=gas_used,
            balances=owner_balances([world.balance(owner) for owner in terms.owners], terms.max_fee, fee),
            fee=fee,
        )
        return Prepared(self.domain, commitment, signed, outcome, roots, mark)
