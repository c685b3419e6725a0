"""prestateTracer's JSON, and that a missing piece of state can be fetched while it is traced."""

from typing import Any

import pytest

from evmthread.errors import LimitExceeded, Missing
from evmthread.execution.environment import BlockEnvironment
from evmthread.execution.transaction import Transaction
from evmthread.isa.forks import fork_named
from evmthread.isa.instructions.creates import create_address
from evmthread.primitives.keccak import keccak256
from evmthread.state.memory import MemoryState
from evmthread.state.view import Account
from evmthread.tracers.debug import PRESTATE, trace
from evmthread.tracers.json_values import hex_word
from tests.assembler import assemble
from tests.conftest import Engine

OSAKA = fork_named("Osaka")
A, B, C, SENDER, COINBASE = (bytes([number]) * 20 for number in (0xAA, 0xBB, 0xCC, 0x5E, 0xC0))
RICH = 10**20


def state(code: str, view: MemoryState | None = None) -> MemoryState:
    view = MemoryState() if view is None else view
    view.set_account(SENDER, balance=RICH, nonce=3)
    view.set_account(A, code=assemble(code), balance=10, nonce=1, storage={1: 11, 2: 22, 3: 33})
    view.set_account(B, code=assemble("STOP"))
    return view


def traced(engine: Engine, view: MemoryState, *, to: bytes | None = A, data: bytes = b"", **options: bool) -> Any:
    world = engine.world(fork=OSAKA, view=view, environment=BlockEnvironment(coinbase=COINBASE, base_fee=7))
    transaction = Transaction(nonce=3, gas_price=9, gas_limit=500_000, to=to, value=5, data=data)
    return trace(world, transaction, sender=SENDER, tracer=PRESTATE, options=options)


WRITES = "PUSH1 1 SLOAD PUSH1 44 PUSH1 2 SSTORE PUSH1 0 PUSH1 3 SSTORE PUSH1 6 PUSH1 6 SSTORE"


def test_what_was_before_a_transaction(engine: Engine) -> None:
    made = traced(engine, state(f"{WRITES} PUSH20 0x{B.hex()} BALANCE PUSH20 0x{C.hex()} BALANCE"))
    code = assemble(f"{WRITES} PUSH20 0x{B.hex()} BALANCE PUSH20 0x{C.hex()} BALANCE")
    assert made == {
        "0x" + SENDER.hex(): {"balance": hex(RICH), "nonce": 3},
        "0x" + A.hex(): {
            "balance": "0xa",
            "code": "0x" + code.hex(),
            "codeHash": "0x" + keccak256(code).hex(),
            "nonce": 1,
            "storage": {hex_word(key): hex_word(value) for key, value in ((1, 11), (2, 22), (3, 33), (6, 0))},
        },
        "0x" + B.hex(): {"balance": "0x0", "code": "0x00", "codeHash": "0x" + keccak256(b"\0").hex()},
    }


def test_what_changed(engine: Engine) -> None:
    made = traced(engine, state(f"{WRITES} PUSH20 0x{B.hex()} BALANCE"), diffMode=True, disableCode=True)
    assert list(made) == ["post", "pre"]
    pre, post = made["pre"]["0x" + A.hex()], made["post"]["0x" + A.hex()]
    assert pre["storage"] == {hex_word(2): hex_word(22), hex_word(3): hex_word(33)}
    assert post == {"balance": "0xf", "storage": {hex_word(2): hex_word(44), hex_word(6): hex_word(6)}}
    assert "code" not in pre
    assert "0x" + B.hex() not in {**made["pre"], **made["post"]}
    assert "0x" + COINBASE.hex() in made["post"]
    assert "0x" + COINBASE.hex() not in made["pre"]
    assert made["post"]["0x" + SENDER.hex()]["nonce"] == 4


def test_a_slot_that_was_cleared_is_a_change(engine: Engine) -> None:
    view = state(f"PUSH20 0x{B.hex()} PUSH1 0 PUSH1 0 PUSH1 0 PUSH1 0 PUSH1 0 PUSH20 0x{B.hex()} GAS CALL")
    view.set_account(B, code=assemble("PUSH1 0 PUSH1 1 SSTORE"), storage={1: 1})
    made = traced(engine, view, diffMode=True)
    assert made["post"]["0x" + B.hex()] == {}
    assert made["pre"]["0x" + B.hex()]["storage"] == {hex_word(1): hex_word(1)}


