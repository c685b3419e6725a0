"""Random sequences of all functions, by honest and hostile actors, with hostile receivers and jumps in time.

A model says what each call does, or that it is refused. After each step: the registry has exactly what it holds and
owes, a deadline hasn't moved, what was settled is settled, no receiver was paid twice, and no wei came or went.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from evmthread.commit import Commitment, Resume, Terms, digest, thread_address, thread_id
from evmthread.merkle.accounts import StateRoots
from evmthread.merkle.proofs import prove_account
from evmthread.primitives.keccak import EMPTY_HASH, keccak256
from tests.commit.commit_samples import ORIGIN_CODE, sign_all, sign_record, signers
from tests.contracts.registry.chains import InProcess, transact
from tests.contracts.registry.deployed import STRANGER, Deployed, Mode, abi, deploy, key_of, spread
from tests.contracts.registry.games import contract
from tests.contracts.registry.test_settle import BURNS, HALTS, REVERTS, TAKES

PERIOD = 120
WINDOW = 600
RECEIVER = contract("Receiver")
CODES = (b"", TAKES, REVERTS, BURNS, HALTS, RECEIVER.runtime_code)
SLOTS = {1: 5, 2: 2**255}
THREADS = 2
_NONCES, _PARTY, _YES, _MOSTLY = (
    st.integers(0, 6),
    st.integers(0, 3),
    st.booleans(),
    st.sampled_from([True, True, False]),
)
_WAITS = st.sampled_from([1, PERIOD - 30, PERIOD, WINDOW])
_CHOSEN = {"chosen": st.sets(st.integers(0, 2), max_size=3), "everybody": _MOSTLY}
_POST = {"nonce": _NONCES, "variant": st.integers(0, 3), "final": _YES, "actor": _PARTY, **_CHOSEN}
# What can be done, with what.
ACTIONS: dict[str, dict[str, st.SearchStrategy[object]]] = {
    "deposit": {"index": _PARTY, "off": st.sampled_from([0, 0, 0, 1, -1])},
    "fund": {},
    "refund": {},
    "exit": {"actor": _PARTY},
    "checkpoint": _POST,
    "challenge": _POST,
    "respond": _POST,
    "resume": {"missing": st.sampled_from([None, None, None, 0, 1]), "off": st.sampled_from([0, 0, 0, 1])},
    "settle_final": {"nonce": _NONCES, "variant": st.integers(0, 3), **_CHOSEN},
    "settle_record": {"other": st.sampled_from([False, False, True])},
    "claim": {"whom": st.sampled_from(["friend", "friend", "owner", "home"])},
    "materialize": {"left_out": st.sampled_from([False, False, True])},
    "withdraw": {"index": _PARTY, "elsewhere": st.sampled_from([False, False, True])},
    "receivers_come_to_reason": {},
    "wait": {"seconds": _WAITS},
    "wait_and_refund": {},
    "wait_and_settle": {},
}
_AFTERWARDS = ["claim", "materialize", "withdraw", "receivers_come_to_reason"]
LIKELY: dict[Mode, list[str]] = {
    Mode.NONE: ["deposit", "fund", "fund"],
    Mode.FUNDING: ["deposit", "fund", "refund", "wait_and_refund"],
    Mode.LIVE: ["checkpoint", "challenge", "challenge", "exit", "settle_final"],
    Mode.CHALLENGED: [
        *(
            "respond",
            "respond",
            "wait",
            "settle_record",
            "wait_and_settle",
            "wait_and_refund",
            "resume",
            "settle_final",
        ),
    ],
    Mode.SETTLED: _AFTERWARDS,
}
FUNCTIONS = (
    "open", "refund", "exit", "checkpoint", "challenge", "respond", "resume", "settle", "claim", "materialize",
    "withdraw",
)  # fmt: skip


@dataclass(repr=False)
class Model:
    """What a thread should be, and what it has paid."""

    terms: Terms
    roots: StateRoots
    home: bytes
    friend: bytes
    mode: Mode = Mode.NONE
    deposits: set[int] = field(default_factory=set)
    record: Commitment | None = None
    deadline: int = 0
    held: int = 0
    settled: Commitment | None = None
    claimed: bool = False
    returned: bool = False
    paid: dict[str, int] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"thread {self.terms.salt}"


def _new_registry() -> Deployed:
    return deploy(InProcess())


REGISTRY = _new_registry()
OWED_SLOT = next(variable.slot for variable in REGISTRY.artifact.storage if variable.label == "owed")
START = REGISTRY.chain.snapshot()


class Registry(RuleBasedStateMachine):
    outcomes: ClassVar[Counter[tuple[str, bool]]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        REGISTRY.chain.restore(START)
        self.registry = REGISTRY
        self.chain = REGISTRY.chain
        self.models: list[Model] = []

    # What the model needs ---------------------------------------------------------------------------------------------
    @property
    def next_time(self) -> int:
        return self.chain.chain._next_time  # type: ignore[attr-defined]

    def commitment(self, model: Model, nonce: int, variant: int, *, final: bool) -> Commitment:
        """One of a few commitments with this nonce; `variant` says how the deposits are shared."""
        deposits = model.terms.deposits
        total = sum(deposits) - 60  # of which the contract and a friend have some
        first = total * (variant % 4) // 3
        balances = (max(first, 0), max(total - first, 0), *[0] * (len(deposits) - 2))
        return self.registry.commitment(
            model.terms,
            nonce,
            status=2 if final and nonce else 0,
            balances=balances,
            fee=min(10, model.terms.max_fee),
            state_root=model.roots.root(),
            storage_root=model.roots.storage_root(model.home),
            batch_hash=keccak256(bytes([variant])),
        )

    def owed_to(self, account: bytes) -> int:
        """What the registry owes an account, read where the mapping has it: a call would take ten times as long."""
        key = keccak256(account.rjust(32, b"\0") + OWED_SLOT.to_bytes(32, "big"))
        return self.chain.chain.world.storage(self.registry.address, int.from_bytes(key, "big"))  # type: ignore[attr-defined]

    def attempt(self, expected: bool, key: bytes, name: str, *arguments: object, value: int = 0) -> bool:
        receipt = self.registry.send(key, name, *arguments, value=value)
        said = self.registry.artifact.decode_error(receipt.output)
        assert receipt.success is expected, f"{name}: {said if not receipt.success else 'accepted'}"
        self.outcomes[name, expected] += 1
        return receipt.success

    @contextmanager
    def payments(self, model: Model, dues: dict[bytes, int], label: str) -> Iterator[None]:
        """What happens inside pays each account what it is due, or owes it."""
        before = {account: self.chain.balance(account) + self.owed_to(account) for account in dues}
        yield
        for account, amount in dues.items():
            after = self.chain.balance(account) + self.owed_to(account)
            assert after - before[account] == amount, (label, account.hex())
            what = f"{label} {account.hex()}"
            assert what not in model.paid, "paid twice"
            model.paid[what] = amount
        model.held -= sum(dues.values())

    # Rules ------------------------------------------------------------------------------------------------------------
    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        for _ in range(THREADS):
            model = self._new_thread(
                parties=data.draw(st.integers(2, 3)),
                all_sign=data.draw(st.booleans()),
                codes=data.draw(st.lists(st.sampled_from(CODES), min_size=4, max_size=4)),
                zero=data.draw(st.booleans()),
            )
            if data.draw(st.sampled_from([True, True, False])):
                self.fund(model)

    @rule(data=st.data())
    def act(self, data: st.DataObject) -> None:
        """Anything at all, and rather what can succeed than what can't."""
        model = data.draw(st.sampled_from(self.models))
        likely = data.draw(st.integers(0, 3)) > 0
        name = data.draw(st.sampled_from(LIKELY[model.mode] if likely else list(ACTIONS)))
        getattr(self, name)(**{part: data.draw(strategy) for part, strategy in ACTIONS[name].items()}, model=model)

    def _new_thread(self, parties: int, all_sign: bool, codes: list[bytes], zero: bool) -> Model:
        salt = len(self.models)
        owners = tuple(sorted(keccak256(b"owner %d %d" % (salt, index))[12:] for index in range(parties)))
        deposits = tuple(0 if zero and index == 1 else 1000 + index for index in range(parties))
        terms = self.registry.terms(
            parties,
            salt=salt,
            keys=tuple(signer.address for signer in signers(parties)),
            owners=owners,
            deposits=deposits,
            threshold=parties if all_sign else parties // 2 + 1,
            max_fee=0 if zero else 30,
            operator=bytes(20) if zero else keccak256(b"operator %d" % salt)[12:],
            challenge_period=PERIOD,
            open_before=self.chain.time + WINDOW,
        )
        home = thread_address(self.registry.address, thread_id(self.registry.domain, terms))
        friend = keccak256(b"friend %d" % salt)[12:]
        roots = StateRoots()
        roots.set_account(home, 1, 20, keccak256(ORIGIN_CODE))
        for slot, value in SLOTS.items():
            roots.set_slot(home, slot, value)
        roots.set_account(friend, 0, 30, EMPTY_HASH)
        for account, code in zip((*owners, friend), codes, strict=False):
            if code:
                self.chain.put(account, code=code)
            if code == RECEIVER.runtime_code:
                self._arm(account, terms)
        model = Model(terms, roots, home, friend)
        self.models.append(model)
        return model

    def _arm(self, account: bytes, terms: Terms) -> None:
        """When it is paid, this receiver tries to be paid again."""
        data = self.registry.artifact.function("refund").encode(abi(terms))
        call = RECEIVER.function("arm").encode(self.registry.address, data)
        assert transact(self.chain, STRANGER, account, call).success

    def deposit(self, model: Model, index: int, off: int) -> None:
        terms = model.terms
        amount = terms.deposits[index] if index < len(terms.deposits) else 1
        value = max(amount + off, 0)
        begun = model.deposits or {i for i, each in enumerate(terms.deposits) if each == 0 and i != index}
        right = (
            model.mode in (Mode.NONE, Mode.FUNDING)
            and self.next_time < terms.open_before
            and index < len(terms.deposits)
            and index not in begun
            and value == amount
        )
        if self.attempt(right, STRANGER, "open", terms, index, value=value):
            model.deposits = begun | {index}
            model.held += value
            model.mode = Mode.LIVE if len(model.deposits) == len(terms.deposits) else Mode.FUNDING

    def fund(self, model: Model) -> None:
        for index in range(len(model.terms.deposits)):
            self.deposit(model, index, 0)

    def refund(self, model: Model) -> None:
        terms = model.terms
        right = (model.mode is Mode.FUNDING and self.next_time >= terms.open_before) or (
            model.mode is Mode.CHALLENGED and model.record is None and self.next_time >= model.deadline
        )
        dues = {terms.owners[i]: terms.deposits[i] for i in model.deposits if terms.deposits[i]} if right else {}
        with self.payments(model, dues, "refund"):
            if self.attempt(right, STRANGER, "refund", terms):
                model.mode, model.deadline, model.record = Mode.SETTLED, 0, None

    def exit(self, model: Model, actor: int) -> None:
        party = actor < len(model.terms.keys)
        key = key_of(model.terms, actor) if party else STRANGER
        if self.attempt(party and model.mode is Mode.LIVE, key, "exit", model.terms):
            model.mode, model.deadline = Mode.CHALLENGED, self.chain.time + PERIOD

    def _signed_by_enough(self, model: Model, commitment: Commitment, chosen: set[int]) -> bool:
        needed = model.terms.threshold if commitment.nonce and commitment.status != 2 else len(model.terms.keys)
        return len(chosen) >= needed

    def _post(
        self, model: Model, name: str, key: bytes, commitment: Commitment, chosen: set[int], allowed: bool
    ) -> bool:
        """Post a commitment; the model's record is the highest one that was posted in time."""
        signed = sign_all(self.registry.domain, model.terms, commitment, tuple(sorted(chosen)))
        record = model.record
        higher = record is None or commitment.nonce > record.nonce
        right = allowed and self._signed_by_enough(model, commitment, chosen) and (higher or commitment == record)
        if self.attempt(right, key, name, model.terms, commitment, *spread(signed)) and higher:
            model.record = commitment
        return right

    def _posted(
        self,
        name: str,
        model: Model,
        nonce: int,
        variant: int,
        final: bool,
        chosen: set[int],
        actor: int,
        everybody: bool,
    ) -> None:
        parties = len(model.terms.keys)
        chosen = set(range(parties)) if everybody else {index for index in chosen if index < parties}
        commitment = self.commitment(model, nonce, variant, final=final)
        party = actor < parties
        key = key_of(model.terms, actor) if party else STRANGER
        match name:
            case "checkpoint":
                allowed = model.mode is Mode.LIVE
            case "challenge":
                allowed = model.mode is Mode.LIVE and party
            case _:
                allowed = model.mode is Mode.CHALLENGED and self.next_time < model.deadline
        if self._post(model, name, key, commitment, chosen, allowed) and name == "challenge":
            model.mode, model.deadline = Mode.CHALLENGED, self.chain.time + PERIOD

    def checkpoint(self, model: Model, **given: Any) -> None:
        self._posted("checkpoint", model, **given)

    def challenge(self, model: Model, **given: Any) -> None:
        self._posted("challenge", model, **given)

    def respond(self, model: Model, **given: Any) -> None:
        self._posted("respond", model, **given)

    def resume(self, model: Model, missing: int | None, off: int) -> None:
        deadline = model.deadline + off
        word = Resume(thread_id(self.registry.domain, model.terms), deadline)
        made = spread(sign_record(self.registry.domain, model.terms, word))[1]
        assert isinstance(made, tuple)
        if missing is not None:
            made = made[:missing] + made[missing + 1 :]
        right = model.mode is Mode.CHALLENGED and missing is None and off == 0
        if self.attempt(right, STRANGER, "resume", model.terms, deadline, made):
            model.mode, model.deadline = Mode.LIVE, 0

    def _settle(self, model: Model, right: bool, commitment: Commitment, *signatures: object) -> None:
        terms = model.terms
        dues: dict[bytes, int] = {}
        if right:
            dues = {terms.operator: commitment.fee} if commitment.fee else {}
            dues |= {o: b for o, b in zip(terms.owners, commitment.balances, strict=True) if b}
        with self.payments(model, dues, "settle"):
            if self.attempt(right, STRANGER, "settle", terms, commitment, *signatures):
                model.mode, model.settled, model.deadline = Mode.SETTLED, commitment, 0

    def settle_final(self, model: Model, nonce: int, variant: int, chosen: set[int], everybody: bool) -> None:
        parties = len(model.terms.keys)
        chosen = set(range(parties)) if everybody else {index for index in chosen if index < parties} | {0}
        commitment = self.commitment(model, nonce, variant, final=True)
        right = (
            model.mode in (Mode.LIVE, Mode.CHALLENGED)
            and len(chosen) == parties
            and commitment.status == 2
            and (model.record is None or nonce >= model.record.nonce)
        )
        signed = sign_all(self.registry.domain, model.terms, commitment, tuple(sorted(chosen)))
        self._settle(model, right, commitment, *spread(signed))

    def settle_record(self, model: Model, other: bool) -> None:
        commitment = model.record or self.commitment(model, 1, 1, final=False)
        if other:
            commitment = replace(commitment, gas_used=commitment.gas_used + 1)
        right = (
            model.mode is Mode.CHALLENGED
            and model.record is not None
            and not other
            and self.next_time >= model.deadline
        )
        self._settle(model, right, commitment, 0, ())

    def claim(self, model: Model, whom: str) -> None:
        commitment = model.settled or model.record or self.commitment(model, 1, 1, final=False)
        account = {"friend": model.friend, "owner": model.terms.owners[0], "home": model.home}[whom]
        right = model.settled is not None and whom == "friend" and not model.claimed
        dues = {account: min(30, model.held)} if right and model.held else {}
        with self.payments(model, dues, "claim"):
            if self.attempt(
                right, STRANGER, "claim", model.terms, commitment, account, prove_account(model.roots, account)
            ):
                model.claimed = True

    def materialize(self, model: Model, left_out: bool) -> None:
        commitment = model.settled or model.record or self.commitment(model, 1, 1, final=False)
        keys = sorted((key.to_bytes(32, "big") for key in SLOTS), key=keccak256)[left_out:]
        values = [SLOTS[int.from_bytes(key, "big")].to_bytes(32, "big") for key in keys]
        right = model.settled is not None and not model.returned and not left_out
        dues = {model.home: min(20, model.held)} if right and model.held else {}
        proof = prove_account(model.roots, model.home)
        with self.payments(model, dues, "materialize"):
            if self.attempt(right, STRANGER, "materialize", model.terms, commitment, keys, values, ORIGIN_CODE, proof):
                model.returned = True
                assert self.chain.code(model.home) == ORIGIN_CODE

    def withdraw(self, model: Model, index: int, elsewhere: bool) -> None:
        account = (*model.terms.owners, model.friend, model.friend)[index]
        due = self.owed_to(account)
        code = self.chain.code(account)
        takes = code in (b"", TAKES, RECEIVER.runtime_code)
        to = keccak256(b"thief")[12:] if elsewhere else account
        before = self.chain.balance(to)
        if self.attempt(bool(due) and takes and not elsewhere, STRANGER, "withdraw", account, to):
            assert self.chain.balance(to) - before == due
            assert self.owed_to(account) == 0
        else:
            assert self.owed_to(account) == due

    def receivers_come_to_reason(self, model: Model) -> None:
        for account in (*model.terms.owners, model.friend):
            if self.chain.code(account):
                self.chain.put(account, code=TAKES)

    def wait(self, seconds: int, model: Model) -> None:
        self.chain.wait_until(max(self.chain.time + seconds, self.next_time))

    def wait_and_refund(self, model: Model) -> None:
        self.wait(WINDOW, model)
        self.refund(model)

    def wait_and_settle(self, model: Model) -> None:
        self.wait(PERIOD, model)
        self.settle_record(model, other=False)

    # What always holds ------------------------------------------------------------------------------------------------
    @invariant()
    def the_registry_has_what_it_holds_and_owes(self) -> None:
        accounts = {a for m in self.models for a in (*m.terms.owners, m.friend, m.home, m.terms.operator)}
        held = sum(self.registry.thread(model.terms).held for model in self.models)
        assert self.registry.balance() == held + sum(self.owed_to(account) for account in accounts)

    @invariant()
    def threads_are_what_the_model_says(self) -> None:
        for model in self.models:
            state = self.registry.thread(model.terms)
            assert (state.mode, state.deadline, state.held) == (model.mode, model.deadline, model.held)
            recorded = model.settled or model.record
            if recorded is not None:
                assert state.digest == digest(self.registry.domain, recorded)
                assert state.nonce == recorded.nonce
            elif model.mode is Mode.SETTLED:
                assert (state.digest, state.nonce) == (bytes(32), 0)
            else:
                assert state.digest == sum(1 << index for index in model.deposits).to_bytes(32, "big")

    @invariant()
    def nobody_got_more_than_went_in(self) -> None:
        for model in self.models:
            went_in = sum(model.terms.deposits[index] for index in model.deposits)
            assert sum(model.paid.values()) + model.held == went_in


def test_invariants() -> None:
    _run(examples=12, steps=40, derandomize=True)  # the same cases each time, so that none is ever missing


@pytest.mark.slow
def test_invariants_at_length() -> None:
    _run(examples=150, steps=50, derandomize=False)


def _run(*, examples: int, steps: int, derandomize: bool) -> None:
    limits = settings(
        max_examples=examples,
        stateful_step_count=steps,
        derandomize=derandomize,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    Registry.outcomes.clear()
    run_state_machine_as_test(Registry, settings=limits)  # type: ignore[no-untyped-call]
    for name in FUNCTIONS:
        for expected in (True, False):
            assert Registry.outcomes[name, expected] > 0, (name, expected, Registry.outcomes)
