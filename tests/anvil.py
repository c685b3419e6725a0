"""anvil, a real Ethereum node, for the tests that ask one: EVMTHREAD_ANVIL or the PATH says where its program is.

It isn't needed to use evmthread. Where it isn't, its tests are skipped with one line, or fail when
EVMTHREAD_REQUIRE_ANVIL=1 asks for that. Each node has a port and a home folder of its own, and is killed at the end.
"""

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from evmthread.execution.environment import BlockEnvironment, blob_base_fee
from evmthread.execution.transaction import Transaction
from evmthread.isa.forks import Fork, fork_named
from evmthread.primitives.types import Log
from evmthread.rpc import HttpProvider

PROGRAM_VARIABLE = "EVMTHREAD_ANVIL"
REQUIRE_VARIABLE = "EVMTHREAD_REQUIRE_ANVIL"
CHAIN_ID = 1337  # that of the cases in tests/differential
START_SECONDS = 30.0
LISTENING = re.compile(r"Listening on 127\.0\.0\.1:(\d+)")
OPTIONS = (
    *("--host", "127.0.0.1", "--port", "0", "--chain-id", str(CHAIN_ID)),
    "--disable-default-create2-deployer",
)


def program() -> str:
    """anvil's program; else the test is skipped, or fails."""
    found = os.environ.get(PROGRAM_VARIABLE) or shutil.which("anvil")
    if found is None:
        what = f"no anvil: set {PROGRAM_VARIABLE} to its program (npm: @foundry-rs/anvil-linux-amd64)"
        if os.environ.get(REQUIRE_VARIABLE) == "1":
            pytest.fail(what, pytrace=False)
        pytest.skip(what)
    return found


@dataclass(frozen=True)
class Anvil:
    """A running node that mines a block for each transaction, without accounts of its own."""

    process: "subprocess.Popen[bytes]"
    url: str
    provider: HttpProvider
    fork: Fork

    def ask(self, method: str, *parameters: object) -> Any:
        """The result of one call. Raises as the provider does."""
        return self.provider.request(method, *parameters)

    def mine(self, count: int = 1) -> int:
        """Mines blocks; the number of the last."""
        self.ask("anvil_mine", hex(count))
        return int(self.ask("eth_blockNumber"), 16)

    def block(self, number: int) -> Mapping[str, Any]:
        """A block with its header."""
        block = self.ask("eth_getBlockByNumber", hex(number), False)
        assert isinstance(block, dict), f"no block {number}"
        return block

    def environment(self, number: int) -> BlockEnvironment:
        """What a block says to the code that runs in it."""
        block = self.block(number)
        assert self.fork.transactions.blobs is not None
        return BlockEnvironment(
            number=int(block["number"], 16),
            timestamp=int(block["timestamp"], 16),
            coinbase=unhex(block["miner"]),
            gas_limit=int(block["gasLimit"], 16),
            base_fee=int(block["baseFeePerGas"], 16),
            prev_randao=int(block["mixHash"], 16),
            chain_id=int(self.ask("eth_chainId"), 16),
            blob_base_fee=blob_base_fee(int(block["excessBlobGas"], 16), self.fork.transactions.blobs),
        )

    def put(
        self, address: bytes, *, balance: int = 0, nonce: int = 0, code: bytes = b"", storage: Mapping[int, int] = {}
    ) -> None:
        """Makes an account what it should be, without a transaction; it is part of the next block's state."""
        name = "0x" + address.hex()
        if balance:
            self.ask("anvil_setBalance", name, hex(balance))
        if code:
            self.ask("anvil_setCode", name, "0x" + code.hex())
        if nonce:
            self.ask("anvil_setNonce", name, hex(nonce))
        for key, value in storage.items():
            self.ask("anvil_setStorageAt", name, word(key), word(value))

    def send(self, transaction: Transaction) -> Mapping[str, Any]:
        """Sends a signed transaction; its receipt when it is in a block."""
        name = self.ask("eth_sendRawTransaction", "0x" + transaction.encode().hex())
        assert name == "0x" + transaction.hash().hex()
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            receipt = self.ask("eth_getTransactionReceipt", name)
            if isinstance(receipt, dict):
                return receipt
            time.sleep(0.002)
        raise AssertionError(f"no receipt of {name} within {START_SECONDS} s")

    def kill(self) -> None:
        """Ends the node at once, as a crash does."""
        self.process.kill()
        self.process.wait()


@contextmanager
def running_anvil(*options: str, hardfork: str | None = None, accounts: int = 0) -> Iterator[Anvil]:
    """A node with anvil's own hardfork, unless another is named.

    Its state holds what a test has put there: no accounts of anvil's own, unless some are asked for, unlocked ones.
    """
    fork_options = () if hardfork is None else ("--hardfork", hardfork)
    with tempfile.TemporaryDirectory() as home:
        said = Path(home, "said")
        with (
            said.open("wb") as output,
            subprocess.Popen(
                [program(), *OPTIONS, "--accounts", str(accounts), *fork_options, *options],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "HOME": home},
                cwd=home,
            ) as process,
        ):
            try:
                url = f"http://127.0.0.1:{_port(process, said)}"
                provider = HttpProvider(url)
                info = provider.request("anvil_nodeInfo")
                assert isinstance(info, dict)
                yield Anvil(process, url, provider, fork_named(info["hardFork"]))
                provider.close()
            finally:
                process.kill()


def _port(process: "subprocess.Popen[bytes]", said: Path) -> int:
    """The port that the system gave the node, as it tells when it listens."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        told = LISTENING.search(said.read_text(errors="replace"))
        if told:
            return int(told.group(1))
        if process.poll() is not None:
            break
        time.sleep(0.01)
    raise AssertionError(f"anvil doesn't listen: {said.read_text(errors='replace')[-500:]}")


def word(value: int) -> str:
    """A storage key or value as 32 bytes."""
    return "0x" + value.to_bytes(32, "big").hex()


def unhex(text: str) -> bytes:
    """Bytes from hex, with 0x or without."""
    return bytes.fromhex(text.removeprefix("0x"))


def logs_of(entries: list[Any]) -> tuple[Log, ...]:
    """Logs as a node tells them."""
    return tuple(
        [
            Log(unhex(entry["address"]), tuple([unhex(topic) for topic in entry["topics"]]), unhex(entry["data"]))
            for entry in entries
        ]
    )
