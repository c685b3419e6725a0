"""LocalNode: a JSON-RPC provider over a LocalChain, so that a client of a real node runs on a chain of one process.

Its blocks have true headers: hashes, state roots, receipts roots; what eth_getProof answers is proven under them. Each
transaction is a block of its own, final when `finality` blocks are on it. A reorg is what `rollback` begins.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from evmthread.errors import EvmthreadError, InvalidInput
from evmthread.execution.invalid import InvalidTransaction
from evmthread.execution.transaction import Transaction, decode_transaction
from evmthread.execution.validation import floor_gas, intrinsic_gas
from evmthread.isa.forks import OSAKA, Fork
from evmthread.merkle.accounts import StateRoots
from evmthread.merkle.eip1186 import account_proof
from evmthread.merkle.receipts import Receipt, logs_bloom
from evmthread.merkle.trie import EMPTY_ROOT, ordered_root
from evmthread.primitives import rlp
from evmthread.primitives.keccak import EMPTY_HASH, keccak256
from evmthread.primitives.secp256k1 import private_key_address
from evmthread.primitives.types import ZERO_ADDRESS, parse_hex
from evmthread.rpc import NodeRefused
from evmthread.state.remote import header_hash
from evmthread.testing.chain import CALL_GAS, GENESIS_TIME, ChainSnapshot, LocalChain, MinedTransaction

_REVERTED, _FAILED, _NO_METHOD, _BAD_PARAMETERS = 3, -32000, -32601, -32602
_KEPT_STATES = 256
_CLOSE_ENOUGH = 64  # an estimate may be so much (a 64th) too high


_UNLOCKED_KEY = keccak256(b"evmthread.testing.node")
UNLOCKED = private_key_address(_UNLOCKED_KEY)
"""The node's own account, as development nodes have them: it has plenty of ether, and signs for everybody."""
_PLENTY = 10**30


@dataclass(frozen=True, slots=True)
class _Mined:
    """A block with its header as JSON, and the transaction in it, if there is one."""

    header: Mapping[str, object]
    transaction: Transaction | None = None
    sender: bytes = ZERO_ADDRESS
    receipt: MinedTransaction | None = None
    after: ChainSnapshot | None = None
    """The moment after it, where blocks can be taken back."""


