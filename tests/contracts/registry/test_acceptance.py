"""The rows of acceptance with a contract half that have no file of their own, each named after its number."""

from dataclasses import replace
from itertools import combinations

import pytest
from eth_account import Account as EthAccount
from eth_account.messages import encode_typed_data

from evmthread.commit import Commitment, Domain, LocalSigner, Terms, TypedData, digest, thread_id
from evmthread.commit.eip712 import typed_data
from evmthread.primitives.keccak import keccak256
from tests.commit.commit_samples import ETHER, private_key, sign_all, signers
from tests.contracts.registry.chains import transact
from tests.contracts.registry.deployed import OPERATOR, STRANGER, Deployed, Mode, abi, deploy, key_of
from tests.contracts.registry.games import contract, morpion
from tests.contracts.registry.test_settle import balances_of, gains


# C1 -------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("parties", [2, 3])
def test_c01_every_move_has_one_digest(registry: Deployed, parties: int) -> None:
    game = morpion(registry, parties=parties)
    for number, cell in enumerate((0, 3, 1)):
        game.call(number % 2, "play", cell)
    game.close()
    for agreement in game.line:
        said = encode_typed_data(full_message=typed_data(registry.domain, agreement.commitment))
        theirs = keccak256(b"\x19" + said.version + said.header + said.body)
        assert registry.read("digest", agreement.commitment) == agreement.digest == theirs
        arguments = (game.terms, agreement.commitment, agreement.signatures.bitmap, agreement.signatures.signatures)
        assert registry.read("verify", *arguments) == agreement.digest


def test_c01_a_wallets_signature_counts(registry: Deployed) -> None:
    terms = registry.opened()
    commitment = registry.commitment(terms)
    said = encode_typed_data(full_message=typed_data(registry.domain, commitment))
    made = tuple(bytes(EthAccount.sign_message(said, key_of(terms, index)).signature) for index in (0, 1))
    registry.done(STRANGER, "checkpoint", terms, commitment, 3, made)
    assert registry.thread(terms).digest == digest(registry.domain, commitment)


# C2 to C5 -------------------------------------------------------------------------------------------------------------
def _sets(registry: Deployed, terms: Terms, commitment: Commitment) -> dict[str, tuple[str, int, tuple[bytes, ...]]]:
    """Sets of signatures that have to be refused: the error, bitmap and signatures."""
    good = sign_all(registry.domain, terms, commitment).signatures
    other = sign_all(registry.domain, terms, replace(commitment, nonce=commitment.nonce + 1)).signatures
    r, s, v = good[0][:32], good[0][32:64], good[0][64:]
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    twin = r + (order - int.from_bytes(s, "big")).to_bytes(32, "big") + bytes([55 - v[0]])
    stranger = LocalSigner(private_key(9)).sign(TypedData(registry.domain, commitment))
    sets: dict[str, tuple[str, int, tuple[bytes, ...]]] = {
        "none": ("NotEnoughSignatures", 0, ()),
        "one": ("NotEnoughSignatures", 1, good[:1]),
        "one less than the bitmap": ("SignatureCount", 7, good[:2]),
        "one more than the bitmap": ("SignatureCount", 3, good),
        "one for all": ("WrongSignature", 7, good[:1] * 3),
        "seven copies": ("SignatureCount", 7, good[:1] * 7),
        "seven bits": ("UnknownSigner", 0x7F, good[:1] * 7),
        "empty ones": ("MalformedSignature", 7, (b"",) * 3),
        "reordered": ("WrongSignature", 7, good[::-1]),
        "an extra one": ("UnknownSigner", 15, (*good, good[0])),
        "a stranger's": ("WrongSignature", 7, (*good[:2], stranger)),
        "over another commitment": ("WrongSignature", 7, other),
        "the other form of a signature": ("MalformedSignature", 7, (twin, *good[1:])),
        "64 bytes": ("MalformedSignature", 7, (good[0][:64], *good[1:])),
        "66 bytes": ("MalformedSignature", 7, (good[0] + b"\x00", *good[1:])),
        "r zero": ("MalformedSignature", 7, (bytes(32) + s + v, *good[1:])),
        "s zero": ("MalformedSignature", 7, (r + bytes(32) + v, *good[1:])),
        "r too large": ("MalformedSignature", 7, (order.to_bytes(32, "big") + s + v, *good[1:])),
        "s too large": ("MalformedSignature", 7, (r + order.to_bytes(32, "big") + v, *good[1:])),
    }
    for number in (0, 1, 26, 29, 255):
        sets[f"v {number}"] = ("MalformedSignature", 7, (r + s + bytes([number]), *good[1:]))
    return sets


