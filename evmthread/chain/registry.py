"""Registry: the contract that holds the deposits of threads, as a client of one chain sees it.

What it says of a thread is proven; what it sends was tried before. It decides nothing: when to challenge, and what to
answer, is its caller's (watcher.py, watchtower.py). The contract's functions are described in IRegistry.sol.
"""

from collections.abc import Mapping
from typing import Self

from evmthread.chain.accounts import Account
from evmthread.chain.blocks import LATEST, Block, block_at, code_at
from evmthread.chain.errors import TooMuchGas, WrongChain
from evmthread.chain.events import Event, ThreadState, read_event, read_thread, registry_artifact
from evmthread.chain.grants import check_grants
from evmthread.chain.transactions import MAX_TRANSACTION_GAS, Call, Included, Patience, Transactions, chain_id_of
from evmthread.channel.returning import ReturnToChain
from evmthread.commit.agreement import Agreement, SignatureSet, verify_resume
from evmthread.commit.commitment import Commitment
from evmthread.commit.eip712 import Domain
from evmthread.commit.records import Record
from evmthread.commit.terms import Resume, Terms, check_terms, thread_id
from evmthread.errors import InvalidInput
from evmthread.primitives.types import ZERO_ADDRESS
from evmthread.rpc import Provider

_PAY_ALL = ("settle", "refund")
_RECEIVER_GAS = 75_000
"""A receiver that is tried may take its money for nothing, and burn PAYMENT_GAS (Payments.sol) when it is really paid:
then that much more is used, and what it costs to note that it is owed."""


