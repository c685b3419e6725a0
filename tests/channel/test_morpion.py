"""Whole games of Morpion between parties: C1, roots from independent libraries, and random games against the model."""

from dataclasses import dataclass

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from hypothesis import given, settings
from hypothesis import strategies as st

from evmthread.channel.local import LOCAL_DOMAIN
from evmthread.channel.replay import replay
from evmthread.channel.thread import Thread
from evmthread.commit import Agreement, InputKind, SignedBatch, typed_data, verify_chain
from evmthread.merkle.trie import EMPTY_ROOT
from tests.channel.games import DEPOSIT, MORPION, STAKE, START, TURN_SECONDS, MorpionMatch, finished_game
from tests.channel.independent import receipts_root, state_root, storage_root
from tests.morpion_model import MorpionModel, Verdict, constructor_verdict

WHO_WINS = {
    "X": ((0, 1, 4, 2, 8), 1),
    "O": ((0, 1, 8, 4, 2, 7), 2),
    "draw": ((0, 4, 8, 1, 7, 6, 2, 5, 3), 0),
}


@pytest.mark.parametrize("parties", [2, 3])
@pytest.mark.parametrize("outcome", WHO_WINS)
def test_c01_each_move_is_a_commitment_and_all_hold_the_same_chain(parties: int, outcome: str) -> None:
    moves, winner = WHO_WINS[outcome]
    # With three parties the players are 2 and 0; party 1 looks on, leads every third nonce, and signs everything.
    x, o = (0, 1) if parties == 2 else (2, 0)
    match = MorpionMatch(parties=parties, x=x, o=o).begin()
    match.play(*moves)
    assert match.tip.commitment.nonce == 2 + len(moves)
    winners = {1: (x,), 2: (o,), 0: (x, o)}[winner]
    match.finish(*winners)

    assert all(party.agreement == match.tip for party in match.parties)
    chain = verify_chain(LOCAL_DOMAIN, match.terms, [agreement.signed for agreement, _ in match.line], match.tip.digest)
    assert [agreement.digest for agreement in chain.line] == [agreement.digest for agreement, _ in match.line]
    assert [agreement.commitment.nonce for agreement in chain.line] == list(range(len(match.line)))
    assert all(agreement.signatures.indexes() == tuple(range(parties)) for agreement in chain.line)
    fresh = match.open()
    assert [each.agreement.commitment for each in replay(fresh, match.line)] == [a.commitment for a, _ in match.line]

    gains = {1: {x: STAKE, o: -STAKE}, 2: {o: STAKE, x: -STAKE}, 0: {}}[winner]
    assert match.tip.commitment.balances == tuple(DEPOSIT + gains.get(index, 0) for index in range(parties))


@pytest.mark.parametrize("parties", [2, 3])
def test_c01_digests_and_signatures_are_those_of_eth_account(parties: int) -> None:
    match = finished_game(parties=parties)
    for agreement, batch in match.line:
        for record, signatures in (
            (agreement.commitment, dict(zip(match.terms.keys, agreement.signatures.signatures, strict=True))),
            *((each, {each.actor: signature}) for each, signature in
              zip(batch.batch.inputs, batch.signatures, strict=True)),
        ):  # fmt: skip
            message = encode_typed_data(full_message=typed_data(LOCAL_DOMAIN, record))
            for key, signature in signatures.items():
                assert bytes.fromhex(Account.recover_message(message, signature=signature)[2:]) == key


@dataclass
class World:
    """What the state must be after each batch, kept by hand."""

    accounts: dict[bytes, tuple[int, int, dict[int, int], bytes]]

    def after(self, thread: Thread, owners: tuple[bytes, ...]) -> bytes:
        """The root of the state as the thread's reads give it, computed with other libraries."""
        slots = {key: value for key in range(8) if (value := thread.storage(key))}
        for owner in owners:
            self.accounts[owner] = (thread.account_nonce(owner), thread.account_balance(owner), {}, b"")
        balance = thread.account_balance(thread.address)
        self.accounts[thread.address] = (1, balance, slots, MORPION.runtime_code)
        return state_root(self.accounts)


