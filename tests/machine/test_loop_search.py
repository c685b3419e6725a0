from collections.abc import Callable

import pytest

from evmthread.isa.forks import CANCUN
from evmthread.machine.analysis import jump_destinations
from evmthread.machine.loop_search import LOOP_SEARCH_LIMIT, backward_targets, leads_back
from tests.assembler import assemble


def nowhere(_pc: int, _to: int | None) -> bool:
    """No call is known to run no code."""
    return False


def search(text: str, head: int, goes_on: Callable[[int, int | None], bool] = nowhere) -> bool:
    code = assemble(text)
    return leads_back(code, CANCUN.table, jump_destinations(code), head, goes_on)[0]


def test_backward_targets_are_destinations_before_their_jump() -> None:
    code = assemble("a: PUSH 1 b: PUSH @a JUMPI PUSH @c JUMP PUSH @b POP c: PUSH 2 JUMP")
    assert backward_targets(code, jump_destinations(code)) == {0}
    assert backward_targets(assemble("PUSH2 0x0000 JUMP"), frozenset({0})) == {0}
    assert backward_targets(assemble("PUSH 0 JUMP"), frozenset()) == frozenset()


@pytest.mark.parametrize(
    "text",
    [
        "l: PUSH @l JUMP",
        "l: CALLVALUE PUSH @l JUMPI",
        "l: PUSH @f JUMP PUSH 0 f: PUSH @l JUMP",
        "l: PUSH @back PUSH @f JUMP back: PUSH @l JUMP f: JUMP",  # through a function's return address
        "l: PUSH @l PUSH 7 SWAP1 DUP1 JUMP",
        "l: CALLVALUE PUSH @end JUMPI PUSH @l JUMP end: STOP",
    ],
)
def test_paths_that_lead_back(text: str) -> None:
    assert search(text, 0)


@pytest.mark.parametrize(
    "text",
    ["l: STOP", "l: JUMP", "l: PUSH @f JUMP f: PUSH 0 PUSH 0 RETURN", "l: INVALID PUSH @l JUMP", "l: PUSH 1 JUMP"],
)
def test_paths_that_do_not(text: str) -> None:
    assert not search(text, 0)


@pytest.mark.parametrize(("to", "found"), [("PUSH 4", True), ("PUSH 5", False), ("CALLER", False)])
def test_a_path_goes_on_behind_a_call_that_runs_no_code(to: str, found: bool) -> None:
    text = f"l: PUSH 0 PUSH 0 PUSH 0 PUSH 0 {to} GAS STATICCALL PUSH @l JUMPI STOP"
    place = assemble(text).index(0xFA)
    assert search(text, 0, lambda pc, callee: (pc, callee) == (place, 4)) == found


def test_a_jump_behind_the_head_leads_back_to_what_follows_it() -> None:
    assert search("PUSH @m JUMP l: POP m: CALLVALUE PUSH @l JUMPI STOP", 5)
    assert search("PUSH @m JUMP l: POP m: CALLVALUE PUSH @l JUMPI STOP", 4)


def test_a_search_ends() -> None:
    code = assemble("l: " + "CALLVALUE POP " * LOOP_SEARCH_LIMIT + "PUSH @l JUMP")
    found, steps = leads_back(code, CANCUN.table, jump_destinations(code), 0, nowhere)
    assert not found
    assert steps == LOOP_SEARCH_LIMIT
