"""Random programs with the structure that compilers give code, and with what none would: for the region compiler.

Nested loops, internal functions whose return address is pushed, jump tables, jumps into the middle, dead code, pointers
in memory that may be anything, and long runs of accesses with MSIZE and GAS between them. What a program does hangs on
its calldata, so that what one call teaches the compiler may be wrong in the next.
"""

from collections.abc import Callable
from random import Random

from tests.words import EDGES

HUGE = 2**256
POINTERS = (0x80, 0x80, 0xA0, 0x60, 0x40, 0x20, 0, 1, 0x81, 0x9F, 2**16, 2**32, 2**64, HUGE - 32, HUGE - 1, HUGE - 64)
TAME_POINTERS = (0x80, 0x80, 0xA0, 0x100, 0xC0, 0x9F)
DELTAS = (0, 0, 0x20, 0x20, 0x40, 0x60, 4, 31, 1, 0x24)
WRAPPING_DELTAS = (*DELTAS, HUGE - 0x20, HUGE - 1, HUGE - 0x40)
CONSTANT_PLACES = (0, 0x20, 0x40, 0x60, 0x80, 0xA0, 0x100, 1, 0x21, 0x3F, 0x1F0, 0x400)
BINARY = (
    *("ADD", "SUB", "MUL", "DIV", "SDIV", "MOD", "SMOD", "AND", "OR", "XOR", "LT", "GT", "SLT", "SGT", "EQ", "BYTE"),
    *("SHL", "SHR", "SAR", "SIGNEXTEND", "ADD", "SUB", "AND"),
)
CALLDATA_WORDS = 6


def calldata(random: Random) -> bytes:
    """Words that programs branch on, index with, and take for pointers."""
    words = []
    for _ in range(CALLDATA_WORDS):
        kind = random.randrange(8)
        if kind < 3:
            words.append(random.randrange(6))
        elif kind < 6:
            words.append(random.choice(POINTERS))
        elif kind < 7:
            words.append(random.choice(EDGES))
        else:
            words.append(random.getrandbits(256))
    return b"".join([word.to_bytes(32, "big") for word in words])[: random.choice((192, 192, 192, 100, 3))]


