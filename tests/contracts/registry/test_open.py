"""Opening a thread: deposits in, LIVE when all are there, and back when they never came."""

import pytest

from evmthread.commit import thread_address, thread_id
from evmthread.primitives.keccak import EMPTY_HASH, keccak256
from tests.commit.commit_samples import ETHER
from tests.contracts.registry.deployed import NEW, ORIGIN, STRANGER, Deployed, Mode, ThreadState, key_of


def test_a_thread_is_live_when_all_deposits_are_in(registry: Deployed) -> None:
    terms = registry.terms(3)
    assert registry.thread(terms) == NEW
    first = registry.done(key_of(terms, 1), "open", terms, 1, value=terms.deposits[1])
    assert registry.events(first) == ["THREAD", "DEPOSITED"]
    assert registry.thread(terms) == ThreadState((2).to_bytes(32, "big"), 0, 0, terms.deposits[1], Mode.FUNDING)
    second = registry.done(key_of(terms, 0), "open", terms, 0, value=terms.deposits[0])
    assert registry.events(second) == ["DEPOSITED"]
    registry.done(STRANGER, "open", terms, 2, value=terms.deposits[2])
    assert registry.thread(terms) == ThreadState((7).to_bytes(32, "big"), 0, 0, sum(terms.deposits), Mode.LIVE)
    assert registry.balance() == sum(terms.deposits)


def test_the_thread_log_says_all_that_is_needed_to_take_part(registry: Deployed) -> None:
    terms = registry.terms()
    receipt = registry.done(STRANGER, "open", terms, 0, value=terms.deposits[0])
    event = registry.artifact.event("THREAD").decode(receipt.logs[0])
    assert event["threadId"] == thread_id(registry.domain, terms)
    values = tuple(getattr(terms, member.attribute) for member in terms.STRUCT.members)
    logged = event["terms"]
    assert isinstance(logged, tuple)
    assert [_plain(value) for value in logged] == [_plain(value) for value in values]


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    return bytes(value) if isinstance(value, bytes) else value


def test_the_registry_tells_id_and_address(registry: Deployed) -> None:
    terms = registry.terms(5)
    name = thread_id(registry.domain, terms)
    assert registry.read("threadId", terms) == name
    assert registry.read("threadAddress", name) == thread_address(registry.address, name)
    assert registry.read("domainSeparator") == registry.domain.separator


def test_deposits_of_zero_are_in_from_the_start(registry: Deployed) -> None:
    terms = registry.terms(3, deposits=(0, ETHER, 0), max_fee=0)
    registry.done(STRANGER, "open", terms, 1, value=ETHER)
    assert registry.thread(terms).mode is Mode.LIVE
    nothing = registry.terms(2, deposits=(0, 0), max_fee=0)
    registry.done(STRANGER, "open", nothing, 1)
    assert registry.thread(nothing).mode is Mode.LIVE
    waiting = registry.terms(3, deposits=(0, ETHER, ETHER), max_fee=0)
    registry.done(STRANGER, "open", waiting, 0)
    assert registry.thread(waiting).mode is Mode.FUNDING
    registry.refused("AlreadyDeposited", STRANGER, "open", waiting, 0)


def test_a_deposit_is_taken_once_whole_and_in_time(registry: Deployed) -> None:
    terms = registry.terms()
    registry.refused("WrongDeposit", STRANGER, "open", terms, 0, value=terms.deposits[0] - 1)
    registry.refused("WrongDeposit", STRANGER, "open", terms, 0, value=terms.deposits[0] + 1)
    registry.refused("WrongDeposit", STRANGER, "open", terms, 0)
    registry.refused("UnknownParty", STRANGER, "open", terms, 2)
    registry.refused("UnknownParty", STRANGER, "open", terms, 256)
    assert registry.thread(terms) == NEW
    registry.done(STRANGER, "open", terms, 0, value=terms.deposits[0])
    registry.refused("AlreadyDeposited", STRANGER, "open", terms, 0, value=terms.deposits[0])
    registry.chain.wait_until(terms.open_before)
    registry.refused("TooLate", STRANGER, "open", terms, 1, value=terms.deposits[1])
    fresh = registry.terms(open_before=registry.chain.time)
    registry.refused("TooLate", STRANGER, "open", fresh, 1, value=fresh.deposits[1])


