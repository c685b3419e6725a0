"""Programs that want more than they should get, for a process whose memory is limited.

`python -m tests.hostile_programs MEGABYTES GAS NAME` runs one, and prints how it ended and the memory that it took.
"""

import resource
import sys

from evmthread.errors import EvmthreadError
from evmthread.execution.world import World
from evmthread.isa.forks import OSAKA
from tests.assembler import assemble

CALLER, CONTRACT = b"\xaa" * 20, b"\xcc" * 20
EVERYTHING = "PUSH1 0 PUSH1 0 PUSH1 0 PUSH1 0"

PROGRAMS = {
    # One word at one gigabyte, and beyond what any host allows.
    "one gigabyte": "PUSH1 1 PUSH4 0x3fffffe0 MSTORE",
    "four gigabytes": "PUSH1 1 PUSH4 0xffffffe0 MSTORE",
    "a terabyte": "PUSH1 1 PUSH5 0xffffffffff MSTORE",
    # Memory that grows for ever, word by word, and doubling.
    "growing memory": "loop: MSIZE MSIZE MSTORE PUSH @loop JUMP",
    "doubling memory": "PUSH1 1 PUSH1 0 MSTORE loop: MSIZE DUP1 PUSH1 0 SWAP1 MCOPY PUSH @loop JUMP",
    # Each of 1,024 frames takes its share of memory before it calls the next.
    "memory in every frame": f"PUSH1 1 PUSH2 0x8000 MSTORE {EVERYTHING} PUSH1 0 ADDRESS GAS CALL",
    "deep calls": f"{EVERYTHING} PUSH1 0 ADDRESS GAS CALL",
    "deep creations": (
        "CODESIZE PUSH1 0 PUSH1 0 CODECOPY CODESIZE PUSH1 0 PUSH1 0 CREATE "
        "CODESIZE PUSH1 0 PUSH1 0 CREATE PUSH1 0 PUSH1 0 RETURN"
    ),
    # Calls that hand over and get back the same long memory, and calls that fail with theirs.
    "long call data": "PUSH1 1 PUSH3 0x020000 MSTORE loop: PUSH1 0 PUSH1 0 PUSH3 0x020000 PUSH1 0 PUSH1 0x99 GAS "
    "STATICCALL POP PUSH @loop JUMP",
    "long answers": "PUSH1 1 PUSH3 0x001000 MSTORE loop: PUSH1 0 PUSH1 0 PUSH2 0x1000 PUSH1 0 PUSH1 4 GAS "
    "STATICCALL POP PUSH @loop JUMP",
    "failing calls": "CALLDATASIZE PUSH @child JUMPI loop: PUSH1 0 PUSH1 0 PUSH1 1 PUSH1 0 PUSH1 0 ADDRESS GAS CALL "
    "POP PUSH @loop JUMP child: PUSH1 1 PUSH2 0x2000 MSTORE PUSH1 0 PUSH1 0 REVERT",
    "logs": "loop: PUSH2 0x1000 PUSH1 0 LOG0 PUSH @loop JUMP",
    "storage": "loop: GAS GAS SSTORE PUSH @loop JUMP",
    "transient storage": "loop: GAS GAS TSTORE PUSH @loop JUMP",
    "new accounts": "loop: PUSH1 0 PUSH1 0 PUSH1 0 PUSH1 0 PUSH1 0 GAS GAS CALL POP PUSH @loop JUMP",
    # Init codes of 49,152 JUMPDESTs, no two alike.
    "new init codes": (
        f"PUSH32 0x{'5b' * 32} PUSH1 0 MSTORE {'MSIZE PUSH1 0 MSIZE MCOPY ' * 11}"
        "loop: GAS PUSH2 0xbfe0 MSTORE PUSH2 0xc000 PUSH1 0 PUSH1 0 CREATE POP PUSH @loop JUMP"
    ),
    "exponentiation": "loop: PUSH1 0 NOT PUSH1 0 NOT EXP POP PUSH @loop JUMP",
}


def main(megabytes: str, gas: str, name: str) -> None:
    world = World(fork=OSAKA)
    world.set_code(CONTRACT, assemble(PROGRAMS[name]))
    world.set_balance(CONTRACT, 10**18)
    limit = int(megabytes) * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    try:
        result = world.call(CONTRACT, sender=CALLER, gas=int(gas))
        ending = result.status.value
        assert result.gas_used <= int(gas)
        assert repr(result)
    except EvmthreadError as error:
        ending = type(error).__name__
    print(ending, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10)


if __name__ == "__main__":
    main(*sys.argv[1:])
