"""The fast engine: the stepper, with regions compiled where it is hot. Nobody can tell it from the stepper alone."""

from itertools import count

from evmthread.errors import Missing
from evmthread.isa.frame import Frame
from evmthread.isa.halts import ExceptionalHalt
from evmthread.isa.instruction import HALTED
from evmthread.machine.analysis import VISITS_TO_DECODE, Program
from evmthread.machine.compiler import RegionFunction, affordable, compile_region
from evmthread.machine.stepper import Outcome, fail, finish, interpret

DEFAULT_THRESHOLD = 128  # visits; chosen by experiment, see docs/performance.md

NEVER = -1_000_000_000  # visits of a place that isn't to be compiled
CALLS_COUNTED = 64  # calls of a code that lower the threshold for its places


# Compiling is paid for by running: whatever the code is, compiling takes at most PAYS times as long as stepping has
# taken, and a region more. The first region of an engine waits until stepping has taken as long as it usually takes
# where nothing was compiled yet, since each instruction's function has to be read first. In instructions that the
# stepper ran, of which a microsecond takes about 8.
STEPS_A_MICROSECOND = 8
PAYS = 8
CREDIT_AT_FIRST = -3_000 * PAYS * STEPS_A_MICROSECOND
CREDIT_OF_A_CALL = 25_000 * STEPS_A_MICROSECOND  # of an outermost one of known code: what is called again may warm up
CREDIT_LIMIT = 250_000 * STEPS_A_MICROSECOND
RETRY = 64  # visits until a place is looked at again that couldn't be paid for

_OUTERMOST = count(1)  # numbers of outermost calls, in all worlds of this process


class TieredEngine:
    """Runs a frame until it calls or ends. `threshold` is the number of visits after which a place is compiled.

    A threshold of zero compiles everything, whatever it costs, up to what a code of its size may cost in all. `credit`
    is what has been paid for compiling ahead of time.
    """

    __slots__ = ("credit", "everything", "outermost", "threshold")

    def __init__(self, threshold: int, *, credit: int = CREDIT_AT_FIRST) -> None:
        self.threshold = threshold
        self.everything = threshold == 0
        self.credit = credit
        self.outermost = 0

    def _compiled(self, frame: Frame, program: Program, pc: int, earned: int) -> RegionFunction | None:
        """The region at a hot place, if it is worth it and can be paid for; `earned` is new credit."""
        credit = self.credit = min(self.credit + PAYS * earned, CREDIT_LIMIT)
        if credit < 0 and not self.everything:
            program.heat[pc] = max(self.threshold - RETRY, 0)
            return None
        if not affordable(program):
            program.heat[pc] = NEVER
            return None
        before = program.compile_work
        region = compile_region(frame, pc, everything=self.everything)
        self.credit -= STEPS_A_MICROSECOND * (program.compile_work - before)
        program.heat[pc] = NEVER if region is None else 0
        return region

    def __call__(self, frame: Frame) -> Outcome:
        # Hot path: most calls run in compiled code from their first to their last instruction.
        program: Program = frame.program
        regions = program.regions
        pc = frame.pc
        if pc == 0:
            if frame.depth == 0:
                self.outermost = next(_OUTERMOST)
                if program.calls:
                    self.credit += CREDIT_OF_A_CALL
            if program.last_call != self.outermost:
                program.last_call = self.outermost
                program.calls += 1
        visited = True
        while (region := regions.get(pc)) is not None:
            result = region(frame)
            if type(result) is not int:
                return result  # type: ignore[return-value]
            if result < 0:
                pc = ~result
                visited = False
                break
            pc = result
        return self._step(frame, program, pc, visited=visited)

    def _step(self, frame: Frame, program: Program, pc: int, *, visited: bool) -> Outcome:
        """Goes on at pc, which compiled code handed over (not `visited`), or where there is none yet."""
        # Hot path: no property, no isinstance, gas and stack checked once a segment.
        stack = frame.stack
        segments, regions, heat = program.segments, program.regions, program.heat
        # What was called often will be called again: then fewer visits do.
        calls = program.calls
        threshold = self.threshold
        if calls > 1:
            threshold //= min(calls, CALLS_COUNTED)
        few = VISITS_TO_DECODE if threshold >= VISITS_TO_DECODE else threshold + 1
        earned = 0
        segment = None
        try:
            while True:
                if visited:
                    region = regions.get(pc)
                    if region is None:
                        visits = heat.get(pc, 0) + 1
                        heat[pc] = visits
                        if visits > threshold:
                            region = self._compiled(frame, program, pc, earned)
                            earned = 0
                        elif 0 < visits < VISITS_TO_DECODE:
                            segment = None
                            frame.pc = pc
                            outcome = interpret(frame, visits=heat, few=few, better=regions)
                            if outcome is not None:
                                return outcome
                            pc = frame.pc
                            continue
                    if region is not None:
                        segment = None
                        result = region(frame)
                        if type(result) is not int:
                            return result  # type: ignore[return-value]
                        if result >= 0:
                            pc = result
                            continue
                        pc = ~result
                        visited = False
                following = segments.get(pc)
                if following is None:
                    if not visited and program.is_new(pc, segment):
                        segment = None
                        frame.pc = pc
                        outcome = interpret(frame, visits=heat, few=few, better=regions)
                        if outcome is not None:
                            return outcome
                        pc = frame.pc
                        visited = True
                        continue
                    following = program.segment(pc)
                visited = False
                segment = following
                operations, last, price, low, high, next_pc, _, _, length = segment
                gas = frame.gas - price
                if gas < 0 or not low <= len(stack) <= high or next_pc == pc:
                    frame.pc = pc
                    return finish(frame)
                frame.gas = gas
                earned += length
                for operation in operations:
                    operation(frame, stack)
                if last is None:
                    pc = next_pc
                    continue
                result = last(frame, stack)
                if result is None:
                    pc = next_pc
                elif type(result) is int:
                    pc = result
                    visited = True
                else:
                    frame.pc = segment.last_pc if result is HALTED else next_pc
                    return result  # type: ignore[return-value]
        except ExceptionalHalt as halt:
            assert segment is not None
            frame.pc = segment.last_pc
            return fail(frame, halt.reason)
        except Missing:
            if segment is not None:
                frame.pc = segment.last_pc
                frame.gas += segment.last_price
            raise
        finally:
            self.credit += PAYS * earned
