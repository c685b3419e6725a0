"""A real node's own account as a wallet: it signs what we ask, and the guard holds it to that."""

from collections.abc import Iterator

import pytest

from evmthread.chain.wallet import WalletSigner, WalletUnsupported, wallet_accounts
from evmthread.commit import (
    Agreement,
    EquivocationError,
    GuardedSigner,
    LocalSigner,
    MemorySignLog,
    SignatureSet,
    TypedData,
    recover_signer,
    verify,
)
from evmthread.errors import BackendError
from evmthread.rpc import NodeRefused
from evmthread.testing.signers import signer_tests
from tests.anvil import Anvil, running_anvil
from tests.commit import commit_samples as samples


@pytest.fixture(scope="module")
def node() -> Iterator[Anvil]:
    with running_anvil(accounts=2) as running:
        yield running


@pytest.mark.parametrize("as_text", [True, False])
def test_the_conformance_suite(node: Anvil, as_text: bool) -> None:
    address = wallet_accounts(node.provider)[0]
    suite = signer_tests(lambda: WalletSigner(node.provider, address, as_text=as_text), examples=10)
    names = [name for name in dir(suite) if name.startswith("test_")]
    assert len(names) >= 10
    for name in names:
        getattr(suite(name), name)()


def test_two_accounts_of_a_node_agree(node: Anvil) -> None:
    addresses = sorted(wallet_accounts(node.provider))
    terms = samples.terms_of(2, keys=tuple(addresses), owners=tuple(addresses))
    commitment = samples.commitment_of(samples.DOMAIN, terms)
    guards = [GuardedSigner(WalletSigner(node.provider, each), MemorySignLog()) for each in addresses]
    data = TypedData(samples.DOMAIN, commitment)
    signatures = SignatureSet.of({index: guard.sign(data) for index, guard in enumerate(guards)})
    agreement = Agreement(samples.DOMAIN, terms, commitment, signatures)
    assert verify(samples.DOMAIN, terms, agreement.signed) == agreement
    with pytest.raises(EquivocationError):
        guards[0].sign(TypedData(samples.DOMAIN, samples.commitment_of(samples.DOMAIN, terms, fee=0)))


def test_another_account_of_the_node_is_not_this_one(node: Anvil) -> None:
    first, second = wallet_accounts(node.provider)
    data = TypedData(samples.DOMAIN, samples.commitment_of(samples.DOMAIN, samples.terms_of(2)))

    class Swapping:
        """A wallet that signs with the account that it likes."""

        def request(self, method: str, *parameters: object) -> object:
            return node.provider.request(method, "0x" + second.hex(), *parameters[1:])

    signer = WalletSigner(Swapping(), first)
    assert recover_signer(data.digest(), signer.sign(data)) == second
    with pytest.raises(BackendError, match="answered with a signature of"):
        GuardedSigner(signer, MemorySignLog()).sign(data)


def test_what_a_node_refuses(node: Anvil) -> None:
    data = TypedData(samples.DOMAIN, samples.commitment_of(samples.DOMAIN, samples.terms_of(2)))
    with pytest.raises(NodeRefused):
        WalletSigner(node.provider, LocalSigner.generate().address).sign(data)

    class Lacking:
        """A node without the method."""

        def request(self, method: str, *parameters: object) -> object:
            return node.provider.request(method + "_not", *parameters)

    with pytest.raises(WalletUnsupported):
        WalletSigner(Lacking(), wallet_accounts(node.provider)[0]).sign(data)
