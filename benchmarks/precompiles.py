"""Time loops over precompiled contracts beside the calls that do their work: on distinct inputs, CPU time, by turns.

    python -m benchmarks.precompiles [--rounds N]

A contract takes one input after the other from its call data and calls the precompile on it. `by_library` is what a
user of the library would write for the same inputs; where the work is our own (bn254 on gmpy2's integers), the function
itself. Exit code 1 when the results differ.
"""

import argparse
import hashlib
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from random import Random

from benchmarks.make_families import assembled
from benchmarks.report import columns
from evmthread import precompiles
from evmthread.execution import World
from evmthread.isa.forks import PRAGUE
from evmthread.precompiles import libraries
from evmthread.primitives.keccak import keccak256

HERE = b"\x11" * 20
GAS = 10**12
WARM_UP = 40
ROUNDS = 15
WIDTHS = (26, 8, 14, 14, 9)
HEADINGS = ("precompile", "inputs", "loop us/call", "library us", "ratio")


@dataclass(frozen=True, slots=True)
class Subject:
    """A precompile by address, inputs of one length, and the library's function for one of them."""

    name: str
    address: int
    inputs: list[bytes]
    by_library: Callable[[bytes], bytes]

    @property
    def code(self) -> bytes:
        """Calls the precompile on each input and gives back the exclusive or of the first words of all results."""
        size = len(self.inputs[0])
        result = (size + 31) // 32 * 32
        return assembled(
            f"0 0 next: {size} DUP2 0 CALLDATACOPY 32 {result} {size} 0 {self.address} GAS STATICCALL POP "
            f"SWAP1 {result} MLOAD XOR SWAP1 {size} ADD DUP1 CALLDATASIZE GT @next JUMPI POP 0 MSTORE 32 0 RETURN"
        )


def recover(data: bytes) -> bytes:
    """An address from a signature, with coincurve alone."""
    from coincurve import PublicKey

    signature = data[64:] + bytes((data[63] - 27,))
    key = PublicKey.from_signature_and_message(signature, data[:32], hasher=None).format(compressed=False)
    return bytes(12) + keccak256(key[1:])[12:]


def power(data: bytes) -> bytes:
    """A modular power of three numbers of 256 bytes."""
    base, exponent, modulus = (int.from_bytes(data[96 + 256 * n : 352 + 256 * n]) for n in range(3))
    return int(libraries.power_modulo()(base, exponent, modulus)).to_bytes(256)


def compress(data: bytes) -> bytes:
    library = libraries.blake2b()
    if library is None:
        return precompiles.BLAKE2F.run(data)
    result: bytes = library.decode_and_compress(data)
    return result


def subjects() -> list[Subject]:
    """All of them, with inputs that no two calls share."""
    from coincurve import PrivateKey

    random = Random(7)
    signed = []
    for _ in range(100):
        digest = random.randbytes(32)
        signature = PrivateKey(random.randbytes(32)).sign_recoverable(digest, hasher=None)
        signed.append(digest + bytes(31) + bytes((27 + signature[64],)) + signature[:64])
    multiply = precompiles.BN254_MULTIPLY_ISTANBUL.run
    generator = (1).to_bytes(32) + (2).to_bytes(32)
    points = [multiply(generator + random.randbytes(32)) for _ in range(60)]
    lengths = (256).to_bytes(32) * 3
    rounds = (12).to_bytes(4)
    return [
        Subject("ECRECOVER", 1, signed, recover),
        Subject("SHA256, 128 bytes", 2, _bytes(random, 128, 100), _sha256),
        Subject("SHA256, 16 kB", 2, _bytes(random, 16_384, 20), _sha256),
        Subject("RIPEMD160, 16 kB", 3, _bytes(random, 16_384, 20), _ripemd160),
        Subject("MODEXP, 2,048 bits", 5, [lengths + part for part in _bytes(random, 768, 20)], power),
        Subject("bn254 addition", 6, [a + b for a, b in pairwise(points)],
                precompiles.BN254_ADD_ISTANBUL.run),
        Subject("bn254 multiplication", 7, [point + random.randbytes(32) for point in points], multiply),
        Subject("BLAKE2F, 12 rounds", 9, [rounds + part + b"\1" for part in _bytes(random, 208, 100)], compress),
        Subject("BLAKE2F, 10,000 rounds", 9,
                [(10_000).to_bytes(4) + part + b"\1" for part in _bytes(random, 208, 20)], compress),
    ]  # fmt: skip


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _ripemd160(data: bytes) -> bytes:
    return bytes(12) + libraries.ripemd160()(data)


def _bytes(random: Random, size: int, count: int) -> list[bytes]:
    return [random.randbytes(size) for _ in range(count)]


def timed(subject: Subject, rounds: int) -> tuple[float, float]:
    """CPU seconds of the loop and of the library's calls, medians. Raises ValueError where the results differ."""
    world = World(fork=PRAGUE)
    world.set_code(HERE, subject.code)
    data = b"".join(subject.inputs)
    wanted = 0
    for each in subject.inputs:
        wanted ^= int.from_bytes(subject.by_library(each)[:32])
    for _ in range(WARM_UP):
        if world.call(HERE, data, gas=GAS).output != wanted.to_bytes(32):
            raise ValueError(f"{subject.name}: the loop and the library differ")
    loops, libraries_ = [], []
    for _ in range(rounds):
        start = time.process_time()
        world.call(HERE, data, gas=GAS)
        middle = time.process_time()
        for each in subject.inputs:
            subject.by_library(each)
        loops.append(middle - start)
        libraries_.append(time.process_time() - middle)
    return statistics.median(loops), statistics.median(libraries_)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.precompiles", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args(arguments)
    print(columns(HEADINGS, WIDTHS))
    for subject in subjects():
        try:
            loop, library = timed(subject, options.rounds)
        except ValueError as error:
            print(f"precompiles: {error}", file=sys.stderr)
            return 1
        count = len(subject.inputs)
        cells = (subject.name, str(count), f"{loop / count * 1e6:.2f}", f"{library / count * 1e6:.2f}")
        print(columns((*cells, f"{loop / library:.2f} x"), WIDTHS), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
