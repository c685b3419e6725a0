"""Other libraries' providers as ours: anything with web3.py's `make_request(method, params)`.

Nothing of web3.py is imported: the object that its user has is called.
"""

from typing import Protocol

from evmthread.errors import EvmthreadError
from evmthread.rpc.provider import NodeUnreachable, result_of


class MakesRequests(Protocol):
    """The one method of web3.py's synchronous providers that is called."""

    def make_request(self, method: str, params: list[object]) -> object:
        """The node's answer, a mapping with `result` or `error`, as JSON-RPC has it."""


class ForeignProvider:
    """A Provider over such an object: `ForeignProvider(w3.provider)`."""

    def __init__(self, provider: MakesRequests) -> None:
        self._provider = provider
        self._name = type(provider).__name__

    def request(self, method: str, *parameters: object) -> object:
        """The result of one call. Raises NodeUnreachable, NodeRefused, BadAnswer."""
        try:
            answer = self._provider.make_request(method, list(parameters))
        except EvmthreadError:
            raise
        except Exception as error:  # whatever the foreign transport raises
            # Its text may show the node's address, and a key in that: the cause has it.
            raise NodeUnreachable(f"{self._name} can't be asked: {type(error).__name__}") from error
        return result_of(answer, method, None, self._name)