class Structured:
    """Writes one program as assembler text. `height` is the number of words that the code so far surely left."""

    def __init__(self, random: Random, callees: tuple[bytes, ...]) -> None:
        self.random = random
        self.callees = callees
        self.words: list[str] = []
        self.height = 0
        self.labels = 0
        self.functions: list[str] = []
        self.places: list[tuple[str, int]] = []
        self.nesting = 0
        # Half of the programs use offsets only within reason: or else most calls would soon run out of gas.
        self.hostile = random.randrange(2) == 0
        self.backwards = HUGE - 32 if self.hostile else 32

    # Words ------------------------------------------------------------------------------------------------------------
    def emit(self, text: str, change: int = 0) -> None:
        self.words.append(text)
        self.height += change

    def label(self) -> str:
        self.labels += 1
        return f"l{self.labels}"

    def chance(self, one_in: int) -> bool:
        return self.random.randrange(one_in) == 0

    def push(self, value: int) -> None:
        self.emit(f"PUSH {value}" if value < 2**64 else f"PUSH {hex(value)}", 1)

    def argument(self) -> None:
        """A word of the calldata."""
        self.push(32 * self.random.randrange(CALLDATA_WORDS))
        self.emit("CALLDATALOAD")

    def word(self, depth: int = 0) -> None:
        kind = self.random.randrange(16)
        if kind < 3:
            self.push(self.random.choice((*EDGES, *range(6), 0xFF, 32, 0xFFFFFFFF)))
        elif kind < 5:
            self.argument()
        elif kind < 8 and self.height > 0:
            self.emit(f"DUP{self.random.randrange(min(self.height, 16)) + 1}", 1)
        elif kind < 9:
            self.emit(self.random.choice(("GAS", "MSIZE", "CALLER", "CALLDATASIZE", "RETURNDATASIZE", "PC")), 1)
        elif kind < 10:
            self.place()
            self.emit("MLOAD")
        elif kind < 11:
            self.push(self.random.randrange(3))
            self.emit(self.random.choice(("SLOAD", "TLOAD")))
        elif depth < 3:
            self.word(depth + 1)
            if self.chance(4):
                self.emit(self.random.choice(("ISZERO", "NOT", "CLZ", "ISZERO ISZERO")))
            elif self.chance(12):
                self.word(depth + 1)
                self.word(depth + 1)
                self.emit(self.random.choice(("ADDMOD", "MULMOD")), -2)
            elif self.chance(20):
                self.push(self.random.randrange(4))
                self.emit("EXP" if self.chance(2) else "SWAP1 EXP", -1)
            else:
                self.word(depth + 1)
                self.emit(self.random.choice(BINARY), -1)
        else:
            self.push(self.random.randrange(40))

    def place(self) -> None:
        """An offset in memory."""
        kind = self.random.randrange(9)
        if kind < 3:
            self.push(self.random.choice(CONSTANT_PLACES))
        elif kind < 5:
            self.emit("PUSH 0x40 MLOAD", 1)
            self.delta()
        elif kind < 7 and self.height > 0:
            self.emit(f"DUP{self.random.randrange(min(self.height, 4)) + 1}", 1)
            if not (self.hostile and self.chance(8)):
                self.emit("PUSH 0x3ff AND")
            self.delta()
        elif kind < 8:
            self.argument()
            if not (self.hostile and self.chance(6)):
                self.emit("PUSH 0xfff AND")
            self.delta()
        else:
            self.emit("MSIZE", 1)
            if self.hostile and self.chance(2):
                self.emit("PUSH 32 SWAP1 SUB")

    def delta(self) -> None:
        delta = self.random.choice(WRAPPING_DELTAS if self.hostile else DELTAS)
        if delta or self.chance(3):
            self.push(delta)
            self.emit("ADD", -1)

    def size(self) -> None:
        if self.chance(8):
            self.argument()
            self.emit("PUSH 0x7f AND")
        else:
            self.push(self.random.choice((0, 1, 32, 32, 64, 64, 33, 96)))

    def drop(self) -> None:
        """What becomes of a word: it stays, goes, or is written."""
        kind = self.random.randrange(6)
        if kind < 2:
            self.emit("POP", -1)
        elif kind < 4:
            self.place()
            self.emit("MSTORE", -2)
        elif kind < 5:
            self.push(self.random.randrange(3))
            self.emit("SSTORE", -2)

    def level(self, height: int) -> None:
        while self.height > height:
            self.emit("POP", -1)
        while self.height < height:
            self.word()

    # Statements -------------------------------------------------------------------------------------------------------
    def arithmetic(self) -> None:
        self.word()
        self.drop()

    def shuffle(self) -> None:
        if self.height < 2:
            self.word()
            self.word()
        depth = self.random.randrange(min(self.height - 1, 16)) + 1
        self.emit(f"SWAP{depth}")

    def write(self) -> None:
        self.word()
        self.place()
        self.emit(self.random.choice(("MSTORE", "MSTORE", "MSTORE", "MSTORE8")), -2)

    def run_of_accesses(self) -> None:
        """Accesses at one pointer with growing offsets: what the compiler joins to one growth, if nothing looks."""
        self.place()
        for step in range(self.random.randrange(2, 6)):
            if self.chance(4):
                self.emit(self.random.choice(("GAS", "MSIZE")), 1)
                self.emit("SWAP1")
                self.emit("POP" if self.chance(3) else "SWAP1 PUSH 1 SSTORE", -1)
                self.level(max(self.height, 1))
            if self.chance(8):
                self.emit(self.random.choice(("PUSH 2 SLOAD POP", "PUSH 3 PUSH 7 EXP POP", "PUSH 0 CALLDATALOAD POP")))
            if self.chance(8):
                self.argument()
                self.push(3)
                self.emit("EXP", -1)
                self.emit("POP", -1)
            self.emit("DUP1", 1)
            self.push(self.random.choice((32 * step, 32 * step, 32 * (6 - step), 4 + 32 * step, self.backwards)))
            self.emit("ADD", -1)
            if self.chance(3):
                self.emit("MLOAD POP", -1)
            else:
                self.word()
                self.emit("SWAP1 MSTORE", -2)
        self.emit("POP", -1)

    def constant_accesses(self) -> None:
        for _ in range(self.random.randrange(2, 6)):
            if self.chance(4):
                self.emit(self.random.choice(("GAS", "MSIZE")), 1)
                self.drop()
            self.push(self.random.choice(CONSTANT_PLACES))
            if self.chance(3):
                self.emit("MLOAD POP", -1)
            else:
                self.word()
                self.emit("SWAP1 MSTORE", -2)

    def pointer(self) -> None:
        """Sets what the free-memory pointer is said to be, or allocates through it."""
        if self.hostile and self.chance(3):
            self.argument()
            self.emit("PUSH 0x40 MSTORE", -1)
        elif self.chance(2):
            self.push(self.random.choice(POINTERS if self.hostile else TAME_POINTERS))
            self.emit("PUSH 0x40 MSTORE", -1)
        else:
            self.emit(f"PUSH 0x40 MLOAD DUP1 PUSH {self.random.choice((32, 64, 31))} ADD PUSH 0x40 MSTORE", 1)
            for step in range(self.random.randrange(4)):
                self.word()
                self.emit(f"DUP2 PUSH {32 * step} ADD MSTORE", -1)
            if self.chance(2):
                self.emit("PUSH 64 SWAP1 KECCAK256")

    def hash(self) -> None:
        self.size()
        self.place()
        self.emit("KECCAK256", -1)
        self.drop()

    def copy(self) -> None:
        name = self.random.choice(("CALLDATACOPY", "CODECOPY", "RETURNDATACOPY", "MCOPY", "CALLDATACOPY"))
        if name == "RETURNDATACOPY":
            self.emit(self.random.choice(("RETURNDATASIZE PUSH 0", "PUSH 1 PUSH 0", "PUSH 0 PUSH 0")), 2)
        else:
            self.size()
            self.place() if name == "MCOPY" else self.push(self.random.randrange(80))
        self.place()
        self.emit(name, -3)

    def storage(self) -> None:
        self.word()
        if self.chance(4):
            self.argument()
        else:
            self.push(self.random.randrange(3))
        self.emit(self.random.choice(("SSTORE", "SSTORE", "TSTORE")), -2)

    def log(self) -> None:
        topics = self.random.randrange(3)
        for _ in range(topics):
            self.word(3)
        self.size()
        self.place()
        self.emit(f"LOG{topics}", -2 - topics)

    def branch(self) -> None:
        height, other, end = self.height, self.label(), self.label()
        self.word()
        self.emit(f"PUSH @{other} JUMPI", -1)
        self.block(height)
        if self.chance(3):
            self.end()
        else:
            self.emit(f"PUSH @{end} JUMP")
        self.height = height
        if self.chance(4):
            self.dead()
        self.emit(f"{other}:")
        self.block(height)
        self.emit(f"{end}:")

    def loop(self) -> None:
        """Counts down from a constant or from calldata; the items it carries may move about."""
        if self.nesting > 2:
            return
        head, out = self.label(), self.label()
        if self.chance(2):
            self.push(self.random.choice((1, 2, 3, 5, 9)))
        else:
            self.argument()
            self.emit("PUSH 7 AND")
        self.emit(f"{head}:")
        self.places.append((head, self.height))
        height = self.height
        tested_first = self.chance(2)
        if tested_first:
            self.emit(f"DUP1 ISZERO PUSH @{out} JUMPI")
        self.nesting += 1
        self.block(height, most=3)
        self.nesting -= 1
        if height > 2 and self.chance(2):
            # Items below the counter change places from turn to turn.
            self.emit(f"SWAP1 SWAP{min(height - 1, self.random.randrange(2, 5))} SWAP1")
        self.emit("PUSH 1 SWAP1 SUB")
        if tested_first:
            self.emit(f"PUSH @{head} JUMP {out}: POP", -1)
        elif self.chance(3):
            self.emit(f"DUP1 ISZERO PUSH @{out} JUMPI PUSH @{head} JUMP {out}: POP", -1)
        else:
            self.emit(f"DUP1 PUSH @{head} JUMPI POP", -1)

    def call_function(self) -> None:
        """An internal function: return address, argument, jump; it leaves one word."""
        back = self.label()
        if not self.functions or self.chance(3):
            self.functions.append(self.label())
        self.emit(f"PUSH @{back}", 1)
        self.word()
        self.emit(f"PUSH @{self.random.choice(self.functions)} JUMP {back}:", -1)
        self.drop()

    def jump_table(self) -> None:
        """A jump whose target is computed: to one of two places, or by calldata to anywhere."""
        if self.chance(8):
            self.argument()
            self.emit("PUSH 0x1ff AND JUMP", -1)
            self.emit(f"{self.label()}:")
            return
        first, second, end = self.label(), self.label(), self.label()
        height = self.height
        self.word()
        self.emit("ISZERO ISZERO", 0)
        self.emit(f"PUSH @{first} PUSH @{second} SUB MUL PUSH @{first} ADD JUMP", -1)
        self.emit(f"{first}:")
        self.block(height, most=2)
        self.emit(f"PUSH @{end} JUMP {second}:")
        self.block(height, most=2)
        self.emit(f"{end}:")

    def into_the_middle(self) -> None:
        """A conditional jump to a place elsewhere where the stack was as high, perhaps inside of a loop."""
        fitting = [place for place, height in self.places if height <= self.height]
        if not fitting:
            self.places.append((self.label(), self.height))
            self.emit(f"{self.places[-1][0]}:")
            return
        self.argument()
        if self.chance(2):
            self.emit(f"PUSH {self.random.randrange(6)} EQ")
        self.emit(f"PUSH @{self.random.choice(fitting)} JUMPI", -1)

    def call(self) -> None:
        name = self.random.choice(("CALL", "STATICCALL", "DELEGATECALL"))
        self.size()
        self.place()
        self.size()
        self.place()
        if name == "CALL":
            self.push(self.random.choice((0, 0, 0, 1)))
        self.emit(f"PUSH 0x{self.random.choice(self.callees).hex()}", 1)
        self.emit(self.random.choice(("PUSH 3000", "PUSH 20000", "GAS PUSH 2 SWAP1 DIV", "PUSH 700")), 1)
        self.emit(name, -6 if name == "CALL" else -5)
        self.drop()

    def dead(self) -> None:
        self.emit(f"DATA 0x{self.random.randbytes(self.random.randrange(1, 4)).hex()}")

    def hidden(self) -> None:
        """JUMPDESTs inside the data of a PUSH."""
        self.emit("PUSH4 0x5b5b5b5b POP")

    def end(self) -> None:
        kind = self.random.randrange(8)
        if kind < 3:
            self.size()
            self.place()
            self.emit("RETURN" if kind else "REVERT", -2)
        else:
            self.emit(("STOP", "STOP", "INVALID", "PUSH 0 SELFDESTRUCT", "ADD ADD ADD ADD")[kind - 3])

    # Whole programs ---------------------------------------------------------------------------------------------------
    def statement(self) -> None:
        statements: list[tuple[int, Callable[[], None]]] = [
            (6, self.arithmetic),
            (3, self.shuffle),
            (5, self.write),
            (4, self.run_of_accesses),
            (3, self.constant_accesses),
            (3, self.pointer),
            (2, self.hash),
            (2, self.copy),
            (3, self.storage),
            (1, self.log),
            (1, self.call),
            (1, self.hidden),
        ]
        if self.nesting < 3:
            statements += [
                (4, self.branch),
                (5, self.loop),
                (4, self.call_function),
                (2, self.jump_table),
                (1, self.into_the_middle),
            ]
        [chosen] = self.random.choices([each for _, each in statements], [weight for weight, _ in statements])
        chosen()

    def block(self, height: int, *, most: int = 4) -> None:
        """A few statements that leave the stack as high as it was."""
        self.nesting += 1
        for _ in range(self.random.randrange(most + 1)):
            self.statement()
        self.nesting -= 1
        self.level(height)

    def define(self, function: str) -> None:
        """An internal function: (return address, argument) to one word."""
        self.height = 2
        self.emit(f"{function}:")
        self.nesting += 2
        self.block(2)
        self.nesting -= 2
        self.emit("SWAP1 JUMP")

    def program(self) -> str:
        if self.chance(12):
            # A stack that is nearly full.
            self.emit("PUSH0 " * self.random.randrange(990, 1020), 0)
        if self.chance(2) or not self.hostile:
            self.emit("PUSH 0x80 PUSH 0x40 MSTORE")
        for _ in range(self.random.randrange(3)):
            self.word()
        for _ in range(self.random.randrange(1, 8)):
            self.statement()
        self.end()
        defined = 0
        while defined < len(self.functions):
            self.define(self.functions[defined])
            defined += 1
        return " ".join(self.words)
