"""A journal's open transaction as canonical bytes, and back: the state half of a suspended machine.

docs/snapshot.md is the specification of these bytes. Everything that can still change the outcome is in them: what was
changed, warm sets, transient storage, logs, refund, and the undo log, since calls that are still open may yet fail.
What can be read again from the view isn't. Equal transactions give equal bytes, whichever engine ran them, and whatever
the journal did, and undid, before.
"""

from evmthread.errors import DecodingError, VerificationError
from evmthread.primitives import rlp
from evmthread.primitives.keccak import EMPTY_HASH, keccak256
from evmthread.primitives.types import Log
from evmthread.state.journal import Journal
from evmthread.state.pending_undo import encode_undo, exists_below, restore_undo
from evmthread.state.pieces import Reader, account_bytes, addresses, rows, slot_rows
from evmthread.state.view import Account

PENDING_ITEMS = 14


class WrongBase(VerificationError):  # noqa: N818 - as all names in errors.py, it says what happened
    """The state below isn't the one on which the suspended transaction began: an account differs, or one slot of it."""

    def __init__(self, address: bytes, key: int | None = None) -> None:
        what = "" if key is None else f"slot {key:#x} of "
        super().__init__(f"{what}account 0x{address.hex()} isn't what it was when the transaction was suspended")
        self.address = address
        self.key = key


def encode_pending(journal: Journal) -> list[rlp.Item]:
    """The open transaction of a journal as an RLP item: a list of PENDING_ITEMS strings and lists.

    May raise Missing where the view forgot what was read of it; InvalidInput for what has no bytes (pending_undo.py).
    """
    undo = encode_undo(journal)
    scope = journal._scope
    differing = [address for address in journal._changed if journal._accounts[address] != journal._loaded[address]]
    changed = sorted({*differing, *[address for address, _ in undo.accounts]})
    accounts = [
        address + account_bytes(journal._accounts[address]) + account_bytes(journal._loaded[address])
        for address in changed
    ]
    codes = _new_codes(journal, [(address, journal._accounts[address]) for address in changed] + undo.accounts)
    stored = {
        address: {
            key: slots[key]
            for key in undo.earlier.get(address, set()).union(scope.opened.get(address, ()))
            if key in slots
        }
        for address, slots in journal._stored.items()
    }
    return [
        b"".join(accounts),
        rows(stored),
        rows({address: dict.fromkeys(keys, 0) for address, keys in undo.earlier.items()}),
        b"".join(sorted([each for each in journal._wiped if each in undo.wiped or exists_below(journal, each)])),
        [journal._codes[code_hash] for code_hash in sorted(codes)],
        b"".join(sorted(scope.warm)),
        rows(scope.opened),
        rows(scope.transient),
        b"".join(sorted(scope.touched)),
        b"".join(sorted(scope.created)),
        b"".join(scope.destroyed),
        b"".join(sorted(scope.breakpoints)),
        [[log.address, b"".join(log.topics), log.data] for log in scope.logs],
        undo.data,
    ]


def _new_codes(journal: Journal, accounts: list[tuple[bytes, Account | None]]) -> set[bytes]:
    """The hashes of codes that the same account doesn't have in the state below: nobody else need know them."""
    codes = set()
    for address, account in accounts:
        before = journal._loaded[address]
        if account is not None and account.code_hash not in (EMPTY_HASH, before and before.code_hash):
            codes.add(account.code_hash)
    return codes


