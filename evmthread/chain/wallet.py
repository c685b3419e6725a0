"""A signer whose key is somebody else's to keep: a wallet that is asked over JSON-RPC (`eth_signTypedData_v4`).

What it answers is brought into the one form that evmthread takes, and not believed: the guard recovers who signed what.
It must not know what the data mean. The provider waits as long as it likes, people take their time: give it a time-out
that suits them.
"""

import json
import re

from evmthread.commit.eip712 import TypedData
from evmthread.commit.members import plain_type
from evmthread.commit.signature import SIGNATURE_BYTES, V_OFFSET, join_signature
from evmthread.commit.signing import check_typed_data
from evmthread.errors import BackendError
from evmthread.primitives.secp256k1 import GROUP_ORDER, HALF_ORDER
from evmthread.rpc import BadAnswer, NodeRefused, Provider

METHOD = "eth_signTypedData_v4"
_USER_REJECTED, _UNAUTHORIZED, _UNSUPPORTED = 4001, 4100, 4200  # EIP-1193, section "Provider errors"
_METHOD_NOT_FOUND = -32601  # JSON-RPC 2.0, section 5.1
_ADDRESS_TYPE = plain_type("address")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_SIGNATURE = re.compile(r"0x[0-9a-fA-F]*")


class WalletRefused(BackendError):  # noqa: N818 - as all names in errors.py, it says what happened
    """The wallet doesn't sign: its code and message. What the guard has logged can be asked for again."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"the wallet says {message!r} ({code})")
        self.code = code
        self.message = message

    def __reduce__(self) -> tuple[type["WalletRefused"], tuple[int, str]]:
        return type(self), (self.code, self.message)


class WalletDenied(WalletRefused):
    """Its user said no."""


class WalletUnauthorized(WalletRefused):
    """The wallet doesn't lend this account, or not to us."""


class WalletUnsupported(WalletRefused):
    """The wallet can't sign typed data."""


_REFUSALS = (
    (_USER_REJECTED, WalletDenied),
    (_UNAUTHORIZED, WalletUnauthorized),
    (_UNSUPPORTED, WalletUnsupported),
    (_METHOD_NOT_FOUND, WalletUnsupported),
)


def wallet_accounts(provider: Provider) -> list[bytes]:
    """The addresses (20 bytes each) that a wallet lends, its favourite first. Raises what the provider raises."""
    answer = provider.request("eth_accounts")
    if not isinstance(answer, list) or not all(isinstance(each, str) and _ADDRESS.fullmatch(each) for each in answer):
        raise BadAnswer("eth_accounts: no list of addresses")
    return [bytes.fromhex(each[2:]) for each in answer]


class WalletSigner:
    """A Signer: one account of a wallet."""

    __slots__ = ("_address", "_as_text", "_provider")

    def __init__(self, provider: Provider, address: bytes, *, as_text: bool = True) -> None:
        """The account at `address` (20 bytes); the wallet isn't asked for it yet. Raises InvalidInput.

        `as_text`: the typed data travel as a string of JSON, which browser wallets want and nodes take; else as an
        object.
        """
        self._provider = provider
        self._address: bytes = _ADDRESS_TYPE.plain(address, "a wallet's account")
        self._as_text = as_text

    @property
    def address(self) -> bytes:
        """The 20-byte address of the account."""
        return self._address

    def sign(self, typed_data: TypedData) -> bytes:
        """What the wallet answers, as 65 bytes r ++ s ++ v with low s and v 27 or 28; nothing is verified.

        Raises WalletDenied, WalletUnauthorized, WalletUnsupported; BadAnswer for what has no such form; and what the
        provider raises.
        """
        check_typed_data(typed_data)
        shown = typed_data.to_json()
        try:
            answer = self._provider.request(
                METHOD, "0x" + self._address.hex(), json.dumps(shown) if self._as_text else shown
            )
        except NodeRefused as error:
            for code, refusal in _REFUSALS:
                if error.code == code:
                    raise refusal(code, error.message) from None
            raise
        return _one_form(answer)

    def __repr__(self) -> str:
        return f"WalletSigner(address=0x{self._address.hex()})"


def _one_form(answer: object) -> bytes:
    """The signature as evmthread takes it: some wallets give the y parity for v, or a high s.

    Of the two s that sign the same for the same key, the low one is kept (EIP-2).
    """
    if not isinstance(answer, str) or not _SIGNATURE.fullmatch(answer) or len(answer) != 2 + 2 * SIGNATURE_BYTES:
        raise BadAnswer(f"{METHOD}: no signature of {SIGNATURE_BYTES} bytes")
    raw = bytes.fromhex(answer[2:])
    r, s, v = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:64], "big"), raw[64]
    if v not in (0, 1, V_OFFSET, V_OFFSET + 1):
        raise BadAnswer(f"{METHOD}: v is {v}, none of 0, 1, 27, 28")
    parity = v % V_OFFSET
    if HALF_ORDER < s < GROUP_ORDER:
        s, parity = GROUP_ORDER - s, 1 - parity
    return join_signature(r, s, parity)
