"""Official VM tests (VMTests of ethereum/legacytests): one call frame under Frontier rules, no transaction around it.

The fixture's balances are those without the transfer of the call's value, so the frame sees a value that doesn't move.
"""

from collections.abc import Iterator
from functools import partial

from evmthread.errors import EvmthreadError
from evmthread.execution.environment import TransactionEnvironment, WorldHost
from evmthread.isa.forks import FRONTIER
from evmthread.isa.frame import Frame
from evmthread.isa.halts import Status
from evmthread.isa.message import CallKind, Message
from evmthread.machine.code_cache import CodeCache
from evmthread.machine.hooks import Observers
from evmthread.machine.machine import Machine
from evmthread.machine.tiers import CREDIT_LIMIT, DEFAULT_THRESHOLD, TieredEngine
from evmthread.machine.watched import WatchedMachine
from evmthread.state.memory import MemoryState
from evmthread.testing.cases import Case, CaseOutcome, Hooks, differences
from evmthread.testing.fixtures import FixtureTest, Json, data, fixed, reading, word
from evmthread.testing.state_tests import block_of, logs_hash, state_of

REQUIRED = ("env", "exec", "pre")


def cases(test: FixtureTest) -> Iterator[Case]:
    """The one case of a test."""
    yield Case(test.name, FRONTIER.name, 0, partial(_check, test.name, test.body))


def _check(name: str, body: Json, cache: CodeCache, hooks: Hooks) -> CaseOutcome:
    with reading(name):
        host = WorldHost(state_of(body["pre"], body["env"]), block_of(body["env"], FRONTIER, 1))
        call = body["exec"]
        address, value = fixed(call["address"], 20), word(call["value"])
        # A DELEGATECALL has a value that doesn't move.
        message = Message(
            CallKind.DELEGATECALL,
            fixed(call["caller"], 20),
            address,
            address,
            data(call["code"]),
            data(call["data"]),
            value,
            0,
            word(call["gas"]),
            False,
            0,
        )
        origin, gas_price = fixed(call["origin"], 20), word(call["gasPrice"])
        fails = "post" not in body
        gas_left = 0 if fails else word(body["gas"])
        output = b"" if fails else data(body["out"])
        want_logs = b"" if fails else fixed(body["logs"], 32)
        want = MemoryState() if fails else state_of(body["post"], {})
    host.begin_transaction()
    host.transaction = TransactionEnvironment(origin, gas_price)
    try:
        frame = _run(message, host, cache, hooks)
    except EvmthreadError as error:
        return CaseOutcome(f"{type(error).__name__}: {error}")
    used = message.gas - frame.gas
    if fails:
        problem = "expected an exceptional halt, got none" if frame.status is Status.SUCCESS else ""
        return CaseOutcome(problem, gas_used=used)
    hashed = logs_hash(tuple(host.logs))
    host.end_transaction(delete_empty=False)
    state = host.view
    assert isinstance(state, MemoryState)
    state.apply(host.changes())
    root = state.roots().root()
    problem = differences(
        ("status", frame.status, Status.SUCCESS),
        ("gas left", frame.gas, gas_left),
        ("output", frame.output, output),
        ("post state root", root, want.roots().root()),
        ("post state logs hash", hashed, want_logs),
    )
    return CaseOutcome(problem, root, hashed, used)


def _run(message: Message, host: WorldHost, cache: CodeCache, hooks: Hooks) -> Frame:
    engine = TieredEngine(DEFAULT_THRESHOLD, credit=CREDIT_LIMIT)
    if not hooks:
        return Machine(message, fork=FRONTIER, host=host, cache=cache, engine=engine).run()
    observers = Observers(hooks, FRONTIER)
    machine = WatchedMachine(message, fork=FRONTIER, host=host, cache=cache, engine=engine, observers=observers)
    outcome = machine.advance()
    assert isinstance(outcome, Frame), f"a hook stopped the machine: {outcome}"
    return outcome
