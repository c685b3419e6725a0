"""Blocks of a chain, as a node tells them: each header is hashed, and taken for nothing else than its hash says.

What a header commits to can then be proven: accounts and slots under its state root, code under an account's code hash,
logs under its receipts root. That a header is of the chain at all, only the node says: see docs/chain.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evmthread.chain.errors import ChainMoved, NodeLies
from evmthread.chain.quantities import data, items, quantity, record, text
from evmthread.errors import DecodingError, InvalidInput
from evmthread.merkle.accounts import Account
from evmthread.merkle.proofs import ProofError
from evmthread.merkle.receipts import Receipt
from evmthread.merkle.trie import ordered_root
from evmthread.primitives.keccak import EMPTY_HASH, keccak256
from evmthread.primitives.types import Log
from evmthread.rpc import BadAnswer, NodeRefused, Provider
from evmthread.state.remote import ask_for_proof, header_hash

LATEST, FINALIZED = "latest", "finalized"
_MAX_TYPE = 0x7F  # EIP-2718


@dataclass(frozen=True, slots=True)
class Block:
    """A header, of which `hash` is the hash."""

    number: int
    hash: bytes
    parent_hash: bytes
    timestamp: int
    state_root: bytes
    receipts_root: bytes
    base_fee: int
    gas_limit: int

    @property
    def name(self) -> dict[str, object]:
        """The block as a parameter: by its hash, and only as long as it is of the node's chain (EIP-1898)."""
        return {"blockHash": text(self.hash), "requireCanonical": True}


def block_at(provider: Provider, where: int | str | bytes) -> Block:
    """The block with this number, tag or hash. Raises ChainMoved where there is none, NodeLies, BadAnswer."""
    method = "eth_getBlockByHash" if isinstance(where, bytes) else "eth_getBlockByNumber"
    answer = provider.request(method, where if isinstance(where, str) else text(where), False)
    if answer is None:
        raise ChainMoved(f"the node has no block {where if isinstance(where, str) else text(where)}")
    told = record(answer, method)
    block = Block(
        quantity(told.get("number"), "number"),
        data(told.get("hash"), "hash", 32),
        data(told.get("parentHash"), "parentHash", 32),
        quantity(told.get("timestamp"), "timestamp"),
        data(told.get("stateRoot"), "stateRoot", 32),
        data(told.get("receiptsRoot"), "receiptsRoot", 32),
        quantity(told.get("baseFeePerGas", "0x0"), "baseFeePerGas"),
        quantity(told.get("gasLimit"), "gasLimit"),
    )
    try:
        computed = header_hash(told)
    except (DecodingError, InvalidInput) as error:
        raise BadAnswer(f"{method}: {error}") from error
    if computed != block.hash:
        raise NodeLies(f"block {block.number}: its header has the hash {text(computed)}, not {text(block.hash)}")
    if isinstance(where, bytes) and where != block.hash:
        raise NodeLies(f"asked for block {text(where)}, the node gives {text(block.hash)}")
    if isinstance(where, int) and where != block.number:
        raise NodeLies(f"asked for block {where}, the node gives block {block.number}")
    return block


def _ask_at(provider: Provider, block: Block, method: str, *parameters: object) -> object:
    try:
        return provider.request(method, *parameters, block.name)
    except NodeRefused:
        if block_at(provider, block.number).hash != block.hash:
            raise ChainMoved(f"block {block.number} was {text(block.hash)}, and is another now") from None
        raise


def proven(
    provider: Provider, block: Block, address: bytes, keys: Sequence[int] = ()
) -> tuple[Account | None, list[int]]:
    """An account and some of its slots in this block, proven. Raises NodeLies, ChainMoved, and as providers do."""
    names = [text(key.to_bytes(32, "big")) for key in keys]
    try:
        return ask_for_proof(
            lambda: _ask_at(provider, block, "eth_getProof", text(address), names), block.state_root, address, keys
        )
    except ProofError as error:
        raise NodeLies(f"eth_getProof of {text(address)} in block {block.number}: {error}") from error


def code_at(provider: Provider, block: Block, address: bytes) -> bytes:
    """The code of an account in this block, which has the hash that is proven there. Raises as `proven` does."""
    account, _ = proven(provider, block, address)
    wanted = EMPTY_HASH if account is None else account.code_hash
    if wanted == EMPTY_HASH:
        return b""
    code = data(_ask_at(provider, block, "eth_getCode", text(address)), "eth_getCode")
    if keccak256(code) != wanted:
        raise NodeLies(f"the code of {text(address)} in block {block.number} has not the hash {text(wanted)}")
    return code


def receipts_of(provider: Provider, block: Block) -> list[Receipt]:
    """All receipts of a block, which make up its receipts root. Raises NodeLies, ChainMoved, BadAnswer."""
    answer = provider.request("eth_getBlockReceipts", text(block.hash))
    if answer is None:
        raise ChainMoved(f"the node has no receipts of block {block.number}")
    encoded, receipts = [], []
    for told in items(answer, "eth_getBlockReceipts"):
        entry = record(told, "eth_getBlockReceipts")
        kind = quantity(entry.get("type", "0x0"), "type")
        if kind > _MAX_TYPE:
            raise BadAnswer(f"eth_getBlockReceipts: a transaction of type {kind}")
        receipt = Receipt(
            quantity(entry.get("status"), "status") == 1,
            quantity(entry.get("cumulativeGasUsed"), "cumulativeGasUsed"),
            tuple([log_of(log) for log in items(entry.get("logs"), "logs")]),
        )
        receipts.append(receipt)
        encoded.append((bytes((kind,)) if kind else b"") + receipt.encode())  # EIP-2718
    if ordered_root(encoded) != block.receipts_root:
        raise NodeLies(f"the receipts of block {block.number} don't make up its receipts root")
    return receipts


def log_of(told: object) -> Log:
    """A log as a node tells it. Raises BadAnswer."""
    entry = record(told, "a log")
    topics = [data(topic, "a topic", 32) for topic in items(entry.get("topics"), "topics")]
    return Log(data(entry.get("address"), "address", 20), tuple(topics), data(entry.get("data"), "data"))


@dataclass(frozen=True, slots=True)
class PlacedLog:
    """A log and where it stands: in which block, and as which of the block's logs."""

    block_number: int
    block_hash: bytes
    index: int
    transaction: bytes
    log: Log

    @classmethod
    def from_json(cls, told: object) -> "PlacedLog":
        """A log with its place, as eth_getLogs tells it; nothing is verified. Raises BadAnswer."""
        entry: Mapping[str, object] = record(told, "a log")
        return cls(
            quantity(entry.get("blockNumber"), "blockNumber"),
            data(entry.get("blockHash"), "blockHash", 32),
            quantity(entry.get("logIndex"), "logIndex"),
            data(entry.get("transactionHash"), "transactionHash", 32),
            log_of(told),
        )


def check_logs(provider: Provider, placed: Sequence[PlacedLog]) -> None:
    """Nothing, or NodeLies: these logs, of one block, aren't among the logs of that block. Raises as receipts_of."""
    first = placed[0]
    block = block_at(provider, first.block_hash)
    if block.number != first.block_number:
        raise NodeLies(f"block {text(block.hash)} has the number {block.number}, not {first.block_number}")
    logs = [log for receipt in receipts_of(provider, block) for log in receipt.logs]
    for each in placed:
        if each.index >= len(logs) or logs[each.index] != each.log:
            raise NodeLies(f"log {each.index} of block {block.number} isn't what the node says")
