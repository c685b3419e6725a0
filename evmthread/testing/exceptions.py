"""One table from the official fixtures' names of refusals to the classes that evmthread raises.

Three generations of names: `TR_...` and bare words (ethereum/tests), `TransactionException....` (execution-spec-tests).
A name that isn't here, as the derived suite's free text, asks only that the transaction is refused.
"""

from collections.abc import Mapping
from types import MappingProxyType

from evmthread.execution import invalid
from evmthread.execution.invalid import InvalidTransaction

Classes = tuple[type[InvalidTransaction], ...]

# A transaction of a type that the fork doesn't know may be taken for one that can't be read.
_TYPE: Classes = (invalid.UnsupportedType, invalid.MalformedTransaction)
# These fields are in typed transactions only: where the fork doesn't know the type, that is as good a reason.
_TYPED: Classes = (invalid.MalformedTransaction, invalid.UnsupportedType)
_FUNDS: Classes = (invalid.InsufficientFunds,)
_GAS: Classes = (invalid.GasLimitTooLow,)
_MALFORMED: Classes = (invalid.MalformedTransaction,)
_OVERFLOW: Classes = (invalid.ValueOverflow,)
_SIGNATURE: Classes = (invalid.InvalidSignature,)
# The clients whose words these are read any v that is not 27 or 28 as one that names a chain (EIP-155).
_CHAIN: Classes = (invalid.WrongChain, invalid.InvalidSignature)
_INIT_CODE: Classes = (invalid.InitCodeTooLarge,)
_BLOB_VERSION: Classes = (invalid.BlobHashVersion,)
_BLOB_COUNT: Classes = (invalid.BlobsTooMany,)
_NO_BLOBS: Classes = (invalid.BlobsEmpty,)
_CREATION: Classes = (invalid.CreationForbidden, invalid.MalformedTransaction)

_SPEC_TESTS: dict[str, Classes] = {
    "ADDRESS_TOO_LONG": _MALFORMED,
    "ADDRESS_TOO_SHORT": _MALFORMED,
    "EC_RECOVERY_FAIL": _SIGNATURE,
    "GAS_ALLOWANCE_EXCEEDED": (invalid.GasLimitAboveBlock,),
    "GAS_LIMIT_EXCEEDS_MAXIMUM": (invalid.GasLimitAboveCap,),
    "GASLIMIT_OVERFLOW": _OVERFLOW + _MALFORMED,  # one of these has leading zeros too
    "GASLIMIT_PRICE_PRODUCT_OVERFLOW": _OVERFLOW,
    "GASPRICE_OVERFLOW": _OVERFLOW,
    "INITCODE_SIZE_EXCEEDED": _INIT_CODE,
    "INSUFFICIENT_ACCOUNT_FUNDS": _FUNDS,
    "INSUFFICIENT_MAX_FEE_PER_BLOB_GAS": (invalid.BlobFeeTooLow,),
    "INSUFFICIENT_MAX_FEE_PER_GAS": (invalid.GasPriceBelowBaseFee,),
    "INTRINSIC_GAS_BELOW_FLOOR_GAS_COST": (invalid.GasLimitBelowFloor,),
    "INTRINSIC_GAS_TOO_LOW": _GAS,
    "INVALID_CHAINID": _CHAIN,
    "INVALID_SIGNATURE_VRS": (invalid.InvalidSignature, invalid.ValueOverflow),
    "NONCE_IS_MAX": (invalid.NonceAtMaximum,),
    "NONCE_MISMATCH_TOO_HIGH": (invalid.NonceTooHigh,),
    "NONCE_MISMATCH_TOO_LOW": (invalid.NonceTooLow,),
    "NONCE_OVERFLOW": _OVERFLOW,
    "NONCE_TOO_BIG": (invalid.NonceAtMaximum,),
    "PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS": (invalid.PriorityAboveMaximumFee,),
    "PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS_2": (invalid.PriorityAboveMaximumFee,),
    "PRIORITY_OVERFLOW": _OVERFLOW,
    "RLP_ERROR_EOF": _MALFORMED,
    "RLP_ERROR_SIZE": _MALFORMED,
    "RLP_ERROR_SIZE_LEADING_ZEROS": _MALFORMED,
    "RLP_INVALID_ACCESS_LIST_ADDRESS_TOO_LONG": _TYPED,
    "RLP_INVALID_ACCESS_LIST_ADDRESS_TOO_SHORT": _TYPED,
    "RLP_INVALID_ACCESS_LIST_STORAGE_TOO_LONG": _TYPED,
    "RLP_INVALID_ACCESS_LIST_STORAGE_TOO_SHORT": _TYPED,
    "RLP_INVALID_DATA": _MALFORMED,
    "RLP_INVALID_GASLIMIT": _MALFORMED,
    "RLP_INVALID_HEADER": (invalid.MalformedTransaction, invalid.UnsupportedType),
    "RLP_INVALID_NONCE": _MALFORMED,
    "RLP_INVALID_SIGNATURE_R": _MALFORMED,
    "RLP_INVALID_SIGNATURE_S": _MALFORMED,
    "RLP_INVALID_TO": _MALFORMED,
    "RLP_INVALID_VALUE": _MALFORMED,
    "RLP_LEADING_ZEROS_BASEFEE": _TYPED,
    "RLP_LEADING_ZEROS_DATA_SIZE": _MALFORMED,
    "RLP_LEADING_ZEROS_GASLIMIT": _MALFORMED,
    "RLP_LEADING_ZEROS_GASPRICE": _MALFORMED,
    "RLP_LEADING_ZEROS_NONCE": _MALFORMED,
    "RLP_LEADING_ZEROS_NONCE_SIZE": _MALFORMED,
    "RLP_LEADING_ZEROS_PRIORITY_FEE": _TYPED,
    "RLP_LEADING_ZEROS_R": _MALFORMED,
    "RLP_LEADING_ZEROS_S": _MALFORMED,
    "RLP_LEADING_ZEROS_V": _MALFORMED,
    "RLP_LEADING_ZEROS_VALUE": _MALFORMED,
    "RLP_TOO_FEW_ELEMENTS": _MALFORMED,
    "RLP_TOO_MANY_ELEMENTS": _MALFORMED,
    "SENDER_NOT_EOA": (invalid.SenderNotAccount,),
    "TYPE_1_TX_PRE_FORK": _TYPE,
    "TYPE_2_TX_PRE_FORK": _TYPE,
    "TYPE_3_TX_BLOB_COUNT_EXCEEDED": _BLOB_COUNT,
    "TYPE_3_TX_CONTRACT_CREATION": _CREATION,
    "TYPE_3_TX_INVALID_BLOB_VERSIONED_HASH": _BLOB_VERSION,
    "TYPE_3_TX_MAX_BLOB_GAS_ALLOWANCE_EXCEEDED": _BLOB_COUNT,
    "TYPE_3_TX_PRE_FORK": _TYPE,
    "TYPE_3_TX_WITH_FULL_BLOBS": _MALFORMED,
    "TYPE_3_TX_ZERO_BLOBS": _NO_BLOBS,
    "TYPE_3_TX_ZERO_BLOBS_PRE_FORK": _TYPE,
    "TYPE_4_EMPTY_AUTHORIZATION_LIST": (invalid.AuthorizationsEmpty,),
    "TYPE_4_INVALID_AUTHORITY_SIGNATURE": _MALFORMED,
    "TYPE_4_INVALID_AUTHORITY_SIGNATURE_S_TOO_HIGH": _MALFORMED,
    "TYPE_4_INVALID_AUTHORIZATION_FORMAT": (invalid.MalformedTransaction, invalid.ValueOverflow),
    "TYPE_4_TX_CONTRACT_CREATION": _CREATION,
    "TYPE_4_TX_PRE_FORK": _TYPE,
    "TYPE_NOT_SUPPORTED": _TYPE,
    "VALUE_OVERFLOW": _OVERFLOW,
}

