"""The state of a chain at one block, asked from a node, proven against the block's state root, kept on disk.

The block is pinned by its hash: what a node says of another block is refused, so that nothing is ever mixed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import sleep

from evmthread.errors import BackendError, DecodingError, InvalidInput
from evmthread.merkle import accounts
from evmthread.merkle.accounts import MAX_NONCE
from evmthread.merkle.eip1186 import AccountProof, verify_eth_get_proof
from evmthread.merkle.proofs import ProofError
from evmthread.primitives import rlp
from evmthread.primitives.keccak import EMPTY_HASH, keccak256
from evmthread.primitives.types import ZERO_HASH, parse_hex
from evmthread.primitives.words import WORD_MASK
from evmthread.rpc.provider import BadAnswer, HttpProvider, NodeRefused, Provider
from evmthread.state.records import decode_account, encode_account, encode_word, sealed, unsealed
from evmthread.state.sqlite import SqliteStore
from evmthread.state.store import CorruptState, Store
from evmthread.state.view import Account, UnknownCode

_BLOCK_HASHES = 256  # how far BLOCKHASH looks back (Yellow Paper, section 9.4.2)
# The fields of a block header in order, by their names in JSON; those from baseFeePerGas on came with later forks.
_HEADER = (
    *("parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot", "receiptsRoot", "logsBloom", "difficulty"),
    *("number", "gasLimit", "gasUsed", "timestamp", "extraData", "mixHash", "nonce", "baseFeePerGas"),
    *("withdrawalsRoot", "blobGasUsed", "excessBlobGas", "parentBeaconBlockRoot", "requestsHash"),
)
_NUMBERS = {
    *("difficulty", "number", "gasLimit", "gasUsed", "timestamp", "baseFeePerGas", "blobGasUsed", "excessBlobGas"),
}
_FIRST_LATER = "baseFeePerGas"


PROOF_PAUSES = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64)
"""Seconds to wait before a proof of another state is asked for again, each time. anvil gives such proofs of its latest
block while it makes the next one: for some milliseconds, or longer where its machine is busy."""


class BlockGone(BackendError):  # noqa: N818 - as all names in errors.py, it says what happened
    """The pinned block is not of the node's chain any more (a reorg), or the node forgot its state."""


class WrongState(BackendError):  # noqa: N818 - see above
    """The node's answer isn't proven by the pinned block's state root."""


@dataclass(frozen=True, slots=True)
class PinnedBlock:
    """The block whose state is read."""

    number: int
    hash: bytes
    state_root: bytes
    parent_hash: bytes


def header_hash(block: Mapping[str, object]) -> bytes:
    """The hash of a block from its header as JSON. Raises DecodingError."""
    items: list[bytes] = []
    later = ended = False
    for name in _HEADER:
        later = later or name == _FIRST_LATER
        value = block.get(name)
        if value is None and later:
            ended = True
            continue
        if not isinstance(value, str) or ended:
            raise DecodingError(f"{name} of a block is {value!r}")
        items.append(rlp.integer_bytes(_number(value)) if name in _NUMBERS else parse_hex(value, what=name))
    return keccak256(rlp.encode(items))


def ask_for_proof(
    ask: Callable[[], object], state_root: bytes, address: bytes, keys: Sequence[int]
) -> tuple[accounts.Account | None, list[int]]:
    """The account and the slots' values that a node's eth_getProof proves.

    `ask` asks it; again where the proof is of another state, as PROOF_PAUSES says.
    Raises BadAnswer, ProofError, and as `ask` does.
    """
    pauses = iter(PROOF_PAUSES)
    while True:
        answer = ask()
        try:
            # anvil's tries keep slots that became zero; the root says the same of such a slot.
            account = verify_eth_get_proof(answer, state_root, address, keys, zero_leaves=True)
            return account, [slot.value for slot in AccountProof.from_json(answer).slots]
        except DecodingError as error:
            raise BadAnswer(f"eth_getProof: {error}") from error
        except ProofError:
            nodes = AccountProof.from_json(answer).proof
            pause = next(pauses, None) if nodes and keccak256(nodes[0]) != state_root else None
            if pause is None:
                raise
        sleep(pause)


def _number(value: object) -> int:
    if not isinstance(value, str) or not value.startswith("0x"):
        raise DecodingError(f"{value!r} is no quantity")
    try:
        number = int(value, 16)
    except ValueError:
        raise DecodingError(f"{value!r} is no quantity") from None
    if not 0 <= number <= WORD_MASK:
        raise DecodingError(f"{value!r} is no quantity")
    return number


