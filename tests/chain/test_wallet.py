"""A wallet over JSON-RPC: one form of its answers, typed refusals, and nothing believed."""

import json
import pickle

import pytest

from evmthread.chain.wallet import (
    WalletDenied,
    WalletRefused,
    WalletSigner,
    WalletUnauthorized,
    WalletUnsupported,
    wallet_accounts,
)
from evmthread.commit import (
    EquivocationError,
    GuardedSigner,
    LocalSigner,
    MemorySignLog,
    TypedData,
    recover_signer,
)
from evmthread.errors import BackendError, InvalidInput
from evmthread.primitives.secp256k1 import GROUP_ORDER
from evmthread.rpc import BadAnswer, NodeRefused, NodeUnreachable
from evmthread.testing.signers import signer_tests
from tests.chain.wallets import Wallet
from tests.commit import commit_samples as samples

KEY = samples.private_key(0)
LOCAL = LocalSigner(KEY)
DATA = TypedData(samples.DOMAIN, samples.commitment_of(samples.DOMAIN, samples.terms_of(2)))
SIGNATURE = LOCAL.sign(DATA)
R, S, V = SIGNATURE[:32], SIGNATURE[32:64], SIGNATURE[64]
TWIN = (GROUP_ORDER - int.from_bytes(S, "big")).to_bytes(32, "big")

TestWalletSigner = signer_tests(lambda: WalletSigner(Wallet(KEY), LOCAL.address), secret=KEY, examples=15)
TestWalletSignerOfObjects = signer_tests(
    lambda: WalletSigner(Wallet(KEY), LOCAL.address, as_text=False), secret=KEY, examples=5
)


def answering(answer: object) -> WalletSigner:
    wallet = Wallet(KEY)
    wallet.answer = lambda signature: answer  # type: ignore[method-assign]
    return WalletSigner(wallet, LOCAL.address)


def refusing(error: BackendError) -> WalletSigner:
    wallet = Wallet(KEY)
    wallet.error = error
    return WalletSigner(wallet, LOCAL.address)


def test_what_the_wallet_is_asked() -> None:
    wallet = Wallet(KEY)
    assert wallet_accounts(wallet) == [LOCAL.address]
    assert WalletSigner(wallet, LOCAL.address).sign(DATA) == SIGNATURE
    method, (address, shown) = wallet.asked[-1]
    assert (method, address) == ("eth_signTypedData_v4", "0x" + LOCAL.address.hex())
    assert isinstance(shown, str)
    assert json.loads(shown) == DATA.to_json()
    assert WalletSigner(wallet, LOCAL.address, as_text=False).sign(DATA) == SIGNATURE
    assert wallet.asked[-1][1][1] == DATA.to_json()


@pytest.mark.parametrize(
    "raw",
    [
        SIGNATURE,
        R + S + bytes((V - 27,)),  # the y parity for v
        R + TWIN + bytes((27 + 28 - V,)),  # the twin of high s
        R + TWIN + bytes((28 - V,)),
    ],
)
def test_answers_come_in_one_form(raw: bytes) -> None:
    for text in ("0x" + raw.hex(), "0x" + raw.hex().upper()):
        assert answering(text).sign(DATA) == SIGNATURE
        assert GuardedSigner(answering(text), MemorySignLog()).sign(DATA) == SIGNATURE


@pytest.mark.parametrize(
    "answer",
    [
        None,
        5,
        SIGNATURE,
        [],
        "",
        "0x",
        SIGNATURE.hex(),
        "0X" + SIGNATURE.hex(),
        "0x" + SIGNATURE[:64].hex(),
        "0x" + SIGNATURE.hex() + "00",
        "0x" + SIGNATURE.hex()[:-1],
        "0x" + SIGNATURE.hex()[:-1] + "g",
        "0x" + SIGNATURE.hex() + "\n",
        *["0x" + (R + S + bytes((v,))).hex() for v in (2, 26, 29, 35, 36, 255)],
    ],
)
def test_what_has_no_such_form_is_a_bad_answer(answer: object) -> None:
    for signer in (answering(answer), GuardedSigner(answering(answer), MemorySignLog())):
        with pytest.raises(BadAnswer):
            signer.sign(DATA)


