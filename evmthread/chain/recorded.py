"""The agreement that a transaction brought on chain, read from its input: for a party that the others kept it from.

Nothing that the node says of it is believed: the signatures show whose agreement it is.
"""

from collections.abc import Iterator

from evmthread.chain.blocks import PlacedLog
from evmthread.chain.events import registry_artifact
from evmthread.chain.quantities import data, record, text
from evmthread.chain.registry import Registry
from evmthread.commit.agreement import Agreement, SignatureSet
from evmthread.commit.commitment import Commitment
from evmthread.commit.refusals import Refusal
from evmthread.commit.terms import Terms
from evmthread.contracts.abi import Function
from evmthread.errors import DecodingError, InvalidInput

_BRINGING = ("checkpoint", "challenge", "respond", "settle")
_MOST_BYTES = 8 * 1024  # of a call with sixteen parties and all their signatures, with some to spare
_MOST_PLACES = 64  # that are tried: anybody can send anything


def recorded_agreement(registry: Registry, terms: Terms, event: PlacedLog, digest: bytes) -> Agreement | None:
    """The agreement with this digest in the input of the transaction that made the log; None where there is none.

    It is also found where another contract, such as a Safe, was told to pass it on. Raises BadAnswer, and as providers
    do.
    """
    answer = registry.provider.request("eth_getTransactionByHash", text(event.transaction))
    if answer is None:
        return None
    calldata = data(record(answer, "eth_getTransactionByHash").get("input"), "input")
    for name in _BRINGING:
        function = registry_artifact().function(name)
        for said in _calls(function, calldata):
            try:
                _, commitment, bitmap, signatures = function.decode_input(said)
                assert isinstance(commitment, tuple)
                found = Agreement(
                    registry.domain,
                    terms,
                    Commitment(*commitment),
                    SignatureSet(bitmap, signatures),  # type: ignore[arg-type] # decoded as such
                )
            except (DecodingError, InvalidInput, Refusal):
                continue
            if found.digest == digest:
                return found
    return None


def _calls(function: Function, calldata: bytes) -> Iterator[bytes]:
    """What stands from each place on that begins with the function's selector."""
    place = -1
    for _ in range(_MOST_PLACES):
        place = calldata.find(function.selector, place + 1)
        if place < 0:
            return
        yield calldata[place : place + _MOST_BYTES]
