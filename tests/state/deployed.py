"""The repository's contracts on a node, deployed by ordinary transactions, and random calls of them by their ABI."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

from evmthread.contracts.abi import Parameter
from evmthread.contracts.artifact import Artifact, load_artifact, parse_artifact
from evmthread.execution.transaction import FEE_MARKET, Transaction
from evmthread.primitives.secp256k1 import private_key_address
from tests.anvil import CHAIN_ID, Anvil, unhex
from tests.words import EDGES

GAMES = ("Morpion", "MorpionDraw")
FOLDER = Path(__file__).resolve().parents[2] / "benchmarks" / "contracts"
KEYS = tuple(bytes(31) + bytes((number,)) for number in (0x51, 0x52, 0x53))
PLAYERS = tuple(private_key_address(key) for key in KEYS)
RICH = 10**24
MAX_FEE, PRIORITY_FEE = 10**11, 10**9
STAKE = 10**15
# How often a benchmark's `run` may go round, so that a trace stays short; and goes round when it is deployed.
ROUNDS: Mapping[str, int] = {"Arrays": 9, "Calls": 9, "Erc20": 4, "Hashing": 2, "Mapping": 9}
FIRST_ROUNDS = 51


class Contract(NamedTuple):
    """A deployed contract."""

    artifact: Artifact
    address: bytes


class Called(NamedTuple):
    """A call of a contract by a player."""

    sender: bytes
    to: bytes
    data: bytes
    value: int = 0
    gas: int = 2_000_000

    def transaction(self, nonce: int = 0) -> Transaction:
        """As a transaction without signature."""
        return Transaction(
            type=FEE_MARKET,
            chain_id=CHAIN_ID,
            nonce=nonce,
            max_fee=MAX_FEE,
            max_priority_fee=PRIORITY_FEE,
            gas_limit=self.gas,
            to=self.to or None,
            value=self.value,
            data=self.data,
        )

    def question(self) -> dict[str, object]:
        """As eth_call and debug_traceCall want it."""
        asked: dict[str, object] = {
            "from": "0x" + self.sender.hex(),
            "data": "0x" + self.data.hex(),
            "value": hex(self.value),
            "gas": hex(self.gas),
            "maxFeePerGas": hex(MAX_FEE),
            "maxPriorityFeePerGas": hex(PRIORITY_FEE),
        }
        return asked | {"to": "0x" + self.to.hex()} if self.to else asked


def signed(node: Anvil, called: Called) -> Transaction:
    """The call as a player's next transaction."""
    nonce = int(node.ask("eth_getTransactionCount", "0x" + called.sender.hex(), "latest"), 16)
    return called.transaction(nonce).signed(KEYS[PLAYERS.index(called.sender)])


def do(node: Anvil, called: Called) -> bytes:
    """Sends it for real, and it must succeed; the address of what it created, if it did."""
    receipt = node.send(signed(node, called))
    assert receipt["status"] == "0x1", (called, receipt)
    return unhex(receipt["contractAddress"] or "")


def deploy(node: Anvil) -> list[Contract]:
    """All contracts of the repository, some of them well used."""
    for player in PLAYERS:
        node.put(player, balance=RICH)
    node.mine()
    contracts = []
    for path in sorted(FOLDER.glob("*.json")):
        artifact = parse_artifact(path.read_bytes())
        contracts.append(Contract(artifact, do(node, Called(PLAYERS[0], b"", artifact.creation_code))))
    places = {contract.artifact.name: contract.address for contract in contracts}
    # The benchmark of calls has no constructor: whom it calls is put into its storage, as the benchmarks do.
    calls, ledger, logic = (int.from_bytes(places[name], "big") for name in ("Calls", "CallsLedger", "CallsLogic"))
    node.put(calls.to_bytes(20, "big"), storage={0: ledger, 1: logic})
    for contract in contracts:
        if contract.artifact.name in ROUNDS:
            data = contract.artifact.function("run").encode(FIRST_ROUNDS)
            do(node, Called(PLAYERS[1], contract.address, data, gas=2**24))
    games: list[tuple[int, ...] | None] = [None, (), (4, 0), (0, 3, 1, 4), (0, 3, 1, 4, 2)]
    return contracts + [_game(node, name, moves) for name in GAMES for moves in games]


def _game(node: Anvil, name: str, moves: Sequence[int] | None) -> Contract:
    """A game of one of the shipped contracts after some moves; None: before both have joined."""
    morpion, players = load_artifact(name), PLAYERS[:2]
    arguments = morpion.encode_constructor(*players, STAKE, 3_600)
    game = do(node, Called(PLAYERS[2], b"", morpion.creation_code + arguments))
    for player in players[: 1 if moves is None else 2]:
        do(node, Called(player, game, morpion.function("join").encode(), value=STAKE))
    for number, cell in enumerate(moves or ()):
        do(node, Called(players[number % 2], game, morpion.function("play").encode(cell)))
    return Contract(morpion, game)


def random_call(random: Random, contracts: Sequence[Contract]) -> Called:
    """A call of some function with arguments of its types; seldom with bad calldata, and seldom with little gas."""
    contract = random.choice(contracts)
    function = random.choice(contract.artifact.functions)
    places = (*PLAYERS * 2, *(other.address for other in contracts), bytes(20), random.randbytes(20))
    if function.name == "run":
        data = function.encode(random.randrange(ROUNDS.get(contract.artifact.name, 2)))
    else:
        data = function.encode(*[_argument(random, parameter, places) for parameter in function.inputs])
    kind = random.randrange(30)
    if kind == 0:
        data = data[: random.randrange(len(data))]
    elif kind == 1:
        data = random.randbytes(random.randrange(80))
    elif kind == 2:
        data += random.randbytes(random.randrange(40))
    pays = function.mutability == "payable" or random.randrange(15) == 0
    # A whole `run` of those that aren't in ROUNDS makes a hundred thousand steps.
    little = random.randrange(5) == 0 or (function.name == "run" and contract.artifact.name not in ROUNDS)
    return Called(
        random.choice(PLAYERS),
        contract.address,
        data,
        value=random.choice((0, 1, STAKE, STAKE, RICH * 2**8)) if pays and kind else STAKE * pays,
        gas=random.randrange(30_000, 120_000) if little else 2_000_000,
    )


def _argument(random: Random, parameter: Parameter, places: Sequence[bytes]) -> object:
    if parameter.type == "address":
        return random.choice(places)
    if parameter.type == "bytes":
        return random.randbytes(random.randrange(100))
    assert parameter.type in ("uint8", "uint256"), parameter
    most = 12 if parameter.type == "uint8" else 2_000
    return random.choice((random.randrange(most), random.choice(EDGES) % 2 ** int(parameter.type[4:])))
