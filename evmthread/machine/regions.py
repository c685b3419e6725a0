"""Regions: from a place in the code that is often reached, the blocks that follow it become one Python function.

Inside, stack items are locals, constant jumps vanish, return addresses pushed as constants are followed, and a loop is
a `while True`. Gas and stack bounds are checked once, on entry and at each turn of a loop; compiled code never decides
that gas ran out or that a jump is bad: it hands the frame back to the stepper (a **bail**) just before the
instruction in question. Each place that may bail, fail or wait is a **site**: a row that says how to rebuild the frame.
"""

from typing import cast

from evmthread.isa.instruction import CONTROL, PURE, STACK, Instruction
from evmthread.isa.instructions.jumps import jump, jumpi
from evmthread.machine.analysis import JUMPDEST
from evmthread.machine.lifting import lift_pure
from evmthread.machine.operations import STACK_LIMIT
from evmthread.machine.region_parts import Path, Site, Source
from evmthread.machine.region_text import RegionText
from evmthread.machine.statements import StatementLifter
from evmthread.machine.symbols import NAMED, Condition, Value, as_condition, constant, negation

DESTINATIONS_A_STEP = 16  # JUMPDESTs in a row that cost as little to walk over as another instruction does
INSTRUCTION_BUDGET = 600  # of one region; more gains nothing (measured) and costs compile time
NESTING_LIMIT = 24  # of conditional branches, far below Python's own limit of indentation
TEXT_BUDGET = 60_000  # characters of a region's text after which its paths end


