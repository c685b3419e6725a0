"""Official basic tests: keys and addresses, signing, hex-prefix encoding, genesis blocks, ABI encoding, key files."""

from collections.abc import Callable, Iterator
from functools import partial

from evmthread.contracts.abi import Parameter, encode_values
from evmthread.errors import EvmthreadError
from evmthread.execution.transaction import Transaction, decode_transaction
from evmthread.isa.forks import FRONTIER
from evmthread.machine.code_cache import CodeCache
from evmthread.merkle.nodes import Extension, Leaf, Stub, encode_node
from evmthread.primitives import rlp
from evmthread.primitives.keccak import keccak256
from evmthread.primitives.keystore import decrypt_key
from evmthread.primitives.secp256k1 import private_key_address, recover_address, sign_digest
from evmthread.testing.cases import Case, CaseOutcome, Hooks, differences
from evmthread.testing.fixtures import FixtureError, FixtureTest, Json, data, fixed, number, reading

# The proof of work of the first test networks, before there was a hash to mine: keccak-256 of the RLP of 42.
_OLD_NONCE = keccak256(rlp.encode_int(42))
_NO_UNCLES = keccak256(rlp.EMPTY_LIST)

Check = Callable[[Json], str]


def cases_of(check: Check) -> Callable[[FixtureTest], Iterator[Case]]:
    """The suite whose tests are one case each, checked by a function that says in words what is wrong."""

    def cases(test: FixtureTest) -> Iterator[Case]:
        yield Case(test.name, "", 0, partial(_check, check, test))

    return cases


def _check(check: Check, test: FixtureTest, _cache: CodeCache, _hooks: Hooks) -> CaseOutcome:
    with reading(test.name):
        return CaseOutcome(check(test.body))


def check_key(body: Json) -> str:
    """A private key is keccak-256 of a seed; its address; a signature.

    What the fixture's two signatures sign isn't to be found: no digest fits both. So they are only recovered from.
    """
    key, signature = fixed(body["key"], 32), body["sig_of_emptystring"]
    address, digest = fixed(body["addr"], 20), keccak256(b"")
    v, r, s = (number(signature[name]) for name in "vrs")
    own_r, own_s, own_parity = sign_digest(key, digest)
    return differences(
        ("key", keccak256(body["seed"].encode()), key),
        ("address", private_key_address(key), address),
        ("size of the signer", len(recover_address(digest, r, s, v - 27)), 20),
        ("own signer", recover_address(digest, own_r, own_s, own_parity), address),
    )


def check_signing(body: Json) -> str:
    """A transaction's fields, its bytes to sign, and its signed bytes."""
    key = fixed(body["key"], 32)
    transaction = Transaction(
        nonce=number(body["nonce"]),
        gas_price=number(body["gasprice"]),
        gas_limit=number(body["startgas"]),
        to=data(body["to"]) or None,
        value=number(body["value"]),
        data=data(body["data"]),
    )
    signed = decode_transaction(data(body["signed"]), FRONTIER.transactions)
    own = transaction.signed(key)
    sender = private_key_address(key)
    return differences(
        ("unsigned bytes", transaction.encode(), data(body["unsigned"])),
        ("signed bytes", signed.encode(), data(body["signed"])),
        ("signing hash", signed.signing_hash(), transaction.signing_hash()),
        ("sender", signed.sender(FRONTIER.transactions, 1), sender),
        ("own sender", own.sender(FRONTIER.transactions, 1), sender),
    )


def check_hex_prefix(body: Json) -> str:
    """Hex-prefix encoding of a path (Yellow Paper, appendix C), as it stands in a trie's node."""
    path = bytes(body["seq"])
    node = Leaf(path, b"any") if body["term"] else Extension(path, Stub(rlp.encode_bytes(bytes(32))))
    fields = rlp.decode(encode_node(node))
    return differences(("hex prefix", fields[0], data(body["out"])))


def _header(block: bytes) -> list[bytes]:
    decoded = rlp.decode(block)
    if isinstance(decoded, bytes) or len(decoded) != 3 or isinstance(decoded[0], bytes):
        raise FixtureError("a block is a list of header, transactions and uncles")
    header = [item for item in decoded[0] if isinstance(item, bytes)]
    if len(header) != len(decoded[0]) or decoded[1] or decoded[2]:
        raise FixtureError("a genesis block has a flat header, no transactions and no uncles")
    return header


def check_genesis(body: Json) -> str:
    """The genesis block of mainnet: its state root and its hash."""
    header = _header(data(body["genesis_rlp_hex"]))
    return differences(
        ("uncles hash", header[1], _NO_UNCLES),
        ("state root", header[3], fixed(body["genesis_state_root"], 32)),
        ("hash", keccak256(rlp.encode(header)), fixed(body["genesis_hash"], 32)),
    )


def check_old_genesis(body: Json) -> str:
    """A genesis block of a test network of 2014.

    Accounts were encoded otherwise then, and no description of how is left: of the state root only its absence for an
    empty allocation can be compared. All else is.
    """
    raw = data(body["result"])
    header = _header(raw)
    return differences(
        ("fields", len(header), 13),
        ("encoding", rlp.encode([header, [], []]), raw),
        ("uncles hash", header[1], _NO_UNCLES),
        ("length of the state root", len(header[3]), 32 if body["inputs"] else 0),
        ("nonce", header[12], _OLD_NONCE),
    )


def check_abi(body: Json) -> str:
    """Contract ABI encoding."""
    types, values = body["types"], body["args"]
    parameters = [Parameter("", name) for name in types]
    arguments = [_abi_value(name, value) for name, value in zip(types, values, strict=True)]
    return differences(("encoding", encode_values(parameters, arguments, what="test"), data(body["result"])))


def _abi_value(name: str, value: object) -> object:
    """A JSON value as the ABI's type wants it: strings of `bytes` types are their characters."""
    return value.encode() if name.startswith("bytes") and isinstance(value, str) else value


def check_keystore(body: Json) -> str:
    """A key file and its password."""
    key = fixed(body["priv"], 32)
    try:
        found = decrypt_key(body["json"], body["password"])
    except EvmthreadError as error:
        return f"{type(error).__name__}: {error}"
    address = body["json"].get("address")
    return differences(
        ("key", found, key),
        ("address", private_key_address(found), private_key_address(key) if address is None else fixed(address, 20)),
    )