@pytest.mark.parametrize("name", ["checkpoint", "challenge", "respond", "settle"])
def test_c02_c03_c04_c05_signatures_that_move_no_money(registry: Deployed, name: str) -> None:
    terms = registry.opened(3, challenge_period=3600)  # each refusal is a block
    party = key_of(terms, 0)
    commitment = registry.final(terms) if name == "settle" else registry.commitment(terms)
    if name == "respond":
        registry.done(party, "exit", terms)
    for what, (error, bitmap, made) in _sets(registry, terms, commitment).items():
        if name == "settle" and what == "none":
            error = "WrongMode"  # nothing runs out in LIVE
        registry.refused(error, party, name, terms, commitment, bitmap, made)
    registry.done(party, name, *registry.signed(terms, commitment))


def test_c04_parties_that_are_not_distinct(registry: Deployed) -> None:
    a, b, c = (signer.address for signer in signers(3))
    for changes in (
        {"keys": (a, a), "owners": (a, b)},
        {"keys": (a, b), "owners": (b, b)},
        {"keys": (b, a), "owners": (a, b)},  # each is the other's
        {"keys": (c, a), "owners": (a, b)},
        {"keys": (a, b), "owners": (b, a)},
    ):
        terms = registry.terms(**changes)
        registry.refused("IllFormedTerms", STRANGER, "open", terms, 0, value=terms.deposits[0])


# C7 -------------------------------------------------------------------------------------------------------------------
def _flipped(value: object) -> object:
    if isinstance(value, bytes):
        return value[:-1] + bytes([value[-1] ^ 1])
    if isinstance(value, tuple):
        return (_flipped(value[0]), *value[1:])
    assert isinstance(value, int)
    return value ^ 1


@pytest.mark.parametrize("attribute", [member.attribute for member in Commitment.STRUCT.members])
def test_c07_a_bit_of_a_commitment(registry: Deployed, attribute: str) -> None:
    terms = registry.opened(2, max_fee=10**15)
    party = key_of(terms, 0)
    for commitment in (registry.commitment(terms), registry.final(terms)):
        changed = replace(commitment, **{attribute: _flipped(getattr(commitment, attribute))})
        signatures = registry.signed(terms, commitment)[2:]
        for name in ("checkpoint", "challenge", "settle"):
            before = registry.picture(terms)
            assert not registry.send(party, name, terms, changed, *signatures).success
            assert registry.picture(terms) == before
    registry.done(party, "challenge", *registry.signed(terms, registry.commitment(terms)))
    changed = replace(
        registry.commitment(terms), **{attribute: _flipped(getattr(registry.commitment(terms), attribute))}
    )
    assert not registry.send(party, "respond", terms, changed, *registry.signed(terms, changed, (0,))[2:]).success
    registry.past_deadline(terms)
    registry.refused("NotTheRecord", party, "settle", *registry.unsigned(terms, changed))


@pytest.mark.parametrize("attribute", [member.attribute for member in Terms.STRUCT.members])
def test_c07_a_bit_of_the_terms(registry: Deployed, attribute: str) -> None:
    terms = registry.opened()
    changed = replace(terms, **{attribute: _flipped(getattr(terms, attribute))})
    party = key_of(terms, 0)
    signatures = registry.signed(terms, registry.commitment(terms))[1:]
    for name, arguments in (("checkpoint", signatures), ("challenge", signatures), ("exit", ()), ("refund", ())):
        registry.refused("WrongMode", party, name, changed, *arguments)
    assert registry.thread(terms).mode is Mode.LIVE


# C8 to C10 ------------------------------------------------------------------------------------------------------------
def test_c08_another_registry_another_thread(registry: Deployed) -> None:
    terms = registry.opened()
    arguments = registry.signed(terms, registry.final(terms))
    twin = deploy(registry.chain)
    assert twin.address != registry.address
    twin.refused("WrongMode", STRANGER, "settle", *arguments)
    twin.opened(open_before=terms.open_before)
    twin.refused("WrongThread", STRANGER, "settle", *arguments)
    moved = replace(registry.final(terms), thread_id=thread_id(twin.domain, terms))
    twin.refused("WrongSignature", STRANGER, "settle", terms, moved, *arguments[2:])
    other = registry.opened(salt=8)
    registry.refused("WrongThread", STRANGER, "settle", other, *arguments[1:])
    renamed = replace(registry.final(terms), thread_id=thread_id(registry.domain, other))
    registry.refused("WrongSignature", STRANGER, "settle", other, renamed, *arguments[2:])


