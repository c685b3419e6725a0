"""MorpionDraw: offering, accepting and refusing a draw, where nobody answers and where somebody does; the model."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evmthread.commit import TRAP_ADDRESS
from evmthread.commit.terms import BREAKPOINT_TOPIC
from evmthread.contracts import load_artifact
from evmthread.execution.environment import BlockEnvironment
from evmthread.execution.result import CallResult
from evmthread.execution.world import World
from evmthread.machine.breakpoints import Traps
from evmthread.machine.traps import Question, Suspended
from tests.contracts.answering import NO, YES, answering_code, asked, question_data
from tests.morpion_draw_model import MorpionDrawModel
from tests.morpion_model import DRAWN, PLAYING, WON_BY_X, ZERO, Verdict

MORPION, PLAIN = load_artifact("MorpionDraw"), load_artifact("Morpion")
X, O, EVE = (bytes([number]) * 20 for number in (0x11, 0x22, 0x33))  # noqa: E741 - the marks' names in the contract
STAKE, TURN_SECONDS, START = 1000, 60, 1_700_000_000


class Game:
    """A game in a world without threads, or with somebody who answers every question in the same way."""

    def __init__(self, *, answer: bytes | None = None, owners: tuple[bytes, ...] = (X, O), joined: bool = True) -> None:
        self.world = World(environment=BlockEnvironment(timestamp=START))
        for player in (X, O, EVE):
            self.world.set_balance(player, STAKE)
        self.answer_with(answer, owners)
        arguments = MORPION.encode_constructor(X, O, STAKE, TURN_SECONDS)
        created = self.world.create(MORPION.creation_code + arguments, sender=EVE).created
        assert created is not None
        self.address = created
        if joined:
            for player in (X, O):
                assert self.call(player, "join", value=STAKE).success

    def answer_with(self, answer: bytes | None, owners: tuple[bytes, ...] = (X, O)) -> None:
        self.world.set_code(TRAP_ADDRESS, b"" if answer is None else answering_code(answer, owners))

    def wait(self, seconds: int) -> None:
        self.world.environment = replace(self.world.environment, timestamp=self.now + seconds)

    @property
    def now(self) -> int:
        return self.world.environment.timestamp

    def call(self, sender: bytes, name: str, *arguments: object, value: int = 0) -> CallResult:
        self.world.begin_transaction()
        return self.world.call(self.address, MORPION.function(name).encode(*arguments), sender=sender, value=value)

    def ask(self, name: str, *arguments: object) -> object:
        function = MORPION.function(name)
        return function.decode(self.world.call(self.address, function.encode(*arguments)).output)[0]

    def play(self, *cells: int) -> None:
        for cell in cells:
            player = self.ask("turn")
            assert isinstance(player, bytes)
            assert self.call(player, "play", cell).success

    def refusal(self, sender: bytes, name: str, *arguments: object) -> str:
        """The error in words; and nothing has changed."""
        self.world.begin_transaction()
        before = self.world.changes()
        result = self.call(sender, name, *arguments)
        assert not result.success
        assert self.world.changes() == before
        return MORPION.decode_error(result.output)


def events(result: CallResult) -> list[str]:
    return [str(MORPION.decode_event(log)) for log in result.logs]


def drawn(player: bytes, move: int, position: int = 0) -> list[str]:
    """The events of a draw that this player has accepted."""
    return [
        f"DrawAccepted(player=0x{player.hex()}, move={move})",
        f"Finished(winner=0x{ZERO.hex()}, byTimeout=False)",
        f"BREAKPOINT(number={move}, position=0x{position:064x}, note=0x)",
    ]


def pays_the_stakes_back(game: Game) -> bool:
    assert game.ask("state") == DRAWN
    assert game.ask("drawOffer") == ZERO
    assert [game.call(player, "withdraw").success for player in (X, O)] == [True, True]
    return [game.world.balance(player) for player in (X, O, game.address)] == [STAKE, STAKE, 0]


def test_it_has_all_that_morpion_has() -> None:
    assert set(PLAIN.functions) <= set(MORPION.functions)
    assert set(PLAIN.errors) <= set(MORPION.errors)
    assert {event.signature for event in PLAIN.events} <= {event.signature for event in MORPION.events}
    assert {function.signature for function in set(MORPION.functions) - set(PLAIN.functions)} == {
        *("offerDraw()", "acceptDraw(uint8)", "refuseDraw(uint8)", "drawOffer()")
    }
    assert {error.signature for error in set(MORPION.errors) - set(PLAIN.errors)} == {
        *("AlreadyOffered()", "NoOffer(uint8)")
    }
    assert MORPION.event("BREAKPOINT").topic == BREAKPOINT_TOPIC


def test_it_can_be_the_origin_of_any_thread() -> None:
    assert not MORPION.runtime.immutables
    assert MORPION.creation_code.endswith(MORPION.runtime_code)
    assert len(MORPION.runtime_code) < 24_576  # EIP-170
    (game,) = (variable for variable in MORPION.storage if variable.label == "game")
    assert {member.slot for member in game.members} == {game.slot}
    assert [variable.slot for variable in MORPION.storage] == [0, 1, 2, 3]


# Where nobody answers: on-chain ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(("cells", "offers", "accepts"), [((), X, O), ((), O, X), ((4,), X, O), ((4, 0), X, O)])
def test_on_chain_an_offer_waits_and_is_accepted(cells: tuple[int, ...], offers: bytes, accepts: bytes) -> None:
    game = Game()
    game.play(*cells)
    move = len(cells)
    offered = game.call(offers, "offerDraw")
    assert events(offered) == [f"DrawOffered(player=0x{offers.hex()}, move={move})"]
    assert asked(offered) == [b""]  # only whether anybody can be asked; nothing with calldata leaves the contract
    assert (game.ask("drawOffer"), game.ask("state")) == (offers, PLAYING)
    position = sum(1 << cell + 9 * (number % 2) for number, cell in enumerate(cells))
    assert events(game.call(accepts, "acceptDraw", move)) == drawn(accepts, move, position)
    assert pays_the_stakes_back(game)


def test_on_chain_an_offer_is_refused_and_play_goes_on() -> None:
    game = Game()
    game.call(X, "offerDraw")
    refused = game.call(O, "refuseDraw", 0)
    assert events(refused) == [
        f"DrawRefused(player=0x{O.hex()}, move=0)",
        f"BREAKPOINT(number=0, position=0x{0:064x}, note=0x)",
    ]
    assert (game.ask("drawOffer"), game.ask("state"), game.ask("turn")) == (ZERO, PLAYING, X)
    assert game.refusal(O, "acceptDraw", 0) == "NoOffer(move=0)"
    assert game.refusal(O, "refuseDraw", 0) == "NoOffer(move=0)"
    assert game.refusal(X, "offerDraw") == "AlreadyOffered()"
    assert game.call(O, "offerDraw").success  # the other may still offer one
    assert game.ask("drawOffer") == O
    game.play(0)
    game.call(X, "offerDraw")
    assert game.ask("drawOffer") == X  # a move has made the refusal a thing of the past
    game.play(3, 1, 4, 2)
    assert game.ask("state") == WON_BY_X


def test_a_move_ends_an_offer_and_allows_another() -> None:
    game = Game()
    game.call(X, "offerDraw")
    assert game.refusal(X, "offerDraw") == "AlreadyOffered()"
    game.play(4)
    assert game.ask("drawOffer") == ZERO
    for move in (0, 1):
        assert game.refusal(O, "acceptDraw", move) == f"NoOffer(move={move})"
    assert game.call(X, "offerDraw").success
    assert game.refusal(O, "acceptDraw", 0) == "NoOffer(move=0)"  # meant for the offer before: not for this one
    assert game.call(O, "acceptDraw", 1).success


def test_an_offer_in_return_accepts() -> None:
    game = Game()
    game.call(O, "offerDraw")
    assert events(game.call(X, "offerDraw")) == drawn(X, 0)
    assert pays_the_stakes_back(game)


def test_ones_own_offer_is_not_ones_own_to_accept() -> None:
    game = Game()
    game.call(X, "offerDraw")
    for name in ("acceptDraw", "refuseDraw"):
        assert game.refusal(X, name, 0) == "NoOffer(move=0)"
        assert game.refusal(EVE, name, 0) == f"NotAPlayer(caller=0x{EVE.hex()})"
    assert game.refusal(EVE, "offerDraw") == f"NotAPlayer(caller=0x{EVE.hex()})"


def test_an_offer_stops_no_clock() -> None:
    game = Game()
    game.call(X, "offerDraw")
    deadline = START + TURN_SECONDS
    assert game.ask("deadline") == deadline
    game.wait(TURN_SECONDS)
    with game.world.isolated():
        assert game.call(O, "acceptDraw", 0).success  # in the last second
    game.wait(1)
    for player, name, arguments in ((O, "acceptDraw", (0,)), (O, "refuseDraw", (0,)), (O, "offerDraw", ())):
        assert game.refusal(player, name, *arguments) == f"TurnExpired(deadline={deadline})"
    assert game.refusal(X, "claimTimeout") == "OwnTurn()"
    assert game.call(O, "claimTimeout").success
    assert (game.ask("winner"), game.ask("drawOffer"), game.ask("owed", O)) == (O, ZERO, 2 * STAKE)


@pytest.mark.parametrize(("joined", "error"), [(False, "GameNotStarted()"), (True, "GameOver()")])
def test_there_is_no_offer_before_and_after_the_game(joined: bool, error: str) -> None:
    game = Game(joined=joined)
    if joined:
        game.call(X, "offerDraw")
        game.call(O, "acceptDraw", 0)
    for name, arguments in (("offerDraw", ()), ("acceptDraw", (0,)), ("refuseDraw", (0,))):
        for caller in (X, O, EVE):
            assert game.refusal(caller, name, *arguments) == error


# Where somebody answers: in a thread ----------------------------------------------------------------------------------
@pytest.mark.parametrize(("offers", "other"), [(X, O), (O, X)])
def test_the_question_is_the_others_own_transaction(offers: bytes, other: bytes) -> None:
    game = Game(answer=NO)
    game.play(4, 0, 8)
    question = MORPION.function("acceptDraw").encode(3)
    assert asked(game.call(offers, "offerDraw")) == [b"", question_data(other, question)]


@pytest.mark.parametrize(("offers", "other"), [(X, O), (O, X)])
def test_a_yes_is_a_draw_at_once(offers: bytes, other: bytes) -> None:
    game = Game(answer=YES)
    result = game.call(offers, "offerDraw")
    assert events(result) == [f"DrawOffered(player=0x{offers.hex()}, move=0)", *drawn(other, 0)]
    assert pays_the_stakes_back(game)


@pytest.mark.parametrize(
    "answer",
    [NO, b"", b"\x01", YES[:31], YES + b"\0", YES * 2, (2).to_bytes(32, "big"), b"\xff" * 32, b"\x80" + bytes(31)],
)
def test_whatever_else_is_answered_is_a_no(answer: bytes) -> None:
    game = Game(answer=answer)
    result = game.call(X, "offerDraw")
    assert events(result)[1:] == [
        f"DrawRefused(player=0x{O.hex()}, move=0)",
        f"BREAKPOINT(number=0, position=0x{0:064x}, note=0x)",
    ]
    assert (game.ask("state"), game.ask("drawOffer"), game.ask("turn")) == (PLAYING, ZERO, X)
    assert game.refusal(X, "offerDraw") == "AlreadyOffered()"
    game.play(4)
    game.answer_with(YES)
    assert game.call(X, "offerDraw").success
    assert game.ask("state") == DRAWN


def test_who_cannot_be_asked_is_offered_it_as_on_chain() -> None:
    game = Game(answer=YES, owners=(X,))
    assert len(asked(game.call(X, "offerDraw"))) == 2
    assert (game.ask("state"), game.ask("drawOffer")) == (PLAYING, X)
    # An offer that waits is accepted by offering in return: nobody is asked.
    result = game.call(O, "offerDraw")
    assert asked(result) == []
    assert pays_the_stakes_back(game)


def test_both_paths_lead_to_the_same_state() -> None:
    for answer, name in ((YES, "acceptDraw"), (NO, "refuseDraw")):
        asking, waiting = Game(answer=answer), Game()
        asking.call(X, "offerDraw")
        waiting.call(X, "offerDraw")
        waiting.call(O, name, 0)
        assert [asking.world.storage(asking.address, slot) for slot in range(5)] == [
            waiting.world.storage(waiting.address, slot) for slot in range(5)
        ]


@pytest.mark.parametrize(("offers", "other"), [(X, O), (O, X)])
@pytest.mark.parametrize("answer", [YES, NO])
def test_the_offer_is_suspended_and_goes_on_elsewhere(offers: bytes, other: bytes, answer: bytes) -> None:
    game, expected = Game(), Game(answer=answer)
    for each in (game, expected):
        each.play(4, 0)
    result = expected.call(offers, "offerDraw")
    game.world.settle()
    suspended, resumed = (
        World(view=game.world.view, environment=game.world.environment, hooks=[Traps(who=(X, O))]) for _ in range(2)
    )
    suspended.begin_transaction()
    computation = suspended.open_call(game.address, MORPION.function("offerDraw").encode(), sender=offers)
    question = MORPION.function("acceptDraw").encode(2)
    assert computation.run() == Suspended(Question(other, question))
    elsewhere = resumed.load(computation.snapshot())
    finished = elsewhere.resume(answer)
    assert isinstance(finished, CallResult)
    assert finished.logs == result.logs
    slots = [[world.storage(game.address, slot) for slot in range(5)] for world in (resumed, expected.world)]
    assert slots[0] == slots[1]
    # Dropped, it never was.
    computation.abort()
    assert not any(suspended.changes().accounts)


# The model ------------------------------------------------------------------------------------------------------------
PLAYERS = st.sampled_from([X, X, X, O, O, O, EVE])
ACTIONS = st.one_of(
    st.tuples(st.just("legal"), PLAYERS, st.integers(0, 8)),
    st.tuples(st.just("legal"), PLAYERS, st.integers(0, 8)),
    st.tuples(st.just("play"), PLAYERS, st.integers(0, 9)),
    st.tuples(st.just("offerDraw"), PLAYERS, st.none() | st.booleans()),
    st.tuples(st.just("offerDraw"), PLAYERS, st.none()),
    st.tuples(st.sampled_from(["acceptDraw", "refuseDraw"]), PLAYERS, st.integers(-1, 0)),
    st.tuples(st.sampled_from(["join", "unjoin", "withdraw", "claimTimeout"]), PLAYERS, st.none()),
    st.tuples(st.just("wait"), PLAYERS, st.sampled_from([1, TURN_SECONDS, TURN_SECONDS + 1])),
)


class Rehearsal:
    """A game played by the bytecode and by the model at once."""

    def __init__(self) -> None:
        self.game = Game(joined=False)
        self.model = MorpionDrawModel(X, O, STAKE, TURN_SECONDS)

    def apply(self, action: str, who: bytes, argument: int | bool | None) -> None:
        game, model = self.game, self.model
        if action == "wait":
            assert isinstance(argument, int)
            game.wait(argument)
            return
        if action == "legal":
            free = [cell for cell, mark in enumerate(model.board) if not mark]
            if not free or model.turn == ZERO or game.now > model.deadline:
                return
            action, who, argument = "play", model.turn, free[int(argument or 0) % len(free)]
        arguments: tuple[int, ...] = ()
        value, now = 0, game.now
        game.answer_with(None)
        if action == "play":
            assert argument is not None
            arguments = (argument,)
            verdict = model.play(who, argument, now)
        elif action == "offerDraw":
            game.answer_with(None if argument is None else YES if argument else NO)
            verdict = model.offer_draw(who, now, None if argument is None else bool(argument))
        elif action in ("acceptDraw", "refuseDraw"):
            assert argument is not None
            arguments = (max(model.moves + argument, 0),)
            verdict = (model.accept_draw if action == "acceptDraw" else model.refuse_draw)(who, arguments[0], now)
        elif action == "join":
            value = STAKE
            verdict = model.join(who, value, now) if game.world.balance(who) >= value else Verdict(False)
        else:
            method = {"unjoin": model.unjoin, "withdraw": model.withdraw, "claimTimeout": model.claim_timeout}[action]
            verdict = method(who, now)
        balance = game.world.balance(who)
        result = game.call(who, action, *arguments, value=value)
        assert result.success == verdict.accepted
        if verdict.accepted:
            assert game.world.balance(who) == balance - value + verdict.amount
        elif verdict.error is not None:
            decoded = MORPION.parse_error(result.output)
            assert decoded is not None
            assert (decoded.name, decoded.values) == (verdict.error, verdict.arguments)
        self._compare()

    def _compare(self) -> None:
        game, model = self.game, self.model
        assert game.ask("board") == tuple(model.board)
        for name in ("state", "turn", "winner", "moves", "deadline", "pot"):
            assert game.ask(name) == getattr(model, name), name
        assert game.ask("drawOffer") == model.draw_offer
        assert game.world.balance(game.address) == model.pot
        for player in (X, O, EVE):
            assert game.ask("owed", player) == model.owed(player)


@settings(max_examples=60)
@given(st.booleans(), st.lists(ACTIONS, max_size=25))
def test_random_games_agree_with_the_model(joined: bool, actions: list[tuple[str, bytes, int | bool | None]]) -> None:
    rehearsal = Rehearsal()
    if joined:
        rehearsal.apply("join", X, None)
        rehearsal.apply("join", O, None)
    for action in actions:
        rehearsal.apply(*action)
