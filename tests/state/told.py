"""What anvil tells of a transaction that it ran, and what evmthread tells of the same, in one form to be compared.

anvil runs revm. Where revm tells the same facts in another way than go-ethereum, whose way is ours, this is where it is
put right: nothing else may differ.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from evmthread.execution.result import CallResult
from evmthread.execution.transaction import Transaction
from evmthread.execution.world import World
from evmthread.isa.message import CallKind
from evmthread.machine.tracing import Step, Steps
from evmthread.primitives.keccak import EMPTY_HASH, keccak256
from evmthread.primitives.types import Log
from evmthread.state.view import StateChanges
from tests.anvil import Anvil, logs_of, unhex

CREATES = ("CREATE", "CREATE2")

REFUSED = ("insufficient balance for transfer", "CreateCollision")
NAMES = {"DIFFICULTY": "PREVRANDAO"}  # EIP-4399


class ToldStep(NamedTuple):
    """One instruction. `cost` is None where it failed: go-ethereum and revm count that differently.

    `name` is None where the fork has no such instruction.
    """

    pc: int
    name: str | None
    gas: int
    cost: int | None
    depth: int
    refund: int
    stack: tuple[int, ...]


class ToldCall(NamedTuple):
    """One call with those that it made. `gas` and `gas_used` are None where the tracers don't count alike."""

    kind: str
    sender: bytes
    to: bytes | None
    value: int
    data: bytes
    output: bytes
    success: bool
    gas_used: int | None
    calls: tuple["ToldCall", ...]


class ToldAccount(NamedTuple):
    """A changed account after the transaction, with the slots that changed."""

    nonce: int
    balance: int
    code_hash: bytes
    slots: Mapping[int, int]


@dataclass(frozen=True)
class Told:
    """All that is told of a transaction."""

    success: bool
    gas_used: int
    output: bytes
    logs: tuple[Log, ...]
    steps: Sequence[ToldStep]
    call: ToldCall
    accounts: Mapping[bytes, ToldAccount | None]


# By evmthread --------------------------------------------------------------------------------------------------------
def told_by_us(world: World, transaction: Transaction, sender: bytes) -> Told:
    """Runs a transaction in a fresh world, with a hook of its own."""
    steps: list[Step] = []
    world.hooks = (Steps(steps.append),)
    done = world.apply(transaction, sender=sender)
    return Told(
        done.success,
        done.gas_used,
        done.result.output,
        done.logs,
        list(_our_steps(steps)),
        _our_call(done.result)._replace(gas_used=done.gas_used),
        told_changes(world.changes()),
    )


def _our_steps(steps: Sequence[Step]) -> Iterator[ToldStep]:
    entered: list[int] = []  # the refund counter at the start of each open frame
    for place, step in enumerate(steps):
        del entered[step.depth :]
        if len(entered) < step.depth:
            entered.append(step.refund)
        cost: int | None = step.cost
        if step.error is not None:
            cost = None
        elif step.name in CREATES:
            # revm counts what a creation takes along as its cost; we do as go-ethereum does.
            following = steps[place + 1] if place + 1 < len(steps) else None
            cost = step.cost + following.gas if following is not None and following.depth > step.depth else None
        # revm tells each frame's own refunds, wrapped below zero; go-ethereum all that stand.
        refund = (step.refund - entered[-1]) % 2**64
        yield ToldStep(step.pc, step.name, step.gas, cost, step.depth, refund, tuple(step.stack))


def _our_call(result: CallResult) -> ToldCall:
    message = result.message
    creates = message.kind.creates
    return ToldCall(
        message.kind.name,
        # A DELEGATECALL keeps the sender and works on the account that makes it: the tracers name that account.
        message.address if message.kind is CallKind.DELEGATECALL else message.sender,
        message.code_address if not creates or result.success else None,
        message.value,
        message.code if creates else message.data,
        result.output,
        result.success,
        result.gas_used,
        tuple([_our_call(child) for child in result.children]),
    )


def told_changes(changes: StateChanges) -> dict[bytes, ToldAccount | None]:
    """The accounts that changes leave, None for those that go."""
    return {
        address: None
        if change.after is None
        else ToldAccount(*change.after, {key: after for key, (_, after) in change.slots.items()})
        for address, change in changes.accounts.items()
    }


# By anvil -------------------------------------------------------------------------------------------------------------
def told_by_anvil(node: Anvil, call: Mapping[str, object], block: int) -> Told:
    """What debug_traceCall tells of a call on the state of a block, in its three forms."""
    trace = node.ask("debug_traceCall", call, hex(block), {})
    tree = _ask(node, call, block, "callTracer", withLog=True)
    difference = _ask(node, call, block, "prestateTracer", diffMode=True)
    return Told(
        not trace["failed"],
        trace["gas"],
        unhex(trace["returnValue"]),
        logs_of(sorted(_logs(tree), key=lambda log: int(log["index"], 16))),
        [_their_step(step) for step in trace["structLogs"]],
        _their_call(tree),
        _their_changes(difference),
    )


