"""The two chains on which the registry's tests run, as one: evmthread's LocalChain, and anvil, a real node."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from evmthread.execution.transaction import Transaction
from evmthread.merkle.eip1186 import AccountProof, account_proof
from evmthread.primitives.keccak import keccak256
from evmthread.primitives.secp256k1 import private_key_address
from evmthread.primitives.types import ZERO_ADDRESS
from evmthread.testing.chain import BLOCK_GAS, BLOCK_SECONDS, CALL_GAS, GENESIS_TIME, LocalChain, MinedTransaction
from tests.anvil import Anvil, logs_of, running_anvil, unhex

CHAIN_ID = 1337
GAS_LIMIT = 1 << 24  # the most that a transaction may have (EIP-7825)
FORK = "osaka"


class Chain(Protocol):
    """What the tests need of a chain. Blocks come twelve seconds after each other unless told otherwise."""

    @property
    def time(self) -> int:
        """The timestamp of the latest block."""

    def wait_until(self, timestamp: int) -> None:
        """The next block has this timestamp."""

    def put(
        self, address: bytes, *, balance: int = 0, nonce: int = 0, code: bytes = b"", storage: Mapping[int, int] = {}
    ) -> None:
        """Makes an account what it should be, without a transaction."""

    def send(self, transaction: Transaction) -> MinedTransaction:
        """A block with this signed transaction."""

    def ask(self, to: bytes, data: bytes, sender: bytes = ZERO_ADDRESS) -> tuple[bool, bytes]:
        """Success and output of a call that changes nothing."""

    def balance(self, address: bytes) -> int:
        """In wei."""

    def nonce(self, address: bytes) -> int: ...

    def code(self, address: bytes) -> bytes: ...

    def proof(self, address: bytes, keys: tuple[int, ...] = ()) -> tuple[bytes, AccountProof]:
        """The state root, and what the chain proves of an account and of slots under it."""

    def snapshot(self) -> Any:
        """This moment, for `restore`."""

    def restore(self, snapshot: Any) -> None:
        """Makes everything as it was."""


class InProcess:
    """evmthread's own EVM."""

    def __init__(self, engine: str = "auto") -> None:
        self.chain = LocalChain(chain_id=CHAIN_ID, engine=engine)

    @property
    def time(self) -> int:
        return self.chain.time

    def wait_until(self, timestamp: int) -> None:
        self.chain.wait_until(timestamp)

    def put(
        self, address: bytes, *, balance: int = 0, nonce: int = 0, code: bytes = b"", storage: Mapping[int, int] = {}
    ) -> None:
        world = self.chain.world
        if balance:
            world.set_balance(address, balance)
        if code:
            world.set_code(address, code)
        if nonce:
            world.set_nonce(address, nonce)
        for key, value in storage.items():
            world.set_storage(address, key, value)

    def send(self, transaction: Transaction) -> MinedTransaction:
        return self.chain.send(transaction)

    def ask(self, to: bytes, data: bytes, sender: bytes = ZERO_ADDRESS) -> tuple[bool, bytes]:
        result = self.chain.call(to, data, sender=sender)
        return result.success, result.output

    def balance(self, address: bytes) -> int:
        return self.chain.balance(address)

    def nonce(self, address: bytes) -> int:
        return self.chain.world.nonce(address)

    def code(self, address: bytes) -> bytes:
        return self.chain.world.code(address)

    def proof(self, address: bytes, keys: tuple[int, ...] = ()) -> tuple[bytes, AccountProof]:
        self.chain.world.begin_transaction()
        roots = self.chain.world.roots()
        return roots.root(), account_proof(roots, address, keys)

    def snapshot(self) -> Any:
        return self.chain.snapshot()

    def restore(self, snapshot: Any) -> None:
        self.chain.restore(snapshot)


