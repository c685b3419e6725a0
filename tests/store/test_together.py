"""All participants of a thread in one process: what is said arrives, or is lost while somebody is away."""

import pytest

from evmthread.channel.channel import Channel
from evmthread.channel.events import Adopted
from evmthread.channel.local import LOCAL_DOMAIN
from evmthread.commit import InputKind, LocalSigner, Ruleset, Terms
from evmthread.errors import InvalidInput
from evmthread.primitives.keccak import keccak256
from evmthread.primitives.types import ZERO_ADDRESS
from evmthread.store.memory_threads import MemoryThreadStore
from evmthread.store.threadfile import ThreadHead
from evmthread.store.together import Together
from tests.chain.played import DAY, GAS, KEYS, MORPION, STAKE

RULES = Ruleset(contract_timeout=DAY)
OWNERS = tuple(LocalSigner(key).address for key in KEYS)


def together(clock: list[float]) -> Together:
    terms = Terms(
        ZERO_ADDRESS, keccak256(MORPION.runtime_code), RULES.hash_struct(), ZERO_ADDRESS, OWNERS, OWNERS,
        (STAKE, STAKE), 2, ZERO_ADDRESS, 0, 60, 2_000_000_000, 1,
    )  # fmt: skip
    head = ThreadHead(LOCAL_DOMAIN, terms, RULES, MORPION.runtime_code)
    made = Together(head, [(MemoryThreadStore(), LocalSigner(key)) for key in KEYS], clock=lambda: clock[0])
    code = MORPION.creation_code + MORPION.encode_constructor(*OWNERS, STAKE, DAY)
    made.do(0, lambda channel: channel.request(code, kind=InputKind.CREATE, gas=GAS))
    made.do(0, Channel.propose)
    return made


def nonces(made: Together) -> list[int]:
    return [
        -1 if each.channel.agreement is None else each.channel.agreement.commitment.nonce for each in made.endpoints
    ]


def test_they_agree_and_are_told() -> None:
    made = together([1_900_000_000.0])
    assert nonces(made) == [0, 0]
    join = MORPION.function("join").encode()
    made.do(1, lambda channel: channel.request(join, value=STAKE, gas=GAS))
    assert nonces(made) == [1, 1]
    made.tick()  # what could wait is written, and told
    told = [index for index, event in made.events if isinstance(event, Adopted)]
    assert (told.count(0), told.count(1)) == (2, 2)


def test_who_is_away_misses_what_is_said_and_catches_up() -> None:
    clock = [1_900_000_000.0]
    made = together(clock)
    made.away.add(1)
    join = MORPION.function("join").encode()
    made.do(0, lambda channel: channel.request(join, value=STAKE, gas=GAS))
    assert nonces(made) == [0, 0]
    made.away.clear()
    for _ in range(5):
        clock[0] += 10
        made.tick()
    assert nonces(made) == [1, 1]


def test_options_are_as_many_as_seats() -> None:
    with pytest.raises(InvalidInput, match="options"):
        Together(
            ThreadHead(LOCAL_DOMAIN, None, RULES, b""),  # type: ignore[arg-type] # not looked at
            [(MemoryThreadStore(), LocalSigner(KEYS[0]))],
            clock=lambda: 0.0,
            options=[],
        )
