"""What development nodes let one do and others don't: take ether from an unlocked account, and move time.

For demonstrations and tests. Where the node has no such methods, a caller has to pay and to wait.
"""

from evmthread.chain.accounts import NodeAccount
from evmthread.chain.blocks import FINALIZED, LATEST, block_at
from evmthread.chain.errors import CannotPay
from evmthread.chain.quantities import data, items, quantity, text
from evmthread.chain.transactions import Call, Patience, Transactions, chain_id_of
from evmthread.rpc import NodeRefused, Provider

_QUICK = Patience(pause=0.1)
_MOST_BLOCKS = 256


def unlocked_account(provider: Provider) -> NodeAccount | None:
    """The node's own first account, if it has any."""
    accounts = items(provider.request("eth_accounts"), "eth_accounts")
    return NodeAccount(data(accounts[0], "eth_accounts", 20)) if accounts else None


def give(provider: Provider, address: bytes, least: int) -> None:
    """An account has at least so many wei afterwards; what is missing comes from an unlocked account of the node.

    Raises CannotPay where the node has none, and as Transactions.send does.
    """
    balance = quantity(provider.request("eth_getBalance", text(address), LATEST), "eth_getBalance")
    if balance >= least:
        return
    giver = unlocked_account(provider)
    if giver is None:
        raise CannotPay("fund an account", address, least, balance)
    transactions = Transactions(provider, chain_id_of(provider), _QUICK)
    transactions.send(giver, Call("fund an account", address, value=least - balance))


def pass_time(provider: Provider, seconds: int) -> bool:
    """So many seconds pass, and what is in a block now becomes final; False where the node can't be told to.

    Raises as providers do.
    """
    number = block_at(provider, LATEST).number
    try:
        if seconds:
            provider.request("evm_increaseTime", seconds)
        for _ in range(_MOST_BLOCKS):
            provider.request("evm_mine")
            if block_at(provider, FINALIZED).number >= number:
                return True
    except NodeRefused:
        return False
    return False