class OnAnvil:
    """A real node."""

    def __init__(self, node: Anvil) -> None:
        self.node = node
        self._next_time: int | None = GENESIS_TIME + BLOCK_SECONDS

    @property
    def time(self) -> int:
        return int(self._latest()["timestamp"], 16)

    def wait_until(self, timestamp: int) -> None:
        self._next_time = timestamp

    def put(
        self, address: bytes, *, balance: int = 0, nonce: int = 0, code: bytes = b"", storage: Mapping[int, int] = {}
    ) -> None:
        self.node.put(address, balance=balance, nonce=nonce, code=code, storage=storage)

    def send(self, transaction: Transaction) -> MinedTransaction:
        timestamp = self._next_time or self.time + BLOCK_SECONDS
        self.node.ask("evm_setNextBlockTimestamp", timestamp)
        self._next_time = None
        receipt = self.node.send(transaction)
        success = receipt["status"] == "0x1"
        created = receipt.get("contractAddress")
        traced = self.node.ask("debug_traceTransaction", receipt["transactionHash"], {"tracer": "callTracer"})
        return MinedTransaction(
            int(receipt["blockNumber"], 16),
            timestamp,
            unhex(receipt["transactionHash"]),
            success,
            int(receipt["gasUsed"], 16),
            logs_of(receipt["logs"]),
            unhex(created) if created and success else None,
            unhex(traced.get("output") or ""),
        )

    def ask(self, to: bytes, data: bytes, sender: bytes = ZERO_ADDRESS) -> tuple[bool, bytes]:
        call = {"from": _hex(sender), "to": _hex(to), "data": _hex(data), "gas": hex(CALL_GAS)}
        traced = self.node.ask("debug_traceCall", call, "latest", {"tracer": "callTracer"})
        return "error" not in traced, unhex(traced.get("output") or "")

    def balance(self, address: bytes) -> int:
        return int(self.node.ask("eth_getBalance", _hex(address), "latest"), 16)

    def nonce(self, address: bytes) -> int:
        return int(self.node.ask("eth_getTransactionCount", _hex(address), "latest"), 16)

    def code(self, address: bytes) -> bytes:
        return unhex(self.node.ask("eth_getCode", _hex(address), "latest"))

    def proof(self, address: bytes, keys: tuple[int, ...] = ()) -> tuple[bytes, AccountProof]:
        self.node.mine()  # what `put` did is part of the next block's state
        names = [_hex(key.to_bytes(32, "big")) for key in keys]
        answer = self.node.ask("eth_getProof", _hex(address), names, "latest")
        return unhex(self._latest()["stateRoot"]), AccountProof.from_json(answer)

    def snapshot(self) -> Any:
        return [self.node.ask("evm_snapshot"), self._next_time]

    def restore(self, snapshot: Any) -> None:
        assert self.node.ask("evm_revert", snapshot[0])
        snapshot[0] = self.node.ask("evm_snapshot")  # anvil forgets a snapshot that it went back to
        self._next_time = snapshot[1]

    def _latest(self) -> Mapping[str, Any]:
        block = self.node.ask("eth_getBlockByNumber", "latest", False)
        assert isinstance(block, dict)
        return block


@contextmanager
def chain_named(name: str) -> Iterator[Chain]:
    """A new chain: "in process" (with either engine) or "anvil"."""
    if name != "anvil":
        yield InProcess("stepper" if name == "in process, stepper" else "auto")
        return
    # Gas costs nothing, so that balances change by what is sent alone.
    prices = ("--gas-price", "0", "--block-base-fee-per-gas", "0", "--disable-min-priority-fee")
    options = (*prices, "--gas-limit", str(BLOCK_GAS), "--timestamp", str(GENESIS_TIME))
    with running_anvil(*options, hardfork=FORK) as node:
        yield OnAnvil(node)


def transact(
    chain: Chain, key: bytes, to: bytes | None, data: bytes = b"", *, value: int = 0, gas: int = GAS_LIMIT
) -> MinedTransaction:
    """A transaction by the owner of this private key, in a block of its own."""
    transaction = Transaction(
        chain_id=CHAIN_ID, nonce=chain.nonce(private_key_address(key)), gas_limit=gas, to=to, value=value, data=data
    )
    return chain.send(transaction.signed(key))


def account_key(name: str) -> bytes:
    """A private key that everybody knows, for tests only."""
    return keccak256(b"evmthread registry test " + name.encode())


def _hex(data: bytes) -> str:
    return "0x" + data.hex()
