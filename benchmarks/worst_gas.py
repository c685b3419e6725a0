"""Searches for the code that takes the most time for its gas, and prints a table: seconds for each million gas.

    python benchmarks/worst_gas.py [--gas 3000000] [--seconds 60] [--seed 1] [--markdown]

Two kinds of candidates: one for each opcode and each precompile, repeated with the costliest operands we can think of,
and random mixes of them, of which the worst are kept and changed. Each candidate runs in a fresh World, so that what it
finds is the price of code that is seen for the first time; nothing is warm but Python itself.
"""

import argparse
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from evmthread.execution.environment import BlockEnvironment
from evmthread.execution.world import World
from evmthread.isa.forks import OSAKA, Fork
from evmthread.isa.halts import HaltReason

CALLER, CONTRACT = b"\xaa" * 20, b"\xcc" * 20
CODE_SIZE = 24_576  # EIP-170
MAX = (1 << 256) - 1
ODD = MAX // 3
MODEXP_SIZES = ((32, 32, 32), (64, 512, 64), (1024, 1, 1024), (1024, 32, 1024), (256, 256, 256), (1, 1024, 1))


@dataclass(frozen=True, slots=True)
class Found:
    """A candidate and what it cost."""

    name: str
    code: bytes
    seconds: float
    gas: int

    @property
    def ratio(self) -> float:
        """Seconds for each million gas; 0 where the candidate stopped for another reason than gas."""
        return self.seconds / self.gas * 1e6 if self.gas else 0.0


