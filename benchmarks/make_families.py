"""Make the workloads of instruction families: programs of a few lines, each of which leans on one kind of instruction.

    python -m benchmarks.make_families --py-evm PYTHON --pyrevm PYTHON [--check]

They are what the other workloads aren't: logs, creations, copies, signed and modular arithmetic, memory off the word
boundary, transient storage, accounts, return data, proxies, failing calls, jump tables, code that runs once. What they
must give comes from py-evm, and pyrevm agrees (see make_workloads.py).
"""

import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.make_workloads import (
    CALLER,
    CALLER_BALANCE,
    ENVIRONMENT,
    FIRST_CONTRACT,
    FORMAT,
    GAS,
    account,
    make,
)
from evmthread.isa.forks import CANCUN

WORKLOADS = Path(__file__).resolve().parent / "workloads" / "families"
OTHER = FIRST_CONTRACT + 1
THIRD = FIRST_CONTRACT + 2
NOBODY = 0x1234567890123456789012345678901234567890
SEED = 0x9E3779B97F4A7C15F39CC0605CEDC8341082276BF3A27251F86C6A11D0C18E95  # odd, with bits everywhere
PRIME = 2**256 - 2**32 - 977
OPCODES = {record.name: record.opcode for record in CANCUN.table if record is not None}

Program = tuple[str, dict[int, str], str]  # code of the contract, of others by address, call data in hex


def assembled(text: str) -> bytes:
    """Code of words: an instruction's name, a number to push, `name:` for a JUMPDEST, `@name` to push where it is."""
    words = text.split()
    code, places, wanted = bytearray(), {}, []
    for word in words:
        if word.endswith(":"):
            places[word[:-1]] = len(code)
            code.append(OPCODES["JUMPDEST"])
        elif word.startswith("@"):
            code.append(OPCODES["PUSH2"])
            wanted.append((len(code), word[1:]))
            code += b"\0\0"
        elif word in OPCODES:
            code.append(OPCODES[word])
        else:
            number = int(word, 0)
            size = (number.bit_length() + 7) // 8
            code.append(OPCODES["PUSH0"] + size)
            code += number.to_bytes(size, "big")
    for place, name in wanted:
        code[place : place + 2] = places[name].to_bytes(2, "big")
    return bytes(code)


def loop(turns: int, body: str) -> str:
    """Runs a body with a counter on top of the stack, which counts down from `turns` to 1; the body leaves it there."""
    return f"{turns} head: {body} 1 SWAP1 SUB DUP1 @head JUMPI STOP"