def test_a_deposit_in_the_last_second(registry: Deployed) -> None:
    terms = registry.terms()
    registry.done(STRANGER, "open", terms, 0, value=terms.deposits[0])
    registry.chain.wait_until(terms.open_before - 1)
    registry.done(STRANGER, "open", terms, 1, value=terms.deposits[1])
    assert registry.thread(terms).mode is Mode.LIVE
    registry.refused("WrongMode", STRANGER, "open", terms, 0, value=terms.deposits[0])


@pytest.mark.parametrize(
    ("code", "error"),
    [(b"\x00", "WrongOriginCode"), (b"", "WrongOriginCode")],
    ids=["other code", "no account"],
)
def test_the_origin_must_have_the_code_of_the_terms(registry: Deployed, code: bytes, error: str) -> None:
    elsewhere = bytes(19) + b"\x77"
    registry.chain.put(elsewhere, code=code)
    terms = registry.terms(origin=elsewhere)
    registry.refused(error, STRANGER, "open", terms, 0, value=terms.deposits[0])


@pytest.mark.parametrize("code", [b"\xef\x01\x00" + bytes(20), b"\xef", b"\x00" * 24_577], ids=["7702", "ef", "long"])
def test_code_that_could_never_go_on_chain_is_refused(registry: Deployed, code: bytes) -> None:
    elsewhere = bytes(19) + b"\x78"
    registry.chain.put(elsewhere, code=code)
    terms = registry.terms(origin=elsewhere, code_hash=keccak256(code))
    registry.refused("UnusableOriginCode", STRANGER, "open", terms, 0, value=terms.deposits[0])


def test_an_account_without_code_is_no_origin(registry: Deployed) -> None:
    elsewhere = bytes(19) + b"\x79"
    registry.chain.put(elsewhere, balance=1)
    terms = registry.terms(origin=elsewhere, code_hash=EMPTY_HASH)
    registry.refused("UnusableOriginCode", STRANGER, "open", terms, 0, value=terms.deposits[0])
    absent = registry.terms(origin=bytes(19) + b"\x7a", code_hash=bytes(32))
    registry.refused("UnusableOriginCode", STRANGER, "open", absent, 0, value=absent.deposits[0])


def test_the_longest_code_is_taken(registry: Deployed) -> None:
    code = b"\x00" * 24_576
    registry.chain.put(ORIGIN, code=code)
    terms = registry.terms(code_hash=keccak256(code))
    registry.done(STRANGER, "open", terms, 0, value=terms.deposits[0])


def test_what_was_never_completed_goes_back(registry: Deployed) -> None:
    terms = registry.terms(3)
    before = [registry.chain.balance(owner) for owner in terms.owners]
    for index in (0, 2):
        registry.done(STRANGER, "open", terms, index, value=terms.deposits[index])
    registry.chain.wait_until(terms.open_before - 1)
    registry.refused("TooEarly", STRANGER, "refund", terms)
    registry.chain.wait_until(terms.open_before)
    receipt = registry.done(STRANGER, "refund", terms)
    assert registry.events(receipt) == ["REFUNDED"]
    gained = [registry.chain.balance(owner) - had for owner, had in zip(terms.owners, before, strict=True)]
    assert gained == [terms.deposits[0], 0, terms.deposits[2]]
    assert registry.balance() == 0
    assert registry.thread(terms) == ThreadState(bytes(32), 0, 0, 0, Mode.SETTLED)
    registry.refused("WrongMode", STRANGER, "refund", terms)
    registry.refused("WrongMode", STRANGER, "open", terms, 1, value=terms.deposits[1])


def test_refund_is_for_threads_that_never_began(registry: Deployed) -> None:
    registry.refused("WrongMode", STRANGER, "refund", registry.terms(salt=99))
    terms = registry.opened()
    registry.chain.wait_until(terms.open_before + 10)
    registry.refused("WrongMode", STRANGER, "refund", terms)