# Decoding -----------------------------------------------------------------------------------------------------------
def restore_pending(journal: Journal, items: list[rlp.Decoded], refund: int) -> list[tuple[int, bytes]]:
    """Makes the journal's open transaction the one that was encoded; nothing may be pending in it.

    Gives the places in the undo log, counted in entries, at which three entries put an account's slots in the place of
    others, with that account: no mark can lie among them. The journal's own marks are void where earlier transactions
    changed something. Raises DecodingError, WrongBase where the view differs, and Missing: get the state, then begin
    again with a journal in which nothing is pending. The caller encodes the journal again and compares: only canonical
    bytes are good.
    """
    if len(items) != PENDING_ITEMS:
        raise DecodingError(f"pending state has {PENDING_ITEMS} items, not {len(items)}")
    strings = [item if isinstance(item, bytes) else b"" for item in items]
    codes, logs = items[4], items[12]
    if isinstance(codes, bytes) or isinstance(logs, bytes) or sum([isinstance(item, list) for item in items]) != 2:
        raise DecodingError("pending state has a list in the place of a string, or a string in that of a list")
    journal._undo_to(journal.transaction_start)  # what is warm from the start comes with the rest
    _restore_accounts(journal, strings[0])
    known = {keccak256(code): code for code in map(_code, codes)}
    journal._codes.update(known)
    journal._new_codes.update(known)
    wiped_before = set(journal._wiped)
    for address in addresses(strings[3]):
        journal._wiped[address] = True
        journal._stored[address] = {}  # what was read of it before doesn't count
    for address, key, value in slot_rows(strings[1]):
        journal._stored.setdefault(address, {})[key] = value
    earlier: dict[bytes, set[int]] = {}
    for address, key, _ in slot_rows(strings[2]):
        journal._changed_slots.setdefault(address, set()).add(key)
        earlier.setdefault(address, set()).add(key)
    scope = journal._scope
    _fill(scope.warm, strings[5])
    for address, key, value in slot_rows(strings[6]):
        scope.opened.setdefault(address, {})[key] = value
    for address, slots in scope.opened.items():
        if slots.keys() - journal._stored.get(address, {}).keys():
            raise DecodingError("pending state has a warm slot without its value at the beginning")
    for address, key, value in slot_rows(strings[7]):
        scope.transient.setdefault(address, {})[key] = value
    for flags, data in zip(
        (scope.touched, scope.created, scope.destroyed, scope.breakpoints), strings[8:12], strict=True
    ):
        _fill(flags, data)
    scope.logs[:] = [_decode_log(item) for item in logs]
    journal.refund = refund
    undo = restore_undo(journal, strings[13], wiped_before)
    now = [(address, journal._accounts[address]) for address in journal._changed]
    if _new_codes(journal, now + undo.accounts) - known.keys():
        raise DecodingError("a code of pending state isn't there")
    for address, key, value in slot_rows(strings[1]):
        _check_base(journal, earlier, address, {key: value}, wiped=address in journal._wiped)
    for address, slots, wiped in undo.stored:
        _check_base(journal, earlier, address, slots, wiped=wiped)
    began = dict(now) | dict(undo.accounts)
    if (
        earlier
        or any(exists_below(journal, address) for address in undo.wiped)
        or any(account != journal._loaded[address] for address, account in began.items())
    ):
        journal.forget_marks()
    return undo.replaced


def _check_base(
    journal: Journal, earlier: dict[bytes, set[int]], address: bytes, slots: dict[int, int], *, wiped: bool
) -> None:
    """Raises WrongBase where a slot that no earlier transaction changed isn't the view's."""
    for key, value in slots.items():
        if key not in earlier.get(address, ()) and value != (0 if wiped else journal.view.slot(address, key)):
            raise WrongBase(address, key)


def _code(item: rlp.Decoded) -> bytes:
    if not isinstance(item, bytes):
        raise DecodingError("a code of pending state is a list")
    return item


def _fill(flags: dict[bytes, bool], data: bytes) -> None:
    flags.clear()
    flags.update(dict.fromkeys(addresses(data), True))


def _restore_accounts(journal: Journal, data: bytes) -> None:
    reader = Reader(data)
    while reader:
        address, now, before = reader.take(20), reader.account(), reader.account()
        if journal.view.account(address) != before:
            raise WrongBase(address)
        journal._accounts[address], journal._loaded[address] = now, before
        journal._changed.add(address)


def _decode_log(item: rlp.Decoded) -> Log:
    if isinstance(item, bytes) or len(item) != 3:
        raise DecodingError("a log of pending state has three items")
    address, topics, data = item
    if not isinstance(address, bytes) or not isinstance(topics, bytes) or not isinstance(data, bytes):
        raise DecodingError("a log of pending state holds a list")
    if len(address) != 20 or len(topics) % 32 or len(topics) > 4 * 32:
        raise DecodingError("a log of pending state has a wrong address or topics")
    return Log(address, tuple([topics[start : start + 32] for start in range(0, len(topics), 32)]), data)
