"""A machine that tells hooks what it does, takes their answers, stops where they want, and goes on.

It runs the same frames on the same engines as a plain Machine; only what happens between engine runs is its own.
"""

from typing import cast

from evmthread.errors import InvalidInput, Missing
from evmthread.isa.forks import Fork
from evmthread.isa.frame import Frame
from evmthread.isa.halts import Status
from evmthread.isa.instruction import HALTED, Instruction, Shape
from evmthread.isa.message import CREATE, CREATE2, TRAP, Message
from evmthread.machine.analysis import Program
from evmthread.machine.code_cache import CodeCache
from evmthread.machine.hooks import Observers, too_late
from evmthread.machine.journaled import JournaledHost
from evmthread.machine.machine import Engine, Machine
from evmthread.machine.operations import STACK_LIMIT
from evmthread.machine.stepper import Outcome, execute, step
from evmthread.machine.traps import Answer, Question, Stopped, Suspended
from evmthread.machine.watching import watched_fork
from evmthread.precompiles.precompile import Precompile


class WatchedMachine(Machine):
    """A machine with hooks. `pending` is the call that waits for an answer, where there is one.

    `asking` is a call about to be made, as long as hooks are asked of it: they may be told to wait for state.
    """

    __slots__ = ("asking", "observers", "pending", "plain_fork", "steps")

    def __init__(
        self,
        message: Message | None,
        *,
        fork: Fork,
        host: JournaledHost,
        cache: CodeCache,
        observers: Observers,
        engine: Engine = execute,
    ) -> None:
        """Without a message there are no frames yet: a suspended machine's are put in (see codec.py)."""
        self.observers = observers
        self.pending: Message | None = None
        self.asking: Message | None = None
        self.steps = 0
        self.plain_fork = fork
        super().__init__(message, fork=watched_fork(fork, observers.watched), host=host, cache=cache, engine=engine)

    def _begin(self, message: Message) -> Frame:
        observers = self.observers
        if observers.by_event["transaction_start"]:
            observers.tell("transaction_start", message)
        creates = message.kind is CREATE or message.kind is CREATE2
        answer = None if creates else observers.ask(None, message)
        if isinstance(answer, Question):
            raise InvalidInput("a call from outside asks nobody: there is no caller that could take the answer")
        if answer is not None:
            return self._enter(message, None, answer)
        return self._enter(message, None)

    def advance(self) -> Frame | Suspended:
        """Runs to the end of the whole message or to the next stop. May raise what `run` may."""
        if self.pending is not None:
            raise InvalidInput("the machine waits for an answer")
        frames, observers = self.frames, self.observers
        engine = self._step if observers.steps else self.engine
        before, self.host.observers = self.host.observers, observers
        try:
            while frames:
                frame = frames[-1]
                outcome = engine(frame) if self.asking is None else self.asking
                if outcome is HALTED:
                    self._leave(frame)
                elif isinstance(outcome, Message):
                    self.asking = outcome
                    creates = outcome.kind is CREATE or outcome.kind is CREATE2
                    verdict = None if creates else observers.ask(frame, outcome)
                    self.asking = None
                    if isinstance(verdict, Answer):
                        self._answer(frame, outcome, verdict)
                    elif verdict is not None:
                        self.pending = outcome
                        return Suspended(verdict)
                    elif outcome.kind is TRAP:
                        self._answer(frame, outcome, Answer(success=False))  # nobody is there to be asked
                    else:
                        self._enter(outcome, frame)
        except Stopped as stop:
            return Suspended(stop.trap)
        finally:
            self.host.observers = before
        if observers.by_event["transaction_end"]:
            observers.tell("transaction_end", self.root)
        return self.root

    def check_answer(self, answer: bytes | None) -> None:
        """Nothing, or InvalidInput: a Question wants an answer, a Break none."""
        if (self.pending is None) != (answer is None):
            wants = "no answer" if self.pending is None else "an answer, in bytes"
            raise InvalidInput(f"what stopped the machine wants {wants}")
        if answer is not None and not isinstance(answer, bytes):
            raise InvalidInput(f"an answer is bytes, not {type(answer).__name__}")

    def resume(self, answer: bytes | None = None) -> Frame | Suspended:
        """Goes on after a stop, as `advance` does; `check_answer` has seen the answer."""
        self.observers.tell("resumed", tuple(self.frames))
        pending, self.pending = self.pending, None
        if pending is None:
            frame = self.frames[-1]
            self.observers.passing = self.observers.steps
            self.observers.resumed_at = None if self.observers.steps else (frame, frame.pc)
        else:
            self._answer(self.frames[-1], pending, Answer(cast("bytes", answer)))
        return self.advance()

    def _answer(self, frame: Frame, message: Message, answer: Answer) -> None:
        """Hands an answer to the frame that made the call."""
        if message.kind is not TRAP:
            self._enter(message, frame, answer)
            return
        frame.return_data = bytes(answer.output) if answer.success else b""
        frame.stack.append(int.from_bytes(frame.return_data[:32].ljust(32, b"\x00"), "big"))

    # What is told -----------------------------------------------------------------------------------------------------
    def _enter(self, message: Message, parent: Frame | None, answer: Answer | None = None) -> Frame:
        observers = self.observers
        moved = self._balances(message) if answer is None and observers.by_event["balance_change"] else {}
        frame = super()._enter(message, parent, answer)
        if moved:
            observers.tell_balances(moved, self.host)
        if observers.by_event["frame_start"] and self.frames and self.frames[-1] is frame:
            observers.tell("frame_start", frame)
        return frame

    def _balances(self, message: Message) -> dict[bytes, int]:
        if not message.transfer or message.sender == message.address:
            return {}
        return {address: self.host.balance(address) for address in (message.sender, message.address)}

    def _run_precompile(self, frame: Frame, contract: Precompile) -> None:
        super()._run_precompile(frame, contract)
        self.observers.tell("precompile", frame)

    def _undo(self, frame: Frame) -> None:
        self.observers.tell("frame_failing", frame)
        super()._undo(frame)

    def _leave(self, frame: Frame) -> None:
        frame.output = bytes(frame.output)  # hooks see plain bytes
        super()._leave(frame)
        observers = self.observers
        if observers.by_event["created"] and frame.status is Status.SUCCESS and frame.message.kind.creates:
            observers.tell("created", frame)
        if observers.by_event["frame_end"]:
            observers.tell("frame_end", frame)

    # Steps ------------------------------------------------------------------------------------------------------------
    def _step(self, frame: Frame) -> Outcome | None:
        """One instruction, told of before and after. None when the frame goes on."""
        # Hot path: whoever traces comes here for each instruction.
        observers = self.observers
        pc, gas = frame.pc, frame.gas
        instruction = cast("Program", frame.program).instruction_at(pc)
        if observers.watched and instruction is not None:
            instruction = self.plain_fork.table[instruction.opcode]
        operands: tuple[int, ...] | None = None
        if instruction is not None and instruction.opcode in observers.starts:
            operands = tuple(frame.stack[: -instruction.pops - 1 : -1])
        if not observers.passing:
            reasons = [method(frame, instruction) for method in observers.step_starts]
            if instruction is not None and operands is not None:
                reasons += self._ask_of(frame, instruction, operands)
            for reason in reasons:
                if reason is not None:
                    observers.stop_for(reasons)
        observers.passing = True  # whoever watches this instruction has been asked
        try:
            outcome = step(frame)
        finally:
            observers.passing = False
        self.steps += 1
        try:
            if operands is not None and frame.halt_reason is None:
                assert instruction is not None
                if instruction.shape is Shape.STACK:  # the wrappers of the others tell of them
                    observers.finish(frame, instruction, operands, None)
            for method in observers.step_ends:
                method(frame, instruction, pc)
            if frame.gas != gas:
                for told in observers.gas_changes:
                    told(frame, instruction, gas, frame.gas)
        except Missing as missing:
            raise too_late(missing) from missing
        return outcome

    def _ask_of(self, frame: Frame, instruction: Instruction, operands: tuple[int, ...]) -> list[str | None]:
        """What those say who watch this instruction; they see what its wrapper would show them: its base price paid."""
        price = self.fork.base_prices[instruction.opcode]
        height = len(frame.stack) - instruction.pops
        if height < 0 or height + instruction.pushes > STACK_LIMIT or frame.gas < price:
            return []  # it will fail before it begins
        frame.gas -= price
        try:
            return [method(frame, instruction, operands) for method in self.observers.starts[instruction.opcode]]
        finally:
            frame.gas += price