class Registry:
    """One registry on one chain."""

    def __init__(self, transactions: Transactions, address: bytes) -> None:
        """Made by `connect` and `deploy`, which look at what is there."""
        self.transactions = transactions
        self.provider = transactions.provider
        self.address = address
        self.domain = Domain(transactions.chain_id, address)

    @classmethod
    def connect(
        cls, provider: Provider, address: bytes, *, chain_id: int | None = None, patience: Patience | None = None
    ) -> Self:
        """The registry at this address, after a look at its code.

        `chain_id` is the one wanted: None takes what the node says. Raises WrongChain for another chain, and where
        there is no such registry; NodeLies, and as providers do.
        """
        found = chain_id_of(provider)
        if chain_id is not None and found != chain_id:
            raise WrongChain(f"the node is of chain {found}, not {chain_id}")
        registry = cls(Transactions(provider, found, patience), bytes(address))
        registry.check_code(block_at(provider, LATEST))
        return registry

    @classmethod
    def deploy(cls, provider: Provider, account: Account, *, patience: Patience | None = None) -> Self:
        """A new registry. Raises as `connect` and Transactions.send do."""
        transactions = Transactions(provider, chain_id_of(provider), patience)
        made = transactions.send(account, Call("deploy the registry", None, registry_artifact().creation_code))
        assert made.created is not None
        registry = cls(transactions, made.created)
        registry.check_code(made.block)
        return registry

    def check_code(self, block: Block) -> None:
        """Nothing, or WrongChain: the code at the address is not the registry's, or one of another chain or address.

        What was written into it when it was made, the domain's separator, is compared too.
        """
        code, wanted = bytearray(code_at(self.provider, block, self.address)), registry_artifact().runtime
        for places in wanted.immutables.values():
            for start, length in places:
                if code[start : start + length] != self.domain.separator:
                    raise WrongChain(f"0x{self.address.hex()} is no registry of chain {self.domain.chain_id}")
                code[start : start + length] = bytes(length)
        if bytes(code) != wanted.bytecode:
            raise WrongChain(f"the code at 0x{self.address.hex()} is not the registry's")

    # Reading ----------------------------------------------------------------------------------------------------------
    def thread(self, thread: bytes, block: Block | None = None) -> ThreadState:
        """What is kept of a thread, in this block or the latest, proven. Raises as chain.blocks.proven does."""
        block = block_at(self.provider, LATEST) if block is None else block
        return read_thread(self.provider, block, self.address, thread)

    def owed(self, account: bytes) -> int:
        """What is kept for an account that refused its payment, in wei; as the node says."""
        (amount,) = self._read("owed", account)
        assert isinstance(amount, int)
        return amount

    def slot(self, commitment: Commitment, key: int, proof: tuple[bytes, ...]) -> int:
        """The value of a slot of the thread's contract as the contract finds it proven under what was settled.

        As the node says; verify_slot tells the same without one. Raises CallReverted.
        """
        (value,) = self._read("slot", commitment, key.to_bytes(32, "big"), proof)
        assert isinstance(value, bytes)
        return int.from_bytes(value, "big")

    def _read(self, name: str, *arguments: object) -> tuple[object, ...]:
        output = self.transactions.try_out(ZERO_ADDRESS, self.call(name, *arguments))
        return registry_artifact().function(name).decode(output)

    def events(self, included: Included, thread: bytes) -> list[Event]:
        """The events of a thread in a transaction of ours, in order."""
        logs = [log for log in included.logs if log.address == self.address and log.topics[1:2] == (thread,)]
        return [event for event in map(read_event, logs) if event is not None]

    # Sending: all raise CallReverted, TooMuchGas, CannotPay with nothing sent, and as Transactions.wait does ----------
    def open(
        self, account: Account, genesis: Agreement, index: int, *, grants: Mapping[int, bytes] | None = None
    ) -> Included:
        """Pays the deposit of a party, in a thread whose genesis all have signed (signer law, rule 4).

        `grants` are the signatures of KeyGrants, by party, for each whose owner is not its key. Raises a Refusal or
        InvalidInput where the genesis, or a grant, is not what it has to be.
        """
        terms = genesis.terms
        if genesis.commitment.nonce or genesis.domain != self.domain:
            raise InvalidInput("a deposit follows the genesis that all have signed, under this registry's domain")
        check_grants(self.transactions, self.domain, terms, {} if grants is None else grants)
        if not 0 <= index < len(terms.deposits):
            raise InvalidInput(f"there is no party {index} of {len(terms.deposits)}")
        return self._send(account, "open", terms, index, value=terms.deposits[index])

    def refund(self, account: Account, terms: Terms) -> Included:
        """Gives all deposits back: while funding, after `openBefore`; or after an exit with nothing recorded."""
        return self._send(account, "refund", terms)

    def exit(self, account: Account, terms: Terms) -> Included:
        """Starts the clock on what is recorded; `account` is an owner's or a key's."""
        return self._send(account, "exit", terms)

    def checkpoint(self, account: Account, agreement: Agreement) -> Included:
        """Records an agreement, without a clock."""
        return self._send(account, "checkpoint", *self._signed(agreement))

    def challenge(self, account: Account, agreement: Agreement) -> Included:
        """Records an agreement and starts the clock; `account` is an owner's or a key's."""
        return self._send(account, "challenge", *self._signed(agreement))

    def respond(self, account: Account, agreement: Agreement) -> Included:
        """Records a higher agreement while the clock runs."""
        return self._send(account, "respond", *self._signed(agreement))

    def resume(self, account: Account, terms: Terms, deadline: int, signatures: SignatureSet) -> Included:
        """Calls the challenge off with all parties' signatures on Resume(threadId, deadline). Raises a Refusal."""
        verify_resume(self.domain, terms, Resume(thread_id(self.domain, terms), deadline), signatures)
        return self._send(account, "resume", terms, deadline, signatures.signatures)

    def settle(self, account: Account, final: Agreement) -> Included:
        """Pays what all signed as final, at once."""
        return self._send(account, "settle", *self._signed(final))

    def settle_record(self, account: Account, terms: Terms, commitment: Commitment) -> Included:
        """Pays what is recorded, from the deadline on."""
        return self._send(account, "settle", terms, commitment, 0, ())

    def claim(
        self, account: Account, terms: Terms, commitment: Commitment, owner: bytes, proof: tuple[bytes, ...]
    ) -> Included:
        """Pays an account of the thread that is no party's the balance that the proof shows."""
        return self._send(account, "claim", terms, commitment, owner, proof)

    def materialize(self, account: Account, terms: Terms, commitment: Commitment, returning: ReturnToChain) -> Included:
        """Puts the thread's contract on chain; `returning` is what return_to_chain gives."""
        if returning.most_gas > MAX_TRANSACTION_GAS:
            raise TooMuchGas("materialize", returning.most_gas, MAX_TRANSACTION_GAS)
        arguments = (returning.keys, returning.values, returning.code, returning.account_proof)
        return self._send(account, "materialize", terms, commitment, *arguments)

    def withdraw(self, account: Account, owner: bytes, to: bytes | None = None) -> Included:
        """Pays what is owed to `owner`: to itself, or where it says, if `account` is its own."""
        return self._send(account, "withdraw", owner, owner if to is None else to)

    def call(self, name: str, *arguments: object, value: int = 0) -> Call:
        """A call of one of the registry's functions. Raises InvalidInput for arguments that don't fit."""
        artifact = registry_artifact()
        for argument in arguments:
            if isinstance(argument, Terms):
                check_terms(argument)
        encoded = artifact.function(name).encode(*map(_plain, arguments))
        receivers = (
            sum(1 + len(each.owners) for each in arguments if isinstance(each, Terms)) if name in _PAY_ALL else 0
        )
        return Call(name, self.address, encoded, value, artifact.errors, receivers * _RECEIVER_GAS)

    def _send(self, account: Account, name: str, *arguments: object, value: int = 0) -> Included:
        return self.transactions.send(account, self.call(name, *arguments, value=value))

    def _signed(self, agreement: Agreement) -> tuple[object, ...]:
        return signed_arguments(self.domain, agreement)


def signed_arguments(domain: Domain, agreement: Agreement) -> tuple[object, ...]:
    """What checkpoint, challenge, respond and settle take. Raises InvalidInput for an agreement of another domain."""
    if agreement.domain != domain:
        raise InvalidInput("the agreement is for another chain or registry")
    signatures = agreement.signatures
    return agreement.terms, agreement.commitment, signatures.bitmap, signatures.signatures


def _plain(value: object) -> object:
    """A record as the tuple of its members, as the ABI wants it."""
    if isinstance(value, Record):
        return tuple(getattr(value, member.attribute) for member in value.STRUCT.members)
    return value
