"""Every contract against prices and outputs of the reference implementation, with each of its engines."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evmthread.precompiles import PrecompileFailure
from evmthread.precompiles.blake2f import compress
from evmthread.precompiles.bls12_381_py_ecc import PyEccBls12381
from evmthread.precompiles.bn254 import bn254_over
from evmthread.precompiles.libraries import ripemd160_of_pycryptodome
from evmthread.precompiles.p256verify import verify_in_python
from tests.precompiles.samples import CONTRACTS

SLOW_WITHOUT_LIBRARIES = (
    "BLS12_381_G2_MSM",
    "BLS12_381_MAP_FP2_TO_G2",
    "BLS12_381_PAIRING_CHECK",
    "KZG_POINT_EVALUATION",
)
VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text())["vectors"]


def by_contract() -> dict[str, list[dict[str, Any]]]:
    grouped: dict[str, list[dict[str, Any]]] = {}
    for vector in VECTORS:
        grouped.setdefault(vector["contract"], []).append(vector)
    return grouped


GROUPED = by_contract()


def plain_engine(name: str) -> Any:
    """The engine that needs no optional library, for contracts that have one."""
    if name.startswith(("BLS12_381", "KZG")):
        return PyEccBls12381()
    if name.startswith("BN254"):
        return bn254_over(int)
    if name.startswith("MODEXP"):
        return pow
    return {"BLAKE2F": compress, "P256VERIFY": verify_in_python, "RIPEMD160": ripemd160_of_pycryptodome}[name]


def check(run: Callable[..., bytes], vector: dict[str, Any], *engine: Any) -> None:
    if "output" not in vector:
        return
    data = bytes.fromhex(vector["input"][2:])
    if vector["output"] is None:
        with pytest.raises(PrecompileFailure):
            run(data, *engine)
    else:
        output = run(data, *engine)
        assert type(output) is bytes
        assert output.hex() == vector["output"][2:], vector


def test_every_contract_has_vectors() -> None:
    assert GROUPED.keys() == CONTRACTS.keys()


@pytest.mark.parametrize("name", GROUPED)
def test_price(name: str) -> None:
    for vector in GROUPED[name]:
        price = CONTRACTS[name].price(bytes.fromhex(vector["input"][2:]))
        if vector["price"] is not None:
            assert price == int(vector["price"]), vector


@pytest.mark.parametrize("name", GROUPED)
def test_output(name: str) -> None:
    for vector in GROUPED[name]:
        check(CONTRACTS[name].run, vector)


@pytest.mark.parametrize("name", sorted(GROUPED.keys() - {"ECRECOVER", "SHA256", "IDENTITY"}))
def test_output_of_the_plain_engine(name: str) -> None:
    engine = plain_engine(name)
    successes = 0
    for vector in GROUPED[name]:
        # Two are enough where each takes a good part of a second.
        if name in SLOW_WITHOUT_LIBRARIES and vector["output"] is not None:
            successes += 1
            if successes > 2:
                continue
        check(CONTRACTS[name].run, vector, engine)
