"""What go-ethereum's debug_traceTransaction and debug_traceCall say of a transaction, by the name of the tracer."""

from collections.abc import Mapping
from types import MappingProxyType

from evmthread.contracts.abi import JsonObject
from evmthread.errors import InvalidInput
from evmthread.execution.result import TransactionResult
from evmthread.execution.transaction import Transaction
from evmthread.execution.world import World
from evmthread.machine.hooks import Hook
from evmthread.primitives.arguments import address_bytes, instance_of
from evmthread.tracers.calls import CallTracer
from evmthread.tracers.prestate import PrestateTracer
from evmthread.tracers.struct_logs import StructLogs

STRUCT_LOG, CALLS, PRESTATE = "structLog", "callTracer", "prestateTracer"

# go-ethereum's names of what a tracer can be told, and their values where nothing is said.
OPTIONS: Mapping[str, Mapping[str, bool | int]] = MappingProxyType(
    {
        STRUCT_LOG: {
            "enableMemory": False,
            "disableStack": False,
            "disableStorage": False,
            "enableReturnData": False,
            "limit": 0,
        },
        CALLS: {"onlyTopCall": False, "withLog": False},
        PRESTATE: {"diffMode": False, "disableCode": False, "disableStorage": False, "includeEmpty": False},
    }
)


def trace(
    world: World,
    transaction: Transaction,
    *,
    sender: bytes | None = None,
    tracer: str = STRUCT_LOG,
    options: Mapping[str, bool | int] | None = None,
    simulated: bool = False,
) -> JsonObject:
    """Applies a transaction, as World.apply does, and gives the tracer's JSON.

    `simulated`: as debug_traceCall, see World.apply; without a gas price the block's base fee is none. Raises
    InvalidInput for an unknown tracer or option, and as World.apply does; may raise Missing.
    """
    chosen = _chosen(tracer, options or {})
    instance_of(transaction, Transaction, "a Transaction")
    if sender is None:
        sender = transaction.sender(world.fork.transactions, world.environment.chain_id)
    else:
        sender = address_bytes(sender, "a sender")
    hook: StructLogs | CallTracer | PrestateTracer
    if tracer == CALLS:
        hook = CallTracer(world.fork, only_top_call=bool(chosen["onlyTopCall"]), with_log=bool(chosen["withLog"]))
    elif tracer == PRESTATE:
        hook = PrestateTracer(
            world,
            transaction,
            sender,
            diff_mode=bool(chosen["diffMode"]),
            with_code=not chosen["disableCode"],
            with_storage=not chosen["disableStorage"],
            include_empty=bool(chosen["includeEmpty"]),
        )
    else:
        hook = StructLogs(
            with_memory=bool(chosen["enableMemory"]),
            with_stack=not chosen["disableStack"],
            with_storage=not chosen["disableStorage"],
            with_return_data=bool(chosen["enableReturnData"]),
            limit=chosen["limit"],
        )
    applied = apply_watched(world, transaction, hook, sender=sender, simulated=simulated)
    if isinstance(hook, PrestateTracer):
        return hook.result(applied)
    if isinstance(hook, CallTracer):
        return hook.result(applied.result, gas_limit=transaction.gas_limit, gas_used=applied.gas_used)
    return hook.result(applied.result, gas_used=applied.gas_used)


def apply_watched(
    world: World, transaction: Transaction, hook: Hook, *, sender: bytes, simulated: bool = False
) -> TransactionResult:
    """World.apply with one hook more; what is simulated without a gas price has no base fee to pay."""
    base_fee = 0 if simulated and not transaction.fee_cap else world.environment.base_fee
    hooks, world.hooks = world.hooks, (*world.hooks, hook)
    try:
        with world.in_block(base_fee=base_fee):
            return world.apply(transaction, sender=sender, simulated=simulated)
    finally:
        world.hooks = hooks


def _chosen(tracer: str, options: Mapping[str, bool | int]) -> Mapping[str, bool | int]:
    """The options with their defaults. Raises InvalidInput for what there isn't."""
    if tracer not in OPTIONS:
        raise InvalidInput(f"no tracer is called {tracer!r}; there are {', '.join(OPTIONS)}")
    known = OPTIONS[tracer]
    unknown = sorted(options.keys() - known.keys())
    if unknown:
        raise InvalidInput(f"{tracer} has no option {unknown[0]!r}; there are {', '.join(known)}")
    return {**known, **options}
