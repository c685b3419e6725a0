"""The inputs of a thread file, and the beginning of each: for whoever wants to run one of them again, slowly."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from evmthread.channel.calls import ThreadCalls
from evmthread.channel.inputs import found_world, run_batch
from evmthread.channel.replay import replay
from evmthread.channel.rules import ThreadRules, thread_rules
from evmthread.channel.suspension import OpenCall, block_environment, transaction_of
from evmthread.channel.thread import Thread
from evmthread.commit.batch import MACHINE_HASH_BYTES, Batch, Environment, Input, InputKind
from evmthread.debugging.timeline import Beginning
from evmthread.errors import InvalidInput
from evmthread.execution.computation import Computation
from evmthread.execution.world import World
from evmthread.machine.code_cache import CodeCache
from evmthread.machine.hooks import Hook
from evmthread.state.memory import MemoryState
from evmthread.state.overlay import OverlayState
from evmthread.state.view import StateView
from evmthread.store.threadfile import AgreedRecord, ThreadFileReader
from evmthread.store.verification import verify_head, verify_line


@dataclass(frozen=True, slots=True)
class FiledInput:
    """An input of a thread file: the commitment's nonce, the place in its batch, the input."""

    nonce: int
    index: int
    input: Input


def file_inputs(path: str | Path) -> Iterator[FiledInput]:
    """All inputs of a file in order, verified, nothing executed. Raises as verify_line does."""
    with ThreadFileReader(path) as reader:
        for agreement, record in verify_line(reader):
            for index, each in enumerate(record.batch.batch.inputs):
                yield FiledInput(agreement.commitment.nonce, index, each)


def input_beginning(path: str | Path, *, nonce: int, index: int = 0) -> Beginning:
    """Where an input begins: what came before it was executed and compared.

    Raises InvalidInput where there is no such input, or it runs nothing (an abort); and as replay_file does.
    """
    state, cache = MemoryState(), CodeCache()
    with ThreadFileReader(path) as reader:
        head, last = reader.head, None
        verify_head(head)
        thread = Thread.open(head.domain, head.terms, head.ruleset, code=head.code, state=state, cache=cache)
        for agreement, record in verify_line(reader):
            last = agreement.commitment.nonce
            if last == nonce:
                rules = thread_rules(head.domain, head.terms, head.ruleset)
                return _Input(rules, thread, head.code, state, cache, record, nonce, index).beginning()
            for _ in replay(thread, [(agreement, record.batch, record.suspension)]):
                pass
    raise InvalidInput(f"no commitment with nonce {nonce}" + ("" if last is None else f": the last is {last}"))


class _Input:
    """One input, with the state before it."""

    def __init__(
        self,
        rules: ThreadRules,
        thread: Thread,
        code: bytes,
        state: StateView,
        cache: CodeCache,
        record: AgreedRecord,
        nonce: int,
        index: int,
    ) -> None:
        batch = record.batch.batch
        if not 0 <= index < len(batch.inputs):
            raise InvalidInput(f"nonce {nonce} has {len(batch.inputs) or 'no'} inputs; there is no input {index}")
        self.input = batch.inputs[index]
        if self.input.kind == InputKind.ABORT:
            raise InvalidInput(f"input {index} of nonce {nonce} is an abort: it runs nothing")
        self.rules, self.cache, self.index, self.nonce = rules, cache, index, nonce
        self.environment: Environment = batch.environment
        self.state = OverlayState(state)
        self.open_call: OpenCall | None = thread.open_call
        world = World(fork=rules.fork, view=self.state, cache=cache)
        if thread.agreement is None:
            found_world(rules, world, code, batch.inputs)
        if index:
            before = Batch(batch.environment, batch.inputs[:index])
            outcome = run_batch(ThreadCalls(rules), world, before, slots=0, nonce=nonce, open_call=self.open_call)
            self.open_call = outcome.open_call
        world.settle()

    def beginning(self) -> Beginning:
        """How it begins in a World with hooks."""
        answer = self.input.data[MACHINE_HASH_BYTES:] if self.input.kind == InputKind.ANSWER else None
        return Beginning(self.world, self.begin, answer)

    def world(self, hooks: Sequence[Hook]) -> World:
        """A World in which nothing of the input has happened yet."""
        rules = self.rules
        return World(
            fork=rules.creation_fork if self.input.kind == InputKind.CREATE else rules.fork,
            environment=block_environment(rules, self.environment),
            view=OverlayState(self.state),
            cache=self.cache,
            hooks=ThreadCalls(rules, self.index, self.nonce, beside=hooks).watching,
        )

    def begin(self, world: World) -> Computation:
        """The computation that the input is."""
        each = self.input
        if each.kind == InputKind.ANSWER:
            if self.open_call is None:
                raise InvalidInput(f"input {self.index} of nonce {self.nonce} answers, but no call is open")
            return world.load(self.open_call.snapshot)
        if each.kind == InputKind.CREATE:
            return world.open_create(
                each.data,
                sender=each.actor,
                value=each.value,
                gas=each.gas,
                address=self.rules.address,
                origin=each.actor,
            )
        return world.open_transaction(transaction_of(each), sender=each.actor)
