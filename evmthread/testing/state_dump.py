"""The whole state of a world as JSON, in the form of go-ethereum's state dump. For looking, not for speed."""

from evmthread.errors import InvalidInput
from evmthread.execution.world import World
from evmthread.primitives.keccak import keccak256
from evmthread.primitives.rlp import integer_bytes
from evmthread.state.memory import MemoryState


def after(world: World) -> MemoryState:
    """A copy of a world's state, which must have begun with a MemoryState. Raises InvalidInput."""
    view = world.view
    if not isinstance(view, MemoryState):
        raise InvalidInput("only a state that is all in memory can be dumped")
    state = MemoryState()
    for address in view.addresses():
        account = view.account(address)
        assert account is not None
        code = view.code(account.code_hash)
        state.set_account(
            address, nonce=account.nonce, balance=account.balance, code=code, storage=view.storage(address)
        )
    state.apply(world.changes())
    return state


def checksummed(address: bytes) -> str:
    """An address as hex whose capital letters are its checksum (EIP-55)."""
    digits = address.hex()
    hashed = keccak256(digits.encode()).hex()
    return "0x" + "".join([a.upper() if b >= "8" else a for a, b in zip(digits, hashed, strict=False)])


def dump_of(world: World) -> dict[str, object]:
    """Root and accounts by address: balances as decimal strings, values in storage as bytes without leading zeros."""
    state = after(world)
    roots = state.roots()
    accounts: dict[str, object] = {}
    for address in state.addresses():
        account = state.account(address)
        assert account is not None
        code, storage = state.code(account.code_hash), state.storage(address)
        fields: dict[str, object] = {
            "balance": str(account.balance),
            "nonce": account.nonce,
            "root": "0x" + roots.storage_root(address).hex(),
            "codeHash": "0x" + account.code_hash.hex(),
        }
        if code:
            fields["code"] = "0x" + code.hex()
        if storage:
            fields["storage"] = {f"{key:#066x}": integer_bytes(value).hex() for key, value in sorted(storage.items())}
        fields["address"] = "0x" + address.hex()
        fields["key"] = "0x" + keccak256(address).hex()
        accounts[checksummed(address)] = fields
    return {"root": roots.root().hex(), "accounts": dict(sorted(accounts.items()))}
