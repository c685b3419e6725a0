"""Tests of the precompiled contracts.

py_ecc raises the recursion limit of the whole process when it is imported; here it is imported once, and the limit put
back, so that the other tests run under Python's own.
"""

import sys

_limit = sys.getrecursionlimit()
import py_ecc.bls.hash_to_curve  # noqa: E402
import py_ecc.optimized_bls12_381  # noqa: E402
import py_ecc.optimized_bn128  # noqa: E402, F401

sys.setrecursionlimit(_limit)
