"""Thread.sol and Asking.sol: what they do on-chain, and what they do with an answer. Traps.sol uses all of it."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evmthread.commit import TRAP_ADDRESS
from evmthread.commit.terms import BREAKPOINT_TOPIC
from evmthread.contracts import Artifact, load_artifact, parse_artifact
from evmthread.contracts.abi import decode_values, encode_values
from evmthread.execution.result import CallResult
from evmthread.execution.world import World
from evmthread.machine.breakpoints import Traps
from evmthread.machine.traps import Question, Suspended
from evmthread.primitives.keccak import keccak256
from tests.contracts.answering import NO, QUESTION, YES, answering_code, asked, question_data

ALICE, BOB, STRANGER = (bytes([number]) * 20 for number in (0xA1, 0xB0, 0x57))


def compiled(name: str) -> Artifact:
    return parse_artifact(Path(__file__).with_name(f"{name}.json").read_bytes())


TRAPS, SURVEY, BORN = (compiled(name) for name in ("Traps", "Survey", "AskingConstructor"))


class Deployed:
    """A test contract in a world of its own, where somebody answers every question so, or nobody does."""

    def __init__(self, artifact: Artifact, answer: bytes | None = None, *arguments: object) -> None:
        self.artifact = artifact
        self.world = World()
        self.world.set_balance(ALICE, 1000)
        if answer is not None:
            self.world.set_code(TRAP_ADDRESS, answering_code(answer, (ALICE, BOB)))
        init_code = artifact.creation_code + artifact.encode_constructor(*arguments)
        created = self.world.create(init_code, sender=ALICE).created
        assert created is not None
        self.address = created

    def run(self, name: str, *arguments: object, value: int = 0, sender: bytes = ALICE) -> CallResult:
        self.world.begin_transaction()
        data = self.artifact.function(name).encode(*arguments)
        return self.world.call(self.address, data, sender=sender, value=value)

    def ask(self, name: str, *arguments: object, value: int = 0, sender: bytes = ALICE) -> tuple[object, ...]:
        """What a call returns, which has succeeded."""
        result = self.run(name, *arguments, value=value, sender=sender)
        assert result.success, self.artifact.decode_error(result.output)
        return self.artifact.function(name).decode(result.output)


def test_the_trap_address_is_the_one_of_the_rules() -> None:
    deployed = Deployed(TRAPS, b"answer")
    assert asked(deployed.run("askOnly", BOB, b"?")) == [question_data(BOB, b"?")]
    assert keccak256(b"evmthread.trap")[12:] == TRAP_ADDRESS


# The library ----------------------------------------------------------------------------------------------------------
def test_on_chain_nobody_answers() -> None:
    deployed = Deployed(TRAPS)
    assert deployed.ask("inThread") == (False,)
    assert deployed.ask("ask", BOB, b"?") == (False, b"")
    assert deployed.ask("askYesNo", BOB, b"?") == (False, False)
    result = deployed.run("ask", BOB, b"?")
    assert asked(result) == [b""]
    deployed.world.begin_transaction()
    assert deployed.world.account(TRAP_ADDRESS) is None


def test_asking_on_chain_costs_one_call_of_a_cold_account() -> None:
    deployed = Deployed(TRAPS)
    cold = deployed.run("inThread").gas_used
    deployed.world.begin_transaction()
    data = TRAPS.function("inThread").encode()
    first, second = (deployed.world.call(deployed.address, data, sender=ALICE).gas_used for _ in range(2))
    assert (first, first - second) == (cold, 2500)  # EIP-2929: 2,600 cold, 100 warm


@settings(max_examples=30)
@given(st.binary(max_size=100), st.binary(max_size=100))
def test_an_answer_arrives_as_it_was_given(question: bytes, answer: bytes) -> None:
    deployed = Deployed(TRAPS, answer)
    assert deployed.ask("inThread") == (True,)
    result = deployed.run("ask", BOB, question)
    assert TRAPS.function("ask").decode(result.output) == (True, answer)
    # the bytes are those that another encoder makes: canonical, so that a thread takes them
    assert asked(result) == [b"", question_data(BOB, question)]
    assert deployed.ask("askYesNo", BOB, question) == (True, answer == YES)


@pytest.mark.parametrize("answer", [YES, NO, b"", YES[1:], YES + NO, b"\x01" + bytes(31), (3).to_bytes(32, "big")])
def test_only_abi_encoded_true_says_yes(answer: bytes) -> None:
    assert Deployed(TRAPS, answer).ask("askYesNo", BOB, b"?") == (True, answer == YES)


def test_who_is_no_owner_cannot_answer() -> None:
    deployed = Deployed(TRAPS, YES)
    assert deployed.ask("ask", STRANGER, b"?") == (False, b"")
    assert deployed.ask("askYesNo", STRANGER, b"?") == (False, False)


@settings(max_examples=20)
@given(st.integers(0, 2**64 - 1), st.binary(min_size=32, max_size=32), st.binary(max_size=70))
def test_a_breakpoint_is_a_log_with_the_topic_of_the_rules(number: int, position: bytes, note: bytes) -> None:
    deployed = Deployed(TRAPS)
    (log,) = deployed.run("breakpoint", number, position, note).logs
    assert (log.address, log.topics) == (deployed.address, (BREAKPOINT_TOPIC,))
    assert TRAPS.event("BREAKPOINT").decode(log).values == (number, position, note)


def test_a_plain_breakpoint_says_nothing() -> None:
    deployed = Deployed(TRAPS)
    (log,) = deployed.run("plainBreakpoint").logs
    assert log.topics == (BREAKPOINT_TOPIC,)
    assert TRAPS.event("BREAKPOINT").decode(log).values == (0, bytes(32), b"")


# The traps that tests of threads use ----------------------------------------------------------------------------------
@pytest.mark.parametrize("answer", [None, b"", b"an answer", bytes(100)])
@pytest.mark.parametrize("name", ["askAndStore", "viaStatic", "askThenWrite", "nested", "viaDelegate", "relay"])
def test_each_place_asks_and_stores_the_answer(name: str, answer: bytes | None) -> None:
    deployed = Deployed(TRAPS, answer)
    before = {"nested": (3,), "viaDelegate": (deployed.address,), "relay": (BOB,)}.get(name, ())
    result = deployed.run(name, *before, BOB, b"?")
    expected = answer or b""
    assert TRAPS.function(name).decode(result.output) == (expected,)
    assert deployed.ask("stored") == (expected,)
    questions = [b"?", expected] if name == "relay" else [b"?"]
    assert asked(result) == [question_data(BOB, question) for question in questions]
    if name == "nested":
        assert [deployed.ask("trail", depth) for depth in range(5)] == [(1,), (2,), (3,), (4,), (0,)]


def test_logs_and_counts_stand_on_both_sides_of_the_question() -> None:
    deployed = Deployed(TRAPS, b"yes")
    assert [str(TRAPS.decode_event(log)) for log in deployed.run("askAndStore", BOB, b"?").logs] == [
        f"Before(who=0x{BOB.hex()})",
        "After(answer=0x796573)",
    ]
    assert (deployed.ask("begun"), deployed.ask("ended")) == ((1,), (1,))


def test_a_constructor_asks() -> None:
    deployed = Deployed(TRAPS, b"born")
    (created,) = deployed.ask("viaConstructor", BOB, b"?")
    assert isinstance(created, bytes)
    stored = deployed.world.call(created, BORN.function("stored").encode()).output
    assert BORN.function("stored").decode(stored) == (b"born",)


def test_a_static_call_asks_but_cannot_write() -> None:
    deployed = Deployed(TRAPS, b"seen")
    assert deployed.ask("staticThenWrite", BOB, b"?") == (False,)
    assert deployed.ask("stored") == (b"",)
    assert (deployed.ask("begun"), deployed.ask("ended")) == ((1,), (1,))


def test_a_loop_asks_with_the_number_of_the_question() -> None:
    deployed = Deployed(TRAPS, (5).to_bytes(32, "big"))
    result = deployed.run("loopOfAsks", 4, BOB)
    assert asked(result) == [question_data(BOB, number.to_bytes(32, "big")) for number in range(4)]
    assert TRAPS.function("loopOfAsks").decode(result.output) == (20,)


def test_memory_transient_storage_and_surroundings_are_kept() -> None:
    deployed = Deployed(TRAPS, b"!")
    words = [index + 1 if index % 32 == 0 else 0 for index in range(100)]
    filled = b"".join(word.to_bytes(32, "big") for word in words)
    assert deployed.ask("withMemory", 100, BOB) == (keccak256(filled + b"!"), b"!")
    assert deployed.ask("withTransient", 7, BOB) == (7,)
    before, after = deployed.ask("surroundings", BOB)
    assert before == after


def test_what_reverts_after_the_answer_leaves_nothing() -> None:
    deployed = Deployed(TRAPS, b"too late")
    decoded = TRAPS.parse_error(deployed.run("askThenRevert", BOB, b"?").output)
    assert decoded is not None
    assert decoded.values == (b"too late",)
    assert deployed.ask("begun") == (0,)
    (reason,) = deployed.ask("caught", BOB, b"?")
    assert isinstance(reason, bytes)
    assert TRAPS.parse_error(reason) == decoded
    assert (deployed.ask("begun"), deployed.ask("ended"), deployed.ask("stored")) == ((1,), (1,), (b"",))


def test_a_call_with_too_little_gas_fails_alone() -> None:
    deployed = Deployed(TRAPS, b"!")
    assert deployed.ask("withGas", 20_000, BOB, b"?") == (False,)
    assert deployed.ask("withGas", 300_000, BOB, b"?") == (True,)
    assert deployed.ask("ended") == (1,)


def test_a_value_goes_with_the_call_and_fails_it_where_questions_are_answered() -> None:
    assert Deployed(TRAPS, b"!").ask("withValue", BOB, b"?", value=1) == (False,)
    on_chain = Deployed(TRAPS)
    assert on_chain.ask("withValue", BOB, b"?", value=1) == (True,)
    assert on_chain.world.balance(TRAP_ADDRESS) == 1  # and there it is lost


def test_raw_calls_show_success_output_and_gas() -> None:
    deployed = Deployed(TRAPS, b"!")
    for name in ("raw", "rawStatic"):
        success, output, used = deployed.ask(name, question_data(BOB, b"?"))
        assert (success, output) == (True, b"!")
        assert isinstance(used, int)
        assert used > 2600
        assert deployed.ask(name, b"")[:2] == (False, b"")
        success, output, used = Deployed(TRAPS).ask(name, question_data(BOB, b"?"))
        assert (success, output) == (True, b"")
        assert isinstance(used, int)
        assert 2600 <= used < 2700


@pytest.mark.parametrize("how", range(7))
def test_malformed_questions_are_no_canonical_encoding(how: int) -> None:
    result = Deployed(TRAPS).run("malformed", how, BOB, b"?")
    (data,) = asked(result)
    good = question_data(BOB, b"?")
    assert data != good
    try:
        assert encode_values(QUESTION, decode_values(QUESTION, data, what="?"), what="?") != data
    except ValueError:  # doesn't decode at all
        return
    assert how in (2, 4, 5)


def test_a_delegatecall_is_no_question_and_a_high_level_call_reverts_on_chain() -> None:
    deployed = Deployed(TRAPS)
    assert deployed.ask("delegated", BOB, b"?") == (True, b"")
    result = deployed.run("highLevel", BOB, b"?")
    assert (result.success, result.output) == (False, b"")


@pytest.mark.parametrize("answer", [b"", b"an answer", bytes(100)])
@pytest.mark.parametrize(
    ("name", "before"),
    [
        *(("askAndStore", ()), ("viaStatic", ()), ("viaConstructor", ()), ("staticThenWrite", ()), ("caught", ())),
        *(("nested", (5,)), ("viaDelegate", (None,)), ("askThenWrite", ()), ("askYesNo", ()), ("ask", ())),
    ],
)
def test_suspended_in_each_place_it_ends_as_where_one_answers_at_once(
    name: str, before: tuple[object, ...], answer: bytes
) -> None:
    expected, asking = Deployed(TRAPS, answer), Deployed(TRAPS)
    arguments = (*[asking.address if each is None else each for each in before], BOB, b"?")
    result = expected.run(name, *arguments)
    asking.world.settle()
    world = World(view=asking.world.view, hooks=[Traps(who=(ALICE, BOB))])
    computation = world.open_call(asking.address, TRAPS.function(name).encode(*arguments), sender=ALICE)
    assert computation.run() == Suspended(Question(BOB, b"?"))
    world = World(view=asking.world.view, hooks=[Traps(who=(ALICE, BOB))])
    finished = world.load(computation.snapshot()).resume(answer)
    assert isinstance(finished, CallResult)
    assert (finished.success, finished.output, finished.logs) == (result.success, result.output, result.logs)
    contracts = [asking.address]
    if name == "viaConstructor":
        contracts += TRAPS.function(name).decode(finished.output)  # type: ignore[arg-type]
    for contract in contracts:
        slots = [[each.storage(contract, slot) for slot in range(5)] for each in (world, expected.world)]
        assert slots[0] == slots[1]


@pytest.mark.parametrize("how", range(7))
@pytest.mark.parametrize("value", [0, 1])
def test_what_is_no_question_fails_and_suspends_nothing(how: int, value: int) -> None:
    deployed = Deployed(TRAPS)
    deployed.world.hooks = (Traps(who=(ALICE, BOB)),)
    assert deployed.ask("malformed", how, BOB, b"?", value=value) == (False,)
    assert deployed.ask("withValue", BOB, b"?", value=1) == (False,)
    assert deployed.world.balance(TRAP_ADDRESS) == 0
    for name in ("raw", "rawStatic"):
        success, output, used = deployed.ask(name, question_data(STRANGER, b"?"))
        assert (success, output) == (False, b"")
        assert isinstance(used, int)
        assert used < 2700  # the gas that went along came back
    assert deployed.ask("inThread") == (True,)
    assert deployed.ask("askYesNo", STRANGER, b"?") == (False, False)
    assert not deployed.run("highLevel", BOB, b"?").success


# Asking: the same contract on both paths ------------------------------------------------------------------------------
def test_asking_in_a_thread_goes_on_at_once() -> None:
    survey = Deployed(SURVEY, YES)
    result = survey.run("survey", BOB)
    assert SURVEY.function("survey").decode(result.output) == (True,)
    question = (1).to_bytes(32, "big")
    assert [str(SURVEY.decode_event(log)) for log in result.logs] == [
        f"Answered(who=0x{BOB.hex()}, question=0x{question.hex()}, answer=0x{YES.hex()})"
    ]
    assert (survey.ask("yes"), survey.ask("no")) == ((1,), (0,))
    assert survey.ask("isWaiting", BOB, question) == (False,)
    assert SURVEY.parse_error(survey.run("answer", question, YES, sender=BOB).output) is not None


def test_asking_on_chain_waits_for_a_transaction() -> None:
    survey = Deployed(SURVEY)
    result = survey.run("survey", BOB)
    assert SURVEY.function("survey").decode(result.output) == (False,)
    question = (1).to_bytes(32, "big")
    assert [str(SURVEY.decode_event(log)) for log in result.logs] == [
        f"Asked(who=0x{BOB.hex()}, question=0x{question.hex()})"
    ]
    assert survey.ask("isWaiting", BOB, question) == (True,)
    for who, what in ((ALICE, question), (BOB, bytes(32)), (BOB, b"")):
        decoded = SURVEY.parse_error(survey.run("answer", what, YES, sender=who).output)
        assert decoded is not None
        assert (decoded.name, decoded.values) == ("NotAsked", (who, what))
    # What the contract refuses leaves the question waiting; what it takes is counted once.
    decoded = SURVEY.parse_error(survey.run("answer", question, b"well", sender=BOB).output)
    assert decoded is not None
    assert decoded.name == "NeitherYesNorNo"
    assert survey.ask("isWaiting", BOB, question) == (True,)
    survey.ask("answer", question, NO, sender=BOB)
    assert (survey.ask("yes"), survey.ask("no"), survey.ask("isWaiting", BOB, question)) == ((0,), (1,), (False,))
    assert not survey.run("answer", question, NO, sender=BOB).success


def test_a_question_is_asked_again_taken_back_and_answered_in_a_thread_after_all() -> None:
    survey = Deployed(SURVEY)
    first, second = ((number).to_bytes(32, "big") for number in (1, 2))
    survey.ask("survey", BOB)
    survey.ask("repeat", BOB)
    survey.ask("survey", BOB)
    survey.ask("takeBack", BOB, 1)
    assert (survey.ask("isWaiting", BOB, first), survey.ask("isWaiting", BOB, second)) == ((False,), (True,))
    survey.world.set_code(TRAP_ADDRESS, answering_code(YES, (BOB,)))
    assert survey.ask("repeat", BOB) == (True,)
    assert survey.ask("isWaiting", BOB, second) == (False,)
    assert survey.ask("yes") == (1,)


def test_abstract_contracts_and_libraries_have_no_artifact() -> None:
    folder = Path(__file__).resolve().parents[2] / "evmthread" / "contracts" / "thread"
    assert sorted(path.name for path in folder.iterdir()) == ["Asking.sol", "Thread.sol"]
    sources = {source.name for source in load_artifact("MorpionDraw").sources}
    assert "evmthread/contracts/thread/Thread.sol" in sources