@pytest.mark.parametrize(
    "raw",
    [
        R + S + bytes((27 + 28 - V,)),  # another key's
        R + TWIN + bytes((V,)),
        bytes(32) + S + b"\x1b",
        R + bytes(32) + b"\x1b",
        R + GROUP_ORDER.to_bytes(32, "big") + b"\x1b",
        R + b"\xff" * 32 + b"\x1b",
        b"\xff" * 32 + S + b"\x1b",
        LocalSigner(samples.private_key(1)).sign(DATA),
        LOCAL.sign(TypedData(samples.Domain(2, samples.REGISTRY), DATA.record)),
    ],
)
def test_the_guard_believes_no_answer(raw: bytes) -> None:
    log = MemorySignLog()
    with pytest.raises(BackendError, match="answered with"):
        GuardedSigner(answering("0x" + raw.hex()), log).sign(DATA)
    # What was asked for stands in the log: it may have been signed and shown to others.
    with pytest.raises(EquivocationError):
        GuardedSigner(LOCAL, log).sign(
            TypedData(samples.DOMAIN, samples.commitment_of(samples.DOMAIN, samples.terms_of(2), fee=0))
        )
    assert GuardedSigner(LOCAL, log).sign(DATA) == SIGNATURE


@pytest.mark.parametrize(
    ("code", "refusal"),
    [(4001, WalletDenied), (4100, WalletUnauthorized), (4200, WalletUnsupported), (-32601, WalletUnsupported)],
)
def test_refusals_are_typed(code: int, refusal: type[WalletRefused]) -> None:
    with pytest.raises(refusal, match="User denied message signature") as caught:
        refusing(NodeRefused("eth_signTypedData_v4", code, "User denied message signature.")).sign(DATA)
    assert (caught.value.code, caught.value.message) == (code, "User denied message signature.")
    assert isinstance(caught.value, BackendError)
    copied = pickle.loads(pickle.dumps(caught.value))
    assert (type(copied), copied.code, str(copied)) == (refusal, code, str(caught.value))


@pytest.mark.parametrize("error", [NodeRefused("m", -32000, "busy"), NodeUnreachable("gone"), BadAnswer("no JSON")])
def test_other_failures_are_the_providers(error: BackendError) -> None:
    with pytest.raises(type(error)) as caught:
        refusing(error).sign(DATA)
    assert caught.value is error


def test_what_was_denied_can_be_asked_again_and_nothing_else() -> None:
    wallet, log = Wallet(KEY), MemorySignLog()
    guarded = GuardedSigner(WalletSigner(wallet, LOCAL.address), log)
    wallet.error = NodeRefused("eth_signTypedData_v4", 4001, "no")
    with pytest.raises(WalletDenied):
        guarded.sign(DATA)
    wallet.error = None
    with pytest.raises(EquivocationError):
        guarded.sign(TypedData(samples.DOMAIN, samples.commitment_of(samples.DOMAIN, samples.terms_of(2), fee=0)))
    assert guarded.sign(DATA) == SIGNATURE


def test_an_account_that_is_not_the_wallets() -> None:
    with pytest.raises(WalletUnauthorized):
        WalletSigner(Wallet(KEY), bytes(20)).sign(DATA)
    for wrong in (bytes(19), "0x" + "00" * 20, None):
        with pytest.raises(InvalidInput):
            WalletSigner(Wallet(KEY), wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("answer", [None, {}, ["0x00"], [5], ["0x" + "zz" * 20], "0x" + "00" * 20])
def test_accounts_that_are_none(answer: object) -> None:
    class Odd:
        def request(self, method: str, *parameters: object) -> object:
            return answer

    with pytest.raises(BadAnswer, match="eth_accounts"):
        wallet_accounts(Odd())


def test_it_shows_its_address_alone() -> None:
    assert repr(WalletSigner(Wallet(KEY), LOCAL.address)) == f"WalletSigner(address=0x{LOCAL.address.hex()})"
    assert recover_signer(DATA.digest(), SIGNATURE) == LOCAL.address