class LocalNode:
    """A Provider. `chain` is what it serves; all blocks are made through the node."""

    def __init__(
        self,
        *,
        chain_id: int = 1337,
        fork: Fork = OSAKA,
        finality: int = 0,
        engine: str = "auto",
        timestamp: int = GENESIS_TIME,
        reorgs: bool = False,
    ) -> None:
        """`finality` is how many blocks the finalized one lies behind the latest; `timestamp` is the genesis's.

        `reorgs`: blocks can be taken back, for which all that changes is remembered.
        """
        self.chain = LocalChain(chain_id=chain_id, fork=fork, engine=engine, timestamp=timestamp)
        self._fork = fork
        self._finality = finality
        self._reorgs = reorgs
        self._blocks: list[_Mined] = []
        self._numbers: dict[str, int] = {}
        self._places: dict[str, int] = {}
        self._states: dict[int, StateRoots] = {}
        self._roots: tuple[StateRoots, bytes] | None = None
        self.chain.world.set_balance(UNLOCKED, _PLENTY)
        self._seal(_Mined({}))

    # The chain --------------------------------------------------------------------------------------------------------
    def mine(self, count: int = 1) -> int:
        """Empty blocks; the number of the last. They take in what was changed in `chain.world` directly."""
        self._roots = None
        for _ in range(count):
            self.chain.mine()
            self._seal(_Mined({}))
        return self.chain.number

    def send(self, transaction: Transaction) -> MinedTransaction:
        """A block with this signed transaction. Raises an InvalidTransaction, without a block."""
        sender = transaction.sender(self._fork.transactions, self.chain.chain_id)
        receipt = self.chain.send(transaction)
        self._roots = None
        self._places["0x" + receipt.hash.hex()] = receipt.block
        self._seal(_Mined({}, transaction, sender, receipt))
        return receipt

    def rollback(self, count: int) -> int:
        """Takes the latest blocks back, with their transactions; the number of the latest now.

        What was changed in `chain.world` directly since then goes, too. Raises InvalidInput where so many can't be
        taken back.
        """
        number = self.chain.number - count
        target = self._blocks[number].after if count >= 0 and number >= 0 else None
        if target is None:
            raise InvalidInput(f"{count} blocks can't be taken back")
        self.chain.restore(target)
        for mined in self._blocks[number + 1 :]:
            self._numbers.pop(str(mined.header["hash"]), None)
            if mined.receipt is not None:
                self._places.pop(_hex(mined.receipt.hash), None)
        del self._blocks[number + 1 :]
        self._states = {each: roots for each, roots in self._states.items() if each <= number}
        self._roots = None
        return number

    def _seal(self, mined: _Mined) -> None:
        """Gives the latest block its header."""
        environment, receipt = self.chain.world.environment, mined.receipt
        if self._roots is None:  # empty blocks leave the state as it is
            self.chain.world.begin_transaction()
            roots = self.chain.world.roots()
            self._roots = roots, roots.root()
        roots, state_root = self._roots
        self._states[environment.number] = roots
        self._states.pop(environment.number - _KEPT_STATES, None)
        transactions = [] if mined.transaction is None else [mined.transaction.encode()]
        kind = b"" if mined.transaction is None or not mined.transaction.type else bytes((mined.transaction.type,))
        receipts = [] if receipt is None else [kind + Receipt(receipt.success, receipt.gas_used, receipt.logs).encode()]
        header: dict[str, object] = {
            "parentHash": self._blocks[-1].header["hash"] if self._blocks else _hex(bytes(32)),
            "sha3Uncles": _hex(keccak256(rlp.EMPTY_LIST)),
            "miner": _hex(environment.coinbase),
            "stateRoot": _hex(state_root),
            "transactionsRoot": _hex(ordered_root(transactions)),
            "receiptsRoot": _hex(ordered_root(receipts)),
            "logsBloom": _hex(logs_bloom(receipt.logs if receipt else ())),
            "difficulty": "0x0",
            "number": hex(environment.number),
            "gasLimit": hex(environment.gas_limit),
            "gasUsed": hex(receipt.gas_used if receipt else 0),
            "timestamp": hex(environment.timestamp),
            "extraData": "0x",
            "mixHash": _hex(environment.prev_randao.to_bytes(32, "big")),
            "nonce": _hex(bytes(8)),
            "baseFeePerGas": hex(environment.base_fee),
            "withdrawalsRoot": _hex(EMPTY_ROOT),
            "blobGasUsed": "0x0",
            "excessBlobGas": "0x0",
            "parentBeaconBlockRoot": _hex(bytes(32)),
            "requestsHash": _hex(bytes(32)),
        }
        header["hash"] = _hex(header_hash(header))
        after = self.chain.snapshot() if self._reorgs else None
        self._blocks.append(replace(mined, header=header, after=after))
        self._numbers[str(header["hash"])] = environment.number

    # Answering --------------------------------------------------------------------------------------------------------
    def request(self, method: str, *parameters: object) -> object:
        """The result of one call. Raises NodeRefused."""
        answer = getattr(self, "_" + method, None) if method.startswith(("eth_", "evm_", "web3_")) else None
        if answer is None:
            raise NodeRefused(method, _NO_METHOD, "the method does not exist")
        try:
            result: object = answer(*parameters)
        except NodeRefused:
            raise
        except InvalidTransaction as error:
            raise NodeRefused(method, _FAILED, f"{type(error).__name__}: {error}") from error
        except (EvmthreadError, TypeError, KeyError, ValueError, AttributeError) as error:
            raise NodeRefused(method, _BAD_PARAMETERS, f"invalid parameters: {error}") from error
        return result

    def _number(self, where: object) -> int:
        """The number of the block that a parameter names: by tag, number, hash, or as EIP-1898 has it."""
        if isinstance(where, Mapping):
            where = where.get("blockHash") or where["blockNumber"]
        if isinstance(where, str) and where in self._numbers:
            return self._numbers[where]
        latest = self.chain.number
        if where in ("latest", "pending"):
            return latest
        if where in ("finalized", "safe"):
            return max(latest - self._finality, 0)
        number = 0 if where == "earliest" else int(str(where), 16)
        if number > latest:
            raise InvalidInput(f"there is no block {where}")
        return number

    def _state(self, where: object) -> StateRoots:
        number = self._number(where)
        if number not in self._states:
            raise InvalidInput(f"the state of block {number} is not kept")
        return self._states[number]

    def _latest_only(self, where: object) -> None:
        if self._states[self._number(where)] is not self._states[self.chain.number]:
            raise InvalidInput("of older blocks there are only proofs")

    def _eth_chainId(self) -> object:  # noqa: N802 - as JSON-RPC names it, here and below
        return hex(self.chain.chain_id)

    def _eth_accounts(self) -> object:
        return [_hex(UNLOCKED)]

    def _eth_blockNumber(self) -> object:  # noqa: N802
        return hex(self.chain.number)

    def _eth_maxPriorityFeePerGas(self) -> object:  # noqa: N802
        return "0x1"  # so that accounts without ether can't pay here either

    def _eth_getBlockByNumber(self, where: object, full: object = False) -> object:  # noqa: N802
        assert not full
        try:
            return dict(self._blocks[self._number(where)].header)
        except InvalidInput:
            return None

    def _eth_getBlockByHash(self, name: object, full: object = False) -> object:  # noqa: N802
        return self._eth_getBlockByNumber(name, full) if name in self._numbers else None

    def _eth_getBalance(self, address: str, where: object = "latest") -> object:  # noqa: N802
        account = self._state(where).account(_bytes(address))
        return hex(account.balance if account else 0)

    def _eth_getTransactionCount(self, address: str, where: object = "latest") -> object:  # noqa: N802
        account = self._state(where).account(_bytes(address))
        return hex(account.nonce if account else 0)

    def _eth_getCode(self, address: str, where: object = "latest") -> object:  # noqa: N802
        account = self._state(where).account(_bytes(address))
        if account is None or account.code_hash == EMPTY_HASH:
            return "0x"
        code = self.chain.world.code(_bytes(address))
        if keccak256(code) != account.code_hash:
            raise InvalidInput(f"{address} has another code now, and the old one is not kept")
        return _hex(code)

    def _eth_getProof(self, address: str, keys: Sequence[str], where: object) -> object:  # noqa: N802
        return account_proof(self._state(where), _bytes(address), [int(key, 16) for key in keys]).to_json()

    def _eth_getBlockReceipts(self, where: object) -> object:  # noqa: N802
        mined = self._blocks[self._number(where)]
        return [self._receipt(mined)] if mined.receipt is not None else []

    def _eth_getTransactionByHash(self, name: str) -> object:  # noqa: N802
        if name not in self._places:
            return None
        mined = self._blocks[self._places[name]]
        assert mined.transaction is not None
        return {
            "hash": name,
            "from": _hex(mined.sender),
            "to": None if mined.transaction.to is None else _hex(mined.transaction.to),
            "input": _hex(mined.transaction.data),
            "blockNumber": mined.header["number"],
            "blockHash": mined.header["hash"],
        }

    def _eth_getTransactionReceipt(self, name: str) -> object:  # noqa: N802
        return self._receipt(self._blocks[self._places[name]]) if name in self._places else None

    def _receipt(self, mined: _Mined) -> dict[str, object]:
        transaction, receipt = mined.transaction, mined.receipt
        assert transaction is not None
        assert receipt is not None
        return {
            "type": hex(transaction.type),
            "status": hex(receipt.success),
            "effectiveGasPrice": hex(transaction.effective_gas_price(int(str(mined.header["baseFeePerGas"]), 16))),
            "cumulativeGasUsed": hex(receipt.gas_used),
            "gasUsed": hex(receipt.gas_used),
            "transactionHash": _hex(receipt.hash),
            "transactionIndex": "0x0",
            "blockNumber": mined.header["number"],
            "blockHash": mined.header["hash"],
            "from": _hex(mined.sender),
            "to": None if transaction.to is None else _hex(transaction.to),
            "contractAddress": None if receipt.created is None else _hex(receipt.created),
            "logs": self._logs(mined),
        }

    def _logs(self, mined: _Mined) -> list[dict[str, object]]:
        receipt = mined.receipt
        return [
            {
                "address": _hex(log.address),
                "topics": [_hex(topic) for topic in log.topics],
                "data": _hex(log.data),
                "blockNumber": mined.header["number"],
                "blockHash": mined.header["hash"],
                "transactionHash": _hex(receipt.hash),
                "transactionIndex": "0x0",
                "logIndex": hex(index),
                "removed": False,
            }
            for index, log in enumerate(receipt.logs)
        ] if receipt is not None else []  # fmt: skip

    def _eth_getLogs(self, asked: Mapping[str, object]) -> object:  # noqa: N802
        first, last = (self._number(asked.get(name, "latest")) for name in ("fromBlock", "toBlock"))
        if "blockHash" in asked:
            first = last = self._number(asked["blockHash"])
        wanted = asked.get("topics") or []
        assert isinstance(wanted, list)
        return [
            log
            for mined in self._blocks[first : last + 1]
            for log in self._logs(mined)
            if log["address"] == asked.get("address", log["address"]) and _fits(log["topics"], wanted)
        ]

    # Running ----------------------------------------------------------------------------------------------------------
    def _asked(self, asked: Mapping[str, str], gas: int | None = None) -> tuple[Transaction, bytes]:
        to, sender = asked.get("to"), _bytes(asked.get("from", _hex(ZERO_ADDRESS)))
        transaction = Transaction(
            chain_id=self.chain.chain_id,
            nonce=self.chain.world.nonce(sender),
            gas_limit=int(asked.get("gas", hex(CALL_GAS)), 16) if gas is None else gas,
            to=None if to is None else _bytes(to),
            value=int(asked.get("value", "0x0"), 16),
            data=_bytes(asked.get("data") or asked.get("input") or "0x"),
        )
        return transaction, sender

    def _try(self, transaction: Transaction, sender: bytes) -> tuple[bool, bytes, int]:
        """(success, output, gas used) of a transaction in the latest block, which changes nothing."""
        with self.chain.world.isolated():
            done = self.chain.world.apply(transaction, sender=sender, simulated=True)
            return done.success, done.result.output, done.gas_used

    def _eth_call(self, asked: Mapping[str, str], where: object = "latest") -> object:
        self._latest_only(where)
        success, output, _ = self._try(*self._asked(asked))
        if not success:
            what = "execution reverted" if output else "execution reverted, or out of gas"
            raise NodeRefused("eth_call", _REVERTED, what, _hex(output))
        return _hex(output)

    def _eth_estimateGas(self, asked: Mapping[str, str], where: object = "latest") -> object:  # noqa: N802
        self._latest_only(where)
        transaction, sender = self._asked(asked)
        success, output, used = self._try(transaction, sender)
        if not success:
            raise NodeRefused("eth_estimateGas", _REVERTED, "execution reverted", _hex(output))
        least = max(used, intrinsic_gas(transaction, self._fork), floor_gas(transaction, self._fork)) - 1
        most = transaction.gas_limit
        guess = min(most, least + least // 32 + 1)  # more than is used, by what calls keep back (EIP-150)
        while most - least > most // _CLOSE_ENOUGH:
            if self._try(self._asked(asked, guess)[0], sender)[0]:
                most = guess
            else:
                least = guess
            guess = (least + most) // 2
        return hex(most)

    def _eth_sendRawTransaction(self, raw: str) -> object:  # noqa: N802
        return _hex(self.send(decode_transaction(_bytes(raw), self._fork.transactions)).hash)

    def _eth_sendTransaction(self, asked: Mapping[str, str]) -> object:  # noqa: N802
        transaction, sender = self._asked(asked)
        if sender != UNLOCKED:
            raise InvalidInput(f"no key for {_hex(sender)}")
        return _hex(self.send(transaction.signed(_UNLOCKED_KEY)).hash)

    # Time, as development nodes let it be moved -----------------------------------------------------------------------
    def _evm_increaseTime(self, seconds: int) -> object:  # noqa: N802
        self.chain.wait(int(seconds))
        return hex(int(seconds))

    def _evm_mine(self) -> object:
        self.mine()
        return "0x0"


def _hex(raw: bytes) -> str:
    return "0x" + raw.hex()


def _bytes(text: str) -> bytes:
    return parse_hex(text, what="data")


def _fits(topics: object, wanted: Sequence[object]) -> bool:
    assert isinstance(topics, list)
    return len(topics) >= len(wanted) and all(
        want is None or topic == want or (isinstance(want, list) and topic in want)
        for topic, want in zip(topics, wanted, strict=False)
    )
