"""Floor 1: every precompiled contract from Frontier to Osaka, one module per family; bytes in, bytes out.

Which fork has which of them at which address isn't known here. A contract whose price or rule changed is there once per
change, named after the fork that brought it. Heavy libraries are imported at first use.
"""

from evmthread.precompiles.blake2f import BLAKE2F
from evmthread.precompiles.bls12_381 import (
    BLS12_381_G1_ADD,
    BLS12_381_G1_MSM,
    BLS12_381_G2_ADD,
    BLS12_381_G2_MSM,
    BLS12_381_MAP_FP2_TO_G2,
    BLS12_381_MAP_FP_TO_G1,
    BLS12_381_PAIRING_CHECK,
)
from evmthread.precompiles.bn254 import (
    BN254_ADD_BYZANTIUM,
    BN254_ADD_ISTANBUL,
    BN254_MULTIPLY_BYZANTIUM,
    BN254_MULTIPLY_ISTANBUL,
    BN254_PAIRING_BYZANTIUM,
    BN254_PAIRING_ISTANBUL,
)
from evmthread.precompiles.ecrecover import ECRECOVER
from evmthread.precompiles.hashes import RIPEMD160, SHA256
from evmthread.precompiles.identity import IDENTITY
from evmthread.precompiles.kzg import KZG_POINT_EVALUATION
from evmthread.precompiles.modexp import MODEXP_BERLIN, MODEXP_BYZANTIUM, MODEXP_OSAKA
from evmthread.precompiles.p256verify import P256VERIFY
from evmthread.precompiles.precompile import Precompile, PrecompileFailure

__all__ = [
    "BLAKE2F",
    "BLS12_381_G1_ADD",
    "BLS12_381_G1_MSM",
    "BLS12_381_G2_ADD",
    "BLS12_381_G2_MSM",
    "BLS12_381_MAP_FP2_TO_G2",
    "BLS12_381_MAP_FP_TO_G1",
    "BLS12_381_PAIRING_CHECK",
    "BN254_ADD_BYZANTIUM",
    "BN254_ADD_ISTANBUL",
    "BN254_MULTIPLY_BYZANTIUM",
    "BN254_MULTIPLY_ISTANBUL",
    "BN254_PAIRING_BYZANTIUM",
    "BN254_PAIRING_ISTANBUL",
    "ECRECOVER",
    "IDENTITY",
    "KZG_POINT_EVALUATION",
    "MODEXP_BERLIN",
    "MODEXP_BYZANTIUM",
    "MODEXP_OSAKA",
    "P256VERIFY",
    "RIPEMD160",
    "SHA256",
    "Precompile",
    "PrecompileFailure",
]