def test_the_roots_of_a_whole_game_from_independent_libraries() -> None:
    match = MorpionMatch()
    world = World({})
    match.create()
    seen: list[Agreement] = [match.tip]

    def check(agreement: Agreement) -> None:
        commitment = agreement.commitment
        assert commitment.state_root == world.after(match.thread, match.terms.owners)
        slots = {key: match.thread.storage(key) for key in range(8)}
        assert commitment.storage_root == storage_root(slots) != EMPTY_ROOT
        assert sum(commitment.balances) + match.thread.account_balance(match.thread.address) == 2 * DEPOSIT
        seen.append(agreement)

    check(match.tip)
    for player in (0, 1):
        check(match.call(player, MORPION.function("join").encode(), value=STAKE))
    for cell in (4, 0, 8, 1, 2, 6, 5, 3, 7):
        if match.ask("turn") == bytes(20):
            break
        check(match.play(cell))
    check(match.call(0, MORPION.function("play").encode(0)))  # reverts: GameOver
    check(match.agree(match.input(0, MORPION.function("withdraw").encode()), match.input(1, b"junk")))
    check(match.finish())
    assert len(seen) == len(match.line) + 1

    thread = match.open()
    for each, (agreement, _) in zip(replay(thread, match.line), match.line, strict=True):
        gas, receipts = 0, []
        for outcome in each.outcome.inputs:
            gas += outcome.gas_used
            logs = [(log.address, log.topics, log.data) for log in outcome.logs]
            receipts.append((int(outcome.result.success), gas, logs))
        assert agreement.commitment.receipts_root == receipts_root(receipts)


def test_each_move_ends_its_batch_by_the_contracts_own_breakpoint() -> None:
    match = MorpionMatch().begin()
    two = match.batch([
        match.input(0, MORPION.function("play").encode(0)),
        match.input(1, MORPION.function("play").encode(1)),
    ])  # fmt: skip
    with pytest.raises(Exception, match="input 1: no input follows a BREAKPOINT"):
        match.thread.prepare(two)


# Random games against the model ---------------------------------------------------------------------------------------
ACTIONS = st.one_of(
    st.tuples(st.just("play"), st.integers(0, 2), st.integers(0, 10)),
    st.tuples(st.just("legal"), st.just(0), st.integers(0, 8)),
    st.tuples(st.just("legal"), st.just(0), st.integers(0, 8)),
    st.tuples(st.just("join"), st.integers(0, 2), st.sampled_from([STAKE, STAKE, STAKE, 0, STAKE - 1])),
    st.tuples(st.just("unjoin"), st.integers(0, 2), st.just(0)),
    st.tuples(st.just("withdraw"), st.integers(0, 2), st.just(0)),
    st.tuples(st.just("claimTimeout"), st.integers(0, 2), st.just(0)),
    st.tuples(st.just("wait"), st.just(0), st.sampled_from([1, 60, TURN_SECONDS, TURN_SECONDS + 1])),
    st.tuples(st.just("junk"), st.integers(0, 2), st.binary(max_size=70)),
)


def refusal(output: bytes) -> Verdict:
    """What revert data says, in the model's words."""
    decoded = MORPION.parse_error(output)
    if decoded is None:
        assert output == b""
        return Verdict(False)
    return Verdict(False, decoded.name, tuple(decoded.values))  # type: ignore[arg-type]


class Rehearsal:
    """A game played by the bytecode, in a thread of three parties, and by the model at once."""

    def __init__(self) -> None:
        self.match = MorpionMatch(parties=3, x=1, o=2)
        self.match.create()
        self.stranger = self.match.open()
        list(replay(self.stranger, self.match.line))
        owners = self.match.terms.owners
        self.model = MorpionModel(owners[1], owners[2], STAKE, TURN_SECONDS)
        self.now = START

    def apply(self, action: str, who: int, argument: int | bytes) -> None:
        match, model = self.match, self.model
        owner = match.terms.owners[who]
        value = 0
        if action == "wait":
            assert isinstance(argument, int)
            self.now += argument
            return
        if action == "junk":
            assert isinstance(argument, bytes)
            data, verdict = argument, Verdict(False)
            if any(data[:4] == function.selector for function in MORPION.functions):
                return
        elif action == "legal":
            free = [cell for cell, mark in enumerate(model.board) if not mark]
            if not free or model.turn == bytes(20) or self.now > model.deadline:
                return
            who = match.terms.owners.index(model.turn)
            cell = free[int(argument) % len(free)]
            data = MORPION.function("play").encode(cell)
            verdict = model.play(model.turn, cell, self.now)
            assert verdict.accepted
        elif action == "play":
            data, verdict = MORPION.function("play").encode(argument), model.play(owner, int(argument), self.now)
        elif action == "join":
            value = int(argument)
            data, verdict = MORPION.function("join").encode(), model.join(owner, value, self.now)
        else:
            method = {"unjoin": model.unjoin, "withdraw": model.withdraw, "claimTimeout": model.claim_timeout}[action]
            data, verdict = MORPION.function(action).encode(), method(owner, self.now)
        self._run(who, data, value, verdict)

    def _run(self, who: int, data: bytes, value: int, verdict: Verdict) -> None:
        match = self.match
        before, owner = match.tip.commitment, match.terms.owners[who]
        balance = match.thread.account_balance(owner)
        each = match.input(who, data, value=value)
        environment = match.environment(self.now)
        agreement = match.agree(each, environment=environment)
        (replayed,) = replay(self.stranger, match.line[-1:])  # who wasn't there computes the same as all three parties
        assert replayed.agreement is agreement
        result = replayed.outcome.inputs[0].result
        assert result.success == verdict.accepted
        if verdict.accepted:
            assert match.thread.account_balance(owner) == balance - value + verdict.amount
        else:
            got = refusal(result.output)
            assert (got.error, got.arguments) == (verdict.error, verdict.arguments)
            assert agreement.commitment.storage_root == before.storage_root
            assert agreement.commitment.balances == before.balances
        self._compare()

    def _compare(self) -> None:
        match, model = self.match, self.model
        assert match.ask("board") == tuple(model.board)
        assert match.ask("turn") == model.turn
        assert match.ask("winner") == model.winner
        assert match.ask("moves") == model.moves
        assert match.ask("state") == model.state
        assert match.ask("deadline") == model.deadline
        assert match.ask("pot") == model.pot == match.thread.account_balance(match.thread.address)
        for owner in match.terms.owners:
            assert match.ask("owed", owner) == model.owed(owner)
            assert match.ask("hasJoined", owner) == model.has_joined(owner)