EXCEPTIONS: Mapping[str, Classes] = MappingProxyType(
    {
        "IntrinsicGas": _GAS,
        "SenderNotEOA": (invalid.SenderNotAccount,),
        "TR_BLOBCREATE": _CREATION,
        "TR_BLOBLIST_OVERSIZE": _BLOB_COUNT,
        "TR_BLOBVERSION_INVALID": _BLOB_VERSION,
        "TR_EMPTYBLOB": _NO_BLOBS,
        "TR_FeeCapLessThanBlocks": (invalid.GasPriceBelowBaseFee,),
        "TR_GasLimitReached": (invalid.GasLimitAboveBlock,),
        "TR_InitCodeLimitExceeded": _INIT_CODE,
        "TR_IntrinsicGas": _GAS,
        "TR_NoFunds": _FUNDS,
        "TR_NoFundsOrGas": _FUNDS + _GAS,
        "TR_NoFundsX": _FUNDS + _OVERFLOW,
        "TR_NonceHasMaxValue": (invalid.NonceAtMaximum,),
        "TR_NonceTooHigh": (invalid.NonceTooHigh,),
        "TR_NonceTooLow": (invalid.NonceTooLow,),
        "TR_RLP_WRONGVALUE": _OVERFLOW,
        "TR_TipGtFeeCap": (invalid.PriorityAboveMaximumFee,),
        "TR_TypeNotSupported": _TYPE,
        "TR_TypeNotSupportedBlob": _TYPE,
        **{f"TransactionException.{name}": classes for name, classes in _SPEC_TESTS.items()},
    }
)


def classes_of(names: str) -> Classes | None:
    """The classes of a fixture's `expectException` (names joined by "|"); None where any refusal will do."""
    found: list[type[InvalidTransaction]] = []
    for name in names.split("|"):
        classes = EXCEPTIONS.get(name.strip())
        if classes is None:
            return None
        found.extend(classes)
    return tuple(found)


def mismatch(names: str | None, refusal: InvalidTransaction | None) -> str:
    """What is wrong with a refusal, or with its absence, in words; "" when it is as the fixture says."""
    if not names:
        return "" if refusal is None else f"unexpected error: {refusal}"
    if refusal is None:
        return f"expected error {names!r}, got no error"
    classes = classes_of(names)
    if classes is None or isinstance(refusal, classes):
        return ""
    return f"expected error {names!r}, got {type(refusal).__name__}: {refusal}"
