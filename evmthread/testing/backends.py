"""A conformance suite for state backends: a stateful Hypothesis test against a model of dictionaries.

    TestMyBackend = backend_tests(MyBackend)

collects under pytest and unittest. What a backend can do beyond the four reads and `apply` (list slots, list accounts,
tell storage, keep roots) is tested where it is there. Threads may use the four reads at any time, also while another
one applies; what is beyond them, while none applies. evmthread's own backends are tested by it, and by nothing else
that is about being a backend.
"""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Generic, TypeVar
from unittest import TestCase

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from evmthread.errors import BackendError, InvalidInput
from evmthread.merkle.accounts import StateRoots
from evmthread.primitives.keccak import EMPTY_HASH, keccak256
from evmthread.state.view import (
    Account,
    AccountChange,
    KeepsRoots,
    ListsAccounts,
    ListsSlots,
    StateBackend,
    StateChanges,
    StateView,
    TellsStorage,
)

B = TypeVar("B", bound=StateBackend)
Model = dict[bytes, tuple[Account, dict[int, int]]]
"""Accounts with their slots that aren't zero."""

# Neighbours in every order that a database may have, and keys whose bytes begin with those of others.
ADDRESSES = [bytes(20), bytes(19) + b"\x01", b"\x00" + b"\xff" * 19, b"\x01" + bytes(19), b"\xff" * 20]
KEYS = [0, 1, 255, 256, 2**255, 2**256 - 1]
VALUES = [0, 1, 0x7F, 0x80, 256, 2**255, 2**256 - 1]
CODES = [b"", b"\x00", b"\x60\x01", b"\xef\x01\x00" + b"\x11" * 20, bytes(1000)]
CODE_OF = {keccak256(code): code for code in CODES}

_accounts = st.builds(
    Account,
    st.sampled_from([0, 1, 127, 128, 2**64 - 1]),
    st.sampled_from([0, 1, 2**64, 2**256 - 1]),
    st.sampled_from(list(CODE_OF)),
)
_slots = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES), max_size=6)
# What becomes of an account: (how, account, slots). "renew" wipes the storage that was there without listing it.
_fates = st.tuples(st.sampled_from(["set", "set", "delete", "renew", "rebuild"]), _accounts, _slots)
_moves = st.dictionaries(st.sampled_from(ADDRESSES), _fates, min_size=1, max_size=4)
Move = dict[bytes, tuple[str, Account, dict[int, int]]]


def moved(model: Model, move: Move) -> tuple[Model, StateChanges]:
    """The model after a move, and the changes that lead there."""
    after = dict(model)
    changes: dict[bytes, AccountChange] = {}
    codes: dict[bytes, bytes] = {}
    for address, (how, account, told) in move.items():
        before, old = model.get(address, (None, {}))
        new = {} if how != "set" else dict(old)
        if how != "delete":
            new.update(told)
        new = {key: value for key, value in new.items() if value}
        wiped = how == "renew"
        if wiped:
            slots = {key: (0, value) for key, value in new.items()}
        else:
            slots = {
                key: (old.get(key, 0), new.get(key, 0))
                for key in old.keys() | new.keys()
                if old.get(key) != new.get(key)
            }
        change = AccountChange(before, None if how == "delete" else account, slots, wiped)
        if change.is_idle:
            continue
        changes[address] = change
        if change.after is None:
            after.pop(address, None)
        else:
            after[address] = (account, new)
            if account.code_hash != EMPTY_HASH:
                codes[account.code_hash] = CODE_OF[account.code_hash]
    return after, StateChanges(changes, codes)


def compare(view: StateView, model: Model) -> None:
    """Asserts that a view says what the model says, with all that it can say."""
    for address in ADDRESSES:
        account, slots = model.get(address, (None, {}))
        found = view.account(address)
        assert found == account, f"account 0x{address.hex()} is {found}, not {account}"
        if found is not None:
            assert isinstance(found, Account), f"an account is an Account, not {type(found).__name__}"
            code = view.code(found.code_hash)
            assert code == CODE_OF[found.code_hash], f"code of 0x{address.hex()} is {code!r}"
        for key in KEYS:
            value = view.slot(address, key)
            assert value == slots.get(key, 0), f"slot {key:#x} of 0x{address.hex()} is {value}"
        if isinstance(view, TellsStorage):
            assert view.has_storage(address) is bool(slots), f"has_storage of 0x{address.hex()}"
        if isinstance(view, ListsSlots):
            listed = list(view.slots(address))
            assert listed == sorted(slots.items()), f"slots of 0x{address.hex()} are {listed}"
    if isinstance(view, ListsAccounts):
        accounts = list(view.accounts())
        assert accounts == sorted((address, account) for address, (account, _) in model.items())
    if isinstance(view, KeepsRoots):
        root = view.roots().root()
        assert root == root_of(model), f"root 0x{root.hex()}"
    assert view.code(EMPTY_HASH) == b"", "the empty code is always known"
    assert len(view.block_hash(5)) == 32, "a block hash is 32 bytes"


