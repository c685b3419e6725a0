"""The machine: a list of frames and the loop that runs the last one.

Nothing of a running computation lives on Python's own stack, so 1,024 nested calls need no deep recursion and the
machine can stop between any two instructions.
"""

from collections.abc import Callable

from evmthread.errors import InvalidInput
from evmthread.isa.forks import Fork
from evmthread.isa.frame import Frame, copy_data, write_memory
from evmthread.isa.halts import HALT, REVERT, SUCCESS, ExceptionalHalt, HaltReason
from evmthread.isa.instruction import HALTED
from evmthread.isa.message import CALL, CALLCODE, CREATE, CREATE2, DELEGATECALL, STATICCALL, Message
from evmthread.machine.code_cache import CodeCache
from evmthread.machine.codeless import CODELESS_OF
from evmthread.machine.journaled import JournaledHost
from evmthread.machine.stepper import Outcome, execute, fail
from evmthread.machine.traps import Answer
from evmthread.precompiles.precompile import Precompile, PrecompileFailure

CALL_KINDS = (CALL, STATICCALL, DELEGATECALL, CALLCODE)

# What a recorded call takes in memory on CPython 3.11, measured: frame, message, lists; a word of a failed call's.
CALL_BYTES = 1024
WORD_BYTES = 40

NOWHERE: frozenset[int] = frozenset()

Engine = Callable[[Frame], Outcome]


def run_precompile(contract: Precompile, data: bytes, gas: int) -> tuple[int, bytes, HaltReason | None]:
    """The gas that a precompiled contract leaves, its output, and why it failed, if it did."""
    gas -= contract.price(data)
    if gas < 0:
        return 0, b"", HaltReason.OUT_OF_GAS
    if type(data) is not bytes:  # long call data that still lies in memory
        data = data[: contract.reads(data)]
    try:
        return gas, contract.run(data), None
    except PrecompileFailure:
        return 0, b"", HaltReason.PRECOMPILE_FAILURE


