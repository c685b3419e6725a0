"""Why a transaction is refused before it runs: one class a reason, each with the values that clash."""

from evmthread.errors import EvmthreadError


def _shown(value: object) -> str:
    # Python refuses to write the decimal digits of numbers far beyond what any field holds.
    return f"a number of {value.bit_length()} bits" if isinstance(value, int) and value >> 512 else str(value)


class InvalidTransaction(EvmthreadError):  # noqa: N818 - the fixtures' term; its subclasses name the reason
    """A transaction that its fork refuses; nothing of it happens. `expected` is the bound that `got` breaks."""

    summary = "invalid transaction"

    def __init__(self, expected: object = None, got: object = None) -> None:
        detail = "" if expected is None and got is None else f": expected {_shown(expected)}, got {_shown(got)}"
        super().__init__(self.summary + detail)
        self.expected = expected
        self.got = got


class UnsupportedType(InvalidTransaction):
    summary = "transaction type not in this fork"


class NonceTooLow(InvalidTransaction):
    summary = "nonce too low"


class NonceTooHigh(InvalidTransaction):
    summary = "nonce too high"


class NonceAtMaximum(InvalidTransaction):
    summary = "nonce at its maximum (EIP-2681)"


class SenderNotAccount(InvalidTransaction):
    summary = "sender has code (EIP-3607)"


class InsufficientFunds(InvalidTransaction):
    summary = "sender can't pay for gas and value"


class ValueOverflow(InvalidTransaction):
    summary = "a number of more bits than its field has"


class GasLimitTooLow(InvalidTransaction):
    summary = "gas limit below the intrinsic gas"


class GasLimitBelowFloor(InvalidTransaction):
    summary = "gas limit below the calldata floor (EIP-7623)"


class GasLimitAboveBlock(InvalidTransaction):
    summary = "gas limit above the block's"


class GasLimitAboveCap(InvalidTransaction):
    summary = "gas limit above the transaction cap (EIP-7825)"


class GasPriceBelowBaseFee(InvalidTransaction):
    summary = "fee per gas below the block's base fee"


class PriorityAboveMaximumFee(InvalidTransaction):
    summary = "priority fee above the maximum fee"


class InitCodeTooLarge(InvalidTransaction):
    summary = "init code too large (EIP-3860)"


class BlobsEmpty(InvalidTransaction):
    summary = "blob transaction without blobs"


class BlobsTooMany(InvalidTransaction):
    summary = "too many blobs"


class BlobHashVersion(InvalidTransaction):
    summary = "versioned hash of an unknown version"


class BlobFeeTooLow(InvalidTransaction):
    summary = "fee per blob gas below the block's"


class CreationForbidden(InvalidTransaction):
    summary = "this type of transaction can't create a contract"


class AuthorizationsEmpty(InvalidTransaction):
    summary = "set-code transaction without authorizations"


class InvalidSignature(InvalidTransaction):
    summary = "invalid signature"


class WrongChain(InvalidTransaction):
    summary = "signed for another chain"


class MalformedTransaction(InvalidTransaction):
    summary = "bytes that are no transaction"
