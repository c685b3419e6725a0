"""Whether each owner has lent its name to its session key: KeyGrants, of owners with a key and of contracts."""

from collections.abc import Mapping

from evmthread.chain.errors import CallReverted
from evmthread.chain.transactions import Call, Transactions
from evmthread.commit.agreement import verify_key_grant
from evmthread.commit.eip712 import Domain, digest
from evmthread.commit.refusals import Refusal
from evmthread.commit.terms import KeyGrant, Terms, thread_id
from evmthread.contracts.abi import Function, Parameter
from evmthread.errors import InvalidInput
from evmthread.primitives.types import ZERO_ADDRESS

_VALID = bytes.fromhex("1626ba7e")  # EIP-1271


def check_grants(transactions: Transactions, domain: Domain, terms: Terms, grants: Mapping[int, bytes]) -> None:
    """Nothing, or InvalidInput or a Refusal: an owner that isn't its own key has not granted it.

    `grants` are the signatures by party. A contract is asked (EIP-1271), in the latest block.
    """
    thread = thread_id(domain, terms)
    for index, (owner, key) in enumerate(zip(terms.owners, terms.keys, strict=True)):
        if owner == key:
            continue
        signature = grants.get(index)
        if signature is None:
            raise InvalidInput(f"0x{owner.hex()} has granted nothing to the key 0x{key.hex()} of party {index}")
        grant = KeyGrant(thread, owner, key)
        try:
            verify_key_grant(domain, terms, grant, signature)
        except Refusal:
            if not _contract_agrees(transactions, owner, digest(domain, grant), signature):
                raise


def _contract_agrees(transactions: Transactions, owner: bytes, signed: bytes, signature: bytes) -> bool:
    asked = Function("isValidSignature", (Parameter("", "bytes32"), Parameter("", "bytes")), (), "view")
    try:
        output = transactions.try_out(ZERO_ADDRESS, Call("isValidSignature", owner, asked.encode(signed, signature)))
    except CallReverted:
        return False
    return output[:4] == _VALID and not any(output[4:32]) and len(output) >= 32
