import subprocess
import sys

import pytest

from evmthread.precompiles import (
    BLS12_381_G1_ADD,
    BLS12_381_G1_MSM,
    BLS12_381_G2_ADD,
    BLS12_381_G2_MSM,
    BLS12_381_MAP_FP2_TO_G2,
    BLS12_381_MAP_FP_TO_G1,
    BLS12_381_PAIRING_CHECK,
    Precompile,
    PrecompileFailure,
)
from evmthread.precompiles.bls12_381 import G1_DISCOUNTS, G2_DISCOUNTS
from evmthread.precompiles.bls12_381_groups import PRIME
from tests.precompiles.samples import bls_g1, bls_g2, padded, word

G1 = padded(bls_g1(3))
G2 = padded(bls_g2(3))
GOOD = {
    BLS12_381_G1_ADD: G1 + G1,
    BLS12_381_G1_MSM: G1 + word(5),
    BLS12_381_G2_ADD: G2 + G2,
    BLS12_381_G2_MSM: G2 + word(5),
    BLS12_381_PAIRING_CHECK: G1 + G2,
    BLS12_381_MAP_FP_TO_G1: bytes(63) + b"\3",
    BLS12_381_MAP_FP2_TO_G2: bytes(127) + b"\3",
}
contracts = pytest.mark.parametrize("contract", GOOD, ids=lambda contract: contract.name)


def test_outputs() -> None:
    assert BLS12_381_G1_ADD.run(G1 + G1) == padded(bls_g1(6))
    assert BLS12_381_G2_ADD.run(G2 + G2) == padded(bls_g2(6))
    assert BLS12_381_G1_MSM.run(G1 + word(5) + G1 + word(1)) == padded(bls_g1(18))
    assert BLS12_381_G2_MSM.run(G2 + word(5) + G2 + word(1)) == padded(bls_g2(18))
    assert BLS12_381_G1_ADD.run(G1 + padded(bls_g1(-3))) == bytes(128)
    assert BLS12_381_PAIRING_CHECK.run(G1 + G2) == word(0)
    assert BLS12_381_PAIRING_CHECK.run(G1 + G2 + padded(bls_g1(-9)) + padded(bls_g2(1))) == word(1)


@contracts
def test_length(contract: Precompile) -> None:
    good = GOOD[contract]
    assert contract.run(good)
    for data in (b"", good[:-1], good + b"\0"):
        with pytest.raises(PrecompileFailure, match="bytes"):
            contract.run(data)


@contracts
def test_coordinates_are_padded_and_below_the_prime(contract: Precompile) -> None:
    good = GOOD[contract]
    for start in range(0, len(good) - 32, 64):
        value = int.from_bytes(good[start : start + 64], "big")
        for bad in (PRIME, value + PRIME, value + (1 << 384), value + (1 << 383), value | 1 << 511, (1 << 512) - 1):
            with pytest.raises(PrecompileFailure, match="prime"):
                contract.run(good[:start] + bad.to_bytes(64, "big") + good[start + 64 :])


def test_fixed_prices() -> None:
    assert (BLS12_381_G1_ADD.price(b""), BLS12_381_G2_ADD.price(b"")) == (375, 600)
    assert (BLS12_381_MAP_FP_TO_G1.price(b""), BLS12_381_MAP_FP2_TO_G2.price(b"")) == (5500, 23800)
    assert [BLS12_381_PAIRING_CHECK.price(bytes(384 * n)) for n in (1, 2, 10)] == [70300, 102900, 363700]


def test_discounts() -> None:
    assert len(G1_DISCOUNTS) == len(G2_DISCOUNTS) == 128
    assert (G1_DISCOUNTS[0], G1_DISCOUNTS[1], G1_DISCOUNTS[-1]) == (1000, 949, 519)
    assert (G2_DISCOUNTS[0], G2_DISCOUNTS[1], G2_DISCOUNTS[-1]) == (1000, 1000, 524)
    assert all(table[i] >= table[i + 1] for table in (G1_DISCOUNTS, G2_DISCOUNTS) for i in range(127))
    assert [BLS12_381_G1_MSM.price(bytes(160 * n)) for n in (0, 1, 2, 128, 129)] == [0, 12000, 22776, 797184, 803412]
    assert [BLS12_381_G2_MSM.price(bytes(288 * n)) for n in (0, 1, 2, 128, 129)] == [0, 22500, 45000, 1509120, 1520910]


def test_the_fallback_leaves_the_recursion_limit_alone() -> None:
    script = (
        "import sys; from evmthread.precompiles import bls12_381_groups as groups, libraries\n"
        "limit = sys.getrecursionlimit(); libraries.arkworks = lambda: None\n"
        "groups.best_bls12_381(); assert 'py_ecc' in sys.modules; assert sys.getrecursionlimit() == limit\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
