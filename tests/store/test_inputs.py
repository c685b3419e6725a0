"""Inputs of thread files: each begins where its predecessors ended, and comes to what was agreed."""

from pathlib import Path

import pytest

from evmthread.channel.errors import MissingAccount
from evmthread.debugging.coverage import Coverage
from evmthread.debugging.known_code import shipped_and
from evmthread.debugging.timeline import Timeline
from evmthread.errors import InvalidInput
from evmthread.execution.result import CallResult, TransactionResult
from evmthread.store.inputs import file_inputs, input_beginning
from evmthread.store.replaying import replay_file
from tests.channel.games import MORPION, MorpionMatch, finished_game
from tests.commands.draws import DrawMatch, save

KNOWN = shipped_and([])
YES = (1).to_bytes(32, "big")


@pytest.fixture(scope="module")
def game(tmp_path_factory: pytest.TempPathFactory) -> tuple[MorpionMatch, Path]:
    match = finished_game()
    path = tmp_path_factory.mktemp("games") / "game.thread"
    save(match, path)
    return match, path


def gas_of(timeline: Timeline) -> int:
    timeline.run(lambda moment, line: None)
    result = timeline.result
    assert isinstance(result, CallResult | TransactionResult)
    return result.gas_used


def test_all_inputs_of_a_file(game: tuple[MorpionMatch, Path]) -> None:
    match, path = game
    found = list(file_inputs(path))
    wanted = [
        (agreement.commitment.nonce, index, each)
        for agreement, batch, _ in match.whole_line
        for index, each in enumerate(batch.batch.inputs)
    ]
    assert [(each.nonce, each.index, each.input) for each in found] == wanted
    assert len(found) > 8


def test_each_input_uses_the_gas_that_was_agreed(game: tuple[MorpionMatch, Path]) -> None:
    match, path = game
    before = 0
    for agreement, batch, _ in match.whole_line:
        commitment = agreement.commitment
        for index in range(len(batch.batch.inputs)):
            timeline = Timeline(input_beginning(path, nonce=commitment.nonce, index=index), KNOWN)
            assert gas_of(timeline) == commitment.gas_used - before
        before = commitment.gas_used


def test_an_input_sees_the_block_of_its_batch(tmp_path: Path) -> None:
    match = MorpionMatch().begin()
    match.play(4)
    save(match, tmp_path / "game")
    timeline = Timeline(input_beginning(tmp_path / "game", nonce=3), KNOWN)
    gas_of(timeline)
    deadline = 3  # the slot that holds it, and the position
    assert timeline.world.storage(match.thread.address, deadline) == match.thread.storage(deadline)


def test_later_inputs_of_a_batch_begin_where_the_earlier_ended(tmp_path: Path) -> None:
    match = MorpionMatch()
    match.create()
    join = MORPION.function("join").encode()
    match.agree(match.input(0, join, value=match.stake), match.input(1, join, value=match.stake))
    refused = match.input(0, MORPION.function("unjoin").encode())
    nonce = match.thread.account_nonce(match.terms.owners[0]) + 1
    match.agree(refused, match.input(0, MORPION.function("play").encode(4), nonce=nonce))
    save(match, tmp_path / "game")
    joins = Timeline(input_beginning(tmp_path / "game", nonce=1, index=1), KNOWN)
    assert joins.world.balance(match.thread.address) == 2 * match.stake  # the first one's, and what comes with the call
    assert joins.world.balance(match.terms.owners[0]) == match.thread.account_balance(match.terms.owners[0])
    plays = Timeline(input_beginning(tmp_path / "game", nonce=2, index=1), KNOWN)
    before = Timeline(input_beginning(tmp_path / "game", nonce=2, index=0), KNOWN)
    gas = gas_of(before) + gas_of(plays)
    assert gas == match.tip.commitment.gas_used - match.line[1][0].commitment.gas_used
    result = before.result
    assert isinstance(result, TransactionResult)
    assert MORPION.decode_error(result.result.output) == "GameAlreadyStarted()"


def test_a_genesis_that_brings_its_code(tmp_path: Path) -> None:
    match = MorpionMatch()
    match.call(0, MORPION.function("stake").encode())
    save(match, tmp_path / "game")
    timeline = Timeline(input_beginning(tmp_path / "game", nonce=0), KNOWN)
    assert gas_of(timeline) == match.tip.commitment.gas_used
    assert timeline.world.code(match.thread.address) == MORPION.runtime_code


def test_a_call_that_asks_and_the_answer_to_it(tmp_path: Path) -> None:
    match = DrawMatch().offered()
    match.agree(match.parties[1].answer(YES))
    save(match, tmp_path / "game")
    offer = Timeline(input_beginning(tmp_path / "game", nonce=3), KNOWN)
    offer.run(lambda moment, line: None)
    question = offer.question
    assert question is not None
    assert question.who == match.terms.owners[1]
    answer = Timeline(input_beginning(tmp_path / "game", nonce=4), KNOWN)
    assert answer.step == 0
    moment = answer.moment
    assert moment is not None
    assert moment.frame.return_data == YES
    gas = gas_of(answer)
    assert gas == match.tip.commitment.gas_used - match.line[2][0].commitment.gas_used
    offer.answer(YES)
    assert gas_of(offer) == gas


def test_an_abort_runs_nothing(tmp_path: Path) -> None:
    match = DrawMatch().offered()
    match.agree(match.parties[1].abort())
    save(match, tmp_path / "game")
    with pytest.raises(InvalidInput, match="input 0 of nonce 4 is an abort"):
        input_beginning(tmp_path / "game", nonce=4)


def test_what_a_thread_forbids_is_forbidden_here_too(tmp_path: Path) -> None:
    match = MorpionMatch()
    match.create()
    save(match, tmp_path / "game")
    beginning = input_beginning(tmp_path / "game", nonce=0)
    world = beginning.world([])
    with pytest.raises(MissingAccount):
        world.call(b"\x77" * 20, b"some data")


def test_hooks_see_what_a_file_executes(game: tuple[MorpionMatch, Path]) -> None:
    _, path = game
    coverage = Coverage(KNOWN)
    thread, count = replay_file(path, hooks=[coverage])
    assert count == 10
    assert thread.agreement is not None
    (file,) = coverage.files(only_run=True)
    counts = {each.function.name: each.count for each in file.functions}
    assert (counts["Morpion.play"], counts["Morpion.join"], counts["Morpion.withdraw"]) == (5, 2, 1)
    assert counts["Morpion.unjoin"] == 0


def test_there_is_no_such_input(game: tuple[MorpionMatch, Path]) -> None:
    _, path = game
    last = max(each.nonce for each in file_inputs(path))
    for nonce, index, error in (
        (last + 9, 0, "no commitment with nonce"),
        (1, 1, "there is no input 1"),
        (1, -1, "no input -1"),
    ):
        with pytest.raises(InvalidInput, match=error):
            input_beginning(path, nonce=nonce, index=index)
