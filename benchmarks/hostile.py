"""Codes made to cost a compiler all it has: how much slower than plain stepping the fast engine is on each.

`python -m benchmarks.hostile` runs each shape once in a new world, with each engine in turn, and prints the worst
factor. Each contract is as large as a contract may be (EIP-170), calls itself first so that its places count as hot
sooner, and is then run for a few million gas.
"""

import argparse
import time
from collections.abc import Callable
from random import Random

from evmthread.execution.world import World
from evmthread.isa.forks import OSAKA

SIZE = 24_576  # EIP-170
CONTRACT, CALLER = b"\x11" * 20, b"\x22" * 20
GAS = 6_000_000
CALLS = 64  # after which a place needs the fewest visits to be compiled

JUMPDEST, JUMP, JUMPI = b"\x5b", b"\x56", b"\x57"


def push2(value: int) -> bytes:
    return b"\x61" + value.to_bytes(2, "big")


def chained(count: int, body: Callable[[int], bytes], room: int) -> bytes:
    """Blocks of `room` bytes, each a JUMPDEST and a body, that jump to a place computed from a counter on the stack.

    The counter goes up by one each time; the next block is the counter modulo `count`, which no compiler can know.
    """
    start = b"\x5f\x5b"  # PUSH0 JUMPDEST
    blocks = bytearray(start)
    # counter -> counter + 1, jump to 2 + room * (counter % count) + ...
    hop = b"\x60\x01\x01" + push2(count) + b"\x81\x06" + push2(room) + b"\x02" + push2(len(start)) + b"\x01" + JUMP
    for index in range(count):
        block = JUMPDEST + body(index) + hop
        if len(block) > room:
            raise AssertionError(f"a block of {len(block)} bytes in {room}")
        blocks += block.ljust(room, b"\x5b")
    return bytes(blocks)[:SIZE]


def jumpdest_field() -> bytes:
    """Jumps into a long field of JUMPDESTs, at every place of its last part."""
    field = SIZE - 40
    # PUSH0; head: counter+1; jump to field end - counter % 500
    head = b"\x5f\x5b" + b"\x60\x01\x01" + push2(500) + b"\x81\x06" + push2(field) + b"\x03" + JUMP
    return (head + JUMPDEST * (field + 1 - len(head)) + push2(1) + JUMP)[:SIZE]


def loop_heads() -> bytes:
    """A thousand loops, each of which turns a few times."""

    def body(index: int) -> bytes:
        own = 2 + 24 * index
        return b"\x60\x03" + JUMPDEST + b"\x60\x01\x90\x03\x80" + push2(own + 3) + JUMPI + b"\x50"

    code = bytearray(b"\x5f\x5b")
    while len(code) < SIZE - 8:
        at = len(code)
        code += b"\x60\x03" + JUMPDEST + b"\x60\x01\x90\x03\x80" + push2(at + 2) + JUMPI + b"\x50"
    code += push2(1) + JUMP
    return bytes(code)


def nested_heads() -> bytes:
    """Loops that overlap: each jumps back to one of many places before it, by turns."""
    random = Random(1)
    code = bytearray(b"\x5f")
    places: list[int] = []
    while len(code) < SIZE - 40:
        places.append(len(code))
        code += JUMPDEST + b"\x60\x01\x01"
        target = random.choice(places[-40:])
        code += b"\x80" + push2(random.choice((3, 5, 7, 11))) + b"\x90\x06\x15" + push2(target) + JUMPI
    code += push2(places[0]) + JUMP
    return bytes(code)


def branch_tree() -> bytes:
    """Blocks that branch two ways by a counter, to blocks anywhere."""
    random = Random(2)
    room = 16
    count = (SIZE - 2) // room
    code = bytearray(b"\x5f\x5b")
    for index in range(count):
        near, far = (index * 2 + 1) % count, random.randrange(count)
        block = JUMPDEST + b"\x60\x01\x01\x80" + b"\x60\x03" + b"\x16" + push2(2 + room * near) + JUMPI
        code += (block + push2(2 + room * far) + JUMP).ljust(room, b"\x5b")
    return bytes(code)


