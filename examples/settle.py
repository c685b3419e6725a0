"""From a game between two to money on chain: the long way, when the loser won't sign, and the short one.

Without an argument the chain is one of this process. With the address of a development node, such as
`python examples/settle.py http://127.0.0.1:8545`, it is that node: anvil, say, whose accounts pay for all.
"""

import sys
import time

from evmthread.chain import ChainParty, KeyAccount, Registry
from evmthread.chain.development import give, pass_time
from evmthread.chain.transactions import Call
from evmthread.channel.channel import Channel
from evmthread.channel.desk import ChannelOptions
from evmthread.commit import InputKind, LocalSigner, Ruleset, Terms
from evmthread.contracts import load_artifact
from evmthread.primitives.keccak import keccak256
from evmthread.primitives.types import ZERO_ADDRESS
from evmthread.rpc import Provider, connect
from evmthread.store.memory_threads import MemoryThreadStore
from evmthread.store.threadfile import ThreadHead
from evmthread.store.together import Together
from evmthread.testing.node import LocalNode

ETHER = 10**18
STAKE = ETHER // 2
TURN_SECONDS = 24 * 3600
X, O = 0, 1  # noqa: E741 - the marks' names
MORPION = load_artifact("Morpion")
KEYS = sorted(
    (keccak256(name) for name in (b"one player", b"another player")), key=lambda key: LocalSigner(key).address
)


def open_game(provider: Provider, registry: Registry, origin: bytes) -> tuple[Together, list[ChainParty]]:
    """A thread whose genesis both have signed, funded by both."""
    players = [KeyAccount(key) for key in KEYS]
    owners = tuple(player.address for player in players)
    now = int(str(provider.request("eth_getBlockByNumber", "latest", False)["timestamp"]), 16)  # type: ignore[index]
    rules = Ruleset(contract_timeout=TURN_SECONDS)
    terms = Terms(
        origin=origin, code_hash=keccak256(MORPION.runtime_code), ruleset=rules.hash_struct(), asset=ZERO_ADDRESS,
        keys=owners, owners=owners, deposits=(ETHER, ETHER), threshold=2, operator=ZERO_ADDRESS, max_fee=0,
        challenge_period=60, open_before=now + 3600, salt=time.time_ns(),
    )  # fmt: skip
    head = ThreadHead(registry.domain, terms, rules, MORPION.runtime_code)
    seats = [(MemoryThreadStore(), LocalSigner(key)) for key in KEYS]
    options = ChannelOptions(on_chain=True)
    together = Together(head, seats, clock=lambda: now, options=[options, options])
    create = MORPION.creation_code + MORPION.encode_constructor(*owners, STAKE, TURN_SECONDS)
    together.do(X, lambda channel: channel.request(create, kind=InputKind.CREATE, gas=5_000_000))
    together.do(X, Channel.propose)
    parties = [
        ChainParty(registry, endpoint, player) for endpoint, player in zip(together.endpoints, players, strict=True)
    ]
    for party in parties:
        give(provider, party.account.address, 2 * ETHER)
        party.deposit()
    pass_time(provider, 0)  # until the deposits are final
    for party in parties:
        party.look()
    print("opened and funded:", registry.thread(parties[X].agreement.commitment.thread_id).mode.name)
    return together, parties


def play(together: Together, *cells: int) -> None:
    """Both pay their stakes in and move in turn; each move is signed by both."""

    def call(player: int, name: str, *arguments: object, value: int = 0) -> None:
        data = MORPION.function(name).encode(*arguments)
        together.do(player, lambda channel: channel.request(data, value=value, gas=1_000_000))

    for player in (X, O):
        call(player, "join", value=STAKE)
    for number, cell in enumerate(cells):
        call(number % 2, "play", cell)


def paid(provider: Provider, parties: list[ChainParty], before: list[int]) -> list[str]:
    """What the owners have got since, to a hundredth of an ether: gas apart."""
    now = [balance(provider, party.account.address) for party in parties]
    return [f"{name} {(after - was) / ETHER:.2f}" for name, after, was in zip("XO", now, before, strict=True)]


def balance(provider: Provider, address: bytes) -> int:
    return int(str(provider.request("eth_getBalance", "0x" + address.hex(), "latest")), 16)


def long_story(provider: Provider, registry: Registry, origin: bytes) -> None:
    """O won't sign the move with which X wins: the contract goes back on chain, and X makes the move there."""
    together, (x, o) = open_game(provider, registry, origin)
    before = [balance(provider, party.account.address) for party in (x, o)]
    play(together, 0, 3, 1, 4)
    print("signed by both: X 0, O 3, X 1, O 4")
    together.away.add(O)  # O sees what comes
    play_last = MORPION.function("play").encode(2)
    together.do(X, lambda channel: channel.request(play_last, gas=1_000_000))
    print("agreed up to nonce", x.agreement.commitment.nonce, "- O doesn't sign X 2")
    x.challenge()
    x.look()
    print("challenged:", x.endpoint.channel.phase.value)
    pass_time(provider, x.agreement.terms.challenge_period)
    x.settle()
    x.materialize()
    home = x.endpoint.channel.thread.address
    print("settled, and the contract is on chain with", balance(provider, home) / ETHER, "ether")
    for name, arguments in (("play", (2,)), ("withdraw", ())):
        call = Call(name, home, MORPION.function(name).encode(*arguments), errors=MORPION.errors)
        registry.transactions.send(x.account, call)
    print("X 2 on chain, in time: X wins and takes the pot; the contract holds", balance(provider, home))
    print("paid, in ether:", *paid(provider, [x, o], before))


def short_story(provider: Provider, registry: Registry, origin: bytes) -> None:
    """Both sign that it is over: one transaction pays all."""
    together, (x, o) = open_game(provider, registry, origin)
    before = [balance(provider, party.account.address) for party in (x, o)]
    play(together, 0, 3, 1, 4, 2)
    data = MORPION.function("withdraw").encode()
    together.do(X, lambda channel: channel.request(data, gas=1_000_000))
    for player in (X, O):
        together.do(player, Channel.close)
    print("closed by both:", x.endpoint.channel.phase.value)
    o.settle()
    print("paid by one transaction, in ether:", *paid(provider, [x, o], before))


def main() -> None:
    provider: Provider = connect(sys.argv[1]) if len(sys.argv) > 1 else LocalNode(finality=2)
    founder = KeyAccount(keccak256(b"whoever deploys contracts"))
    give(provider, founder.address, ETHER)
    registry = Registry.deploy(provider, founder)
    owners = [LocalSigner(key).address for key in KEYS]
    code = MORPION.creation_code + MORPION.encode_constructor(*owners, STAKE, TURN_SECONDS)
    origin = registry.transactions.send(founder, Call("deploy Morpion", None, code)).created
    assert origin is not None
    long_story(provider, registry, origin)
    short_story(provider, registry, origin)


if __name__ == "__main__":
    main()