def root_of(model: Model) -> bytes:
    """The state root of a model, built anew."""
    roots = StateRoots()
    for address, (account, slots) in model.items():
        roots.set_account(address, account.nonce, account.balance, account.code_hash)
        for key, value in slots.items():
            roots.set_slot(address, key, value)
    return roots.root()


class Watched:
    """A backend to which changes are applied one after the other, while threads read and say what they must have seen.

    An apply happens at one moment between its call and its return. So what a thread reads is of a state that was there
    while it read, and never of one that came before what the thread has already seen.
    """

    def __init__(self, backend: StateBackend, models: list[Model]) -> None:
        self.backend = backend
        self._models = models
        self._begun = self._done = 0
        self._is_over = False

    def apply_all(self, changes: list[StateChanges]) -> None:
        """Makes the changes that lead from each model to the next."""
        try:
            for number, each in enumerate(changes, 1):
                self._begun = number
                self.backend.apply(each)
                self._done = number
        finally:
            self._is_over = True

    def read_on(self) -> None:
        """Reads everything, again and again, until all is applied, and once more."""
        seen = 0
        is_last = False
        while not is_last:
            is_last = self._is_over
            for address in ADDRESSES:
                seen = self._read_account(address, seen)
                for key in KEYS:
                    seen = self._read_slot(address, key, seen)

    def _read_account(self, address: bytes, seen: int) -> int:
        first = max(seen, self._done)
        account = self.backend.account(address)
        last = self._begun
        if account is not None:
            code = self.backend.code(account.code_hash)
            assert code == CODE_OF[account.code_hash], f"code of 0x{address.hex()} is {code!r}"
        told = [self._models[number].get(address, (None,))[0] for number in range(first, last + 1)]
        assert account in told, f"account 0x{address.hex()} is {account} while it becomes one after the other of {told}"
        return first + told.index(account)

    def _read_slot(self, address: bytes, key: int, seen: int) -> int:
        first = max(seen, self._done)
        value = self.backend.slot(address, key)
        last = self._begun
        told = [self._models[number].get(address, (None, {}))[1].get(key, 0) for number in range(first, last + 1)]
        assert value in told, f"slot {key:#x} of 0x{address.hex()} is {value} while it becomes {told}"
        return first + told.index(value)


@contextmanager
def _threads_take_turns() -> Iterator[None]:
    # As often as the interpreter can, so that what isn't whole is seen.
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)