def everywhere() -> bytes:
    """Blocks that jump to a computed place each time."""
    room = 20
    return chained((SIZE - 2) // room, lambda _: b"", room)


def straight_everywhere() -> bytes:
    """Computed jumps into long straight code without a jump, whose every entry is a head."""
    step = 32
    count = (SIZE - 64) // step
    head = (
        b"\x5f\x5b" + b"\x60\x01\x01" + push2(count) + b"\x81\x06" + push2(step) + b"\x02" + push2(40) + b"\x01" + JUMP
    )
    code = bytearray(head.ljust(40, JUMPDEST))
    for _ in range(count):
        code += (JUMPDEST + b"\x80\x19\x80\x02\x50" * 6).ljust(step, JUMPDEST)
    code += push2(1) + JUMP
    return bytes(code)


def deep_expressions() -> bytes:
    """Expressions nested as deep as code is long."""
    code = bytearray(b"\x60\x07\x5b")
    while len(code) < SIZE - 8:
        code += b"\x80\x01\x19\x36\x01\x15\x36\x17"  # DUP1 ADD NOT CALLDATASIZE ADD ISZERO CALLDATASIZE OR
    return bytes(code + push2(2) + JUMP)


def deep_stacks() -> bytes:
    """Branches that leave with hundreds of computed words on the stack, in blocks reached by turns."""
    room = 600
    fill = b"\x36\x19" * 100  # CALLDATASIZE NOT
    swaps = b"\x90\x91\x92\x93" * 10

    def body(_: int) -> bytes:
        branches = b"".join([b"\x36" + push2(1) + JUMPI for _ in range(40)])
        return fill + swaps + branches + b"\x50" * 100

    return chained((SIZE - 2) // room, body, room)


def sites_on_deep_stacks() -> bytes:
    """Places that may bail, under hundreds of words, in blocks reached by turns."""
    room = 700
    fill = b"\x36\x19" * 120

    def body(_: int) -> bytes:
        return fill + b"\x36\x60\x07\x02\x51\x50" * 40 + b"\x50" * 120

    return chained((SIZE - 2) // room, body, room)


def wrong_guesses() -> bytes:
    """Pointers that are aligned, small and within memory at times, in blocks reached by turns."""
    room = 60

    def body(_: int) -> bytes:
        # counter twice over: MLOAD at 7 * (counter & 63), and at 64; the free-memory pointer gets an odd value at times
        return b"\x80\x60\x3f\x16\x60\x05\x02\x51\x50" + b"\x80\x60\x1f\x16\x60\x40\x52\x60\x40\x51\x60\x20\x01\x51\x50"

    return chained((SIZE - 2) // room, body, room)


def starved_calls() -> bytes:
    """Calls itself with so little gas that compiled code must give up in the middle, under a deep stack."""
    # calldata: run the inner part
    inner = b"\x36\x19" * 200 + b"\x60\x64\x36\x02\x51\x50" * 30 + b"\x00"
    outer = (
        b"\x5f\x5b"
        b"\x60\x01\x01"  # counter
        b"\x5f\x5f\x60\x01\x5f\x5f\x30"
        b"\x86\x61\x03\xff\x16\x61\x04\xb0\x01"  # gas: 1200 + counter & 1023
        b"\xf1\x50"
        b"\x60\x01" + JUMP
    )
    entry = b"\x36" + push2(200) + JUMPI
    shifted = outer.replace(b"\x60\x01" + JUMP, bytes((0x60, len(entry) + 1)) + JUMP)
    return (entry + shifted).ljust(200, b"\x00") + JUMPDEST + inner


SHAPES: dict[str, Callable[[], bytes]] = {
    each.__name__: each
    for each in (
        jumpdest_field,
        loop_heads,
        nested_heads,
        branch_tree,
        everywhere,
        straight_everywhere,
        deep_expressions,
        deep_stacks,
        sites_on_deep_stacks,
        wrong_guesses,
        starved_calls,
    )
}


def seconds(code: bytes, engine: str, gas: int) -> tuple[float, int]:
    """CPU time of calls that heat a code up and of one long call after them, in a new world, and all gas they used."""
    world = World(fork=OSAKA, engine=engine)
    world.set_code(CONTRACT, code)
    began = time.process_time()
    used = 0
    for _ in range(CALLS):
        used += world.call(CONTRACT, gas=2_000).gas_used
    result = world.call(CONTRACT, gas=gas)
    return time.process_time() - began, used + result.gas_used


def factor(code: bytes, gas: int) -> tuple[float, float, float]:
    """(seconds of the stepper, seconds of the fast engine, how many times as long), each the best of two."""
    plain, fast = (min(seconds(code, engine, gas) for _ in range(2)) for engine in ("stepper", "auto"))
    if plain[1] != fast[1]:
        raise AssertionError("the engines use different gas")
    return plain[0], fast[0], fast[0] / plain[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gas", type=int, default=GAS, help=f"gas of the long call (default {GAS:,})")
    parser.add_argument("shapes", nargs="*", metavar="SHAPE", help=f"of {', '.join(SHAPES)}; all by default")
    arguments = parser.parse_args()
    worst = 0.0
    for shape in arguments.shapes or SHAPES:
        plain, fast, times = factor(SHAPES[shape](), arguments.gas)
        worst = max(worst, times)
        print(
            f"{shape:22} stepper {plain * 1e3:7.0f} ms  fast engine {fast * 1e3:7.0f} ms  {times:5.2f} times",
            flush=True,
        )
    print(f"worst factor {worst:.2f}")


if __name__ == "__main__":
    main()
