"""Play the moves of one channel on py-evm + trie + eth-account: the same work as two of our endpoints do in memory.

Runs under a Python of its own that has these; knows nothing of evmthread. benchmarks/worker.py times it. A move is:
its actor signs an Input; the leader recovers that, executes, roots, signs the Commitment; the actor executes and roots
too, recovers the leader's signature over its own digest, and signs; the leader recovers that. There are no messages,
and nothing is kept. Every digest must be the one that the channel's parties signed.
"""

# mypy: disable-error-code="import-not-found"

import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from eth.constants import BLANK_ROOT_HASH
from eth.db.atomic import AtomicDB
from eth.db.trie import make_trie_root_and_nodes
from eth.rlp.logs import Log
from eth.rlp.receipts import Receipt
from eth.vm.execution_context import ExecutionContext
from eth.vm.forks.cancun.state import CancunState
from eth.vm.forks.cancun.transactions import CancunTransactionBuilder
from eth.vm.spoof import SpoofTransaction
from eth_account import Account
from eth_account._utils.encode_typed_data.encoding_and_hashing import hash_struct
from eth_account.messages import SignableMessage, encode_typed_data

from benchmarks.reference_pyevm import data, number
from benchmarks.reference_pyevm import providers as pyevm_providers

ZERO = "0x" + "00" * 32


def providers() -> dict[str, str]:
    """What computes here."""
    return pyevm_providers() | {"eth-account": version("eth-account"), "trie": version("trie")}


class Party:
    """One party's state."""

    def __init__(self, game: dict[str, Any]) -> None:
        environment = game["environment"]
        context = ExecutionContext(
            coinbase=data(environment["coinbase"]),
            timestamp=int(environment["timestamp"]),
            block_number=int(environment["number"]),
            difficulty=0,
            mix_hash=bytes(32),
            gas_limit=int(environment["gasLimit"]),
            prev_hashes=(),
            chain_id=int(game["domain"]["chainId"]),
            base_fee_per_gas=0,
            excess_blob_gas=0,
        )
        self.state = CancunState(AtomicDB(), context, BLANK_ROOT_HASH)
        for text, account in game["pre"].items():
            address = data(text)
            self.state.set_balance(address, number(account["balance"]))
            self.state.set_nonce(address, number(account["nonce"]))
            self.state.set_code(address, data(account["code"]))
            for slot, value in account["storage"].items():
                self.state.set_storage(address, number(slot), number(value))
        self.state.persist()
        self.root = data(game["address"])
        self.owners = [data(owner) for owner in game["owners"]]

    def execute(self, each: dict[str, Any]) -> dict[str, Any]:
        """The fields of a commitment that follow from running one input."""
        state = self.state
        unsigned = CancunTransactionBuilder.create_unsigned_transaction(
            nonce=int(each["nonce"]),
            gas_price=0,
            gas=int(each["gas"]),
            to=data(each["to"]),
            value=int(each["value"]),
            data=data(each["data"]),
        )
        state.lock_changes()  # the slots' original values are those of now, and nothing is warm
        computation = state.apply_transaction(SpoofTransaction(unsigned, from_=data(each["actor"])))
        consumed = int(each["gas"]) - computation.get_gas_remaining()
        used = consumed - min(computation.get_gas_refund(), consumed // 5)  # EIP-3529
        logs = [Log(address, topics, body) for address, topics, body in computation.get_log_entries()]
        receipt = Receipt(b"\x01" if computation.is_success else b"", used, logs)
        state.persist()
        return {
            "stateRoot": "0x" + state.make_state_root().hex(),
            "storageRoot": "0x" + state._account_db._get_account(self.root).storage_root.hex(),
            "receiptsRoot": "0x" + make_trie_root_and_nodes((receipt,))[0].hex(),
            "gas": used,
            "balances": [str(state.get_balance(owner)) for owner in self.owners],
        }


class Game:
    """Two parties and the line that they sign."""

    def __init__(self, game: dict[str, Any]) -> None:
        self.game = game
        self.parties = [Party(game), Party(game)]
        self.nonce, self.parent, self.gas_used = game["nonce"], game["parent"], game["gasUsed"]
        self.digests: list[str] = []

    def typed(self, primary: str, message: dict[str, Any]) -> SignableMessage:
        """What is signed of a struct."""
        full = {"types": self.game["types"][primary], "primaryType": primary, "domain": self.game["domain"]}
        return encode_typed_data(full_message=full | {"message": message})

    def commitment(self, party: Party, each: dict[str, Any]) -> tuple[dict[str, Any], SignableMessage]:
        """What a party commits to after running one input, and what it signs of it."""
        batch = {"environment": self.game["environment"], "inputs": [each]}
        fields = party.execute(each)
        gas_used = self.gas_used + fields.pop("gas")
        message = {
            "threadId": self.game["threadId"],
            "nonce": str(self.nonce),
            "parent": self.parent,
            "status": 0,
            "awaiting": "0x" + "00" * 20,
            "machineHash": ZERO,
            "batchHash": "0x" + hash_struct("Batch", self.game["types"]["Batch"], batch).hex(),
            "gasUsed": str(gas_used),
            "fee": "0",
        }
        return message | fields, self.typed("Commitment", message | fields)

    def move(self, actor: int, body: str, account_nonce: int) -> None:
        """One agreed batch with one input."""
        game = self.game
        leader = self.nonce % 2
        assert leader != actor
        each = {
            "threadId": game["threadId"],
            "nonce": str(account_nonce),
            "parent": self.parent,
            "kind": 0,
            "actor": game["owners"][actor],
            "to": game["address"],
            "value": "0",
            "gas": game["gas"],
            "data": body,
        }
        asked = Account.sign_message(self.typed("Input", each), game["keys"][actor]).signature
        recovered = Account.recover_message(self.typed("Input", each), signature=asked)
        assert recovered.lower() == game["owners"][actor]
        proposed, signable = self.commitment(self.parties[leader], each)
        first = Account.sign_message(signable, game["keys"][leader])
        compared, own = self.commitment(self.parties[actor], each)
        assert compared == proposed
        assert Account.recover_message(own, signature=first.signature).lower() == game["owners"][leader]
        second = Account.sign_message(own, game["keys"][actor])
        assert Account.recover_message(signable, signature=second.signature).lower() == game["owners"][actor]
        self.nonce, self.parent = self.nonce + 1, "0x" + first.message_hash.hex()
        self.gas_used = int(proposed["gasUsed"])
        self.digests.append(self.parent)


def repeatable(game: dict[str, Any]) -> Callable[[], tuple[float, dict[str, Any]]]:
    """A function that plays all moves from the prepared state: CPU seconds and answer."""

    def call() -> tuple[float, dict[str, Any]]:
        played = Game(game)
        start = time.process_time()
        for move in game["moves"]:
            played.move(move["actor"], move["data"], move["nonce"])
        seconds = time.process_time() - start
        return seconds, {"digests": played.digests}

    return call
