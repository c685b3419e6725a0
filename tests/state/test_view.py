from evmthread.primitives.keccak import EMPTY_HASH
from evmthread.state.view import EMPTY_ACCOUNT, Account, AccountChange, StateChanges


def test_an_empty_account() -> None:
    assert Account(0, 0, EMPTY_HASH) == EMPTY_ACCOUNT
    assert EMPTY_ACCOUNT.is_empty
    for account in (Account(1), Account(0, 1), Account(0, 0, bytes(32))):
        assert not account.is_empty


def test_changes_are_true_when_there_are_some_and_turn_round() -> None:
    assert not StateChanges({}, {})
    change = AccountChange(None, Account(1, 2), {3: (0, 4)})
    changes = StateChanges({b"a" * 20: change}, {b"h": b"code"})
    assert changes
    back = changes.inverted()
    assert back.accounts == {b"a" * 20: AccountChange(Account(1, 2), None, {3: (4, 0)})}
    assert back.inverted().accounts == changes.accounts
    assert AccountChange(None, None).slots == {}
