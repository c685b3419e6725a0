"""Random programs, byte by byte, that favour what breaks engines.

Edge values, nested calls, creations, jumps, growing memory, inputs of precompiled contracts, and too little gas. A
program is drawn from a `random.Random`: a seed gives it again, and Hypothesis' own randoms shrink it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from evmthread.isa.forks import Fork
from tests.words import EDGES

SMALL_KEYS = 4
TARGETS_FAR = (2**16, 2**32, 2**64 - 1, 2**256 - 1)


@dataclass(frozen=True)
class Palette:
    """What programs may name: opcodes by name, and accounts worth calling (20 bytes each)."""

    opcodes: dict[str, int]
    accounts: Sequence[bytes]
    precompiles: Sequence[bytes]

    @classmethod
    def of(cls, fork: Fork, accounts: Sequence[bytes], *, without: Sequence[str] = ()) -> "Palette":
        """All that a fork has, except instructions and precompiles (by name) that are left out."""
        opcodes = {record.name: record.opcode for record in fork.table if record and record.name not in without}
        contracts = [address for address, contract in fork.precompiles.items() if contract.name not in without]
        return cls(opcodes, accounts, contracts)


PURE = {
    **dict.fromkeys(("ISZERO", "NOT", "CLZ"), 1),
    **dict.fromkeys(
        ("ADD", "MUL", "SUB", "DIV", "SDIV", "MOD", "SMOD", "EXP", "SIGNEXTEND", "LT", "GT", "SLT", "SGT"), 2
    ),
    **dict.fromkeys(("EQ", "AND", "OR", "XOR", "BYTE", "SHL", "SHR", "SAR"), 2),
    **dict.fromkeys(("ADDMOD", "MULMOD"), 3),
}
READS = (
    *("ADDRESS", "ORIGIN", "CALLER", "CALLVALUE", "CALLDATASIZE", "CODESIZE", "GASPRICE", "RETURNDATASIZE", "COINBASE"),
    *("TIMESTAMP", "NUMBER", "DIFFICULTY", "PREVRANDAO", "GASLIMIT", "CHAINID", "SELFBALANCE", "BASEFEE"),
    *("BLOBBASEFEE", "PC", "MSIZE", "GAS", "PUSH0"),
)


class Writer:
    """Writes one program. `depth` bounds init code inside init code."""

    def __init__(self, random: Random, palette: Palette, depth: int = 0) -> None:
        self.random = random
        self.palette = palette
        self.depth = depth
        self.code = bytearray()
        self.height = 0  # a guess at the stack's height; being wrong is part of the game

    # Parts ------------------------------------------------------------------------------------------------------------
    def op(self, name: str, change: int = 0) -> None:
        """An instruction, if the fork has it; rarely also if it hasn't."""
        opcode = self.palette.opcodes.get(name)
        if opcode is not None:
            self.code.append(opcode)
            self.height += change

    def push(self, value: int, size: int | None = None) -> None:
        data = value.to_bytes(size or max(1, (value.bit_length() + 7) // 8), "big")
        self.code += bytes((0x5F + len(data),)) + data
        self.height += 1

    def word(self) -> None:
        """An operand: an edge, something random, calldata, or what is on the stack already."""
        kind = self.random.randrange(10)
        if kind < 5:
            self.push(self.random.choice(EDGES))
        elif kind < 6:
            self.push(self.random.getrandbits(256))
        elif kind < 7:
            self.push(self.random.randrange(200))
            self.op("CALLDATALOAD")
        elif kind < 9 and self.height > 0:
            self.op(f"DUP{self.random.randrange(min(self.height, 16)) + 1}", 1)
        else:
            self.op(self.random.choice(("GAS", "MSIZE", "CALLDATASIZE", "TIMESTAMP", "CALLER")), 1)

    def offset(self) -> None:
        """A place in memory or data: small, seldom far."""
        if self.random.randrange(150) == 0:
            self.push(self.random.choice(TARGETS_FAR))
        elif self.random.randrange(20) == 0:
            self.push(self.random.randrange(40_000))
        else:
            self.push(self.random.choice((0, 1, 31, 32, 33, 64, 96, self.random.randrange(300))))

    def size(self) -> None:
        if self.random.randrange(200) == 0:
            self.push(self.random.choice((*TARGETS_FAR, 24_577, 49_153)))
        else:
            self.push(self.random.choice((0, 1, 31, 32, 33, 64, self.random.randrange(200))))

    def key(self) -> None:
        self.push(self.random.randrange(SMALL_KEYS) if self.random.randrange(8) else self.random.choice(EDGES))

    def account(self) -> None:
        kind = self.random.randrange(12)
        if kind == 0:
            self.op("ADDRESS", 1)
        elif kind == 1:
            self.push(self.random.choice(EDGES))
        elif kind < 4 and self.palette.precompiles:
            self.push(int.from_bytes(self.random.choice(self.palette.precompiles), "big"))
        else:
            self.push(int.from_bytes(self.random.choice(self.palette.accounts), "big"), 20)

    def level(self, height: int) -> None:
        """Brings the stack to a height, as far as it is known."""
        while self.height > height:
            self.op("POP", -1)
        while self.height < height:
            self.push(0)

    # Statements -------------------------------------------------------------------------------------------------------
    def arithmetic(self) -> None:
        name = self.random.choice([name for name in PURE if name in self.palette.opcodes])
        for _ in range(PURE[name]):
            self.word()
        self.op(name, 1 - PURE[name])
        self.keep()

    def keep(self) -> None:
        """What becomes of a result: it stays, is stored, written to memory or dropped."""
        kind = self.random.randrange(8)
        if kind == 0:
            self.op("POP", -1)
        elif kind < 3:
            self.key()
            self.op("SSTORE", -2)
        elif kind < 6:
            self.offset()
            self.op(self.random.choice(("MSTORE", "MSTORE", "MSTORE8")), -2)

    def read(self) -> None:
        self.op(self.random.choice([name for name in READS if name in self.palette.opcodes]), 1)
        self.keep()

    def read_by_word(self) -> None:
        kind = self.random.randrange(5)
        if kind == 0:
            self.account()
            self.op(self.random.choice(("BALANCE", "EXTCODESIZE", "EXTCODEHASH")))
        elif kind == 1:
            self.key()
            self.op(self.random.choice(("SLOAD", "SLOAD", "TLOAD")))
        elif kind == 2:
            self.offset()
            self.op("MLOAD")
        elif kind == 3:
            self.op("NUMBER", 1)
            self.push(self.random.choice((0, 1, 2, 255, 256, 257)))
            self.op("SWAP1")
            self.op("SUB", -1)
            self.op("BLOCKHASH")
        else:
            self.size()
            self.offset()
            self.op("KECCAK256", -1)
        self.keep()

    def store(self) -> None:
        self.word()
        self.key()
        self.op(self.random.choice(("SSTORE", "SSTORE", "TSTORE")), -2)

    def memory(self) -> None:
        self.word()
        self.offset()
        self.op(self.random.choice(("MSTORE", "MSTORE", "MSTORE8")), -2)

    def copy(self) -> None:
        name = self.random.choice(("CALLDATACOPY", "CODECOPY", "EXTCODECOPY", "RETURNDATACOPY", "MCOPY"))
        if name not in self.palette.opcodes:
            return
        if name == "RETURNDATACOPY" and self.random.randrange(4):
            self.op("RETURNDATASIZE", 1)
            self.push(0)
        else:
            self.size()
            self.offset()
        self.offset()
        if name == "EXTCODECOPY":
            self.account()
        self.op(name, -4 if name == "EXTCODECOPY" else -3)

    def log(self) -> None:
        topics = self.random.randrange(5)
        for _ in range(topics):
            self.word()
        self.size()
        self.offset()
        self.op(f"LOG{topics}", -2 - topics)

    def shuffle(self) -> None:
        """Moves on the stack, mostly possible ones."""
        if self.random.randrange(20):
            while self.height < 2:
                self.word()
        depth = self.random.randrange(min(max(self.height - 1, 1), 16)) + 1
        kind = self.random.randrange(3)
        if kind == 0:
            self.op(f"DUP{depth}", 1)
        elif kind == 1:
            self.op(f"SWAP{depth}")
        else:
            self.op("POP", -1)

    def call(self) -> None:
        name = self.random.choice(("CALL", "CALL", "CALLCODE", "DELEGATECALL", "STATICCALL"))
        if name not in self.palette.opcodes:
            name = "CALL"
        if self.random.randrange(3) == 0:
            # An input that a precompile may like: the calldata.
            self.op("CALLDATASIZE", 1)
            self.push(0)
            self.push(0)
            self.op("CALLDATACOPY", -3)
        for _ in range(2):
            self.size()
            self.offset()
        if self.random.randrange(3) == 0:
            self.op("CALLDATASIZE", 1)
            self.op("SWAP2")
            self.op("POP", -1)
        if name in ("CALL", "CALLCODE"):
            self.push(self.random.choice((0, 0, 0, 1, 2, 1000, 2**255)))
        self.account()
        kind = self.random.randrange(3)
        if kind == 0:
            self.op("GAS", 1)
        elif kind == 1:
            # Before EIP-150 a call that asks for all there is fails: so some is left.
            self.push(self.random.choice((1_000, 35_000, 60_000)))
            self.op("GAS", 1)
            self.op("SUB", -1)
        else:
            self.push(self.random.choice((0, 1, 100, 2300, 5000, 30_000, 2**64, 2**256 - 1)))
        self.op(name, -6 if name in ("CALL", "CALLCODE") else -5)
        self.keep()

    def create(self) -> None:
        if self.depth > 1:
            return
        init = init_code(self.random, self.palette, self.depth + 1)
        for place in range(0, len(init), 32):
            self.push(int.from_bytes(init[place : place + 32].ljust(32, b"\0"), "big"), 32)
            self.push(place)
            self.op("MSTORE", -2)
        salted = self.random.randrange(2) == 0 and "CREATE2" in self.palette.opcodes
        if salted:
            self.push(self.random.randrange(2))
        if self.random.randrange(12) == 0:
            self.size()
        else:
            self.push(len(init))
        self.push(0)
        self.push(self.random.choice((0, 0, 0, 1, 5, 2**200)))
        self.op("CREATE2" if salted else "CREATE", -3 if salted else -2)
        if self.random.randrange(2):
            # Call what was created.
            for _ in range(4):
                self.push(0)
            self.push(self.random.choice((0, 0, 1)))
            self.op("DUP6", 1)
            self.op("GAS", 1)
            self.op("CALL", -6)
            self.keep()
        self.keep()

    def branch(self) -> None:
        """Statements that run only under a condition."""
        self.word()
        place = len(self.code)
        self.push(0, 2)
        self.op("JUMPI", -2)
        height = self.height
        self.statements(self.random.randrange(1, 4))
        self.level(height)
        self.code[place + 1 : place + 3] = len(self.code).to_bytes(2, "big")
        self.op("JUMPDEST")

    def loop(self) -> None:
        """Statements that run a few times, or until the gas is gone."""
        self.push(self.random.choice((1, 2, 3, 5, 20, 1_000_000 if self.random.randrange(6) == 0 else 4)))
        start = len(self.code)
        self.op("JUMPDEST")
        height = self.height
        for _ in range(self.random.randrange(1, 3)):
            self.statement(calm=True)
            self.level(height)
        self.push(1)
        self.op("SWAP1")
        self.op("SUB", -1)
        self.op("DUP1", 1)
        self.push(start, 2)
        self.op("JUMPI", -2)

    def wild(self) -> None:
        """What no compiler writes: a jump to anywhere, a raw byte, a PUSH that swallows what follows."""
        kind = self.random.randrange(6)
        if kind == 0:
            self.push(self.random.randrange(len(self.code) + 60))
            self.op("JUMP", -1)
        elif kind == 1:
            self.code.append(self.random.randrange(256))
        elif kind == 2:
            self.code += self.random.randbytes(self.random.randrange(4))
        elif kind == 3:
            self.code.append(0x60 + self.random.randrange(32))
        elif kind == 4:
            self.code += bytes((0x58,)) * self.random.choice((1, 16, 1030))
        else:
            self.op("JUMPDEST")

    def end(self) -> None:
        name = self.random.choice(
            ("STOP", "RETURN", "RETURN", "RETURN", "REVERT", "SELFDESTRUCT", "", "INVALID" * self.random.randrange(2))
        )
        if name in ("RETURN", "REVERT"):
            self.size()
            self.offset()
            self.op(name, -2)
        elif name == "SELFDESTRUCT":
            self.account()
            self.op(name, -1)
        elif name:
            self.op(name)

    # Whole programs ---------------------------------------------------------------------------------------------------
    def statement(self, *, calm: bool = False) -> None:
        choices: list[tuple[int, Callable[[], None]]] = [
            (12, self.arithmetic),
            (4, self.read),
            (8, self.read_by_word),
            (6, self.store),
            (6, self.memory),
            (5, self.copy),
            (3, self.log),
        ]
        if not calm:
            choices += [
                (4, self.shuffle),
                (7, self.call),
                (3, self.create),
                (4, self.branch),
                (2, self.loop),
                (1, self.wild),
            ]
        choices += [(1, self.call)]
        [chosen] = self.random.choices([write for _, write in choices], [weight for weight, _ in choices])
        chosen()

    def statements(self, count: int) -> None:
        for _ in range(count):
            self.statement()


def init_code(random: Random, palette: Palette, depth: int) -> bytes:
    """Init code: a few statements, then code that is returned, or some other end."""
    writer = Writer(random, palette, depth)
    writer.statements(random.randrange(3))
    if random.randrange(3):
        runtime = program(random, palette, depth=depth, most=3)[:32]
        if random.randrange(10) == 0:
            runtime = (b"\xef" + runtime)[:32]
        if runtime:
            writer.push(int.from_bytes(runtime, "big"), len(runtime))
        writer.push(0)
        writer.op("MSTORE", -2)
        writer.push(len(runtime))
        writer.push(32 - len(runtime))
        writer.op("RETURN")
    else:
        writer.end()
    return bytes(writer.code)


def program(random: Random, palette: Palette, *, depth: int = 0, most: int = 14) -> bytes:
    """One program."""
    writer = Writer(random, palette, depth)
    writer.statements(random.randrange(1, most + 1))
    writer.end()
    return bytes(writer.code)


def gas_limit(random: Random, most: int) -> int:
    """Often enough, often too little."""
    kind = random.randrange(10)
    if kind == 0:
        return random.randrange(3_000)
    if kind < 3:
        return random.randrange(60_000)
    return random.randrange(most // 4, most)