@settings(max_examples=25)
@given(st.booleans(), st.lists(ACTIONS, max_size=22))
def test_random_games_agree_with_the_model(joined: bool, actions: list[tuple[str, int, int | bytes]]) -> None:
    rehearsal = Rehearsal()
    if joined:
        rehearsal.apply("join", 1, STAKE)
        rehearsal.apply("join", 2, STAKE)
    for action in actions:
        rehearsal.apply(*action)


@settings(max_examples=15)
@given(st.permutations(range(9)), st.integers(0, 12))
def test_every_game_ends_as_the_model_says_and_every_prefix_replays(cells: list[int], length: int) -> None:
    rehearsal = Rehearsal()
    rehearsal.apply("join", 2, STAKE)
    rehearsal.apply("join", 1, STAKE)
    for cell in cells:
        if rehearsal.model.turn != bytes(20):
            rehearsal.apply("play", rehearsal.match.terms.owners.index(rehearsal.model.turn), cell)
    match = rehearsal.match
    assert rehearsal.model.state > 1
    for player in (1, 2):
        rehearsal.apply("withdraw", player, 0)
    assert rehearsal.model.pot == 0
    prefix: list[tuple[Agreement, SignedBatch]] = match.line[:length]
    assert [each.agreement.commitment for each in replay(match.open(), prefix)] == [a.commitment for a, _ in prefix]


@settings(max_examples=20)
@given(st.integers(0, 8), st.integers(0, 2), st.binary(max_size=40))
def test_a_move_that_is_only_tried_changes_nothing(cell: int, who: int, junk: bytes) -> None:
    match = MorpionMatch(parties=3).begin()
    match.play(4, 0)
    before = match.thread.execute(match.batch([]))
    owner = match.terms.owners[who]
    for data in (MORPION.function("play").encode(cell), junk):
        first = match.thread.call(data, sender=owner)
        assert match.thread.call(data, sender=owner).output == first.output
        assert match.thread.execute(match.batch([])) == before


@pytest.mark.parametrize(
    ("x", "o", "stake", "seconds"),
    [
        (0, 1, 2**128, 60),
        (0, 0, 5, 60),
        (0, 1, 5, 0),
        (0, 1, 5, 2**64),
        (0, None, 5, 60),
        (0, 1, 2**128 - 1, 2**64 - 1),
    ],
)
def test_constructor_arguments_agree_with_the_model(x: int, o: int | None, stake: int, seconds: int) -> None:
    match = MorpionMatch()
    players = [match.terms.owners[player] if player is not None else bytes(20) for player in (x, o)]
    init_code = MORPION.creation_code + MORPION.encode_constructor(*players, stake, seconds)
    verdict = constructor_verdict(players[0], players[1], stake, seconds)
    each = match.input(0, init_code, kind=InputKind.CREATE, gas=4_000_000)
    if verdict.accepted:
        match.agree(each)
        assert match.ask("stake") == stake
        return
    with pytest.raises(Exception, match="the contract is created"):
        match.thread.prepare(match.batch([each]))
