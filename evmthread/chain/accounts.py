"""Who pays for a transaction: a key in this process, or an account that a node or wallet holds."""

from dataclasses import replace
from typing import NoReturn, Protocol

from evmthread.chain.quantities import data, text
from evmthread.errors import InvalidInput
from evmthread.execution.transaction import Transaction
from evmthread.primitives.arguments import address_bytes
from evmthread.primitives.secp256k1 import SigningKey
from evmthread.rpc import NodeRefused, Provider


class Account(Protocol):
    """One account of the chain that sends transactions."""

    @property
    def address(self) -> bytes:
        """20 bytes."""

    def send(self, provider: Provider, transaction: Transaction) -> bytes:
        """Signs and sends a transaction that is ready but for its signature; its hash. Raises as providers do."""

    def send_again(self, provider: Provider, transaction: bytes) -> None:
        """The node may have lost this one: gives it the same bytes again, if we have them. Raises as providers do."""


class KeyAccount:
    """An account whose private key is in this process. It shows in no repr, and can't be pickled."""

    __slots__ = ("_address", "_key", "_sent")

    def __init__(self, private_key: bytes) -> None:
        """Takes a key of 32 bytes. Raises CryptoError where it is none."""
        self._key = SigningKey(private_key)
        self._address = self._key.address
        self._sent: dict[bytes, bytes] = {}

    @property
    def address(self) -> bytes:
        """20 bytes."""
        return self._address

    def send(self, provider: Provider, transaction: Transaction) -> bytes:
        """Signs here, and sends the bytes (eth_sendRawTransaction)."""
        r, s, parity = self._key.sign(transaction.signing_hash())
        signed = replace(transaction, r=r, s=s, v=parity)
        raw, name = signed.encode(), signed.hash()
        self._sent[name] = raw
        try:
            provider.request("eth_sendRawTransaction", text(raw))
        except NodeRefused:
            # It refuses what it has already, where the connection broke before it could say so.
            if provider.request("eth_getTransactionByHash", text(name)) is None:
                raise
        return name

    def send_again(self, provider: Provider, transaction: bytes) -> None:
        """The same bytes."""
        if (raw := self._sent.get(transaction)) is not None:
            provider.request("eth_sendRawTransaction", text(raw))

    def __repr__(self) -> str:
        return f"KeyAccount(address=0x{self._address.hex()})"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise InvalidInput("a KeyAccount holds a private key: it can't be pickled")


class NodeAccount:
    """An account that the node, or the wallet behind the provider, signs for (eth_sendTransaction).

    Nonce and fees are its own matter.
    """

    __slots__ = ("_address",)

    def __init__(self, address: bytes) -> None:
        """The account at this address (20 bytes). Raises InvalidInput."""
        self._address = address_bytes(address)

    @property
    def address(self) -> bytes:
        """20 bytes."""
        return self._address

    def send(self, provider: Provider, transaction: Transaction) -> bytes:
        """Asks the node to sign and send."""
        asked = {
            "from": text(self._address),
            "value": text(transaction.value),
            "data": text(transaction.data),
            "gas": text(transaction.gas_limit),
        }
        if transaction.to is not None:
            asked["to"] = text(transaction.to)
        return data(provider.request("eth_sendTransaction", asked), "eth_sendTransaction", 32)

    def send_again(self, provider: Provider, transaction: bytes) -> None:
        """Nothing: the node has the bytes, and we have not."""
