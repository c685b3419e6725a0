"""The open call of a thread: where it stands, how it is begun again elsewhere, and what is signed of it.

A call is suspended by a TRAP, or after so many instructions where its leader says so. Its machine is kept as bytes, and
the state stays as it was before the call.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from evmthread.channel.calls import ThreadCalls
from evmthread.channel.errors import InvalidBatch
from evmthread.channel.rules import ThreadRules
from evmthread.commit.batch import Environment, Input
from evmthread.commit.commitment import MAX_SUSPENSION_BYTES, Suspension
from evmthread.commit.eip712 import digest
from evmthread.execution.computation import Computation
from evmthread.execution.environment import BlockEnvironment
from evmthread.execution.snapshot import machine_hash
from evmthread.execution.transaction import Transaction
from evmthread.execution.world import World
from evmthread.isa.frame import Frame
from evmthread.isa.instruction import Instruction
from evmthread.machine.breakpoints import AtStep
from evmthread.machine.code_cache import CodeCache
from evmthread.machine.hooks import Hook
from evmthread.machine.traps import Break, Question, Suspended
from evmthread.state.overlay import OverlayState
from evmthread.state.view import StateView


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A call that is suspended. `snapshot` is its machine; `environment` the one in which it began."""

    input: Input
    environment: Environment
    suspension: Suspension
    snapshot: bytes
    machine_hash: bytes


def transaction_of(each: Input) -> Transaction:
    """The transaction as which a call is executed."""
    return Transaction(nonce=each.nonce, gas_limit=each.gas, to=each.to, value=each.value, data=each.data, gas_price=0)


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


def open_call_of(
    rules: ThreadRules,
    computation: Computation,
    each: Input,
    environment: Environment,
    *,
    answers: tuple[bytes, ...],
    steps: int,
) -> OpenCall:
    """What is kept of a computation that is suspended on a state without other pending changes.

    `steps`: after how many instructions; 0 where it asks.
    """
    trap = computation.trap
    who, question = (trap.who, trap.question) if isinstance(trap, Question) else (each.actor, b"")
    suspension = Suspension(digest(rules.domain, each), answers, steps, who, question)
    if (size := len(suspension.to_rlp())) > MAX_SUSPENSION_BYTES:
        raise InvalidBatch(f"question and answers of an open call in at most {MAX_SUSPENSION_BYTES} bytes", size)
    snapshot = computation.snapshot()
    hashed = suspension.hash_struct() if rules.ruleset.transcript else machine_hash(snapshot)
    return OpenCall(each, environment, suspension, snapshot, hashed)


def rerun(
    rules: ThreadRules,
    view: StateView,
    cache: CodeCache,
    each: Input,
    environment: Environment,
    calls: ThreadCalls,
    *,
    answers: tuple[bytes, ...],
    steps: int,
) -> OpenCall:
    """The open call that this input becomes when it runs from its beginning on this state, with these answers.

    It is suspended after `steps` instructions in all, or, where that is 0, at the question after the last answer.
    Raises InvalidBatch where it isn't suspended there, and what executing raises.
    """
    world = World(fork=rules.fork, view=OverlayState(view), cache=cache)
    world.environment = block_environment(rules, environment)
    world.hooks = (calls, AtStep(steps)) if steps else (calls,)
    computation = world.open_transaction(transaction_of(each), sender=each.actor)
    outcome = computation.run()
    for answer in answers:
        if not isinstance(outcome, Suspended) or not isinstance(outcome.trap, Question):
            break
        outcome = computation.resume(answer)
    else:
        wanted = Break if steps else Question
        if isinstance(outcome, Suspended) and isinstance(outcome.trap, wanted):
            return open_call_of(rules, computation, each, environment, answers=answers, steps=steps)
    where = f"after {steps} instructions" if steps else "at a question"
    raise InvalidBatch(f"the call is suspended {where}", "ended, or stopped elsewhere", calls.index, calls.nonce)


class _Counting(Hook):
    """Counts the instructions that have begun, which makes the machine step."""

    def __init__(self) -> None:
        self.steps = 0

    def step_end(self, frame: Frame, instruction: Instruction | None, pc: int) -> None:  # noqa: ARG002 - what it is told
        self.steps += 1


def steps_until(
    rules: ThreadRules,
    view: StateView,
    cache: CodeCache,
    each: Input,
    environment: Environment,
    *,
    answers: tuple[bytes, ...],
    after: int,
    stops: Sequence[Hook],
) -> int | None:
    """How many instructions of a call have begun, more than `after`, when a breakpoint stops it; None if none does.

    The call runs from its beginning on this state, with these answers. Raises what executing raises.
    """
    world = World(fork=rules.fork, view=OverlayState(view), cache=cache)
    world.environment = block_environment(rules, environment)
    counting = _Counting()
    world.hooks = (ThreadCalls(rules), counting, *stops)
    computation = world.open_transaction(transaction_of(each), sender=each.actor)
    outcome, left = computation.run(), list(answers)
    while isinstance(outcome, Suspended):
        if isinstance(outcome.trap, Break):
            if counting.steps > after:
                return counting.steps
            outcome = computation.resume()
        elif left:
            outcome = computation.resume(left.pop(0))
        else:
            return None
    return None


def with_answer(opened: OpenCall, answer: bytes) -> tuple[bytes, ...]:
    """The answers so far and this one; going on after a number of steps is no answer."""
    answers = opened.suspension.answers
    return answers if opened.suspension.steps else (*answers, answer)