def test_c08_another_chain(registry: Deployed) -> None:
    terms = registry.opened()
    elsewhere = Domain(1, registry.address)
    final = registry.final(terms)
    foreign = sign_all(elsewhere, terms, final)
    registry.refused("WrongSignature", STRANGER, "settle", terms, final, foreign.bitmap, foreign.signatures)


def test_c10_nothing_happens_after_settlement(registry: Deployed) -> None:
    terms = registry.opened()
    arguments = registry.signed(terms, registry.final(terms))
    registry.done(STRANGER, "settle", *arguments)
    before = registry.picture(terms)
    registry.refused("WrongMode", STRANGER, "settle", *arguments)
    later = registry.signed(terms, registry.final(terms, 99))
    registry.refused("WrongMode", STRANGER, "settle", *later)
    for name in ("checkpoint", "challenge", "respond"):
        registry.refused("WrongMode", key_of(terms, 0), name, *registry.signed(terms, registry.commitment(terms, 99)))
    registry.refused("WrongMode", key_of(terms, 0), "exit", terms)
    registry.refused("WrongMode", STRANGER, "refund", terms)
    registry.refused("WrongMode", STRANGER, "open", terms, 0, value=terms.deposits[0])
    assert registry.picture(terms) == before


# C11 ------------------------------------------------------------------------------------------------------------------
def test_c11_late_countersignatures_of_skipped_nonces(registry: Deployed) -> None:
    """Nonce 6 was refused and skipped, 7 agreed on the same parent; then somebody signs 6 after all."""
    terms = registry.opened()
    parent = digest(registry.domain, registry.commitment(terms, 5))
    skipped = registry.commitment(terms, 6, parent=parent, state_root=keccak256(b"skipped"))
    agreed = registry.commitment(terms, 7, parent=parent)
    start = registry.chain.snapshot()
    registry.done(key_of(terms, 0), "challenge", *registry.signed(terms, agreed))
    registry.refused("StaleNonce", STRANGER, "respond", *registry.signed(terms, skipped))
    registry.chain.restore(start)
    registry.done(key_of(terms, 0), "challenge", *registry.signed(terms, skipped))
    registry.done(STRANGER, "respond", *registry.signed(terms, agreed))
    assert registry.thread(terms).digest == digest(registry.domain, agreed)


def test_c11_a_final_withheld_and_played_on(registry: Deployed) -> None:
    """A final at 6 was withheld, and the thread went on to 8: the record refuses it, also by `settle`."""
    terms = registry.opened()
    withheld = registry.final(terms, 6)
    registry.done(key_of(terms, 0), "challenge", *registry.signed(terms, registry.commitment(terms, 8)))
    registry.refused("StaleNonce", STRANGER, "respond", *registry.signed(terms, withheld))
    registry.refused("StaleNonce", STRANGER, "settle", *registry.signed(terms, withheld))


# C14, C15 -------------------------------------------------------------------------------------------------------------
def test_c14_a_challenge_that_somebody_else_posts_first(registry: Deployed) -> None:
    terms = registry.opened()
    mine = registry.signed(terms, registry.commitment(terms, 5))
    start = registry.chain.snapshot()
    registry.done(STRANGER, "checkpoint", *mine)  # the same commitment: my challenge still starts the clock
    registry.done(key_of(terms, 0), "challenge", *mine)
    registry.chain.restore(start)
    registry.done(key_of(terms, 1), "challenge", *mine)  # the same challenge: the clock runs, my answer counts
    deadline = registry.thread(terms).deadline
    registry.refused("WrongMode", key_of(terms, 0), "challenge", *mine)
    assert registry.done(key_of(terms, 0), "respond", *mine).logs == ()
    assert registry.thread(terms).deadline == deadline
    registry.chain.restore(start)
    registry.done(key_of(terms, 1), "checkpoint", *registry.signed(terms, registry.commitment(terms, 6)))
    registry.refused("StaleNonce", key_of(terms, 0), "challenge", *mine)  # a higher one: what I wanted and more
    registry.done(key_of(terms, 0), "exit", terms)  # which nobody can be quicker than
    assert registry.thread(terms).nonce == 6