class Machine:
    """Runs one message with all the calls that it makes."""

    __slots__ = (
        "cache",
        "engine",
        "fork",
        "frames",
        "host",
        "most_bytes",
        "most_recorded",
        "nothing",
        "recorded",
        "recorded_bytes",
        "root",
    )

    def __init__(
        self, message: Message | None, *, fork: Fork, host: JournaledHost, cache: CodeCache, engine: Engine = execute
    ) -> None:
        self.engine = engine
        self.fork = fork
        self.host = host
        self.cache = cache
        self.frames: list[Frame] = []
        self.nothing: list[int] = []  # what all frames that succeeded have, in the end, for memory and stack
        # Of calls for the result's tree; see Limits.
        self.recorded = self.recorded_bytes = 0
        self.most_recorded, self.most_bytes = fork.limits.recorded_calls, fork.limits.recorded_bytes
        if message is not None:
            self.root = self._begin(message)

    def _begin(self, message: Message) -> Frame:
        return self._enter(message, None)

    def run(self) -> Frame:
        """The finished frame of the whole message.

        May raise Missing: get the state, then run again. LimitExceeded leaves the host to be rolled back.
        """
        frames, engine, host = self.frames, self.engine, self.host
        before, host.codeless = host.codeless, self._codeless
        try:
            while frames:
                frame = frames[-1]
                outcome = engine(frame)
                if outcome is HALTED:
                    self._leave(frame)
                elif outcome.code or outcome.kind not in CALL_KINDS:
                    self._enter(outcome, frame)
                else:
                    frame.program.note_codeless(frame.pc - 1)
                    # A number: it runs no code, so it isn't given back.
                    frame.stack.append(self._codeless(frame, outcome, frame.pc - 1))  # type: ignore[arg-type]
        finally:
            host.codeless = before
        return self.root

    def _codeless(self, frame: Frame, message: Message, pc: int) -> int | Message:
        """Makes a call at once if it runs no code, and gives what it pushes; else the message itself.

        The frame makes it at `pc` and has paid for it.
        """
        # Hot path: compiled code comes here without leaving its region.
        kind, sender, address, code_address, code, data, _, transfer, gas, _, _, offset, size, _ = message
        contract = self.fork.precompiles.get(code_address)
        output, reason = b"", None
        if contract is not None:
            gas, output, reason = run_precompile(contract, data, gas)
        elif code:
            return message
        host = self.host
        mark = None if reason is None else host.mark()
        if kind is CALL or kind is STATICCALL:
            host.touch(address)
        if transfer and sender != address:
            host.move(sender, address, transfer)
        if mark is not None:
            host.undo_call(mark)  # which doesn't undo all: see there
        status = SUCCESS if reason is None else HALT
        call = CODELESS_OF((message, pc, gas, output, status, reason, len(host.logs), host.refund))
        self._record(frame, call, len(data), len(output))
        frame.gas += gas
        frame.return_data = output
        if size and output:
            write_memory(frame.memory, offset, output[:size])
        return 1 if reason is None else 0

    def _record(self, parent: Frame, call: Frame, size: int, output: int = 0) -> None:
        """Puts a call into the tree of its caller, as long as the tree isn't too large.

        `size` is of what it brings. Of one that has ended already, `output` is held too, and counts for later calls.
        """
        self.recorded += 1
        held = self.recorded_bytes + CALL_BYTES + size
        self.recorded_bytes = held + output
        if self.recorded > self.most_recorded or held > self.most_bytes:
            parent.unrecorded += 1
        elif parent.children is None:
            parent.children = [call]
        else:
            parent.children.append(call)

    def _enter(self, message: Message, parent: Frame | None, answer: Answer | None = None) -> Frame:
        """Begins a message: its frame is put on the list, or has ended already (a precompile, an answer)."""
        # Hot path: in contracts that call others, a quarter of the time is spent here.
        host = self.host
        fork = self.fork
        kind, code, address = message.kind, message.code, message.address
        creates = kind is CREATE or kind is CREATE2
        contract = None if creates else fork.precompiles.get(message.code_address)
        program = self.cache.program(code, fork)
        frame = Frame(message, fork, host, program, program.destinations)
        self.frames.append(frame)
        frame.mark = host.mark()
        if parent is None:
            frame.caller_pc = 0
            frame.memory_limit = fork.limits.memory_bytes >> 5
        else:
            frame.caller_pc = parent.pc - 1
            frame.memory_limit = parent.memory_limit - len(parent.memory)
            self._record(parent, frame, len(message.data) + len(code) if creates else len(message.data))
        if answer is not None:
            self._end_with(frame, answer)
            return frame
        if creates:
            host.create_account(address, fork.rules.contract_start_nonce)
        elif (kind is CALL or kind is STATICCALL) and (parent is None or not code):  # an account with code isn't empty
            host.touch(address)
        if message.transfer and message.sender != address:
            host.move(message.sender, address, message.transfer)
        if contract is not None:
            frame.slots = frame.stored = {}
            self._run_precompile(frame, contract)
        else:
            frame.slots, frame.stored = host.open_storage(address)
        return frame

    def _end_with(self, frame: Frame, answer: Answer) -> None:
        """Ends a frame that doesn't run: somebody says what comes of it. Raises InvalidInput for too much gas."""
        if not 0 <= answer.gas_used <= frame.gas:
            raise InvalidInput(f"an answer takes {answer.gas_used} gas where the call brought {frame.gas}")
        frame.gas -= answer.gas_used
        frame.output = bytes(answer.output)
        frame.status = SUCCESS if answer.success else REVERT
        self._leave(frame)

    def _run_precompile(self, frame: Frame, contract: Precompile) -> None:
        """Runs a precompiled contract in the place of code, to its end."""
        frame.gas, frame.output, reason = run_precompile(contract, frame.data, frame.gas)
        if reason is None:
            frame.status = SUCCESS
        else:
            fail(frame, reason)
        self._leave(frame)

    def _undo(self, frame: Frame) -> None:
        """Rolls the effects of a failed frame back."""
        self.host.undo_call(frame.mark)

    def _leave(self, frame: Frame) -> None:
        """Ends the last frame: settles its effects and hands its outcome to the caller."""
        host = self.host
        message = frame.message
        kind = message.kind
        creates = kind is CREATE or kind is CREATE2
        succeeded = frame.status is SUCCESS
        if succeeded and creates:
            try:
                code = frame.rules.deposit_code(frame, bytes(frame.output))
                host.set_code(message.address, code)
                frame.output = code
            except ExceptionalHalt as halt:
                fail(frame, halt.reason)
                succeeded = False
        if not succeeded:
            self._undo(frame)
        frame.log_end = len(host.logs)
        frame.refund_end = host.refund
        output = frame.output
        self.frames.pop()
        if succeeded:
            # A failed frame keeps what it was working on, for whoever looks into the failure.
            frame.memory = frame.stack = self.nothing
        if not self.frames:
            frame.output = bytes(output)
            return
        # A result's tree outlives its calls, and must not keep what was made of their code (megabytes, for some).
        frame.program = None
        frame.destinations = NOWHERE
        if not succeeded:
            self.recorded_bytes += WORD_BYTES * (len(frame.memory) + len(frame.stack))
        self.recorded_bytes += len(output)
        parent = self.frames[-1]
        parent.gas += frame.gas
        if creates:
            parent.return_data = b"" if succeeded else output
            parent.stack.append(int.from_bytes(message.address, "big") if succeeded else 0)
            return
        parent.return_data = output
        parent.stack.append(1 if succeeded else 0)
        size = message.return_size
        if size and output:
            if type(output) is bytes:
                write_memory(parent.memory, message.return_offset, output[:size])
            else:  # a long range of the callee's memory
                copy_data(parent.memory, message.return_offset, output, 0, min(size, len(output)))
