"""A node of one's own: JSON-RPC over a state in memory, in a thread; and ways to make it answer wrongly."""

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Self

from evmthread.primitives.keccak import keccak256
from evmthread.state.memory import MemoryState
from evmthread.state.remote import header_hash

Answer = Callable[[str, list[object]], object]


class Refusal(Exception):  # noqa: N818 - what it is
    """What the node answers with an error."""


class Chain:
    """Blocks whose last has the state that is given; `request` answers as a node does."""

    def __init__(self, state: MemoryState, length: int = 4) -> None:
        self.state = state
        self.blocks: list[dict[str, object]] = []
        self.asked: list[str] = []
        for number in range(length):
            self.add(number)

    def add(self, number: int, salt: str = "0x") -> None:
        zero = "0x" + "00" * 32
        block: dict[str, object] = {
            "parentHash": self.blocks[-1]["hash"] if self.blocks else zero,
            **dict.fromkeys(("sha3Uncles", "transactionsRoot", "receiptsRoot", "mixHash", "withdrawalsRoot"), zero),
            **dict.fromkeys(("difficulty", "gasUsed", "timestamp"), "0x0"),
            "miner": "0x" + "00" * 20,
            "logsBloom": "0x" + "00" * 256,
            "nonce": "0x" + "00" * 8,
            "number": hex(number),
            "gasLimit": "0x1000",
            "extraData": salt,
            "baseFeePerGas": "0x7",
            "stateRoot": "0x" + self.state.roots().root().hex(),
        }
        block["hash"] = "0x" + header_hash(block).hex()
        self.blocks.append(block)

    def reorganise(self) -> None:
        """Another last block in the place of the last."""
        self.blocks.pop()
        self.add(len(self.blocks), salt="0x01")

    def request(self, method: str, *parameters: object) -> object:
        self.asked.append(method)
        if method == "eth_getBlockByNumber":
            if parameters[0] == "latest":
                return self.blocks[-1]
            number = int(str(parameters[0]), 16)
            return self.blocks[number] if number < len(self.blocks) else None
        if method == "eth_getBlockByHash":
            return next((block for block in self.blocks if block["hash"] == parameters[0]), None)
        where = parameters[-1]
        assert isinstance(where, dict)
        if where["blockHash"] not in [block["hash"] for block in self.blocks]:
            raise Refusal("header for hash not found")
        address = bytes.fromhex(str(parameters[0])[2:])
        account = self.state.account(address)
        if method == "eth_getProof":
            assert isinstance(parameters[1], list)
            return self.state.proof(address, [int(key, 16) for key in parameters[1]])
        if method == "eth_getCode":
            return "0x" + (self.state.code(account.code_hash).hex() if account else "")
        if method == "eth_getBalance":
            return hex(account.balance if account else 0)
        if method == "eth_getTransactionCount":
            return hex(account.nonce if account else 0)
        if method == "eth_getStorageAt":
            return "0x" + self.state.slot(address, int(str(parameters[1]), 16)).to_bytes(32, "big").hex()
        raise Refusal(f"no method {method}")


class Node:
    """Serves what a function answers, over HTTP on this machine; `spoil` may change the bytes of an answer."""

    def __init__(self, answer: Callable[..., object]) -> None:
        self.spoil: Callable[[bytes], bytes] = lambda data: data
        node = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                said: dict[str, object] = {"jsonrpc": "2.0", "id": question["id"]}
                try:
                    said["result"] = answer(question["method"], *question["params"])
                except Refusal as error:
                    said["error"] = {"code": -32000, "message": str(error)}
                data = node.spoil(json.dumps(said).encode())
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the library
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = Thread(target=self.server.serve_forever, args=(0.02,))

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


CODE = b"\x60\x01\x60\x02\x55"
CODE_HASH = keccak256(CODE)
HOLDER, RICH, NOBODY = b"\xcc" * 20, b"\xaa" * 20, b"\x01" * 20


def small_state() -> MemoryState:
    state = MemoryState()
    state.set_account(HOLDER, nonce=1, code=CODE, storage={5: 42, 2**256 - 1: 7})
    state.set_account(RICH, nonce=3, balance=10**20)
    for number in range(20):
        state.set_account(bytes((0x80 + number,)) * 20, balance=number + 1)
    return state