def test_c14_a_settlement_that_somebody_else_posts_first(registry: Deployed) -> None:
    terms = registry.opened()
    before = balances_of(registry, terms)
    final = registry.final(terms)
    registry.done(STRANGER, "settle", *registry.signed(terms, final))
    registry.refused("WrongMode", key_of(terms, 0), "settle", *registry.signed(terms, final))
    assert gains(registry, terms, before) == [final.fee, *final.balances]


def test_c15_a_stale_commitment_and_withheld_ones_gain_no_second(registry: Deployed) -> None:
    terms = registry.opened()
    receipt = registry.done(key_of(terms, 1), "challenge", *registry.signed(terms, registry.commitment(terms, 1)))
    deadline = receipt.timestamp + terms.challenge_period
    for nonce in (10, 20, 30, 40, 50):  # withheld, one by one
        registry.done(key_of(terms, 1), "respond", *registry.signed(terms, registry.commitment(terms, nonce)))
        assert registry.thread(terms).deadline == deadline
    newest = registry.commitment(terms, 51)
    registry.chain.wait_until(deadline - 24)
    registry.done(key_of(terms, 0), "respond", *registry.signed(terms, newest))
    registry.chain.wait_until(deadline)
    registry.refused("NotTheRecord", STRANGER, "settle", *registry.unsigned(terms, registry.commitment(terms, 50)))
    registry.done(STRANGER, "settle", *registry.unsigned(terms, newest))
    assert registry.thread(terms).nonce == 51


# C20 ------------------------------------------------------------------------------------------------------------------
def test_c20_receivers_that_call_back(registry: Deployed) -> None:
    receiver = contract("Receiver")
    terms = registry.opened(3)
    final = registry.final(terms)
    settle = registry.artifact.function("settle").encode(*map(abi, registry.signed(terms, final)))
    refund = registry.artifact.function("refund").encode(abi(terms))
    withdraw = registry.artifact.function("withdraw").encode(terms.owners[2], terms.owners[2])
    for owner, data in zip(terms.owners, (settle, refund, withdraw), strict=True):
        registry.chain.put(owner, code=receiver.runtime_code)
        arm = receiver.function("arm").encode(registry.address, data)
        assert transact(registry.chain, STRANGER, owner, arm).success
    before = balances_of(registry, terms)
    registry.done(STRANGER, "settle", *registry.signed(terms, final))
    due = [registry.owed(owner) for owner in terms.owners]
    assert [gain + left for gain, left in zip(gains(registry, terms, before)[1:], due, strict=True)] == list(
        final.balances
    )
    assert registry.balance() == registry.thread(terms).held + sum(due)
    for owner in terms.owners:
        if registry.owed(owner):
            registry.done(STRANGER, "withdraw", owner, owner)
        success, output = registry.chain.ask(owner, receiver.function("succeeded").encode())
        assert success
        assert int.from_bytes(output, "big") == 0
    assert gains(registry, terms, before) == [final.fee, *final.balances]
    assert registry.balance() == registry.thread(terms).held


def test_c20_nobody_is_called_for_nothing(registry: Deployed) -> None:
    receiver = contract("Receiver")
    terms = registry.opened()
    registry.chain.put(terms.owners[0], code=receiver.runtime_code)
    final = registry.final(terms, balances=(0, ETHER))
    registry.done(STRANGER, "settle", *registry.signed(terms, final))
    _, output = registry.chain.ask(terms.owners[0], receiver.function("paid").encode())
    assert int.from_bytes(output, "big") == 0


def test_c20_withdraw_calls_back_into_withdraw(registry: Deployed) -> None:
    receiver = contract("Receiver")
    terms = registry.opened()
    owner = terms.owners[0]
    registry.chain.put(owner, code=bytes.fromhex("fe"))
    final = registry.final(terms)
    registry.done(STRANGER, "settle", *registry.signed(terms, final))
    other = registry.opened(salt=5)  # money of others is there for the taking
    registry.chain.put(owner, code=receiver.runtime_code)
    again = registry.artifact.function("withdraw").encode(owner, owner)
    assert transact(registry.chain, STRANGER, owner, receiver.function("arm").encode(registry.address, again)).success
    before = registry.chain.balance(owner)
    registry.done(STRANGER, "withdraw", owner, owner)
    assert registry.chain.balance(owner) - before == final.balances[0]
    assert registry.balance() == sum(other.deposits) + registry.thread(terms).held