class RegionWriter(RegionText):
    """Walks over the code from `head` and writes the region that begins there."""

    def write(self) -> Source:
        """The region's source."""
        self._walk(Path(size_low=self.observed_size), self.head, 0, 0, first=True)
        head = self.head
        body = self.lines
        if self.is_loop:
            loop_site = len(self.sites)
            self.sites.append(Site(head, 0, 0, 0, ()))
        if self.carried:
            self._carry()
        if "return_data" in self.hoisted:
            for number, indent in self.return_lines:
                body[number] = " " * indent + "return_data = frame.return_data"
        if self.size_used:
            for number, indent in self.size_lines:
                body[number] = " " * indent + "size = len(memory) << 5"
            self.hoist("memory")
        margin = " " * (1 + bool(self.sites) + self.is_loop)
        inside = "\n".join([margin + line for line in body if line and not line.isspace()])
        heights = f"{self.deepest} <= len(stack) <= {STACK_LIMIT - self.largest_growth}"
        top = [
            "def region(frame):",
            " stack = frame.stack; gas = frame.gas",
            f" if gas < {self.largest_gas} or not {heights}: return {~head}",
        ]
        if self.hoisted:
            top.append(" " + "; ".join([f"{attribute} = frame.{attribute}" for attribute in sorted(self.hoisted)]))
        if self.size_used:
            top.append(" size = len(memory) << 5")
        if self.size_relied:
            top.append(f" if size < {self.size_relied}: return REFUSE(REGION)")
        top += self._loads()
        top += [f" {text} = {number:#x}" for text, number in NAMED.items() if text in inside]
        top += [f" {local} = {text}" for text, local in self.literals.items()]
        bottom: list[str] = []
        if self.sites:
            top.append(" try:")
            bottom = [" except STOPS as stop:", "  return SPILL(frame, REGION, site, locals(), stop)"]
        if self.is_loop:
            top += ["  while True:", f"   if gas < @GAS@: site = {loop_site}; raise BAIL"]
        text = "\n".join((*top, inside, *bottom, "")).replace("@GAS@", str(self.largest_gas))
        return Source(head, text, tuple(self.sites), self.names, self.count, self.is_loop, frozenset(self.cuts))

    def _loads(self) -> list[str]:
        """The stack items that the region reads, into locals: one by one, or a slice where that is quicker."""
        if len(self.inputs) > 3 and max(self.inputs) < 2 * len(self.inputs):
            deepest = max(self.inputs)
            names = [f"i{index}" for index in range(deepest, -1, -1)]
            return [f" {', '.join(names)} = stack[-{deepest + 1}:]"]
        return [f" i{index} = stack[-{index + 1}]" for index in sorted(self.inputs)]

    def _seen(self, pc: int) -> bool:
        return self.everything or self.program.was_met(pc)

    def _walk(self, path: Path, pc: int, indent: int, nesting: int, *, first: bool = False) -> None:
        """Writes the path that begins at pc, to its end."""
        program = self.program
        prices = program.fork.base_prices
        while True:
            if not first:
                if pc == self.head and self._back_edge(path, indent):
                    return
                full = self.count >= INSTRUCTION_BUDGET or self.length >= TEXT_BUDGET
                if full:
                    self.cuts.add(pc)
                if full or pc == self.head or self.program.is_loop_head(pc):
                    self.leave(path, str(pc), indent)
                    return
            first = False
            instruction = program.instruction_at(pc)
            if instruction is None:
                self.leave(path, str(~pc), indent)
                return
            self.count += 1
            if self.annotate:
                self._annotate(pc, instruction, indent)
            price = prices[instruction.opcode]
            shape = instruction.shape
            if instruction.opcode == JUMPDEST and not self.annotate:
                run = self._destinations_from(pc)
                path.spent += price * run
                self.count += run // DESTINATIONS_A_STEP
                pc += run
            elif shape is STACK:
                path.spent += price
                self._move(path, pc, instruction, indent)
                pc += 1 + instruction.immediate
            elif shape is PURE:
                path.spent += price
                self._pure(path, instruction, indent)
                pc += 1
            elif shape is CONTROL:
                if instruction.function is jump:
                    target = self._jump(path, pc, price, indent)
                    if target is None:
                        return
                    pc = target
                elif instruction.function is jumpi:
                    following = self._branch(path, pc, price, indent, nesting)
                    if following is None:
                        return
                    pc = following
                elif self._hand_over(path, pc, price, instruction, indent):
                    pc += 1
                else:
                    return
            else:
                StatementLifter(self, path, pc, instruction, price, indent).run()
                pc += 1

    def _destinations_from(self, pc: int) -> int:
        """How many JUMPDESTs follow one another from here, none of which but the first is where the path ends."""
        destinations, head = self.program.destinations, self.head
        end = pc + 1
        while end in destinations and end != head and not self.program.is_loop_head(end):
            end += 1
        return end - pc

    def _annotate(self, pc: int, instruction: Instruction, indent: int) -> None:
        self.places.add(pc)
        data = self.program.code[pc + 1 : pc + 1 + instruction.immediate]
        self.lines.append(" " * indent + f"# {pc}: {ascii(instruction.name)[1:-1]}{f' 0x{data.hex()}' if data else ''}")

    def _hand_over(self, path: Path, pc: int, price: int, instruction: Instruction, indent: int) -> bool:
        """A call, a creation or a halt: here the path ends, and whoever runs the frame sees what comes of it.

        True for a call that likely runs no code: the path goes on.
        """
        self.need(path, instruction.pops)
        number = self.site(path, pc, price)
        path.spent += price
        if instruction.pushes:
            self.exits.add(pc + 1)
        self._account(path)
        if instruction.shows_pc:
            self._show(path, pc, number, instruction, indent)
            return False
        codeless = instruction.pops > 1 and self.program.is_codeless(pc, path.stack[-2].constant)
        result = self._finish(path, pc, number, instruction, indent, codeless=codeless)
        if not codeless:
            return False
        self.return_lines.append((len(self.lines), indent))
        self.line(indent, "")
        self.line(indent, f"gas = frame.gas{f' + {path.spent}' if path.spent else ''}")
        path.size_valid = False
        path.words = {}
        path.memory = None
        self.push(path, result, indent)
        self.bail(path, "gas < @GAS@", pc + 1, indent)
        return True

    def _show(self, path: Path, pc: int, number: int, instruction: Instruction, indent: int) -> None:
        """Its function may look at the frame, which is written back first."""
        self._write_stack(path, indent)
        self.sites[number] = self.sites[number]._replace(stack=(), written=True)
        operation = self.program.operations[instruction.opcode]
        assert operation is not None
        known = f"operation_{instruction.opcode:02x}"
        self.names[known] = operation
        self.line(indent, f"site = {number}; frame.pc = {pc}; frame.gas = {self._gas(path)}")
        self.line(indent, f"return CONTROL(frame, {known}, {pc + 1})")

    def _finish(
        self, path: Path, pc: int, number: int, instruction: Instruction, indent: int, *, codeless: bool
    ) -> Value:
        """Its function gets the operands; the frame is written back when it is through, as it may have to wait.

        A call that runs no code (`codeless`) is made at once, without leaving.
        """
        stack, pops, function = path.stack, instruction.pops, instruction.function
        assert function is not None
        operands = [stack.pop().text for _ in range(pops)]
        self.line(indent, f"site = {number}; frame.pc = {pc}; frame.gas = {self._gas(path)}")
        result = self.temporary()
        self.line(indent, f"{result} = {self.bind(function)}({', '.join(('frame', 'frame.host', *operands))})")
        if codeless:
            self.line(indent, f"if type({result}) is not int: {result} = frame.host.codeless(frame, {result}, {pc})")
            self.line(indent, f"if type({result}) is not int:")
            path, indent = path.copy(), indent + 1
        self._write_stack(path, indent)
        if instruction.pushes:
            if not codeless:
                self.line(indent, f"if type({result}) is int: stack.append({result}); return {pc + 1}")
            self.line(indent, f"frame.pc = {pc + 1}")
        self.line(indent, f"return {result}")
        return Value(result, 0, 1, atom=True, base=result)

    def _move(self, path: Path, pc: int, instruction: Instruction, indent: int) -> None:
        kind = instruction.name
        if instruction.immediate or kind == "PUSH0":
            data = self.program.code[pc + 1 : pc + 1 + instruction.immediate]
            number = int.from_bytes(data, "big") << 8 * (instruction.immediate - len(data))
            self.push(path, constant(number), indent)
        elif kind.startswith("DUP"):
            self.need(path, instruction.pops)
            value = path.stack[-instruction.pops] = self.settle(path.stack[-instruction.pops], indent)
            self.push(path, value, indent)
        elif kind.startswith("SWAP"):
            self.need(path, instruction.pops)
            stack = path.stack
            stack[-1], stack[-instruction.pops] = stack[-instruction.pops], stack[-1]
        elif kind == "POP":
            self.pop(path)
        elif kind == "PC":
            self.push(path, constant(pc), indent)

    def _pure(self, path: Path, instruction: Instruction, indent: int) -> None:
        function = instruction.function
        assert function is not None
        arguments = tuple([self.pop(path) for _ in range(instruction.pops)])

        def settle(value: Value) -> Value:
            return self.settle(value, indent)

        result, arguments = lift_pure(function, arguments, settle)  # type: ignore[arg-type]
        if result is None:
            texts = ", ".join([argument.text for argument in arguments])
            result = Value(f"{self.bind(function)}({texts})")
        if result.sample is None:
            samples = [argument.sample for argument in arguments]
            if None not in samples:
                result = result.sampled(cast("int", function(*samples)))
        self.push(path, result, indent)

    def _target(self, value: Value) -> int | None:
        """The destination, if it is known and good."""
        target = value.constant
        return target if target is not None and target in self.program.destinations else None

    def _jump(self, path: Path, pc: int, price: int, indent: int) -> int | None:
        self.need(path, 1)
        value = path.stack[-1]
        target = self._target(value)
        if target is None and value.constant is not None:
            self.leave(path, str(~pc), indent)
            return None
        if target is None:
            value = path.stack[-1] = self.settle(value, indent)
            self.hoist("destinations")
            self.bail(path, f"{value.text} not in destinations", pc, indent)
        path.stack.pop()
        path.spent += price
        if target is None:
            self.leave(path, value.text, indent)
        return target

    def _branch(self, path: Path, pc: int, price: int, indent: int, nesting: int) -> int | None:
        """JUMPI. Writes one side nested and returns the pc of the other, or None where the path ends."""
        self.need(path, 2)
        target = self._target(path.stack[-1])
        if target is None:
            self.leave(path, str(~pc), indent)
            return None
        self.pop(path)
        condition = as_condition(self.pop(path))
        path.spent += price
        if condition.known is not None:
            return target if condition.known else pc + 1
        taken = Condition(condition.text)
        nested, other = target, pc + 1
        # The side that was never run, or that ends at once, is nested; the other goes on at this level.
        if self._seen(target) and not self._ends(target) and (not self._seen(pc + 1) or self._ends(pc + 1)):
            nested, other, taken = pc + 1, target, negation(condition)
        self.line(indent, f"if {taken.text}:")
        side = path.copy()
        path.growths = {}
        if not self._seen(nested) or nesting >= NESTING_LIMIT or self._ends(nested):
            if nested == self.head and self._back_edge(side, indent + 1):
                return other
            self.leave(side, str(nested), indent + 1)
        else:
            self._walk(side, nested, indent + 1, nesting + 1)
        if not self._seen(other):
            self.leave(path, str(other), indent)
            return None
        return other

    def _ends(self, pc: int) -> bool:
        """True where the code halts or leaves soon: short blocks that end in a halt, and other loops' heads."""
        if pc == self.head or self.program.is_loop_head(pc):
            return True
        for _ in range(6):
            instruction = self.program.instruction_at(pc)
            if instruction is None:
                return True
            if instruction.shape is CONTROL:
                return not instruction.name.startswith("JUMP")
            pc += 1 + instruction.immediate
        return False
