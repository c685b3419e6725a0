"""Ways to run a machine, and everything that can be seen of what it did."""

from evmthread.errors import Missing
from evmthread.execution.environment import TransactionEnvironment, WorldHost
from evmthread.isa.forks import Fork
from evmthread.isa.frame import Frame
from evmthread.isa.instruction import HALTED
from evmthread.isa.message import CallKind, Message
from evmthread.machine.code_cache import CodeCache
from evmthread.machine.machine import Engine, Machine
from evmthread.machine.stepper import execute, step
from evmthread.state.view import StateView
from tests.sandbox import BLOCK, CONTRACT, SENDER


def start(
    view: StateView,
    fork: Fork,
    *,
    gas: int,
    data: bytes = b"",
    value: int = 0,
    static: bool = False,
    cache: CodeCache | None = None,
    engine: Engine = execute,
) -> tuple[Machine, WorldHost]:
    """A machine that is about to call CONTRACT."""
    host = WorldHost(view, BLOCK)
    host.transaction = TransactionEnvironment(SENDER, 9)
    host.begin_transaction(dict.fromkeys(fork.precompiles, True))
    code, _ = fork.rules.code_to_run(host, CONTRACT)
    host.account(SENDER)
    message = Message(CallKind.CALL, SENDER, CONTRACT, CONTRACT, code, data, value, value, gas, static, 0)
    return Machine(message, fork=fork, host=host, cache=cache or CodeCache(), engine=engine), host


def run_by_steps(machine: Machine) -> Frame:
    """Runs a machine with `step` alone, one instruction at a time."""
    while machine.frames:
        frame = machine.frames[-1]
        outcome = step(frame)
        if outcome is HALTED:
            machine._leave(frame)
        elif isinstance(outcome, Message):
            machine._enter(outcome, frame)
    return machine.root


def run_through_missing(machine: Machine, *, most: int = 10_000) -> Frame:
    """Runs a machine to its end, again after each Missing."""
    for _ in range(most):
        try:
            return machine.run()
        except Missing:
            continue
    raise AssertionError(f"still missing state after {most} answers")


def seen(frame: Frame) -> tuple[object, ...]:
    """All that can be seen of a finished call and of the calls that it made."""
    message = frame.message
    return (
        message._replace(data=bytes(message.data)),  # long data is handed over without being copied
        frame.status,
        frame.halt_reason,
        frame.pc,
        frame.caller_pc,
        frame.gas,
        bytes(frame.output),  # so is long output
        frame.stack,
        frame.memory,
        bytes(frame.return_data),
        (frame.log_start, frame.log_end, frame.refund_start, frame.refund_end),
        [seen(child) for child in frame.children or ()],
    )


def effects(host: WorldHost, fork: Fork) -> tuple[object, ...]:
    """All that a call did to the world, as at the end of a transaction."""
    logs, refund, destroyed = tuple(host.logs), host.refund, host.destroyed()
    host.end_transaction(delete_empty=fork.rules.deletes_empty_accounts)
    changes = host.changes()
    return logs, refund, destroyed, changes.accounts, dict(changes.codes)