def test_c20_a_contract_withdraws_to_where_it_says(registry: Deployed) -> None:
    receiver = contract("Receiver")
    terms = registry.opened()
    owner = terms.owners[0]
    registry.chain.put(owner, code=bytes.fromhex("fe"))
    registry.done(STRANGER, "settle", *registry.signed(terms, registry.final(terms)))
    registry.chain.put(owner, code=receiver.runtime_code)
    due = registry.owed(owner)
    place = bytes(19) + b"\x51"
    data = registry.artifact.function("withdraw").encode(owner, place)
    forward = receiver.function("forward").encode(registry.address, data)
    assert transact(registry.chain, STRANGER, owner, forward).success
    assert registry.chain.balance(place) == due


# C29 ------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("parties", "threshold"), [(n, k) for n in (2, 3, 4, 5) for k in range(n // 2 + 1, n + 1)])
def test_c29_every_subset_of_signers(registry: Deployed, parties: int, threshold: int) -> None:
    terms = registry.opened(parties, threshold=threshold)
    for commitment, needed in (
        (registry.commitment(terms), threshold),
        (registry.commitment(terms, 0), parties),
        (registry.final(terms), parties),
    ):
        every = sign_all(registry.domain, terms, commitment).signatures
        for size in range(parties + 1):
            for chosen in combinations(range(parties), size):
                bitmap = sum(1 << index for index in chosen)
                arguments = (terms, commitment, bitmap, tuple(every[index] for index in chosen))
                error = registry.reads_error("verify", *arguments)
                assert error == ("" if size >= needed else "NotEnoughSignatures"), (commitment, chosen)


@pytest.mark.parametrize(("parties", "threshold"), [(2, 1), (2, 3), (3, 1), (4, 2), (4, 5), (5, 2), (16, 8), (3, 0)])
def test_c29_a_threshold_that_is_no_majority(registry: Deployed, parties: int, threshold: int) -> None:
    terms = registry.terms(parties, threshold=threshold)
    found = registry.refused("IllFormedTerms", STRANGER, "open", terms, 0, value=terms.deposits[0])
    assert tuple(found) == (7,)  # TermsClause.THRESHOLD


@pytest.mark.parametrize("chosen", list(combinations(range(3), 2)))
def test_c29_two_of_three_record_and_settle(registry: Deployed, chosen: tuple[int, ...]) -> None:
    terms = registry.opened(3, threshold=2)
    commitment = registry.commitment(terms, balances=(3 * ETHER - 10**12, 0, 0))
    registry.done(key_of(terms, chosen[0]), "challenge", *registry.signed(terms, commitment, chosen))
    registry.past_deadline(terms)
    registry.done(STRANGER, "settle", *registry.unsigned(terms, commitment))
    assert registry.thread(terms).mode is Mode.SETTLED


# C32 ------------------------------------------------------------------------------------------------------------------
def test_c32_the_peer_vanishes_after_the_newest_checkpoint(registry: Deployed) -> None:
    terms = registry.opened()
    before = balances_of(registry, terms)
    newest = registry.commitment(terms, 12, balances=(ETHER // 4, ETHER))
    registry.done(key_of(terms, 1), "checkpoint", *registry.signed(terms, newest))
    registry.done(key_of(terms, 0), "exit", terms)  # whoever stays needs no signatures at hand
    registry.past_deadline(terms)
    registry.done(STRANGER, "settle", *registry.unsigned(terms, newest))
    assert gains(registry, terms, before) == [newest.fee, *newest.balances]


def test_c32_all_deposits_in_and_no_genesis(registry: Deployed) -> None:
    """What the library never lets happen still costs nobody anything."""
    terms = registry.opened(5)
    before = balances_of(registry, terms)
    registry.done(key_of(terms, 4), "exit", terms)
    registry.past_deadline(terms)
    registry.done(private_key(9), "refund", terms)
    assert gains(registry, terms, before) == [0, *terms.deposits]
    assert registry.balance() == registry.owed(OPERATOR) == 0


def test_c32_sixteen_parties(registry: Deployed) -> None:
    terms = registry.opened(16, threshold=9)
    commitment = registry.commitment(terms)
    registry.done(key_of(terms, 3), "challenge", *registry.signed(terms, commitment, tuple(range(9))))
    final = registry.final(terms, 7)
    before = balances_of(registry, terms)
    registry.done(STRANGER, "settle", *registry.signed(terms, final))
    assert gains(registry, terms, before) == [final.fee, *final.balances]