def _ask(node: Anvil, call: Mapping[str, object], block: int, tracer: str, **configured: bool) -> Any:
    return node.ask("debug_traceCall", call, hex(block), {"tracer": tracer, "tracerConfig": configured})


def _their_step(step: Mapping[str, Any]) -> ToldStep:
    stack = tuple([int(word, 16) for word in step["stack"]])
    name = NAMES.get(step["op"], step["op"])
    return ToldStep(step["pc"], name, step["gas"], step["gasCost"], step["depth"], step["refund"], stack)


def _their_call(call: Mapping[str, Any]) -> ToldCall:
    return ToldCall(
        call["type"],
        unhex(call["from"]),
        unhex(call["to"]) if call.get("to") else None,
        int(call.get("value", "0x0"), 16),
        unhex(call["input"]),
        unhex(call.get("output", "")),
        "error" not in call,
        int(call["gasUsed"], 16),
        tuple([_their_call(child) for child in call.get("calls", ()) if _is_call(child)]),
    )


def _is_call(call: Mapping[str, Any]) -> bool:
    """Whether something ran: not for a SELFDESTRUCT, which tracers list too, nor for a call that was refused."""
    return call["type"] != "SELFDESTRUCT" and call.get("error") not in REFUSED


def _logs(call: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if "error" not in call:
        yield from call.get("logs", ())
        for child in call.get("calls", ()):
            yield from _logs(child)


def _their_changes(difference: Mapping[str, Any]) -> dict[bytes, ToldAccount | None]:
    before, after = difference["pre"], difference["post"]
    told: dict[bytes, ToldAccount | None] = {}
    for name in {*before, *after}:
        old, new = before.get(name, {}), after.get(name)
        if new is None:
            told[unhex(name)] = None
            continue
        both = {**old, **new}
        slots = dict.fromkeys((int(key, 16) for key in old.get("storage", {})), 0)
        slots |= {int(key, 16): int(value, 16) for key, value in new.get("storage", {}).items()}
        code = unhex(both.get("code", ""))
        told[unhex(name)] = ToldAccount(
            both.get("nonce", 0), int(both.get("balance", "0x0"), 16), keccak256(code) if code else EMPTY_HASH, slots
        )
    return told


# Compared -------------------------------------------------------------------------------------------------------------
def assert_same(ours: Told, theirs: Told, what: str) -> None:
    """Fails with the first thing that differs."""
    assert_same_steps(ours.steps, theirs.steps, what)
    assert_same_calls(ours.call, theirs.call, what)
    for name in ("success", "gas_used", "output", "logs"):
        mine, other = getattr(ours, name), getattr(theirs, name)
        assert mine == other, f"{what}: {name}: {mine!r:.2000}\n anvil: {other!r:.2000}"
    for address in {*ours.accounts, *theirs.accounts}:
        before, after = ours.accounts.get(address, "unchanged"), theirs.accounts.get(address, "unchanged")
        assert before == after, f"{what}: 0x{address.hex()}: {before}\n anvil: {after}"


def assert_same_calls(ours: ToldCall, theirs: ToldCall, what: str) -> None:
    mine, other = ours._replace(calls=()), theirs._replace(calls=())
    assert mine == other, f"{what}: call: {mine}\n anvil: {other}"
    following = iter(theirs.calls)
    for place, inner in enumerate(ours.calls):
        their_inner = next(following, None)
        while their_inner is not None and _is_stuck(their_inner) and their_inner != inner:
            their_inner = next(following, None)
        assert their_inner is not None, f"{what}: anvil has no call {place} of {mine}: {inner}"
        assert_same_calls(inner, their_inner, what)
    for their_inner in following:
        assert _is_stuck(their_inner), f"{what}: anvil has a further call of {mine}: {their_inner}"


def _is_stuck(call: ToldCall) -> bool:
    """Whether it may be a creation by an account whose nonce can't grow: revm tells a success that took no gas."""
    return call.kind in CREATES and call.success and not call.gas_used and not call.output


def assert_same_steps(ours: Sequence[ToldStep], theirs: Sequence[ToldStep], what: str) -> None:
    following, depth = iter(theirs), 0
    for place, mine in enumerate(ours):
        other = next(following, None)
        while other is not None and _is_of_nothing(other, depth) and other != mine:
            other = next(following, None)
        assert other is not None, f"{what}: anvil ends before step {place}: {mine}"
        if mine.cost is None:
            other = other._replace(cost=None)
        if mine.name is None:  # which revm has a name for where a later fork has the instruction
            other = other._replace(name=None)
        assert mine == other, f"{what}: step {place}: {mine}\n anvil: {other}"
        depth = mine.depth
    for other in following:
        assert _is_of_nothing(other, depth), f"{what}: anvil goes on: {other}"


def _is_of_nothing(step: ToldStep, depth: int) -> bool:
    """Whether it is the STOP that revm tells of a frame without code, where go-ethereum runs nothing."""
    return step.name == "STOP" and step.pc == 0 and step.depth == depth + 1 and not step.stack