def push(value: int) -> bytes:
    """The shortest PUSH of a value."""
    size = max(1, (value.bit_length() + 7) // 8)
    return bytes((0x5F + size,)) + value.to_bytes(size, "big")


def measure(name: str, code: bytes, *, gas: int, fork: Fork, data: bytes = b"") -> Found:
    """Runs a candidate once in a new world."""
    world = World(fork=fork, environment=BlockEnvironment(number=1000, gas_limit=gas))
    world.set_code(CONTRACT, code)
    world.set_balance(CONTRACT, 10**18)
    began = time.process_time()
    result = world.call(CONTRACT, data, sender=CALLER, gas=gas)
    seconds = time.process_time() - began
    # A halt takes all gas, whatever was spent until then: only running out of it says what was paid for.
    paid = result.gas_used if result.halt_reason in (None, HaltReason.OUT_OF_GAS) else 0
    return Found(name, code, seconds, paid)


def repeated(body: bytes, *, setup: bytes = b"") -> bytes:
    """`body` over and over: unrolled to the largest code there may be, and then from the start again."""
    head = setup + b"\x5b"
    back = push(len(setup)) + b"\x56"
    room = CODE_SIZE - len(head) - len(back)
    return head + body * (room // len(body)) + back


def in_a_loop(body: bytes, *, setup: bytes = b"") -> bytes:
    """`body` in the shortest endless loop."""
    return setup + b"\x5b" + body + push(len(setup)) + b"\x56"


def opcodes(fork: Fork) -> Iterator[tuple[str, bytes]]:
    """Each opcode that takes words, with small, large and odd operands, its result dropped."""
    for opcode, instruction in enumerate(fork.table):
        if instruction is None or instruction.name.startswith(("PUSH", "DUP", "SWAP", "JUMP")):
            continue
        if instruction.name in ("STOP", "RETURN", "REVERT", "INVALID", "SELFDESTRUCT"):
            continue
        drop = b"\x50" * instruction.pushes
        choices = {"zeros": [0], "small": [32, 5], "large": [MAX], "odd": [ODD, MAX - 1], "mixed": [MAX, 3, ODD]}
        for label, values in choices.items():
            operands = b"".join([push(values[index % len(values)]) for index in range(instruction.pops)])
            yield f"{instruction.name} {label}", operands + bytes((opcode,)) + drop


def memory_opcodes() -> Iterator[tuple[str, bytes]]:
    """Instructions that read or write much memory for little gas once memory has grown."""
    for size in (32, 1024, 4096, 16_384, 65_536):
        yield f"KECCAK256 of {size}", push(size) + push(0) + b"\x20\x50"
        yield f"MCOPY of {size}", push(size) + push(1) + push(0) + b"\x5e"
        yield f"CALLDATACOPY of {size}", push(size) + push(0) + push(1) + b"\x37"
        yield f"CODECOPY of {size}", push(size) + push(0) + push(1) + b"\x39"
        yield f"LOG0 of {size}", push(size) + push(0) + b"\xa0"
        call = push(0) + push(0) + push(size) + push(0)
        yield f"STATICCALL of nobody with {size}", call + push(0xDEAD) + b"\x5a\xfa\x50"
        yield (
            f"STATICCALL of identity with {size}",
            push(size) + push(0) + push(size) + push(0) + push(4) + b"\x5a\xfa\x50",
        )
        yield f"CREATE2 of {size} zeros", push(7) + push(size) + push(0) + push(0) + b"\xf5\x50"
        yield f"CREATE of {size} zeros", push(min(size, 49_152)) + push(0) + push(0) + b"\xf0\x50"


def precompiles(fork: Fork) -> Iterator[tuple[str, bytes, bytes]]:
    """(name, body, data): each precompile with inputs that are dear for it; data is copied to memory first."""
    one = (1).to_bytes(32, "big")
    g1 = one + (2).to_bytes(32, "big")
    g2 = b"".join(
        [
            value.to_bytes(32, "big")
            for value in (
                0x198E9393920D483A7260BFB731FB5D25F1AA493335A9E71297E485B7AEF312C2,
                0x1800DEEF121F1E76426A00665E5C4479674322D4F75EDADD46DEBD5CD992F6ED,
                0x090689D0585FF075EC9E99AD690C3395BC4B313370B38EF355ACDADCD122975B,
                0x12C85EA5DB8C6DEB4AAB71808DCB408FE3D1E7690C43D37B4CE6CC0166FA7DAA,
            )
        ]
    )

    def modexp(base: int, exponent: int, modulus: int) -> bytes:
        sizes = b"".join([size.to_bytes(32, "big") for size in (base, exponent, modulus)])
        return sizes + b"\xff" * base + b"\xff" * exponent + b"\xff" * modulus

    inputs: dict[int, list[tuple[str, bytes]]] = {
        1: [("valid", bytes(31) + b"\x01" + (27).to_bytes(32, "big") + one * 2), ("empty", b"")],
        2: [("4 kB", b"\xff" * 4096), ("empty", b"")],
        3: [("4 kB", b"\xff" * 4096), ("empty", b"")],
        4: [("4 kB", b"\xff" * 4096), ("empty", b"")],
        5: [(f"{b}-{e}-{m}", modexp(b, e, m)) for b, e, m in MODEXP_SIZES],
        6: [("valid", g1 + g1), ("empty", b"")],
        7: [("order", g1 + b"\xff" * 32), ("small", g1 + one)],
        8: [("one pair", g1 + g2), ("four pairs", (g1 + g2) * 4), ("empty", b"")],
        9: [(f"{n} rounds", n.to_bytes(4, "big") + bytes(208) + b"\x01") for n in (1, 100_000)],
        10: [("invalid", bytes(192))],
        11: [("infinity", bytes(256))],
        12: [("infinity", bytes(160)), ("8 infinities", bytes(160 * 8))],
        13: [("infinity", bytes(512))],
        14: [("infinity", bytes(288)), ("8 infinities", bytes(288 * 8))],
        15: [("infinity", bytes(384)), ("4 infinities", bytes(384 * 4))],
        16: [("zero", bytes(64)), ("one", bytes(63) + b"\x01")],
        17: [("zero", bytes(128)), ("one", bytes(127) + b"\x01")],
        256: [("invalid", b"\x01" * 160), ("empty", b"")],
    }
    for address, choices in inputs.items():
        if address.to_bytes(20, "big") not in fork.precompiles:
            continue
        for label, data in choices:
            yield (
                f"precompile {address:#x} {label}",
                push(32) + push(0) + push(len(data)) + push(0) + push(address) + b"\x5a\xfa\x50",
                data,
            )


def others() -> Iterator[tuple[str, bytes]]:
    """Whole programs."""
    yield "JUMPDESTs", repeated(b"\x5b")
    yield "jumps to themselves", b"\x5b\x5f\x56"
    yield "jump after jump", jump_chain()
    yield "calls of itself", b"\x5f\x5f\x5f\x5f\x5f\x30\x5a\xf1"
    yield "calls of nobody", in_a_loop(push(0) * 5 + push(0xDEAD) + b"\x5a\xf1\x50")
    yield "static calls of itself", b"\x5f\x5f\x5f\x5f\x30\x5a\xfa" * 8
    yield "creations of large code", in_a_loop(push(0x6000) + push(0) + push(0) + b"\xf0\x50")
    yield "new init codes", in_a_loop(b"\x5a" + push(0) + b"\x52" + push(49_152) + push(0) + push(0) + b"\xf0\x50")
    # Init code of JUMPDESTs, different each time.
    fill = push(MAX // 255 * 0x5B)
    setup = b"".join([fill + push(offset) + b"\x52" for offset in range(0, 4096, 32)])
    setup += b"".join([push(4096) + push(0) + push(offset) + b"\x5e" for offset in range(4096, 49_152, 4096)])
    yield (
        "new init codes of JUMPDESTs",
        in_a_loop(b"\x5a" + push(49_120) + b"\x52" + push(49_152) + push(0) + push(0) + b"\xf0\x50", setup=setup),
    )
    yield "warm storage reads", in_a_loop((b"\x5f\x54\x50") * 100)
    yield "warm storage writes", in_a_loop(b"\x5a\x5f\x55" * 50)
    yield "cold storage reads", in_a_loop(b"\x5a\x54\x50" * 50)
    yield "transient writes", in_a_loop(b"\x5a\x5a\x5d" * 50)
    yield "cold balances", in_a_loop(b"\x5a\x31\x50" * 50)


def jump_chain() -> bytes:
    """Jumps from the end of the code to its start, so that every few bytes are a segment of their own."""
    code = b""
    for _ in range(CODE_SIZE // 5):
        code += b"\x5b" + bytes((0x61,)) + (len(code) + 5).to_bytes(2, "big") + b"\x56"
    return code[:-5] + b"\x5b\x5f\x56\x00\x00"


def candidates(fork: Fork) -> Iterator[tuple[str, bytes, bytes]]:
    """(name, code, call data) of all the single ones."""
    grown = push(0) + push(70_000) + b"\x52"
    for name, body in opcodes(fork):
        yield f"{name}, unrolled", repeated(body), b""
        yield f"{name}, loop", in_a_loop(body), b""
    for name, body in memory_opcodes():
        yield name, in_a_loop(body, setup=grown), b"\xff" * 65_536
    for name, body, data in precompiles(fork):
        copy = push(len(data)) + push(0) + push(0) + b"\x37"
        yield name, in_a_loop(body, setup=copy), data
    for name, code in others():
        yield name, code, b""


def mixed(rng: random.Random, parts: list[tuple[str, bytes]]) -> tuple[str, bytes]:
    """A random mix of a few bodies."""
    chosen = rng.choices(parts, k=rng.randint(2, 6))
    shape = rng.choice([repeated, in_a_loop])
    return " + ".join(name for name, _ in chosen), shape(b"".join([body for _, body in chosen]))


def search(*, gas: int, seconds: float, seed: int, fork: Fork, report: Callable[[str], None]) -> list[Found]:
    """The candidates, the worst first."""
    rng, found = random.Random(seed), list[Found]()
    for name, code, data in candidates(fork):
        found.append(measure(name, code, gas=gas, fork=fork, data=data))
    stopped = [one.name for one in found if not one.gas]
    report(f"{len(found)} single candidates; stopped early: {', '.join(stopped) or 'none'}")
    # The cheapest runs are noise-prone: what looks worst is measured again, and the better time counts.
    found.sort(key=lambda one: -one.ratio)
    table = {name: (code, data) for name, code, data in candidates(fork)}
    for place, one in enumerate(found[:40]):
        code, data = table[one.name]
        again = measure(one.name, code, gas=gas, fork=fork, data=data)
        found[place] = min(one, again, key=lambda each: each.seconds)
    parts = [*opcodes(fork), *memory_opcodes()]
    ratios = {one.name.split(",")[0]: one.ratio for one in sorted(found, key=lambda one: one.ratio)}
    parts.sort(key=lambda part: -ratios.get(part[0], 0.0))
    pool, end, count = parts[:60], time.monotonic() + seconds, 0
    while time.monotonic() < end:
        name, code = mixed(rng, pool)
        one = measure(name, code, gas=gas, fork=fork)
        if one.ratio > found[20].ratio:
            one = min(one, measure(name, code, gas=gas, fork=fork), key=lambda each: each.seconds)
        found.append(one)
        found.sort(key=lambda each: -each.ratio)
        count += 1
    report(f"{count} random mixes")
    return sorted(found, key=lambda one: -one.ratio)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gas", type=int, default=3_000_000, help="of each candidate")
    parser.add_argument("--seconds", type=float, default=60.0, help="time for random mixes")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rows", type=int, default=40)
    parser.add_argument("--markdown", action="store_true")
    arguments = parser.parse_args()
    found = search(gas=arguments.gas, seconds=arguments.seconds, seed=arguments.seed, fork=OSAKA, report=print)
    if arguments.markdown:
        print("| seconds per million gas | million gas per second | code |\n|---:|---:|---|")
    for one in found[: arguments.rows]:
        speed = 1 / one.ratio if one.ratio else float("inf")
        if arguments.markdown:
            print(f"| {one.ratio:.3f} | {speed:.1f} | {one.name} |")
        else:
            print(f"{one.ratio:8.4f} s/Mgas {speed:8.1f} Mgas/s  {one.gas:>10,} gas  {one.name[:90]}")


if __name__ == "__main__":
    main()
