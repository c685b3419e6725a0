"""Transactions of types 0 to 4 beside eth-account: bytes, hashes, signatures."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from eth_account import Account
from eth_account.typed_transactions import TypedTransaction
from eth_utils import to_checksum_address
from hypothesis import given, settings
from hypothesis import strategies as st

from evmthread.errors import InvalidInput
from evmthread.execution.invalid import (
    InvalidSignature,
    InvalidTransaction,
    MalformedTransaction,
    UnsupportedType,
    ValueOverflow,
    WrongChain,
)
from evmthread.execution.transaction import AccessEntry, Authorization, Transaction, decode_transaction
from evmthread.isa.forks import BERLIN, FRONTIER, HOMESTEAD, PRAGUE, SPURIOUS_DRAGON
from evmthread.primitives import rlp
from evmthread.primitives.secp256k1 import GROUP_ORDER, private_key_address, sign_digest

KEY = bytes(range(1, 33))
SENDER = private_key_address(KEY)
RULES = PRAGUE.transactions
CHAIN = 1337

hash32 = st.binary(min_size=32, max_size=32)
address = st.binary(min_size=20, max_size=20)
numbers = st.integers(0, 2**256 - 1) | st.sampled_from([0, 1, 127, 128, 255, 256, 2**64])
small = st.integers(0, 2**63) | st.sampled_from([0, 1, 127, 128])
access_lists = st.lists(st.builds(AccessEntry, address, st.lists(numbers, max_size=2).map(tuple)), max_size=2).map(
    tuple
)


@st.composite
def authorizations(draw: st.DrawFn) -> Authorization:
    return Authorization(
        draw(st.sampled_from([0, 1, CHAIN])),
        draw(address),
        draw(small),
        draw(st.integers(0, 1)),
        draw(st.integers(1, GROUP_ORDER - 1)),
        draw(st.integers(1, GROUP_ORDER // 2)),
    )


@pytest.mark.parametrize(
    "wrong",
    [
        *({name: value} for name in ("nonce", "gas_limit", "value", "type", "v") for value in (-1, 1.0, "1", None)),
        *({"chain_id": value} for value in (-1, 1.0, "1")),
        *({"to": value} for value in ("a" * 20, bytearray(20), 5)),
        *({"data": value} for value in ("0x", bytearray(1), None, [1])),
        *({"access_list": value} for value in (5, (bytes(20),), ((bytes(20), (1,)),))),
        *({"access_list": (AccessEntry(*value),)} for value in (("a" * 20,), (bytes(20), (-1,)), (bytes(20), (b"1",)))),
        {"access_list": (AccessEntry(bytes(20), (2**256,)),)},
        *({"blob_hashes": value} for value in (5, ("a" * 32,))),
        *({"authorizations": value} for value in ((1,), (Authorization(1, "a" * 20, 0, 0, 0, 0),))),  # type: ignore[arg-type]
        {"authorizations": (Authorization(1, bytes(20), -1, 0, 0, 0),)},
    ],
    ids=str,
)
def test_a_value_of_the_wrong_type_is_refused_where_the_transaction_is_made(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        Transaction(**wrong)


def test_what_holds_no_bytes_is_not_decoded() -> None:
    with pytest.raises(InvalidInput, match="'0x02' where bytes are wanted"):
        decode_transaction("0x02", RULES)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [1, 2, 3, 4])
def test_a_typed_transaction_without_a_chain_is_signed_for_chain_0_which_is_no_other(kind: int) -> None:
    signed = Transaction(type=kind, gas_limit=1).signed(KEY)
    with pytest.raises(WrongChain) as refused:
        signed.sender(RULES, CHAIN)
    assert (refused.value.expected, refused.value.got) == (CHAIN, 0)


def test_an_authorization_is_signed_as_eth_account_signs_it() -> None:
    wish = {"chainId": CHAIN, "address": to_checksum_address(bytes(range(20))), "nonce": 7}
    theirs = Account.from_key(KEY).sign_authorization(wish)
    ours = Authorization.signed_by(KEY, chain_id=CHAIN, address=bytes(range(20)), nonce=7)
    assert ours == (CHAIN, bytes(range(20)), 7, theirs.y_parity, theirs.r, theirs.s)
    assert ours.authority() == SENDER


@pytest.mark.parametrize("wrong", [{"chain_id": -1}, {"address": bytes(19)}, {"address": "a" * 20}, {"nonce": 2**64}])
def test_an_authorization_that_nobody_can_sign(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        Authorization.signed_by(KEY, **{"chain_id": 1, "address": bytes(20), "nonce": 0, **wrong})


@st.composite
def transactions(draw: st.DrawFn, *types: int) -> Transaction:
    kind = draw(st.sampled_from(types))
    fields: dict[str, Any] = {
        "type": kind,
        "chain_id": draw(st.sampled_from([1, CHAIN])) if kind else draw(st.sampled_from([None, 1, CHAIN])),
        "nonce": draw(small),
        "gas_limit": draw(small),
        "to": draw(address if kind > 2 else st.none() | address),
        "value": draw(numbers),
        "data": draw(st.binary(max_size=70)),
    }
    if kind < 2:
        fields["gas_price"] = draw(numbers)
    else:
        fields |= {"max_fee": draw(numbers), "max_priority_fee": draw(numbers)}
    if kind:
        fields["access_list"] = draw(access_lists)
    if kind == 3:
        hashes = st.lists(hash32.map(lambda digest: b"\x01" + digest[1:]), min_size=1, max_size=3)
        fields |= {"max_blob_fee": draw(numbers), "blob_hashes": tuple(draw(hashes))}
    if kind == 4:
        fields["authorizations"] = tuple(draw(st.lists(authorizations(), min_size=1, max_size=2)))
    return Transaction(**fields)


def as_dictionary(transaction: Transaction) -> dict[str, Any]:
    """The transaction as eth-account takes it."""
    said: dict[str, Any] = {
        "nonce": transaction.nonce,
        "gas": transaction.gas_limit,
        "value": transaction.value,
        "data": transaction.data,
    }
    if transaction.to is not None:
        said["to"] = to_checksum_address(transaction.to)
    if transaction.chain_id is not None:
        said["chainId"] = transaction.chain_id
    if transaction.type:
        said["type"] = transaction.type
        said["accessList"] = [
            {"address": to_checksum_address(entry.address), "storageKeys": [f"0x{key:064x}" for key in entry.keys]}
            for entry in transaction.access_list
        ]
    if transaction.type < 2:
        said["gasPrice"] = transaction.gas_price
    else:
        said["maxFeePerGas"] = transaction.max_fee
        said["maxPriorityFeePerGas"] = transaction.max_priority_fee
    if transaction.type == 3:
        said["maxFeePerBlobGas"] = transaction.max_blob_fee
        said["blobVersionedHashes"] = list(transaction.blob_hashes)
    if transaction.type == 4:
        said["authorizationList"] = [
            {
                "chainId": item.chain_id,
                "address": to_checksum_address(item.address),
                "nonce": item.nonce,
                "yParity": item.y_parity,
                "r": item.r,
                "s": item.s,
            }
            for item in transaction.authorizations
        ]
    return said


def assert_equal_to_eth_account(transaction: Transaction) -> None:
    signed = transaction.signed(KEY)
    theirs = Account.sign_transaction(as_dictionary(transaction), KEY)
    assert (signed.v, signed.r, signed.s) == (theirs.v, theirs.r, theirs.s)
    assert signed.hash() == bytes(theirs.hash)
    assert signed.encode() == bytes(theirs.raw_transaction)


@settings(max_examples=80)
@given(transaction=transactions(0, 1, 2, 4))
def test_bytes_hash_and_signature_are_those_of_eth_account(transaction: Transaction) -> None:
    assert_equal_to_eth_account(transaction)


@settings(max_examples=20)
@given(transaction=transactions(3))
def test_blob_transactions_are_those_of_eth_account(transaction: Transaction) -> None:
    """eth-account signs blob transactions with their blobs, or, as here, given their hashes alone."""
    said = as_dictionary(transaction)
    unsigned = TypedTransaction.from_dict(dict(said))
    assert transaction.signing_hash() == bytes(unsigned.hash())
    signed = transaction.signed(KEY)
    whole = TypedTransaction.from_dict({**said, "v": signed.v, "r": signed.r, "s": signed.s})
    assert signed.encode() == bytes(whole.encode())
    assert Account.recover_transaction(signed.encode()) == to_checksum_address(SENDER)


@settings(max_examples=150)
@given(transaction=transactions(0, 1, 2, 3, 4))
def test_encoded_and_decoded_again_it_is_the_same_and_its_sender_too(transaction: Transaction) -> None:
    signed = transaction.signed(KEY)
    decoded = decode_transaction(signed.encode(), RULES)
    assert decoded == signed
    assert decoded.sender(RULES, transaction.chain_id or CHAIN) == SENDER
    assert decoded.encode() == signed.encode()


@settings(max_examples=150)
@given(transaction=transactions(0, 1, 2, 3, 4), data=st.data())
def test_other_bytes_are_refused_or_say_something_else(transaction: Transaction, data: st.DataObject) -> None:
    """Cut, lengthened or with a bit flipped: an InvalidTransaction, or another transaction with exactly those bytes."""
    raw = transaction.signed(KEY).encode()
    place = data.draw(st.integers(0, len(raw) - 1))
    other = data.draw(
        st.sampled_from(
            [
                raw[:place],
                raw + b"\0",
                raw[:place] + bytes((raw[place] ^ 1 << data.draw(st.integers(0, 7)),)) + raw[place + 1 :],
            ]
        )
    )
    try:
        decoded = decode_transaction(other, RULES)
    except InvalidTransaction:
        return
    assert decoded.encode() == other
    assert other != raw


@settings(max_examples=200)
@given(st.binary(max_size=120))
def test_junk_is_refused(junk: bytes) -> None:
    with pytest.raises(InvalidTransaction):
        decode_transaction(junk, RULES)


SAMPLE = Transaction(type=2, chain_id=CHAIN, nonce=1, max_fee=9, max_priority_fee=1, to=bytes(20), value=5).signed(KEY)


def test_unsupported_types() -> None:
    with pytest.raises(UnsupportedType) as refused:
        decode_transaction(SAMPLE.encode(), BERLIN.transactions)
    assert (refused.value.expected, refused.value.got) == ([0, 1], 2)
    for kind in (0, 5, 0x7F):
        with pytest.raises(UnsupportedType):
            decode_transaction(bytes((kind,)) + SAMPLE.encode()[1:], RULES)


def fields_of(transaction: Transaction) -> list[Any]:
    decoded = rlp.decode(transaction.encode()[1:], max_depth=6)
    assert isinstance(decoded, list)
    return decoded


@pytest.mark.parametrize(
    ("place", "value", "error"),
    [
        (0, b"\x01" * 9, ValueOverflow),  # chain id
        (1, b"\x01" * 9, ValueOverflow),  # nonce
        (1, b"\x00", MalformedTransaction),  # leading zero
        (1, [], MalformedTransaction),
        (2, b"\x01" * 33, ValueOverflow),  # priority fee
        (3, b"\x00\x01", MalformedTransaction),
        (4, b"\x01" * 9, ValueOverflow),  # gas limit
        (5, bytes(19), MalformedTransaction),  # to
        (5, bytes(21), MalformedTransaction),
        (5, [], MalformedTransaction),
        (6, b"\x01" * 33, ValueOverflow),  # value
        (7, [], MalformedTransaction),  # data
        (8, b"", MalformedTransaction),  # access list
        (8, [[bytes(20)]], MalformedTransaction),
        (8, [[bytes(19), []]], MalformedTransaction),
        (8, [[bytes(20), [bytes(31)]]], MalformedTransaction),
        (8, [[bytes(20), [], []]], MalformedTransaction),
        (10, b"\x01" * 33, ValueOverflow),  # r
    ],
)
def test_fields_of_the_wrong_form(place: int, value: Any, error: type[InvalidTransaction]) -> None:
    fields = fields_of(SAMPLE)
    fields[place] = value
    with pytest.raises(error):
        decode_transaction(b"\x02" + rlp.encode(fields), RULES)


def test_too_few_and_too_many_fields() -> None:
    fields = fields_of(SAMPLE)
    for wrong in (fields[:-1], [*fields, b""], []):
        with pytest.raises(MalformedTransaction):
            decode_transaction(b"\x02" + rlp.encode(wrong), RULES)
    with pytest.raises(MalformedTransaction):
        decode_transaction(b"", RULES)
    with pytest.raises(MalformedTransaction):
        decode_transaction(b"\x80", RULES)


def test_senders_that_a_fork_refuses() -> None:
    legacy = Transaction(to=bytes(20)).signed(KEY)
    for rules in (FRONTIER.transactions, SPURIOUS_DRAGON.transactions, RULES):
        assert legacy.sender(rules, CHAIN) == SENDER
    protected = Transaction(to=bytes(20), chain_id=CHAIN).signed(KEY)
    assert protected.v in (2 * CHAIN + 35, 2 * CHAIN + 36)
    assert protected.sender(SPURIOUS_DRAGON.transactions, CHAIN) == SENDER
    with pytest.raises(InvalidSignature):
        protected.sender(HOMESTEAD.transactions, CHAIN)
    with pytest.raises(WrongChain) as wrong:
        protected.sender(RULES, 1)
    assert (wrong.value.expected, wrong.value.got) == (1, CHAIN)
    with pytest.raises(WrongChain):
        SAMPLE.sender(RULES, 1)


def test_a_high_s_is_good_before_homestead_only() -> None:
    legacy = Transaction(to=bytes(20)).signed(KEY)
    high = replace(legacy, s=GROUP_ORDER - legacy.s, v=27 + (28 - legacy.v))
    assert high.sender(FRONTIER.transactions, CHAIN) == SENDER
    with pytest.raises(InvalidSignature):
        high.sender(HOMESTEAD.transactions, CHAIN)


@pytest.mark.parametrize(
    "wrong",
    [{"v": 29}, {"v": 26}, {"v": 0}, {"r": 0}, {"s": 0}, {"r": GROUP_ORDER}, {"r": 2**256 - 1}, {"r": 5, "s": 5}],
)
def test_values_that_are_no_signature(wrong: Mapping[str, int]) -> None:
    """r = 5 is the x coordinate of no point of the curve."""
    with pytest.raises(InvalidSignature):
        replace(Transaction(to=bytes(20)).signed(KEY), **wrong).sender(RULES, CHAIN)


def test_authority_of_an_authorization() -> None:
    target = bytes(range(20))
    theirs = Account.sign_authorization({"chainId": CHAIN, "address": target, "nonce": 7}, KEY)
    made = Authorization(CHAIN, target, 7, theirs.y_parity, theirs.r, theirs.s)
    assert made.authority() == SENDER
    assert made._replace(nonce=8).authority() != SENDER
    assert made._replace(s=GROUP_ORDER - made.s, y_parity=1 - made.y_parity).authority() is None
    for broken in ({"y_parity": 2}, {"r": 0}, {"s": 0}, {"r": 5}, {"r": 2**256 - 1}):
        assert made._replace(**broken).authority() is None


def test_what_is_paid_for_gas() -> None:
    assert Transaction(gas_price=9).effective_gas_price(5) == 9
    market = Transaction(type=2, max_fee=20, max_priority_fee=3)
    assert [market.effective_gas_price(base) for base in (0, 10, 17, 19, 20)] == [3, 13, 20, 20, 20]
    assert (Transaction(gas_price=9).fee_cap, market.fee_cap) == (9, 20)


def test_signing_is_deterministic_and_over_everything_that_is_said() -> None:
    plain = Transaction(type=1, chain_id=1, to=bytes(20))
    hashes = {
        change.signing_hash()
        for change in (
            plain,
            replace(plain, chain_id=2),
            replace(plain, nonce=1),
            replace(plain, gas_price=1),
            replace(plain, gas_limit=1),
            replace(plain, to=None),
            replace(plain, value=1),
            replace(plain, data=b"\0"),
            replace(plain, access_list=(AccessEntry(bytes(20)),)),
            replace(plain, access_list=(AccessEntry(bytes(20), (0,)),)),
        )
    }
    assert len(hashes) == 10
    r, s, parity = sign_digest(KEY, plain.signing_hash())
    assert (plain.signed(KEY).r, plain.signed(KEY).s, plain.signed(KEY).v) == (r, s, parity)