class BackendMachine(RuleBasedStateMachine, Generic[B]):
    """Applies random changes to a backend and to a model. Subclasses say how the backend is made."""

    def create(self) -> B:
        """A new, empty backend."""
        raise NotImplementedError

    def reopen(self, backend: B) -> B:
        """Closes a durable backend and opens it again."""
        return backend

    def interrupt(self, backend: B, changes: StateChanges, step: int) -> B:  # noqa: ARG002 - what a plug-in is given
        """Begins to apply changes, dies at a step (counted from 0; there may be fewer), and opens anew."""
        return backend

    def view(self, backend: B) -> StateView | None:  # noqa: ARG002 - what a plug-in is given
        """The present state, to stay as it is whatever is applied; None for a backend that can't."""
        return None

    def discard(self, backend: B) -> None:
        """Takes a backend away at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.model: Model = {}
        self.backend = self.create()
        self.last: tuple[Model, StateChanges] | None = None

    @rule(move=_moves)
    def apply(self, move: Move) -> None:
        before = self.model
        self.model, changes = moved(before, move)
        self.backend.apply(changes)
        self.last = (before, changes) if changes.is_exact else None

    @precondition(lambda self: self.last is not None)
    @rule()
    def undo(self) -> None:
        """Changes that are exact lead back when they are turned round."""
        assert self.last is not None
        self.model, changes = self.last
        self.backend.apply(changes.inverted())
        self.last = None

    @rule(moves=st.lists(_moves, min_size=1, max_size=4))
    def read_while_applied(self, moves: list[Move]) -> None:
        """Threads may read while another applies, and see the state before an apply or the one after it."""
        models, changes = [self.model], []
        for move in moves:
            model, change = moved(models[-1], move)
            models.append(model)
            changes.append(change)
        watched = Watched(self.backend, models)
        with ThreadPoolExecutor(3) as pool, _threads_take_turns():
            readers = [pool.submit(watched.read_on) for _ in range(2)]
            watched.apply_all(changes)
            for reader in readers:
                reader.result()
        self.model, self.last = models[-1], None

    @precondition(lambda self: type(self).view is not BackendMachine.view)
    @rule(moves=st.lists(_moves, min_size=1, max_size=4))
    def view_while_applied(self, moves: list[Move]) -> None:
        """A view of a state stays whole, and as it is, also for who reads all of it while others apply."""
        view, model = self.view(self.backend), self.model
        assert view is not None
        with ThreadPoolExecutor(1) as pool, _threads_take_turns():
            reader = pool.submit(compare, view, model)
            for move in moves:
                self.model, changes = moved(self.model, move)
                self.backend.apply(changes)
            reader.result()
        compare(view, model)
        self.last = None

    @rule()
    def reopened(self) -> None:
        self.backend = self.reopen(self.backend)

    @rule(move=_moves, step=st.integers(0, 6))
    def interrupted(self, move: Move, step: int) -> None:
        """After a crash the state is what it was, or what it was to become, and nothing between."""
        after, changes = moved(self.model, move)
        self.backend = self.interrupt(self.backend, changes, step)
        self.last = None
        try:
            compare(self.backend, self.model)
        except AssertionError:
            self.model = after  # which the invariant compares

    @rule(
        bad=st.sampled_from(
            [
                AccountChange(None, Account(2**64, 0)),
                AccountChange(None, Account(0, 2**256)),
                AccountChange(None, Account(0, 0, b"\x01" * 31)),
                AccountChange(None, Account(1, 1), {2**256: (0, 1)}),
                AccountChange(None, Account(1, 1), {1: (0, 2**256)}),
                AccountChange(None, Account(1, 1), {1: (0, -1)}),
                AccountChange(None, None, {1: (0, 1)}),
            ]
        ),
        move=_moves,
    )
    def refused(self, bad: AccountChange, move: Move) -> None:
        """What is no change of a state is refused, together with all that comes with it."""
        _, changes = moved(self.model, move)
        try:
            self.backend.apply(StateChanges({**changes.accounts, b"\x77" * 20: bad}, changes.codes))
        except InvalidInput:
            assert self.backend.account(b"\x77" * 20) is None
        else:
            raise AssertionError(f"{bad} was applied")

    @rule()
    def unknown_code(self) -> None:
        try:
            self.backend.code(b"\x99" * 32)
        except BackendError:
            return
        raise AssertionError("a code that nobody has was found")

    @rule()
    def read_by_three(self) -> None:
        """Threads may read at the same time."""
        with ThreadPoolExecutor(3) as pool:
            for future in [pool.submit(compare, self.backend, self.model) for _ in range(3)]:
                future.result()

    @invariant()
    def says_what_the_model_says(self) -> None:
        compare(self.backend, self.model)

    def teardown(self) -> None:
        self.discard(self.backend)


def backend_tests(
    create: Callable[[], B],
    *,
    reopen: Callable[[B], B] | None = None,
    interrupt: Callable[[B, StateChanges, int], B] | None = None,
    view: Callable[[B], StateView] | None = None,
    discard: Callable[[B], None] | None = None,
    examples: int = 50,
    steps: int = 20,
) -> type[TestCase]:
    """A test case for a backend; assign it to a name that begins with Test.

    `create` makes a new, empty backend. `reopen`, for a durable one, closes it and opens it again. `interrupt`, where
    it can be done, begins to apply changes, dies at the given step, and opens what is then there. `view` gives one of
    the present state that nothing applied later changes. `discard` cleans up.
    """
    chosen: dict[str, Any] = {
        "create": create,
        "reopen": reopen,
        "interrupt": interrupt,
        "view": view,
        "discard": discard,
    }
    methods = {name: staticmethod(function) for name, function in chosen.items() if function is not None}
    machine: type[BackendMachine[B]] = type("Backend", (BackendMachine,), methods)
    case: type[TestCase] = machine.TestCase
    case.settings = settings(max_examples=examples, stateful_step_count=steps, deadline=None)  # type: ignore[attr-defined]
    return case
