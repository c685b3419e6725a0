"""A wallet in this process that shares no code with evmthread: eth-account signs what it is shown."""

import json
from typing import Any

from eth_account import Account

from evmthread.errors import EvmthreadError
from evmthread.rpc import NodeRefused


class Wallet:
    """A provider with one unlocked account. `answer` may change what it says, `asked` is what it was asked."""

    def __init__(self, key: bytes) -> None:
        self._account = Account.from_key(key)
        self.asked: list[tuple[str, tuple[object, ...]]] = []
        self.error: EvmthreadError | None = None

    def request(self, method: str, *parameters: object) -> object:
        self.asked.append((method, parameters))
        if self.error is not None:
            raise self.error
        if method == "eth_accounts":
            return [self._account.address]
        if method != "eth_signTypedData_v4":
            raise NodeRefused(method, -32601, "the method does not exist")
        address, shown = parameters
        assert isinstance(address, str)
        if address.lower() != self._account.address.lower():
            raise NodeRefused(method, 4100, "unknown account")
        message: Any = json.loads(shown) if isinstance(shown, str) else shown
        signed = self._account.sign_typed_data(full_message=message)
        return self.answer("0x" + bytes(signed.signature).hex())

    def answer(self, signature: str) -> object:
        """What it says of a signature that it made."""
        return signature
