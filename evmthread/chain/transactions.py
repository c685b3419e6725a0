"""Sends transactions: tries them first, gives them gas and fees, waits for them, says why they fail.

Nothing is sent that is known to fail. It must not know which contract is called: its errors are its caller's.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from evmthread.chain.accounts import Account
from evmthread.chain.blocks import LATEST, Block, block_at, receipts_of
from evmthread.chain.errors import CallReverted, CannotPay, ChainMoved, NodeLies, NotIncluded, TooMuchGas
from evmthread.chain.quantities import data, quantity, record, text
from evmthread.contracts.abi import CustomError
from evmthread.contracts.artifact import decode_revert, parse_revert
from evmthread.errors import BackendError
from evmthread.execution.transaction import FEE_MARKET, Transaction
from evmthread.primitives.types import Log
from evmthread.rpc import BadAnswer, NodeRefused, Provider

MAX_TRANSACTION_GAS = 1 << 24  # EIP-7825
_USUAL_TIP = 10**9  # wei; where a node has no opinion
_MARGIN = 8  # an eighth more gas than estimated: another transaction may come first
_FIRST_PAUSE = 0.01
_RESEND_AFTER = 20  # looks without finding it


@dataclass(frozen=True, slots=True)
class Call:
    """A transaction in the making. `what` names it; `to` is None for a creation; `errors` are those of its target.

    `spare_gas` is what it may need above an estimate, where others' code may behave otherwise when it counts.
    """

    what: str
    to: bytes | None
    data: bytes = b""
    value: int = 0
    errors: Sequence[CustomError] = ()
    spare_gas: int = 0


@dataclass(frozen=True, slots=True)
class Included:
    """A transaction that succeeded, and the block that it is in. `created` is a new contract's address."""

    transaction: bytes
    block: Block
    index: int
    gas_used: int
    logs: tuple[Log, ...]
    created: bytes | None


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for a transaction: until it has so many blocks, its own one counted, looking `tries` times.

    Looks are at most `pause` seconds apart, the first ones closer.
    """

    confirmations: int = 1
    pause: float = 1.0
    tries: int = 600
    sleep: Callable[[float], None] = time.sleep


class Transactions:
    """Sends transactions to one chain."""

    def __init__(self, provider: Provider, chain_id: int, patience: Patience | None = None) -> None:
        """`chain_id` is what transactions are signed for."""
        self.provider = provider
        self.chain_id = chain_id
        self.patience = Patience() if patience is None else patience

    # Before -----------------------------------------------------------------------------------------------------------
    def try_out(self, sender: bytes, call: Call, *, gas: int = MAX_TRANSACTION_GAS) -> bytes:
        """What the call would return, in the latest block. Raises CallReverted, TooMuchGas, and as providers do."""
        try:
            answer = self.provider.request("eth_call", self._asked(sender, call) | {"gas": text(gas)}, LATEST)
        except NodeRefused as error:
            raise self._reason(call, error, gas) from error
        return data(answer, "eth_call")

    def gas_for(self, sender: bytes, call: Call) -> int:
        """The gas to give it, some to spare. Raises CallReverted, TooMuchGas, and as providers do."""
        self.try_out(sender, call)
        try:
            answer = self.provider.request("eth_estimateGas", self._asked(sender, call))
        except NodeRefused as error:
            raise self._reason(call, error, MAX_TRANSACTION_GAS) from error
        needed = quantity(answer, "eth_estimateGas")
        if needed > MAX_TRANSACTION_GAS:
            raise TooMuchGas(call.what, needed, MAX_TRANSACTION_GAS)
        return min(needed + needed // _MARGIN + call.spare_gas, MAX_TRANSACTION_GAS)

    def _asked(self, sender: bytes, call: Call) -> dict[str, object]:
        asked: dict[str, object] = {"from": text(sender), "data": text(call.data), "value": text(call.value)}
        return asked if call.to is None else asked | {"to": text(call.to)}

    def _reason(self, call: Call, error: NodeRefused, gas: int) -> Exception:
        """Why the node wouldn't run it: the contract's error, too little gas, or what the node says."""
        raw = error.data.get("data") if isinstance(error.data, dict) else error.data
        if isinstance(raw, str) and raw.startswith("0x"):
            reverted = data(raw, "revert data")
            if reverted or "revert" in error.message:
                return CallReverted(
                    call.what, decode_revert(reverted, call.errors), parse_revert(reverted, call.errors)
                )
        said = error.message.lower()
        if "out of gas" in said or "outofgas" in said or "gas required exceeds" in said:
            return TooMuchGas(call.what, None, gas)
        return CallReverted(call.what, error.message, None) if "revert" in said else error

    # Sending ----------------------------------------------------------------------------------------------------------
    def submit(
        self,
        account: Account,
        call: Call,
        *,
        gas: int | None = None,
        nonce: int | None = None,
        hurry: int = 1,
        stint: bool = False,
    ) -> bytes:
        """Sends it and doesn't wait; the transaction's hash.

        `hurry` multiplies the usual fees; with an earlier one's `nonce` it takes that one's place. `stint`: an account
        that has less offers all it has, as long as that is more than the base fee.
        Raises CallReverted, TooMuchGas and CannotPay, with nothing sent, and as providers do.
        """
        balance = self._number("eth_getBalance", text(account.address), LATEST)
        if balance < call.value:
            raise CannotPay(call.what, account.address, call.value, balance)
        gas = self.gas_for(account.address, call) if gas is None else gas
        base_fee = block_at(self.provider, LATEST).base_fee
        tip = self._tip() * hurry
        fee = 2 * base_fee * hurry + tip
        if stint and (affordable := (balance - call.value) // max(1, gas)) > base_fee:
            fee, tip = min(fee, affordable), min(tip, affordable)
        if balance < (needed := call.value + gas * fee):
            raise CannotPay(call.what, account.address, needed, balance)
        if nonce is None:
            nonce = self.next_nonce(account)
        return account.send(
            self.provider,
            Transaction(
                FEE_MARKET, self.chain_id, nonce, max_fee=fee, max_priority_fee=tip, gas_limit=gas, to=call.to,
                value=call.value, data=call.data,
            ),
        )  # fmt: skip

    def send(self, account: Account, call: Call, *, gas: int | None = None) -> Included:
        """Sends it and waits, as patience says. Raises as `submit` and `wait` do."""
        return self.wait(account, call, self.submit(account, call, gas=gas))

    def next_nonce(self, account: Account, *, where: str = "pending") -> int:
        """The nonce of the account's next transaction, after those that wait; or, in the latest block, before them."""
        return self._number("eth_getTransactionCount", text(account.address), where)

    def _tip(self) -> int:
        try:
            return max(1, self._number("eth_maxPriorityFeePerGas"))  # of nothing, no multiple is more
        except NodeRefused:
            return _USUAL_TIP

    def _number(self, method: str, *parameters: object) -> int:
        return quantity(self.provider.request(method, *parameters), method)

    # After ------------------------------------------------------------------------------------------------------------
    def wait(self, account: Account, call: Call, transaction: bytes) -> Included:
        """The transaction in its block, when enough blocks are on it. A reorg may take it out: then it is sent again.

        Raises CallReverted where it failed there, NotIncluded when patience ends, and as providers do.
        """
        patience, pause, missed = self.patience, _FIRST_PAUSE, 0
        for _ in range(patience.tries):
            included = self.look(call, transaction)
            if included is not None:
                depth = self._number("eth_blockNumber") - included.block.number + 1
                if depth >= patience.confirmations:
                    return included
            elif (missed := missed + 1) % _RESEND_AFTER == 0:
                self._send_again(account, transaction)
            patience.sleep(min(pause, patience.pause))
            pause *= 2
        raise NotIncluded(call.what, transaction)

    def _send_again(self, account: Account, transaction: bytes) -> None:
        with suppress(NodeRefused):  # it knows it already, or its place is taken: we go on looking
            account.send_again(self.provider, transaction)

    def look(self, call: Call, transaction: bytes) -> Included | None:
        """The transaction in the block that it is in now; None while it is in none.

        Its outcome and logs are those under the block's receipts root. Raises CallReverted where it failed.
        """
        answer = self.provider.request("eth_getTransactionReceipt", text(transaction))
        if answer is None:
            return None
        told = record(answer, "eth_getTransactionReceipt")
        index = quantity(told.get("transactionIndex"), "transactionIndex")
        try:
            block = block_at(self.provider, data(told.get("blockHash"), "blockHash", 32))
            receipts = receipts_of(self.provider, block)
        except ChainMoved:
            return None
        if data(told.get("transactionHash"), "transactionHash", 32) != transaction or index >= len(receipts):
            raise NodeLies(f"the receipt of {text(transaction)} isn't of its block")
        receipt = receipts[index]
        if not receipt.success:
            raise self._failure(told, call, block, transaction)
        before = receipts[index - 1].cumulative_gas if index else 0
        created = told.get("contractAddress")
        return Included(
            transaction,
            block,
            index,
            receipt.cumulative_gas - before,
            receipt.logs,
            None if created is None else data(created, "contractAddress", 20),
        )

    def _failure(self, told: object, call: Call, block: Block, transaction: bytes) -> CallReverted:
        """Why a transaction failed, as far as trying it again in its block tells."""
        sender = data(record(told, "a receipt").get("from"), "from", 20)
        asked = self._asked(sender, call) | {"gas": text(MAX_TRANSACTION_GAS)}
        with suppress(BackendError):  # the reason is a courtesy
            try:
                self.provider.request("eth_call", asked, text(block.number))
            except NodeRefused as error:
                reason = self._reason(call, error, MAX_TRANSACTION_GAS)
                if isinstance(reason, CallReverted):
                    said = f"failed in block {block.number}: {reason}"
                    return CallReverted(call.what, said, reason.error, transaction)
        return CallReverted(call.what, f"failed in block {block.number}", None, transaction)


def chain_id_of(provider: Provider) -> int:
    """The chain's id, as the node says. Raises BadAnswer, and as providers do."""
    number = quantity(provider.request("eth_chainId"), "eth_chainId")
    if not number:
        raise BadAnswer("eth_chainId: zero")
    return number
