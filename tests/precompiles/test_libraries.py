import subprocess
import sys

from evmthread.precompiles import libraries
from evmthread.precompiles.libraries import find_library, ripemd160_of_hashlib, ripemd160_of_pycryptodome


def test_a_library_that_is_there() -> None:
    import math

    assert find_library("math", "gcd", "gcd.__name__") is math


def test_missing_and_too_old_libraries() -> None:
    assert find_library("evmthread_no_such_library") is None
    assert find_library("math", "gcd", "no_such_function") is None
    assert find_library("math", "gcd.no_such_attribute") is None


def test_integer_type_makes_integers() -> None:
    number = libraries.integer_type()(97)
    assert number == 97
    assert type(5 * 60 % number) is type(number)
    assert int(pow(5, -1, number)) == pow(5, -1, 97)


def test_ripemd160_is_one_of_two() -> None:
    assert libraries.ripemd160() in (ripemd160_of_hashlib, ripemd160_of_pycryptodome)
    assert libraries.ripemd160()(b"").hex() == "9c1185a5c5e9fc54612808977ee8f548b2258d31"


def test_importing_the_contracts_imports_no_heavy_library() -> None:
    heavy = ["py_ecc", "cryptography", "gmpy2", "blake2b", "py_arkworks_bls12381", "Crypto"]
    code = f"import sys, evmthread.precompiles; print([name for name in {heavy} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() in ("[]", "['Crypto']")


def test_powers_of_words_import_a_library_once_it_pays() -> None:
    code = (
        "import sys\n"
        "from evmthread.isa.instructions.arithmetic import power\n"
        "expected = pow(7, 2**256 - 1, 2**256)\n"
        "for turn in range(100):\n"
        "    assert power(7, 2**256 - 1) == expected\n"
        "    if turn == 20: print('gmpy2' in sys.modules)\n"
        "print(sys.modules.get('gmpy2', 0) is not 0)\n"
    )
    result = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["False", str(libraries.gmpy2() is not None)]


def answers(*blocked: str) -> str:
    """What some contracts answer in a process of its own where the `blocked` modules can't be imported."""
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({blocked}))\n"
        "from evmthread.precompiles import *\n"
        "word = lambda n: n.to_bytes(32, 'big')\n"
        "print(MODEXP_BERLIN.run(word(1) * 3 + bytes([3, 5, 7])).hex())\n"
        "print(BLAKE2F.run(bytes(3) + bytes([12]) + bytes(208) + bytes([1])).hex())\n"
        "print(BN254_MULTIPLY_ISTANBUL.run(word(1) + word(2) + word(9)).hex())\n"
        "print(BLS12_381_MAP_FP_TO_G1.run(bytes(64)).hex())\n"
        "print(P256VERIFY.run(bytes(160)).hex())\n"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_the_contracts_answer_the_same_without_optional_libraries() -> None:
    best = answers()
    assert best.startswith("05\n")
    assert best == answers("gmpy2", "blake2b", "py_arkworks_bls12381", "cryptography")
