"""Answers transactions with the execution specifications (EELS): one JSON object a line in, one a line out.

Runs under a Python that has ethereum-execution (`pip install ethereum-execution==2.20.0`), and knows nothing of
evmthread. A question has the fork, the signed transaction's bytes, the block, 256 block hashes and all accounts; an
answer has the status, gas used, output, logs and all accounts that aren't empty, or an error.
"""

import json
import sys
import threading
from importlib import import_module
from typing import Any

from ethereum.crypto.hash import Hash32
from ethereum.exceptions import InvalidBlock, InvalidTransaction
from ethereum.trace import TransactionEnd, set_evm_trace
from ethereum_rlp import rlp
from ethereum_types.bytes import Bytes, Bytes32
from ethereum_types.numeric import U64, U256, Uint

MODULES = {
    "Frontier": "frontier",
    "Homestead": "homestead",
    "DAOFork": "dao_fork",
    "TangerineWhistle": "tangerine_whistle",
    "SpuriousDragon": "spurious_dragon",
    "Byzantium": "byzantium",
    "Petersburg": "constantinople",  # both came in one block of mainnet; EELS has what came out of it
    "Istanbul": "istanbul",
    "Berlin": "berlin",
    "London": "london",
    "Paris": "paris",
    "Shanghai": "shanghai",
    "Cancun": "cancun",
    "Prague": "prague",
    "Osaka": "osaka",
    "BPO1": "bpo1",
    "BPO2": "bpo2",
}
RECURSION_LIMIT = 100_000  # EELS calls itself for every call of a program
STACK_BYTES = 1 << 29

ends: list[TransactionEnd] = []


def remember_the_end(_evm: object, event: object) -> None:
    """The one event that tells output and error."""
    if isinstance(event, TransactionEnd):
        ends.append(event)


def block_environment(vm: Any, state: Any, types: Any, block: dict[str, Any], hashes: list[str]) -> Any:
    """The fork's own record of the block."""
    fields = {
        "chain_id": U64(block["chain_id"]),
        "state": state,
        "block_gas_limit": Uint(block["gas_limit"]),
        "block_hashes": [Hash32(bytes.fromhex(item)) for item in hashes],
        "coinbase": types.Address(bytes.fromhex(block["coinbase"])),
        "number": Uint(block["number"]),
        "base_fee_per_gas": Uint(block["base_fee"]),
        "time": U256(block["timestamp"]),
        "difficulty": Uint(block["difficulty"]),
        "prev_randao": Bytes32(bytes.fromhex(block["prev_randao"])),
        "excess_blob_gas": U64(0),
        "parent_beacon_block_root": Hash32(bytes(32)),
    }
    known = vm.BlockEnvironment.__dataclass_fields__
    return vm.BlockEnvironment(**{name: value for name, value in fields.items() if name in known})


def decode(transactions: Any, data: bytes) -> Any:
    """The fork's own record of a transaction."""
    if data[0] < 0x80:
        return transactions.decode_transaction(Bytes(data))
    legacy = getattr(transactions, "LegacyTransaction", None) or transactions.Transaction
    return rlp.decode_to(legacy, data)


def accounts_of(state: Any, module: Any) -> dict[str, Any]:
    """All accounts that aren't empty."""
    told = {}
    for place, account in state._main_trie._data.items():
        slots = state._storage_tries[place]._data if place in state._storage_tries else {}
        if account is None or account == module.EMPTY_ACCOUNT:
            continue
        told[place.hex()] = {
            "nonce": int(account.nonce),
            "balance": int(account.balance),
            "code": bytes(account.code).hex(),
            "storage": {str(int.from_bytes(key, "big")): int(value) for key, value in slots.items() if value},
        }
    return told


def answer(question: dict[str, Any]) -> dict[str, Any]:
    """Runs one transaction."""
    base = f"ethereum.forks.{MODULES[question['fork']]}"
    fork, vm, states, types, transactions = (
        import_module(f"{base}.{name}") for name in ("fork", "vm", "state", "fork_types", "transactions")
    )
    state = states.State()
    for name, account in question["accounts"].items():
        place = types.Address(bytes.fromhex(name))
        code = Bytes(bytes.fromhex(account["code"]))
        states.set_account(
            state, place, types.Account(nonce=Uint(account["nonce"]), balance=U256(account["balance"]), code=code)
        )
        for key, value in account["storage"].items():
            states.set_storage(state, place, Bytes32(int(key).to_bytes(32, "big")), U256(value))
    block = block_environment(vm, state, types, question["block"], question["block_hashes"])
    output = vm.BlockOutput()
    ends.clear()
    try:
        fork.process_transaction(block, output, decode(transactions, bytes.fromhex(question["transaction"])), Uint(0))
    except OverflowError as error:
        # MODEXP of EELS 2.20 adds to a length near 2**256 before it finds that no gas can pay for it.
        return {"silent": repr(error)}
    except (InvalidBlock, InvalidTransaction) as error:  # refused before it ran
        return {
            "status": "refused",
            "reason": repr(error),
            "gas_used": 0,
            "output": "",
            "logs": [],
            "accounts": accounts_of(state, types),
        }
    status, shown = "success", b""
    if ends:
        end = ends[-1]
        shown = bytes(end.output)
        if end.error is not None:
            status = "revert" if type(end.error).__name__ == "Revert" else "halt"
        if status == "halt":
            shown = b""  # code that couldn't be deposited is still there
    else:
        status = "halt"  # a taken address: nothing ran
    return {
        "status": status,
        "gas_used": int(output.block_gas_used),
        "output": shown.hex(),
        "logs": [
            [log.address.hex(), [bytes(topic).hex() for topic in log.topics], bytes(log.data).hex()]
            for log in output.block_logs
        ],
        "accounts": accounts_of(state, types),
    }


def main() -> None:
    """Questions until the input ends."""
    set_evm_trace(remember_the_end)
    for line in sys.stdin:
        try:
            told = answer(json.loads(line))
        except Exception as error:  # noqa: BLE001 - told to whoever asked
            told = {"error": repr(error)}
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    sys.setrecursionlimit(RECURSION_LIMIT)
    threading.stack_size(STACK_BYTES)
    thread = threading.Thread(target=main)
    thread.start()
    thread.join()
