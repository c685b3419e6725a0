"""Lifting of instructions that work on the frame or ask the host: their bodies become a few lines, or one call.

Statements and branches; their expressions are read in frame_access.py. It knows no opcode.
"""

import ast
from collections.abc import Callable
from functools import lru_cache
from typing import Any, cast

from evmthread.isa.instruction import FRAMED, Shape
from evmthread.machine.frame_access import FRAME, HOST, FrameEvaluator
from evmthread.machine.symbols import Condition, NotLiftable, Value, name
from evmthread.machine.syntax import syntax_of


@lru_cache(maxsize=1024)
def _is_growth(statement: ast.If) -> bool:
    """True for `if end > size: frame.grow(end)`."""
    test, body = statement.test, statement.body
    return (
        isinstance(test, ast.Compare)
        and isinstance(test.ops[0], ast.Gt)
        and len(body) == 1
        and isinstance(body[0], ast.Expr)
        and isinstance(body[0].value, ast.Call)
        and isinstance(body[0].value.func, ast.Attribute)
        and body[0].value.func.attr == "grow"
        and ast.dump(body[0].value.args[0]) == ast.dump(test.left)
    )


class StatementLifter(FrameEvaluator):
    """Writes one framed or host instruction into a region."""

    def run(self) -> None:
        """Writes the instruction: inline if it can be, else as a call."""
        writer, path, instruction = self.writer, self.path, self.instruction
        function = instruction.function
        assert function is not None
        writer.need(path, instruction.pops)
        self._unwrap_offset(function)
        for position in range(1, instruction.pops + 1):
            path.stack[-position] = writer.settle(path.stack[-position], self.indent)
        arguments = [writer.known(path, path.stack[-position]) for position in range(1, instruction.pops + 1)]
        self.arguments = arguments
        forwarded = self._forwarded(arguments)
        if forwarded is not None:
            self._finish(forwarded)
            return
        value = self._lifted(function, arguments)
        self._remember(arguments, value)
        self._note_sample(arguments)
        self._finish(value)

    def _lifted(self, function: Callable[..., object], arguments: list[Value]) -> Value | None:
        """Writes the body inline, or a call where it can't be lifted; what was written until then is taken back."""
        writer, path, instruction = self.writer, self.path, self.instruction
        attempt = function, tuple([argument.constant is None for argument in arguments])
        if attempt in writer.unlifted:
            return self._call_whole(function, arguments)
        mark, known = writer.mark(), len(self.learned)
        kept = path.size_low, path.size_valid, path.growths
        reaches = [(growth, growth.reach) for growth in path.growths.values()]
        try:
            lifted = syntax_of(function)
            hidden = 1 if instruction.shape is FRAMED else 2
            environment: dict[str, Any] = {lifted.parameters[0]: FRAME}
            if hidden == 2:
                environment[lifted.parameters[1]] = HOST
            environment.update(zip(lifted.parameters[hidden:], arguments, strict=True))
            self.names = lifted.names
            self.environment = environment
            return self._body(lifted.body, top=True)
        except NotLiftable:
            self.indent = self.outer_indent
            self.price = self.base_price
            self.measuring = False
            writer.back_to(mark)
            self._forget(known)
            path.size_low, path.size_valid, path.growths = kept
            for growth, reach in reaches:
                writer.extend(growth, reach)
            writer.unlifted.add(attempt)
        return self._call_whole(function, arguments)

    def _call_whole(self, function: Callable[..., object], arguments: list[Value]) -> Value | None:
        """The instruction as one call of its function."""
        instruction, writer = self.instruction, self.writer
        texts = ["frame"]
        if instruction.shape is Shape.HOST:
            texts.append("frame.host")
        texts += [argument.text for argument in arguments]
        call = f"{writer.bind(function)}({', '.join(texts)})"
        if instruction.steady:
            return self._settled(Value(call, sample=self._steady_sample(function, arguments)))
        self.effects = True
        self.asked = False
        return self._ask(call, wanted=bool(instruction.pushes))

    def _finish(self, value: Value | None) -> None:
        writer, path, instruction = self.writer, self.path, self.instruction
        path.spent += self.price
        if instruction.pops:
            del path.stack[-instruction.pops :]
        if instruction.pushes:
            assert value is not None
            writer.push(path, value, self.indent)
        if self.asked:
            writer.bail(path, "gas < @GAS@", self.pc + 1, self.indent)

    def _check_gas_after(self) -> None:
        """Inside a branch: hands over after the instruction where what is left doesn't cover the rest of the region."""
        path = self.path
        stack = path.stack[: len(path.stack) - self.instruction.pops]
        if self.instruction.pushes:
            assert self.result is not None
            stack.append(name(self.result))
        number = self.writer.site(path, self.pc + 1, 0, stack=stack, spent=path.spent + self.price)
        self._line(f"if gas < @GAS@: site = {number}; raise BAIL")
        self.asked = False

    # Statements -------------------------------------------------------------------------------------------------------
    def _body(self, statements: tuple[ast.stmt, ...] | list[ast.stmt], *, top: bool = False) -> Value | None:
        """Writes statements. At the top returns the value; nested, values go to `self.result`."""
        for index, statement in enumerate(statements):
            rest = list(statements[index + 1 :])
            if isinstance(statement, ast.Return) and statement.value is not None and not self.instruction.pushes:
                if isinstance(statement.value, ast.Call):
                    self.call(statement.value, wanted=False)
                return None
            if isinstance(statement, ast.Return):
                value = None if statement.value is None else self.value(statement.value)
                if top:
                    return None if value is None else self._settled(value)
                self._give(value)
                if self.asked:
                    self._check_gas_after()
                return None
            if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
                self._assign(statement.targets[0], statement.value)
            elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
                self.call(statement.value, wanted=False)
            elif isinstance(statement, ast.If):
                self.measuring = _is_growth(statement)
                condition = self.condition(statement.test)
                self.measuring = False
                if condition.known is not None:
                    branch = statement.body if condition.known else statement.orelse
                    return self._body([*branch, *rest], top=top)
                if self._guard(statement, condition):
                    continue
                if self._returns(statement.body):
                    return self._split(condition, statement.body, [*statement.orelse, *rest], top=top)
                if statement.orelse or any(isinstance(node, ast.Assign) for node in statement.body):
                    raise NotLiftable("a branch that assigns")
                self._optional(statement, condition)
            else:
                raise NotLiftable(type(statement).__name__)
        return None

    def _give(self, value: Value | None) -> None:
        if value is not None:
            if self.result is None:
                self.result = self.writer.temporary()
            self._line(f"{self.result} = {value.text}")
        else:
            self._line("pass")

    def _returns(self, body: list[ast.stmt]) -> bool:
        return isinstance(body[-1], (ast.Return, ast.Raise))

    def _split(self, condition: Condition, first: list[ast.stmt], second: list[ast.stmt], *, top: bool) -> Value | None:
        """Two branches that both end: a conditional statement with a common result."""
        path = self.path
        if isinstance(first[-1], ast.Raise):
            # An exceptional halt is the stepper's to decide: nothing was done yet that it would do again.
            if self.effects:
                raise NotLiftable("a failure after an effect")
            self.writer.bail(path, condition.text, self.pc, self.indent)
            return self._body(second, top=top)
        self._line(f"if {condition.text}:")
        # What either branch learns and whatever memory it reaches is known in it alone.
        kept_environment, kept = dict(self.environment), len(self.learned)
        growths, size_low, size_valid = path.growths, path.size_low, path.size_valid
        path.growths = growths.copy()
        self.indent += 1
        self._body(first)
        self.indent -= 1
        self._line("else:")
        self._forget(kept)
        self.environment = kept_environment
        valid_after_first, path.size_valid = path.size_valid, size_valid
        growths = {base: growth for base, growth in growths.items() if path.growths.get(base) is growth}
        path.growths, path.size_low = growths.copy(), size_low
        self.indent += 1
        self._body(second)
        self.indent -= 1
        self._forget(kept)
        path.size_low = size_low
        path.size_valid = path.size_valid and valid_after_first
        path.growths = {base: growth for base, growth in growths.items() if path.growths.get(base) is growth}
        path.words = {}
        if top:
            return name(self.result) if self.result is not None else None
        return None

    def _optional(self, statement: ast.If, condition: Condition) -> None:
        """A branch that is passed over or run, and then goes on: it grows memory, or makes one call."""
        if _is_growth(statement):
            self._grow(self.value(cast("ast.Compare", statement.test).left))
            return
        only = statement.body[0]
        if len(statement.body) > 1 or not (isinstance(only, ast.Expr) and isinstance(only.value, ast.Call)):
            raise NotLiftable("a branch that goes on")
        self._line(f"if {condition.text}:")
        self.indent += 1
        self.call(only.value, wanted=False)
        self.indent -= 1

    def _guard(self, statement: ast.If, condition: Condition) -> bool:
        """An offset is taken to be a multiple of 32, as nearly all are: a bail where it isn't."""
        test = statement.test
        if not (
            isinstance(test, ast.BinOp)
            and isinstance(test.op, ast.BitAnd)
            and isinstance(test.right, ast.Constant)
            and test.right.value == 31
            and not statement.orelse
            and not self.effects
        ):
            return False
        offset = self.value(test.left)
        if not offset.atom or self.writer.program.refuted(self.pc, "aligned"):
            return False
        if offset.sample is not None and offset.sample & 31:
            return False
        self.writer.bail(self.path, condition.text, self.pc, self.indent, guess="aligned")
        self._learn(offset, high=offset.high, zeros=5)
        return True