def test_accounts_that_were_empty_only_on_request(engine: Engine) -> None:
    view = state(f"PUSH20 0x{C.hex()} BALANCE")
    assert traced(engine, view, includeEmpty=True)["0x" + C.hex()] == {"balance": "0x0"}
    assert "0x" + C.hex() not in traced(engine, view)


def test_creations_and_their_destruction(engine: Engine) -> None:
    init = assemble("PUSH1 1 PUSH1 0 SSTORE PUSH1 1 PUSH1 0 RETURN")
    where = "0x" + create_address(SENDER, 3).hex()
    made = traced(engine, state(""), to=None, data=init, diffMode=True)
    assert made["post"][where] == {
        "balance": "0x5",
        "code": "0x00",
        "codeHash": "0x" + keccak256(b"\0").hex(),
        "nonce": 1,
        "storage": {hex_word(0): hex_word(1)},
    }
    assert where not in made["pre"]
    gone = traced(engine, state(""), to=None, data=assemble(f"PUSH20 0x{C.hex()} SELFDESTRUCT"), diffMode=True)
    assert where not in {**gone["post"], **gone["pre"]}
    assert gone["post"]["0x" + C.hex()] == {"balance": "0x5"}


@pytest.mark.parametrize("create", ["CREATE", "CREATE2"])
def test_the_address_of_a_creation_is_touched(engine: Engine, create: str) -> None:
    salt = "PUSH1 1" if create == "CREATE2" else ""
    view = state(f"{salt} PUSH1 9 PUSH1 40 PUSH1 0 {create} PUSH1 0 MSTORE PUSH1 32 PUSH1 0 RETURN")
    world = engine.world(fork=OSAKA, view=view)
    with world.isolated():
        where = world.call(A).output[12:]
    assert int.from_bytes(where, "big")
    view.set_account(where, balance=77)
    assert traced(engine, view)["0x" + where.hex()] == {"balance": "0x4d"}


def test_what_was_not_paid_for_is_not_touched(engine: Engine) -> None:
    code = f"PUSH20 0x{B.hex()} BALANCE PUSH4 0xffffffff PUSH1 0 PUSH1 0 PUSH20 0x{C.hex()} EXTCODECOPY"
    view = state(code)
    view.set_account(C, balance=1)
    made = traced(engine, view)
    assert "0x" + B.hex() in made
    assert "0x" + C.hex() not in made


def test_missing_state_is_asked_for_before_anything_happens(engine: Engine) -> None:
    class Forgetful(MemoryState):
        def __init__(self) -> None:
            super().__init__()
            self.fetched: set[object] = set()

        def _fetch(self, kind: str, *key: bytes | int) -> None:
            if (kind, *key) not in self.fetched:
                self.fetched.add((kind, *key))
                raise Missing(kind, key)

        def account(self, address: bytes) -> Account | None:
            self._fetch("account", address)
            return super().account(address)

        def slot(self, address: bytes, key: int) -> int:
            self._fetch("slot", address, key)
            return super().slot(address, key)

        def code(self, code_hash: bytes) -> bytes:
            self._fetch("code", code_hash)
            return super().code(code_hash)

    code = f"{WRITES} PUSH20 0x{C.hex()} BALANCE PUSH20 0x{B.hex()} EXTCODESIZE PUSH1 0 PUSH1 0 PUSH1 0 CREATE"
    want = traced(engine, state(code), diffMode=True)
    view = state(code, Forgetful())
    view.fetched.clear()  # type: ignore[attr-defined]
    asked = 0
    while True:
        try:
            made = traced(engine, view, diffMode=True)
            break
        except Missing:
            asked += 1
            assert asked < 50
    assert asked > 8
    assert made == want


def test_a_creation_of_more_memory_than_there_may_be_is_refused_with_a_tracer_too(engine: Engine) -> None:
    paris = fork_named("Paris")  # no limit on init code
    view = state("PUSH1 0 PUSH5 0x2000000000 PUSH1 0 PUSH1 0 CREATE2")
    world = engine.world(fork=paris, view=view, environment=BlockEnvironment(gas_limit=2**63))
    transaction = Transaction(nonce=3, gas_price=0, gas_limit=2**62 + 2**61, to=A)
    with pytest.raises(LimitExceeded):
        trace(world, transaction, sender=SENDER, tracer=PRESTATE)