def loaded(code: bytes) -> str:
    """Writes code to memory from 0 on, in whole words."""
    padded = code.ljust((len(code) + 31) // 32 * 32, b"\0")
    return " ".join(f"0x{padded[at : at + 32].hex()} {at} MSTORE" for at in range(0, len(padded), 32))


def initcode(runtime: bytes) -> bytes:
    """Returns `runtime`, which follows it."""
    return assembled(f"{len(runtime)} 11 0 CODECOPY {len(runtime)} 0 RETURN").ljust(11, b"\x5b") + runtime


def signed() -> Program:
    minus = 2**256 - 7
    return (
        loop(
            400,
            f"DUP1 {SEED} MUL "
            f"{minus} DUP2 SDIV DUP2 SMOD {2**255 + 12345} SMOD DUP2 SLT "
            f"DUP2 9 SAR ADD DUP2 SGT DUP2 3 SIGNEXTEND ADD DUP2 200 SAR SDIV POP POP",
        ),
        {},
        "",
    )


def modular() -> Program:
    return (
        loop(
            400,
            f"DUP1 {SEED} MUL {PRIME} DUP2 DUP1 MULMOD {PRIME} DUP3 DUP3 ADDMOD {PRIME} SWAP1 DUP3 MULMOD POP POP POP",
        ),
        {},
        "",
    )


def powers() -> Program:
    return loop(300, f"DUP1 {SEED} EXP DUP2 3 EXP ADD 5 DUP3 EXP ADD DUP2 0xff AND 2 EXP ADD POP"), {}, ""


def byte_by_byte() -> Program:
    return (
        loop(500, f"DUP1 {SEED} MUL DUP2 31 AND BYTE DUP2 0xff AND MSTORE8 DUP1 0xe0 AND MLOAD DUP2 31 AND BYTE POP"),
        {},
        "",
    )


def unaligned() -> Program:
    return loop(500, f"DUP1 {SEED} MUL DUP2 7 MUL 0x3ff AND MSTORE DUP1 11 MUL 0x3ff AND MLOAD POP"), {}, ""


def hashes() -> Program:
    return (
        loop(300, "DUP1 DUP1 0x60 AND MSTORE DUP1 3 MUL 0xff AND DUP2 5 AND KECCAK256 DUP2 0x40 AND MSTORE"),
        {},
        "",
    )


def copies() -> Program:
    return (
        loop(
            300,
            "DUP1 0xff AND DUP2 31 AND DUP3 0x7f AND CALLDATACOPY "
            "DUP1 0x7f AND DUP2 63 AND DUP3 0xff AND MCOPY "
            "DUP1 0x3f AND DUP2 7 AND DUP3 0x1f AND CODECOPY "
            "0x80 0x100 0 MCOPY",
        ),
        {},
        bytes(range(256)).hex() * 2,
    )


def transient() -> Program:
    return loop(500, "DUP1 DUP2 7 AND TLOAD ADD DUP2 7 AND TSTORE"), {}, ""


def logs() -> Program:
    return loop(300, f"DUP1 0 MSTORE CALLER DUP2 {SEED} 64 0 LOG3 DUP1 DUP2 31 AND 5 LOG1"), {}, ""


def accounts() -> Program:
    return (
        loop(
            300,
            f"{NOBODY} BALANCE POP {OTHER} EXTCODESIZE POP {OTHER} EXTCODEHASH POP SELFBALANCE POP "
            f"ADDRESS BALANCE POP DUP1 0 DUP1 {OTHER} EXTCODECOPY",
        ),
        {OTHER: "STOP " * 64},
        "",
    )


def environment() -> Program:
    names = (
        "CALLER ORIGIN ADDRESS CALLVALUE CALLDATASIZE CODESIZE GASPRICE COINBASE TIMESTAMP NUMBER PREVRANDAO GASLIMIT "
        "CHAINID BASEFEE GAS MSIZE RETURNDATASIZE PC"
    )
    return loop(300, " POP ".join(names.split()) + " POP 1 NUMBER SUB BLOCKHASH POP 0 BLOBHASH POP"), {}, ""


def cold_slots() -> Program:
    return loop(300, "DUP1 SLOAD POP DUP1 DUP1 7 MUL 1000000 ADD SSTORE"), {}, ""


def creations() -> Program:
    code = initcode(assembled("0 CALLDATALOAD 1 ADD 0 MSTORE 32 0 RETURN"))
    return loaded(code) + " " + loop(100, f"{len(code)} 0 0 CREATE POP"), {}, ""


def salted_creations() -> Program:
    code = initcode(assembled("CALLER SELFBALANCE ADD STOP"))
    return loaded(code) + " " + loop(100, f"DUP1 {len(code)} 0 0 CREATE2 EXTCODESIZE POP"), {}, ""


def calls_with_data() -> Program:
    """Arguments in, a word back, read from return data."""
    body = (
        f"{0xA9059CBB << 224} 0x80 MSTORE DUP1 0x84 MSTORE DUP1 0xa4 MSTORE "
        f"0 0 68 0x80 0 {OTHER} GAS CALL POP "
        "RETURNDATASIZE 0 0x100 RETURNDATACOPY 0x100 MLOAD POP"
    )
    callee = (
        "0 CALLDATALOAD 224 SHR 0xa9059cbb EQ @go JUMPI 0 0 REVERT "
        "go: 4 CALLDATALOAD 36 CALLDATALOAD ADD 0 MSTORE 32 0 RETURN"
    )
    return loop(200, body), {OTHER: callee}, ""


def proxies() -> Program:
    """A minimal proxy (EIP-1167) before a contract that counts."""
    proxy = (
        f"CALLDATASIZE 0 0 CALLDATACOPY 0 0 CALLDATASIZE 0 {THIRD} GAS DELEGATECALL RETURNDATASIZE 0 0 RETURNDATACOPY "
        "@good JUMPI RETURNDATASIZE 0 REVERT good: RETURNDATASIZE 0 RETURN"
    )
    logic = "0 SLOAD 4 CALLDATALOAD ADD DUP1 0 SSTORE 0 MSTORE 32 0 RETURN"
    return loop(150, f"DUP1 4 MSTORE 32 0 36 0 0 {OTHER} GAS CALL POP"), {OTHER: proxy, THIRD: logic}, ""


def static_calls() -> Program:
    return (
        loop(200, f"32 0 0 0 {OTHER} GAS STATICCALL POP 0 MLOAD POP"),
        {OTHER: "7 SLOAD 0 MSTORE 32 0 RETURN"},
        "",
    )


def failing_calls() -> Program:
    """Writes that are undone, and a reason that comes back."""
    callee = f"0 SLOAD 1 ADD 0 SSTORE {0x08C379A0 << 224} 0 MSTORE 32 4 MSTORE 100 0 REVERT"
    return loop(200, f"0 0 0 0 0 {OTHER} GAS CALL POP RETURNDATASIZE 0 0 RETURNDATACOPY"), {OTHER: callee}, ""


def transfers() -> Program:
    return loop(200, f"0 0 0 0 1 {NOBODY} 0 CALL POP"), {}, ""


def long_return_data() -> Program:
    return (
        loop(150, f"0 0 0 0 {OTHER} GAS STATICCALL POP RETURNDATASIZE 0 0 RETURNDATACOPY 0x3e0 MLOAD POP"),
        {OTHER: "CALLER 0x3e0 MSTORE 1024 0 RETURN"},
        "",
    )


def deep_recursion() -> Program:
    """Calls itself 250 deep, with what is left to do as call data."""
    code = (
        "0 CALLDATALOAD DUP1 @more JUMPI 250 0 MSTORE @go JUMP more: 1 SWAP1 SUB DUP1 0 MSTORE @go JUMPI "
        "32 0 RETURN go: 32 0 32 0 0 ADDRESS GAS CALL POP 32 0 RETURN"
    )
    return code, {}, ""


def jump_table() -> Program:
    """An interpreter: each byte of call data picks one of sixteen blocks by a computed jump."""
    blocks = [
        "1 ADD", "3 MUL", "NOT", "7 XOR", "1 SHL", "2 SHR", "0xffff AND", "9 OR",
        "5 SWAP1 SUB", "DUP1 MUL", "11 SWAP1 MOD", "13 ADD", "ISZERO", "DUP1 ADD", "17 XOR", "19 ADD",
    ]  # fmt: skip
    # Stack: index, accumulator. Each block has 16 bytes; the first one's JUMPDEST is the table's place.
    head = (
        "0 0 next: DUP2 CALLDATASIZE EQ @end JUMPI DUP2 CALLDATALOAD 248 SHR SWAP2 1 ADD SWAP2 "
        "15 AND 4 SHL @table ADD JUMP "
    )
    pieces = []
    for number, block in enumerate(blocks):
        size = len(assembled(f"here: {block}")) + 4
        place = f"block{number}:" if number else "table:"
        pieces.append(f"{place} {block} @next JUMP " + "JUMPDEST " * (16 - size))
    return head + " ".join(pieces) + " end: STOP", {}, Random(5).randbytes(600).hex()


def selectors() -> Program:
    """Thirty-two functions of another contract, found by a row of comparisons."""
    words = [Random(number).getrandbits(32) | 1 << 31 for number in range(32)]
    row = " ".join(f"DUP1 {word} EQ @f{number} JUMPI" for number, word in enumerate(words))
    functions = " ".join(f"f{number}: POP 4 CALLDATALOAD {number + 3} MUL 0 MSTORE 32 0 RETURN" for number in range(32))
    body = " ".join(f"{word << 224} 0 MSTORE 32 0 36 0 {OTHER} GAS STATICCALL POP" for word in words[::3])
    return loop(20, body), {OTHER: f"0 CALLDATALOAD 224 SHR {row} 0 0 REVERT {functions}"}, ""


def checked_locals() -> Program:
    """As Vyper has it: variables in memory at fixed places, and every addition and multiplication checked."""
    body = (
        "0x40 MLOAD 0x60 MLOAD ADD DUP1 0x60 MLOAD GT @bad JUMPI 0x80 MSTORE "
        "0x60 MLOAD DUP1 3 MUL DUP2 ISZERO DUP1 @ok JUMPI POP DUP2 DUP2 DIV 3 EQ ok: ISZERO @bad JUMPI "
        "0xa0 MSTORE POP 0xa0 MLOAD 1000003 SWAP1 MOD 0x60 MSTORE 0x80 MLOAD 0xffffffffffff AND 0x40 MSTORE"
    )
    return f"7 0x40 MSTORE 9 0x60 MSTORE {loop(300, body)} bad: 0 0 REVERT", {}, ""


def fixed_point() -> Program:
    """As in an exchange's tick arithmetic: conditional multiplications by constants, each shifted back."""
    random = Random(11)
    steps = " ".join(
        f"DUP2 {1 << bit} AND ISZERO @skip{bit} JUMPI {random.getrandbits(128)} MUL 128 SHR skip{bit}:"
        for bit in range(14)
    )
    return loop(60, f"DUP1 {SEED} MUL 0x3fff AND {1 << 128} {steps} POP POP"), {}, ""


def bits() -> Program:
    """Counts the ones of a word, the slow way, and the quick way."""
    five, three, four = int("55" * 32, 16), int("33" * 32, 16), int("0f" * 32, 16)
    quick = (
        f"DUP1 1 SHR {five} AND SWAP1 SUB DUP1 {three} AND SWAP1 2 SHR {three} AND ADD DUP1 4 SHR ADD {four} AND "
        f"{int('01' * 32, 16)} MUL 248 SHR"
    )
    return (
        loop(
            20, f"DUP1 {SEED} MUL DUP1 0 inner: DUP2 1 AND ADD SWAP1 1 SHR SWAP1 DUP2 @inner JUMPI POP POP {quick} POP"
        ),
        {},
        "",
    )


def straight(seed: int) -> str:
    """2,000 instructions in a row, at random, on a stack of a few words."""
    random = Random(seed)
    row = "ADD MUL SUB DIV SDIV MOD SMOD SIGNEXTEND LT GT SLT SGT EQ AND OR XOR BYTE SHL SHR SAR"
    two = row.split(" ")
    words = [f"{random.getrandbits(random.choice((8, 64, 160, 256)))}" for _ in range(8)]
    height = 8
    for _ in range(2000):
        kind = random.randrange(10)
        if height < 6 or (kind < 3 and height < 14):
            words.append(
                random.choice((f"{random.getrandbits(random.choice((4, 8, 32, 256)))}", f"DUP{random.randrange(1, 6)}"))
            )
            height += 1
        elif kind < 7:
            words.append(random.choice(two))
            height -= 1
        elif kind == 7:
            words.append(random.choice(("NOT", "ISZERO")))
        elif kind == 8:
            words.append(f"SWAP{random.randrange(1, 5)}")
        else:
            words.append(f"{random.choice((32, 64, 77, 160))} " + random.choice(("MSTORE", "MLOAD ADD")))
            height -= 1 if words[-1].endswith("MSTORE") else 0
    return " ".join(words) + " STOP"


def straight_once() -> Program:
    return straight(3), {}, ""


def straight_called() -> Program:
    """The same code, called from a loop."""
    return loop(20, f"0 0 0 0 {OTHER} GAS STATICCALL POP"), {OTHER: straight(4)}, ""


def events() -> Program:
    """As Solidity emits them: a string and two words, encoded at the free-memory pointer."""
    text = int.from_bytes(b"a text that is longer than a word".ljust(64, b"."))
    body = (
        f"0x40 MLOAD DUP2 DUP2 MSTORE 0x60 DUP2 32 ADD MSTORE CALLER DUP2 64 ADD MSTORE 45 DUP2 96 ADD MSTORE "
        f"{text >> 256} DUP2 128 ADD MSTORE {text % 2**256} DUP2 160 ADD MSTORE "
        f"DUP2 CALLER {SEED} 192 DUP5 LOG3 POP"
    )
    return f"0x80 0x40 MSTORE {loop(200, body)}", {}, ""


def abi_decoding() -> Program:
    """Sums an array that lies in call data, with the checks of a decoder, and copies what follows each word."""
    size = 40
    body = (
        "DUP1 5 SHL 4 ADD DUP1 32 ADD CALLDATASIZE LT @bad JUMPI DUP1 CALLDATALOAD "
        "DUP1 160 SHR @bad JUMPI 0x40 MLOAD ADD 0x40 MSTORE 64 SWAP1 0x80 CALLDATACOPY 0x9f MLOAD POP"
    )
    words = b"".join(Random(number).getrandbits(150).to_bytes(32) for number in range(size + 3))
    turns = f"20 outer: {size} inner: {body} 1 SWAP1 SUB DUP1 @inner JUMPI POP 1 SWAP1 SUB DUP1 @outer JUMPI STOP"
    return f"{turns} bad: 0 0 REVERT", {}, "a9059cbb" + words.hex()


def nested_mappings() -> Program:
    """`allowance[owner][spender]`, of many owners and spenders, read and written."""
    slot = "CALLER DUP2 XOR 0 MSTORE 1 32 MSTORE 64 0 KECCAK256 32 MSTORE DUP1 0 MSTORE 64 0 KECCAK256"
    return loop(200, f"{slot} DUP1 SLOAD DUP3 ADD SWAP1 SSTORE"), {}, ""


def packed_slots() -> Program:
    """Four numbers of 64 bits in each slot."""
    body = (
        "DUP1 4 SWAP1 DIV DUP1 SLOAD DUP3 3 AND 6 SHL 0xffffffffffffffff DUP2 SHL NOT DUP3 AND "
        "DUP5 7 MUL 0xffffffffffffffff AND DUP3 SHL OR DUP4 SSTORE POP POP POP"
    )
    return loop(300, body), {}, ""


def concatenation() -> Program:
    """Two strings become one at the free-memory pointer, as `abi.encodePacked` has it, and its hash."""
    body = (
        "DUP1 31 AND 20 ADD DUP1 0x80 0x200 MCOPY DUP1 0x200 ADD DUP3 15 AND 40 ADD DUP1 0x100 DUP4 MCOPY "
        "ADD 0x200 SWAP1 SUB 0x200 KECCAK256 POP POP"
    )
    return f"{SEED} 0x80 MSTORE {SEED} 0x100 MSTORE {SEED} 0x120 MSTORE {loop(250, body)}", {}, ""


def bubbled_reverts() -> Program:
    """A reason that passes through a contract between, with all that it brought."""
    middle = (
        f"CALLDATASIZE 0 0 CALLDATACOPY 0 0 CALLDATASIZE 0 0 {THIRD} GAS CALL @good JUMPI "
        "RETURNDATASIZE 0 0 RETURNDATACOPY RETURNDATASIZE 0 REVERT good: STOP"
    )
    failing = f"{0x08C379A0 << 224} 0 MSTORE 32 4 MSTORE 70 36 MSTORE CALLER 68 MSTORE CALLER 100 MSTORE 164 0 REVERT"
    body = f"0 0 100 0 0 {OTHER} GAS CALL @good JUMPI RETURNDATASIZE 0x80 MSTORE RETURNDATASIZE 0 0xa0 RETURNDATACOPY"
    return loop(150, body) + " good: INVALID", {OTHER: middle, THIRD: failing}, ""


def library_structs() -> Program:
    """A struct of six words in, another one out."""
    callee = (
        "CALLDATASIZE 4 0x80 CALLDATACOPY 0x80 MLOAD 0xa0 MLOAD ADD 0xc0 MLOAD MUL 0x80 MSTORE "
        "0x80 MLOAD 0xe0 MSTORE 192 0x80 RETURN"
    )
    body = (
        f"{0xA9059CBB << 224} 0x80 MSTORE DUP1 0x84 MSTORE DUP1 0xa4 MSTORE DUP1 0xc4 MSTORE "
        f"192 0x80 196 0x80 {OTHER} GAS DELEGATECALL POP 0xe0 MLOAD POP"
    )
    return loop(150, body), {OTHER: callee}, ""


def zeroed_memory() -> Program:
    """`new uint[](n)`: a length, and zeros that are copied from beyond the call data."""
    body = (
        "0x40 MLOAD DUP2 31 AND 1 ADD DUP1 DUP3 MSTORE 5 SHL DUP1 CALLDATASIZE DUP4 32 ADD CALLDATACOPY "
        "DUP3 DUP3 32 ADD MSTORE ADD 0x1fff AND 0x80 OR 0x40 MSTORE"
    )
    return f"0x80 0x40 MSTORE {loop(300, body)}", {}, ""


def code_tables() -> Program:
    """Words of a table in the code, through scratch memory."""
    table = " ".join(str(Random(number).getrandbits(255) | 1 << 255) for number in range(32))
    return (
        loop(300, "32 DUP2 31 AND 33 MUL @table ADD 2 ADD 0 CODECOPY 0 MLOAD DUP2 XOR POP") + f" table: {table}",
        {},
        "",
    )


def hex_strings() -> Program:
    """A word's digits, one byte after another: `Strings.toHexString`."""
    digits = int.from_bytes(b"0123456789abcdef") << 128
    inner = f"DUP2 15 AND {digits} SWAP1 BYTE DUP2 0x80 ADD MSTORE8 SWAP1 4 SHR SWAP1 1 SWAP1 SUB DUP1 @digit JUMPI"
    return loop(15, f"{SEED} DUP2 MUL 63 digit: {inner} POP POP 0xa0 MLOAD POP"), {}, ""


def multicalls() -> Program:
    """Calls with what call data says, one after the other, each with its own piece."""
    body = (
        f"68 DUP2 68 MUL 0 CALLDATACOPY 32 0x80 68 0 0 DUP6 1 AND {OTHER} ADD GAS CALL ISZERO @bad JUMPI 0x80 MLOAD POP"
    )
    callee = "4 CALLDATALOAD 36 CALLDATALOAD LT 0 MSTORE 32 0 RETURN"
    turns = f"10 outer: {loop(20, body).removesuffix('STOP')} POP 1 SWAP1 SUB DUP1 @outer JUMPI STOP bad: 0 0 REVERT"
    return turns, {OTHER: callee, THIRD: callee}, Random(8).randbytes(21 * 68).hex()


def digests() -> Program:
    """SHA-256 of two words, as in a tree of deposits."""
    return loop(200, "DUP1 0 MSTORE 32 0 64 0 2 GAS STATICCALL POP 0 MLOAD 32 MSTORE"), {}, ""


def identities() -> Program:
    return loop(200, "DUP1 0 MSTORE 64 32 64 0 4 GAS STATICCALL POP"), {}, ""


FAMILIES: dict[str, Callable[[], Program]] = {
    each.__name__: each
    for each in (
        signed, modular, powers, byte_by_byte, unaligned, hashes, copies, transient, logs, accounts, environment,
        cold_slots, creations, salted_creations, calls_with_data, proxies, static_calls, failing_calls, transfers,
        long_return_data, deep_recursion, jump_table, selectors, checked_locals, fixed_point, bits, straight_once,
        straight_called, identities, events, abi_decoding, nested_mappings, packed_slots, concatenation,
        bubbled_reverts, library_structs, zeroed_memory, code_tables, hex_strings, multicalls, digests,
    )
}  # fmt: skip


def workload(name: str) -> dict[str, Any]:
    """A workload without its `expect`."""
    code, others, data = FAMILIES[name]()
    to = hex(FIRST_CONTRACT)
    pre = {CALLER: account(balance=CALLER_BALANCE), to: account(nonce=1, balance=10**6, code=assembled(code))}
    pre |= {hex(address): account(nonce=1, code=assembled(text)) for address, text in others.items()}
    return {
        "format": FORMAT,
        "name": f"family_{name}",
        "source": f"benchmarks/make_families.py, {name}",
        "fork": "cancun",
        "env": ENVIRONMENT,
        "pre": pre,
        "call": {"from": CALLER, "to": to, "value": "0x0", "gas": hex(GAS), "gasPrice": "0x1", "data": "0x" + data},
    }


def main() -> int:
    """Exit code 0 when the workloads are written, or with --check are what is committed; else 1."""
    return make(__doc__ or "", [(WORKLOADS / f"{name}.json", workload(name)) for name in FAMILIES])


if __name__ == "__main__":
    sys.exit(main())