class RemoteState:
    """A StateView of a chain at a pinned block.

    `block` is a number, a tag ("latest", "finalized" ...) or a hash (0x and 64 digits). Every account and slot is
    proven with eth_getProof against the block's header, unless `trust` the node. `cache`: an SQLite file that keeps
    what was read, of any number of blocks, and their headers: of a block named by its hash, what was read once needs no
    node any more. Reads raise NodeUnreachable, NodeRefused, BadAnswer, BlockGone, WrongState.
    """

    def __init__(
        self,
        provider: Provider | str,
        block: int | str = "latest",
        *,
        trust: bool = False,
        cache: str | Path | None = None,
    ) -> None:
        self._provider = HttpProvider(provider) if isinstance(provider, str) else provider
        self._trust = trust
        self._seen: dict[bytes, bytes] = {}
        self._hashes: dict[int, bytes] = {}
        self._oldest: PinnedBlock | None = None
        self._store: Store | None = SqliteStore(cache) if cache is not None else None
        try:
            self.block = self._pin(block)
        except BaseException:
            self.close()
            raise

    # Blocks -----------------------------------------------------------------------------------------------------------
    def _pin(self, block: int | str) -> PinnedBlock:
        if isinstance(block, str) and len(block) == 66:
            return self._header_of(parse_hex(block, what="block hash"))
        if isinstance(block, str) and not block.isdecimal():
            return self._header("eth_getBlockByNumber", block)
        number = int(block)
        if number < 0:
            raise InvalidInput(f"block {block} is negative")
        return self._header("eth_getBlockByNumber", hex(number), number=number)

    def _header_of(self, block_hash: bytes, *, number: int | None = None) -> PinnedBlock:
        record = self._kept_at(self._header_place(block_hash))
        if record is None:
            return self._header("eth_getBlockByHash", "0x" + block_hash.hex(), wanted=block_hash, number=number)
        return PinnedBlock(int.from_bytes(record[64:], "big"), block_hash, record[:32], record[32:64])

    def _header_place(self, block_hash: bytes) -> bytes:
        return b"header" + bytes((self._trust,)) + block_hash  # one that was trusted is not taken for verified

    def _header(self, method: str, name: str, *, wanted: bytes | None = None, number: int | None = None) -> PinnedBlock:
        block = self._provider.request(method, name, False)
        if block is None:
            raise BlockGone(f"the node has no block {name}")
        if not isinstance(block, Mapping):
            raise BadAnswer(f"{method}: no block: {str(block)[:80]}")
        try:
            found = PinnedBlock(
                _number(block.get("number")),
                parse_hex(str(block.get("hash")), what="hash"),
                parse_hex(str(block.get("stateRoot")), what="stateRoot"),
                parse_hex(str(block.get("parentHash")), what="parentHash"),
            )
            computed = found.hash if self._trust else header_hash(block)
        except (DecodingError, InvalidInput) as error:
            raise BadAnswer(f"{method}: {error}") from error
        if computed != found.hash or (wanted is not None and found.hash != wanted):
            raise WrongState(f"block {name}: its header has not the hash 0x{(wanted or found.hash).hex()}")
        if not len(found.state_root) == len(found.hash) == len(found.parent_hash) == 32:
            raise BadAnswer(f"{method}: a hash or the state root is not of 32 bytes")
        if number is not None and found.number != number:
            raise WrongState(f"block {name}: the node gives the header of block {found.number}, not of {number}")
        self._keep_at(
            self._header_place(found.hash), found.state_root + found.parent_hash + found.number.to_bytes(32, "big")
        )
        return found

    def check_canonical(self) -> None:
        """Asks whether the pinned block is still of the node's chain. Raises BlockGone."""
        answer = self._provider.request("eth_getBlockByNumber", hex(self.block.number), False)
        found = answer.get("hash") if isinstance(answer, Mapping) else None
        if found != "0x" + self.block.hash.hex():
            raise BlockGone(f"block {self.block.number} was 0x{self.block.hash.hex()}, and is {found} now")

    def block_hash(self, number: int) -> bytes:
        """The hash of one of the 256 blocks before the pinned one, followed from parent to parent; else zeros."""
        block = self.block
        if not block.number - _BLOCK_HASHES <= number < block.number or number < 0:
            return block.hash if number == block.number else ZERO_HASH
        block = self._oldest or block
        while block.number > number:
            self._hashes[block.number - 1] = block.parent_hash
            if block.number - 1 == number:
                break
            block = self._oldest = self._header_of(block.parent_hash, number=block.number - 1)
        return self._hashes[number]

    # Reads ------------------------------------------------------------------------------------------------------------
    def account(self, address: bytes) -> Account | None:
        if len(address) != 20:
            return None
        record = self._kept(address)
        if record is None:
            account = self._trusted_account(address) if self._trust else self._proven(address, [])[0]
            record = b"" if account is None else encode_account(account)
            self._keep(address, record)
        return decode_account(record) if record else None

    def slot(self, address: bytes, key: int) -> int:
        place = address + key.to_bytes(32, "big")
        record = self._kept(place)
        if record is None:
            if self._trust:
                value = self._quantity("eth_getStorageAt", "0x" + address.hex(), _word(key))
            else:
                _, (value,) = self._proven(address, [key])
            record = encode_word(value)
            self._keep(place, record)
        return int.from_bytes(record, "big")

    def code(self, code_hash: bytes) -> bytes:
        """The code of an account that was read before: a node knows codes by address only."""
        if code_hash == EMPTY_HASH:
            return b""
        code = self._kept(code_hash)
        if code is None:
            address = self._kept(b"holder" + code_hash)
            if address is None:
                raise UnknownCode(code_hash)
            answer = self._ask("eth_getCode", "0x" + address.hex())
            try:
                code = parse_hex(str(answer), what="code")
            except InvalidInput as error:
                raise BadAnswer(f"eth_getCode: {error}") from error
            if keccak256(code) != code_hash:
                raise WrongState(f"the node's code of 0x{address.hex()} has not the hash 0x{code_hash.hex()}")
            self._keep(code_hash, code)
        return code

    def _proven(self, address: bytes, keys: list[int]) -> tuple[Account | None, list[int]]:
        names = [_word(key) for key in keys]
        try:
            proven, values = ask_for_proof(
                lambda: self._ask("eth_getProof", "0x" + address.hex(), names), self.block.state_root, address, keys
            )
        except ProofError as error:
            self.check_canonical()
            raise WrongState(f"eth_getProof of 0x{address.hex()}: {error}") from error
        account = None if proven is None else Account(proven.nonce, proven.balance, proven.code_hash)
        if account is not None:
            self._keep(b"holder" + account.code_hash, address)
        return account, values

    def _trusted_account(self, address: bytes) -> Account | None:
        name = "0x" + address.hex()
        try:
            code = parse_hex(str(self._ask("eth_getCode", name)), what="code")
        except InvalidInput as error:
            raise BadAnswer(f"eth_getCode: {error}") from error
        nonce, balance = self._quantity("eth_getTransactionCount", name), self._quantity("eth_getBalance", name)
        if nonce > MAX_NONCE:
            raise BadAnswer(f"eth_getTransactionCount: {nonce:#x} is no nonce")
        account = Account(nonce, balance, keccak256(code))
        self._keep(account.code_hash, code)
        return None if account.is_empty else account  # a node doesn't tell an empty account from none (EIP-161)

    def _quantity(self, method: str, *parameters: object) -> int:
        answer = self._ask(method, *parameters)
        try:
            return _number(answer)
        except DecodingError as error:
            raise BadAnswer(f"{method}: {error}") from error

    def _ask(self, method: str, *parameters: object) -> object:
        # EIP-1898: of this block, by its hash, and only as long as it is of the chain.
        where = {"blockHash": "0x" + self.block.hash.hex(), "requireCanonical": True}
        try:
            return self._provider.request(method, *parameters, where)
        except NodeRefused:
            self.check_canonical()
            raise

    # What was read ----------------------------------------------------------------------------------------------------
    def _place(self, key: bytes) -> bytes:
        # What was trusted is not taken for proven. Codes and who holds them are the same in every block.
        if len(key) in (32, 38):
            return key
        return self.block.hash + bytes((self._trust,)) + key

    def _kept(self, key: bytes) -> bytes | None:
        return self._kept_at(self._place(key))

    def _kept_at(self, place: bytes) -> bytes | None:
        value = self._seen.get(place)
        if value is None and self._store is not None:
            record = self._store.get("meta", place)
            if record is not None:
                try:
                    value = self._seen[place] = unsealed("meta", place, record)
                except DecodingError as error:
                    raise CorruptState(self._store.place, str(error)) from error
        return value

    def _keep(self, key: bytes, value: bytes) -> None:
        self._keep_at(self._place(key), value)

    def _keep_at(self, place: bytes, value: bytes) -> None:
        self._seen[place] = value
        if self._store is not None:
            self._store.write([("meta", place, sealed("meta", place, value))])

    def close(self) -> None:
        """Lets go of the cache and the connection."""
        if self._store is not None:
            self._store.close()
        if isinstance(self._provider, HttpProvider):
            self._provider.close()


def _word(key: int) -> str:
    return "0x" + key.to_bytes(32, "big").hex()
