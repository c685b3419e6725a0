#!/usr/bin/env python3
"""Take each check out of a folder's code in turn, and see whether a test fails.

    python .ci/mutations.py evmthread/commit              all of it, on two cores
    python .ci/mutations.py evmthread/commit --sample 100 a hundred mutants, the same for the same --seed
    python .ci/mutations.py evmthread/commit/batch.py     one file
    ... --list                                            what would be tried

A mutant is the code with one change: a statement that raises or checks is gone, a condition is always or never true,
one side of an `and` or `or` is gone, a comparison has another boundary or means the opposite, a loop finds nothing, a
finding is None. Source text that a file writes (WRITES_CODE) is changed in the same ways. Its file's own tests run
first (tests/commit/test_batch.py and test_batch_*.py for evmthread/commit/batch.py), then, if they pass, the tests that
WIDER names for the folder. It is killed when one of them fails, or takes ten times as long as it should; a mutant that
all of them pass is a survivor: no test needs that check.

Nothing on disk is changed. All tests are collected once; then a child for each mutant puts the changed code into its
function and runs them. What no test noticed there, and what lies outside functions, is tried again in a child that
imports everything anew, with the changed module's code from memory: tests keep values that they made when they were
imported. Hypothesis runs its usual examples, always the same ones, without shrinking. Needs the package with its `test`
extra; nothing else but the standard library.
"""

import argparse
import ast
import copy
import importlib
import importlib.machinery
import json
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
# What runs where a file's own test finds nothing.
_BYTES = [f"tests/acceptance/test_c{number:02}.py" for number in (2, 3, 4, 5, 6, 7, 8, 9, 10, 24, 27, 29)]
# Cheap and telling ones first: a mutant is gone with the first that fails. Left out is what takes longer than all of
# these (every game of test_morpion.py, most acceptance tests).
_ROUNDS = (
    *("tests/channel/test_review.py", "tests/channel/test_refusing.py", "tests/channel/test_ballot.py"),
    *("tests/channel/test_outbox.py", "tests/channel/test_pool.py", "tests/channel/test_pacing.py"),
    *("tests/channel/test_returning.py", "tests/channel/test_party.py", "tests/channel/test_rounds.py"),
    *("tests/channel/test_rounds_signing.py", "tests/channel/test_proposals_blame.py"),
    *("tests/channel/test_rounds_agreeing.py", "tests/channel/test_proposals_deciding.py"),
    *("tests/channel/test_rounds_restored.py", "tests/channel/test_rounds_live.py"),
    *("tests/channel/test_leading.py", "tests/channel/test_leading_batches.py"),
    *("tests/channel/test_closing.py", "tests/channel/test_catch_up.py"),
    *("tests/channel/test_wishes.py", "tests/channel/test_line.py", "tests/channel/test_restoring.py"),
    *("tests/channel/test_watch.py", "tests/channel/test_allowance.py", "tests/channel/test_catch_up_answers.py"),
    "tests/channel/test_catch_up_greeting.py",
)
_PLAYED = ("tests/store/test_endpoint.py", *[f"tests/acceptance/test_c{number}.py" for number in (22, 13, 11, 32, 23)])
_EXECUTING = ("calls", "divergence", "inputs", "messages", "replay", "roots", "rules", "saved", "suspension", "thread")
_STEPS = ("tests/channel/test_thread_steps.py", "tests/channel/test_suspension_steps.py")
_EXECUTED = (*[f"tests/channel/test_{name}.py" for name in _EXECUTING], *_STEPS)
_KEPT = (
    *("tests/store/test_endpoint.py", "tests/store/test_endpoints.py", "tests/store/test_together.py"),
    *("tests/store/test_continuing.py", "tests/store/test_channels_on_files.py"),
)
# By folder, or by file.
WIDER = {
    "evmthread/commit": ("tests/commit", *_BYTES, "tests/store/test_signlog.py", "tests/chain/test_wallet.py"),
    "evmthread/chain": ("tests/chain",),
    "evmthread/channel": (*_ROUNDS, *_PLAYED),
    **{f"evmthread/channel/{name}.py": (*_EXECUTED, *_ROUNDS, *_PLAYED) for name in _EXECUTING},
    "evmthread/merkle": ("tests/merkle", "tests/acceptance/test_c27.py"),
    "evmthread/store": ("tests/store",),
    "evmthread/store/endpoint.py": (*_KEPT, *_ROUNDS[:9], *_PLAYED),
    "evmthread/store/signed_rows.py": (
        "tests/store/test_memory_threads.py",
        "tests/store/test_sqlite_threads.py",
        *_KEPT,
        "tests/store/test_signlog.py",
    ),
}
# What only says something to people: no check.
SPOKEN = {"__str__", "__repr__", "_show", "_line"}
# Functions that run when modules are imported, and hardly later: their mutants are tried with everything imported anew.
AT_IMPORT = {
    *[("evmthread/commit/records.py", name) for name in ("parse", "remembered", "remembered_slot")],
    *[("evmthread/commit/struct_code.py", name) for name in ("written_out", "_check", "_written", "_read")],
    ("evmthread/commit/members.py", "plain_types"),
}
# Files that write source text: what stands in their f-strings is mutated as code is, {fields} and all.
WRITES_CODE = {"evmthread/commit/struct_code.py", "evmthread/primitives/quick.py"}
PRELOADED = (
    "pytest",
    "hypothesis.stateful",
    "eth_account",
    "eth_keys",
    "trie.hexary",
    "coincurve",
    "Crypto.Cipher.AES",
)
SLOWER = 10
LEAST_SECONDS = 20.0

OPPOSITE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
BOUNDARY: dict[type[ast.cmpop], type[ast.cmpop]] = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}

# Mutants that mean the same as the code, each with the reason: (file, function, what is changed, source line).
_SHORTCUT = "a shortcut: without it the same is found out, only later"
_FAST = "type(item) is bytes and item[:1] != b'\\x00' and (len(item) << 3 <= self.bits)"
_NEVER = (
    "it never is otherwise: who is no party has no inputs and signs only as leader, a batch with inputs has outcomes"
)
_ARMED = "it is done, or undone, at the end of each event, by what stands then"
_UNWANTED = "nothing is wanted without a restored store"
_UNREAD = "what is written then is never read"
_OTHERS = "party != self._index and party < self._parties"
_LONG = "len(wish.data) + ROOM_BESIDE_DATA > most"
_NOT_PREPARED = "prepared is None or prepared.digest != agreement.digest"
_NUMBER = "isinstance(item, bytes) and len(item) <= _WORD_BYTES and (item[:1] != b'\\x00')"
_ALL_BELOW = "all([used <= level for used in self._used.values()])"
_MANY_SLOTS = "possible > rules.ruleset.storage_slots"
_REMEMBERED = ("remember_rlp(propose.commitment, commitment)", "remember_rlp(propose.batch, batch)")
_FEW = "len(self.own) + len(self.wishes) < self._most_of(kind)"
_SIZE = "_size_at_most(signed) > ruleset.batch_bytes"
_ARE_PLAIN = ("not _BITMAP.is_plain(self.bitmap)", "not _SIGNATURES.is_plain(self.signatures)")
# Without what is written out, a member's own handling is asked.
_HANDLED = (
    *[(name, "always False", "isinstance(handling, Uint)") for name in ("_check", "_written", "_read")],
    *[(name, "always False", "isinstance(handling, Bytes)") for name in ("_check", "_written", "_read")],
    ("_written", "always True", "handling.size is None"),
    ("_read", "the other boundary of LtE 0", "len({item}) <= {handling.bits >> 3}"),
    ("_read", "always False", "type({item}) is bytes and {fits}"),
    ("_read", "always False", "type({item}) is bytes"),
)
SAME: dict[tuple[str, str, str, str], str] = {
    ("evmthread/commit/signing.py", "_signature", "always False", "type(self._signer) is LocalSigner"): _SHORTCUT,
    **{("evmthread/commit/agreement.py", "__post_init__", "always True", each): _SHORTCUT for each in _ARE_PLAIN},
    ("evmthread/commit/batch.py", "__post_init__", "always True", _ARE_PLAIN[1]): _SHORTCUT,
    ("evmthread/commit/members.py", "list_item", "always False", "type(item) is list"): _SHORTCUT,
    ("evmthread/commit/members.py", "from_rlp", "always False", _FAST): _SHORTCUT,
    ("evmthread/commit/members.py", "from_rlp", "always False", "type(item) is bytes"): _SHORTCUT,
    ("evmthread/commit/members.py", "plain", "always False", "self.is_plain(value)"): _SHORTCUT,
    ("evmthread/commit/records.py", "decoded_list", "always False", "type(item) is list"): _SHORTCUT,
    (
        "evmthread/commit/members.py",
        "from_rlp",
        "the other boundary of LtE 0",
        "len(item) << 3 <= self.bits",
    ): _SHORTCUT,
    ("evmthread/commit/members.py", "__init__", "always False", "self.head"): _SHORTCUT,
    **{("evmthread/commit/struct_code.py", *each): _SHORTCUT for each in _HANDLED},
    ("evmthread/commit/records.py", "from_rlp", "always True", "cls.BY_NAME"): "all classes take members by name, too",
    ("evmthread/commit/records.py", "__post_init__", "always False", "struct.code.is_plain(self)"): _SHORTCUT,
    ("evmthread/channel/ballot.py", "add", "always True", "len(self.standing) > MAX_SPARE"): _SHORTCUT,
    ("evmthread/channel/ballot.py", "add", "the other boundary of Gt 0", "len(self.standing) > MAX_SPARE"): _SHORTCUT,
    ("evmthread/channel/ballot.py", "note_used", "always True", _OTHERS): _UNREAD,
    ("evmthread/channel/ballot.py", "note_used", "left out", "party != self._index"): _UNREAD,
    ("evmthread/channel/ballot.py", "note_used", "left out", "party < self._parties"): _UNREAD,
    ("evmthread/channel/ballot.py", "note_used", "the other boundary of Lt 0", "party < self._parties"): _UNREAD,
    ("evmthread/channel/ballot.py", "lowest_free", "always False", _ALL_BELOW): _SHORTCUT,
    ("evmthread/channel/ballot.py", "lowest_free", "the other boundary of LtE 0", "used <= level"): _SHORTCUT,
    ("evmthread/channel/outbox.py", "send_all", "always False", "not participants"): _SHORTCUT,
    ("evmthread/channel/refusing.py", "check_not_passed_over", "always True", "desk.is_party"): _NEVER,
    ("evmthread/channel/refusing.py", "_had_to_end", "left out", "outcome.inputs"): _NEVER,
    ("evmthread/channel/watch.py", "commitment", "always True", "first[0] != commitment"): _SHORTCUT,
    ("evmthread/channel/watch.py", "input", "always True", "first.input != each"): _SHORTCUT,
    ("evmthread/channel/rounds.py", "send_standing", "always True", "desk.is_party"): _NEVER,
    ("evmthread/channel/rounds.py", "settle", "always True", "desk.is_restored"): _UNWANTED,
    ("evmthread/channel/rounds.py", "sign", "not called", "desk.pacing.arm(desk.now)"): _ARMED,
    ("evmthread/channel/proposals.py", "_review", "not called", "desk.pacing.arm(desk.now)"): _ARMED,
    ("evmthread/channel/proposals.py", "_refuse", "not called", "desk.pacing.arm(desk.now)"): _ARMED,
    (
        "evmthread/channel/proposals.py",
        "_review",
        "the other boundary of LtE 0",
        "commitment.nonce <= desk.ballot.highest_signed",
    ): "what is signed stands, also after a restart: another of its nonce was refused before",
    (
        "evmthread/channel/desk.py",
        "tell_fault",
        "the other boundary of LtE 0",
        "count <= MAX_FAULTS",
    ): "it is a power of two, and told as such",
    ("evmthread/channel/inputs.py", "_call", "always True", "index"): _SHORTCUT,
    ("evmthread/channel/inputs.py", "_call", "left out", "self.steps"): _SHORTCUT,
    ("evmthread/channel/inputs.py", "all", "always True", "each.kind == ANSWER"): _SHORTCUT,
    ("evmthread/channel/messages.py", "decode_message", "always False", "isinstance(message, Propose)"): _SHORTCUT,
    ("evmthread/channel/messages.py", "decode_message", "not called", "_remember_bytes(message, data)"): _SHORTCUT,
    ("evmthread/channel/messages.py", "_remember_bytes", "not called", _REMEMBERED[0]): _SHORTCUT,
    ("evmthread/channel/messages.py", "_remember_bytes", "not called", _REMEMBERED[1]): _SHORTCUT,
    (
        "evmthread/channel/inputs.py",
        "_abort",
        "not called",
        "self.world.begin_transaction()",
    ): "what looks at the scope begins one, and a nonce is none of it",
    ("evmthread/channel/inputs.py", "all", "always True", _MANY_SLOTS): _SHORTCUT,
    ("evmthread/channel/inputs.py", "all", "the other boundary of Gt 0", _MANY_SLOTS): _SHORTCUT,
    ("evmthread/channel/closing.py", "want", "not called", "self.try_ready()"): _ARMED,
    ("evmthread/channel/closing.py", "try_ready", "not called", "desk.pacing.arm(desk.now)"): _ARMED,
    ("evmthread/channel/channel.py", "_happen", "always True", "before is None"): _SHORTCUT,
    ("evmthread/channel/channel.py", "_lead", "left out", "not desk.may_sign"): _SHORTCUT,
    ("evmthread/channel/channel.py", "_set_timer", "the other boundary of Lt 0", "at < first"): "of equal times either",
    ("evmthread/channel/channel.py", "_lead", "left out", "desk.options.linger"): _SHORTCUT,
    ("evmthread/channel/channel.py", "act", "not called", "self._desk.pacing.arm(self._desk.now)"): _ARMED,
    ("evmthread/channel/wishes.py", "sign_waiting", "left out", "not desk.pool.wishes"): _SHORTCUT,
    ("evmthread/channel/wishes.py", "_why_never", "left out", _LONG): _SHORTCUT,
    ("evmthread/channel/wishes.py", "_why_never", "the other boundary of Gt 0", _LONG): _SHORTCUT,
    ("evmthread/channel/catch_up.py", "unheard", "always False", "len(desk.heard) == len(desk.others)"): _SHORTCUT,
    ("evmthread/channel/catch_up.py", "on_agreed", "left out", "signed_digest == desk.thread.parent"): _SHORTCUT,
    ("evmthread/channel/catch_up.py", "_send_line", "always False", "not desk.may_answer(peer)"): _SHORTCUT,
    ("evmthread/channel/catch_up.py", "on_fetch", "always False", "not desk.may_answer(peer)"): _SHORTCUT,
    ("evmthread/channel/catch_up.py", "_left_before", "left out", "len(left) < KEPT_BACK"): _SHORTCUT,
    (
        "evmthread/channel/catch_up.py",
        "_left_before",
        "the other boundary of Lt 0",
        "len(left) < KEPT_BACK",
    ): _SHORTCUT,
    (
        "evmthread/channel/catch_up.py",
        "_wait_for_parent",
        "the other boundary of Lt 0",
        "_rank(waiting[0]) < _rank(agreement)",
    ): "it takes its own place",
    ("evmthread/channel/rounds.py", "adopt", "always True", _NOT_PREPARED): _SHORTCUT,
    ("evmthread/channel/closing.py", "_go_on", "always False", "not desk.all_ready"): _SHORTCUT,
    ("evmthread/channel/closing.py", "after_event", "left out", "desk.ready_to_close is not None"): _SHORTCUT,
    ("evmthread/channel/saved.py", "_change", "always False", "after == before"): _SHORTCUT,
    ("evmthread/channel/pool.py", "as_input", "always False", "isinstance(kind, int)"): _SHORTCUT,
    ("evmthread/channel/desk.py", "new_ground", "left out", "not self.floors"): _SHORTCUT,
    ("evmthread/channel/pool.py", "is_full", "always False", _FEW): _SHORTCUT,
    ("evmthread/channel/pool.py", "take_lapsed", "always True", "self.own"): _SHORTCUT,
    ("evmthread/channel/pool.py", "_has_enough", "always False", "len(waiting) < most"): _SHORTCUT,
    ("evmthread/channel/saved.py", "_change_rlp", "always False", "change.after == change.before"): _SHORTCUT,
    ("evmthread/channel/saved.py", "_number", "always False", _NUMBER): _SHORTCUT,
    ("evmthread/channel/saved.py", "_number", "the other boundary of LtE 0", "len(item) <= _WORD_BYTES"): _SHORTCUT,
    ("evmthread/channel/party.py", "agree_on", "always True", "party is not leader"): "it signs the same again",
    ("evmthread/channel/roots.py", "apply_rooted", "always True", "empty_accounts_stay"): _SHORTCUT,
    ("evmthread/channel/replay.py", "_verified", "always False", "type(signed) is Agreement"): _SHORTCUT,
    ("evmthread/channel/review.py", "check_fields", "always False", "executed == committed"): _SHORTCUT,
    ("evmthread/store/signed_rows.py", "state", "always True", "nonce < signed"): _SHORTCUT,
    ("evmthread/store/signed_rows.py", "state", "the other boundary of Lt 0", "nonce < signed"): _SHORTCUT,
    ("evmthread/store/signed_rows.py", "put", "left out", "state.digest is None"): _SHORTCUT,
    ("evmthread/commit/batch.py", "_check_limits", "left out", _SIZE): _SHORTCUT,
    ("evmthread/commit/batch.py", "_check_limits", "the other boundary of Gt 0", _SIZE): _SHORTCUT,
}


@dataclass(frozen=True)
class Mutant:
    """One change: `place` is the node's number in the order of ast.walk, `kind` what is done, `part` to which part.

    `owner` names the outermost function around it, after the classes in which that is; it is empty where there is none.
    """

    file: str
    line: int
    function: str
    owner: tuple[str, ...]
    what: str
    text: str
    place: int
    kind: str
    part: int
    field: str = ""

    @property
    def key(self) -> tuple[str, str, str, str]:
        return self.file, self.function, self.what, self.text

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}: {self.text}"

    def code(self) -> CodeType:
        """The changed module."""
        path = REPOSITORY / self.file
        tree = copy.deepcopy(ast.parse(path.read_text(encoding="utf-8")))
        change(list(ast.walk(tree))[self.place], self)
        return compile(ast.fix_missing_locations(tree), str(path), "exec")


def change(node: ast.AST, mutant: Mutant) -> None:
    """Does to a node of a tree what a mutant says."""
    match mutant.kind, node:
        case "drop", _:
            block = getattr(node, mutant.field)
            block[mutant.part] = ast.copy_location(ast.Pass(), block[mutant.part])
        case ("force", ast.If() | ast.IfExp() | ast.While()):
            node.test = ast.Constant(bool(mutant.part))
        case "filter", ast.comprehension():
            node.ifs = [ast.Constant(bool(mutant.part))]
        case "side", ast.BoolOp():
            kept = [value for index, value in enumerate(node.values) if index != mutant.part]
            node.values = kept if len(kept) > 1 else [kept[0], copy.deepcopy(kept[0])]
        case ("opposite" | "boundary", ast.Compare()):
            table = OPPOSITE if mutant.kind == "opposite" else BOUNDARY
            node.ops[mutant.part] = table[type(node.ops[mutant.part])]()
        case "empty", (ast.For() | ast.comprehension()):
            node.iter = ast.Tuple([], ast.Load())
        case "negate", ast.UnaryOp():
            node.operand = ast.UnaryOp(ast.Not(), node.operand)
        case "nothing", ast.Return():
            node.value = ast.Constant(None)
        case "written", ast.JoinedStr():
            tree, fields = written_code(node)
            _, kind, part, field, _, place = list(written_changes(node))[mutant.part]
            change(list(ast.walk(tree))[place], replace(mutant, kind=kind, part=part, field=field))
            pieces = re.split(r"__hole(\d+)__", ast.unparse(tree))
            node.values = [fields[int(piece)] if at % 2 else ast.Constant(piece) for at, piece in enumerate(pieces)]
        case _:
            raise AssertionError(f"{mutant}: not this node")


Place = tuple[ast.FunctionDef | None, tuple[str, ...], bool]
"""A node's innermost function, the names that lead to its outermost one, and whether they do."""


def places(tree: ast.AST) -> dict[ast.AST, Place]:
    """Where each node is."""
    found: dict[ast.AST, Place] = {}

    def visit(node: ast.AST, place: Place) -> None:
        found[node] = place
        inside, names, whole = place
        if isinstance(node, ast.FunctionDef):
            inside, names, whole = node, names if whole else (*names, node.name), True
        elif isinstance(node, ast.ClassDef) and not whole:
            names = (*names, node.name)
        for child_node in ast.iter_child_nodes(node):
            visit(child_node, (inside, names, whole))

    visit(tree, (None, (), False))
    return found


def changes(node: ast.AST, function: ast.FunctionDef | None) -> Iterator[tuple[str, str, int, str, ast.AST]]:
    """(what, kind, part, field, the node to show) of every change to a node."""
    for field in ("body", "orelse", "finalbody"):
        block = getattr(node, field, None)
        for part, statement in enumerate(block if isinstance(block, list) else ()):
            if isinstance(statement, ast.Raise):
                yield "nothing is raised", "drop", part, field, statement
            elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
                yield "not called", "drop", part, field, statement
    if isinstance(node, ast.If | ast.IfExp | ast.While):
        for part in (0,) if isinstance(node, ast.While) else (0, 1):
            yield f"always {bool(part)}", "force", part, "", node.test
    if isinstance(node, ast.comprehension):
        yield "nothing is found", "empty", 0, "", node.iter
        for part in (0, 1) if node.ifs else ():
            yield f"always {bool(part)}", "filter", part, "", node.ifs[0]
    if isinstance(node, ast.For):
        yield "nothing is found", "empty", 0, "", node.iter
    if isinstance(node, ast.BoolOp):
        for part, value in enumerate(node.values):
            yield "left out", "side", part, "", value
    if isinstance(node, ast.Compare):
        for part, operator in enumerate(node.ops):
            if type(operator) in OPPOSITE:
                yield f"the opposite of {type(operator).__name__} {part}", "opposite", part, "", node
            if type(operator) in BOUNDARY:
                yield f"the other boundary of {type(operator).__name__} {part}", "boundary", part, "", node
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "not negated", "negate", 0, "", node
    if isinstance(node, ast.Return) and function is not None and function.returns is not None:
        nothing = node.value is None or (isinstance(node.value, ast.Constant) and node.value.value is None)
        if "None" in ast.unparse(function.returns) and not nothing:
            yield "finds nothing", "nothing", 0, "", node


def written_code(text: ast.JoinedStr) -> tuple[ast.Module, list[ast.expr]]:
    """The code that an f-string holds, with a name in place of each {field}; and these. Empty where it is no code."""
    fields: list[ast.expr] = []
    pieces: list[str] = []
    for value in text.values:
        if isinstance(value, ast.Constant):
            pieces.append(str(value.value))
        else:
            pieces.append(f"__hole{len(fields)}__")
            fields.append(value)
    try:
        return ast.parse("".join(pieces).strip()), fields
    except SyntaxError:
        return ast.Module([], []), fields


def written_changes(text: ast.JoinedStr) -> Iterator[tuple[str, str, int, str, ast.AST, int]]:
    """As `changes`, of the code that an f-string holds, with the place in that."""
    tree, _ = written_code(text)
    for place, node in enumerate(ast.walk(tree)):
        for found in changes(node, None):
            if not (found[1] == "drop" and isinstance(found[4], ast.Expr)):  # an expression alone is part of another
                yield *found, place


def mutants(file: str) -> list[Mutant]:
    """Every mutant of a file."""
    tree = ast.parse((REPOSITORY / file).read_text(encoding="utf-8"))
    where, found = places(tree), []
    for place, node in enumerate(ast.walk(tree)):
        inside, names, whole = where[node]
        if isinstance(node, ast.FunctionDef):
            inside, names, whole = node, names if whole else (*names, node.name), True
        if inside is not None and inside.name in SPOKEN:
            continue
        for what, kind, part, field, shown in changes(node, inside):
            text = ast.unparse(shown).splitlines()[0][:100]
            name = "" if inside is None else inside.name
            owner = names if whole else ()
            found.append(Mutant(file, shown.lineno, name, owner, what, text, place, kind, part, field))
        if file in WRITES_CODE and isinstance(node, ast.JoinedStr):
            owner, fields = names if whole else (), written_code(node)[1]
            for number, (what, _, _, _, shown, _) in enumerate(written_changes(node)):
                text = with_fields(ast.unparse(shown), fields)
                name = "" if inside is None else inside.name
                found.append(Mutant(file, node.lineno, name, owner, what, text, place, "written", number))
    return sorted(found, key=lambda each: (each.line, each.what, each.part))


def with_fields(text: str, fields: list[ast.expr]) -> str:
    """Code of an f-string with its fields as they stand in the source."""
    return re.sub(r"__hole(\d+)__", lambda hole: ast.unparse(ast.JoinedStr([fields[int(hole[1])]]))[2:-1], text)


def files_of(names: list[str]) -> list[str]:
    """The Python files that are named, or lie in the folders that are."""
    files: list[Path] = []
    for name in names:
        path = (REPOSITORY / name).resolve()
        files += sorted(path.glob("*.py")) if path.is_dir() else [path]
    return [str(path.relative_to(REPOSITORY)) for path in files if path.name != "__init__.py"]


def tests_of(file: str, wider: dict[str, tuple[str, ...]]) -> list[list[str]]:
    """The tests that run for a file, in stages: its own, then those of its folder."""
    path = Path(file)
    folder = REPOSITORY.joinpath("tests", *path.parts[1:-1])
    found = [folder / f"test_{path.name}", *sorted(folder.glob(f"test_{path.stem}_*.py"))]
    own = [str(each.relative_to(REPOSITORY)) for each in found if each.exists()]
    stages = [own] if own else []
    named = wider.get(file) or wider.get(str(path.parent), ())
    others = [name for name in named if (REPOSITORY / name).exists()]
    return [*stages, others] if others else stages


# In the functions of modules that are loaded --------------------------------------------------------------------------
def put_in(mutant: Mutant) -> bool:
    """Puts a mutant into its function. False where it isn't inside of one, or changes nothing that a call sees."""
    module = sys.modules[mutant.file.removesuffix(".py").replace("/", ".")]
    holder: object = module
    for name in mutant.owner[:-1]:
        holder = getattr(holder, name)
    function: Any = vars(holder).get(mutant.owner[-1]) if mutant.owner else None
    function = function.fget if isinstance(function, property) else getattr(function, "__func__", function)
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    if not isinstance(function, FunctionType):
        return False
    line = function.__code__.co_firstlineno
    codes = [code for code in inner_codes(mutant.code(), mutant.owner) if code.co_firstlineno == line]
    if len(codes) != 1 or codes[0] == function.__code__:
        return False
    function.__code__ = codes[0]
    for loaded in [each for name, each in sys.modules.items() if name.startswith("evmthread.")]:
        for value in list(vars(loaded).values()):
            if hasattr(value, "cache_clear"):
                value.cache_clear()  # what was remembered came from the code as it was
    return True


def inner_codes(code: CodeType, names: tuple[str, ...]) -> list[CodeType]:
    """The code of the functions that names lead to."""
    found = [code]
    for name in names:
        found = [
            each for outer in found for each in outer.co_consts if isinstance(each, CodeType) and each.co_name == name
        ]
    return found


class Collected:
    """A pytest plugin: instead of running the tests once, runs them for each mutant."""

    def __init__(
        self, found: list[Mutant], workers: int, told: Path, wider: dict[str, tuple[str, ...]], slower: float
    ) -> None:
        self.found, self.workers, self.told, self.wider, self.slower = found, workers, told, wider, slower

    def pytest_runtestloop(self, session: Any) -> bool:
        import pytest

        items = list(session.items)

        def passes(chosen: list[Any]) -> bool:
            for item, following in zip(chosen, [*chosen[1:], None], strict=True):
                session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                if session.testsfailed:
                    return False
            return True

        def try_one(mutant: Mutant) -> int:
            try:
                if (mutant.file, *mutant.owner[-1:]) in AT_IMPORT or not put_in(mutant):
                    return ELSEWHERE
            except Exception:  # noqa: BLE001 - what can't be put in here is imported anew, and fails there if it must
                return ELSEWHERE
            stages = tests_of(mutant.file, self.wider)
            if not stages:
                return 0
            # The last stage has them all; the one before it, where there is one, comes first.
            own = [item for item in items if str(item.path.relative_to(REPOSITORY)) in stages[0]]
            others = [item for item in items if item not in own] if self.wider else []
            return 0 if passes([*own, *others]) else 1

        began = time.monotonic()
        if wait_for(start(lambda: 0 if passes(items) else 1, None)):
            pytest.exit("the tests fail without any change", returncode=1)
        seconds = max(LEAST_SECONDS, self.slower * (time.monotonic() - began))
        print(f"{len(self.found)} mutants, {len(items)} tests", file=sys.__stderr__, flush=True)
        verdicts = run_all(self.found, try_one, workers=self.workers, seconds=lambda _: seconds)
        self.told.write_text(json.dumps([verdicts[mutant] for mutant in self.found]))
        return True


def collect(tests: list[str], plugin: object) -> int:
    """pytest's exit code, with Hypothesis as it is wanted here."""
    import hypothesis
    import pytest

    hypothesis.settings.register_profile(
        "mutations",
        derandomize=True,
        database=None,
        deadline=None,
        phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    hypothesis.settings.load_profile("mutations")
    options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--no-header", "--tb=no"]
    return int(pytest.main([*options, *tests], plugins=[plugin] if plugin else []))


# With everything imported anew ----------------------------------------------------------------------------------------
def run_stages(stages: list[list[str]], mutant: Mutant | None) -> int:
    """0 when all stages pass; each is a process of its own, for one mustn't find loaded what another has imported."""
    for tests in stages:
        if wait_for(start(lambda tests=tests: run_anew(tests, mutant), None)):  # type: ignore[misc]
            return 1
    return 0


def run_anew(tests: list[str], mutant: Mutant | None) -> int:
    """pytest's exit code with the mutant in the place of its module."""
    if mutant is not None:
        code, path = mutant.code(), str(REPOSITORY / mutant.file)
        given = importlib.machinery.SourceFileLoader.get_code

        def get_code(self: importlib.machinery.SourceFileLoader, name: str) -> CodeType | None:
            return code if os.path.realpath(self.path) == path else given(self, name)

        importlib.machinery.SourceFileLoader.get_code = get_code  # type: ignore[method-assign]
    return collect(tests, None)


# Children -------------------------------------------------------------------------------------------------------------
ELSEWHERE = 77
VERDICTS = {0: "survived", ELSEWHERE: "elsewhere"}


def start(action: Callable[[], int], log: Path | None) -> int:
    """A child that ends with what the action gives, or 1; its output goes to the log, or nowhere, and errors too."""
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        os.setsid()
        output = os.open(os.devnull if log is None else log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for descriptor in (1, 2) if log is None else (1,):
            os.dup2(output, descriptor)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        code = action()
    finally:
        os._exit(code)


def wait_for(process: int) -> int:
    """A child's exit code."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def run_all(
    found: list[Mutant], action: Callable[[Mutant], int], *, workers: int, seconds: Callable[[Mutant], float]
) -> dict[Mutant, str]:
    """What became of each mutant: killed, slow (killed by its time), survived, or to be tried elsewhere."""
    verdicts: dict[Mutant, str] = {}
    waiting, running = list(reversed(found)), dict[int, tuple[Mutant, float]]()
    began = time.monotonic()
    while waiting or running:
        while waiting and len(running) < workers:
            mutant = waiting.pop()
            process = start(lambda mutant=mutant: action(mutant), None)  # type: ignore[misc]
            running[process] = mutant, time.monotonic() + seconds(mutant)
        for process, (mutant, until) in list(running.items()):
            done, status = os.waitpid(process, os.WNOHANG)
            late = time.monotonic() > until
            if not done and late:
                os.killpg(process, signal.SIGKILL)
                os.waitpid(process, 0)
            if done or late:
                del running[process]
                verdicts[mutant] = VERDICTS.get(os.waitstatus_to_exitcode(status), "killed") if done else "slow"
                if verdicts[mutant] == "survived":
                    print(f"unnoticed: {mutant}", file=sys.__stderr__, flush=True)
                if len(verdicts) % 100 == 0:
                    took = time.monotonic() - began
                    print(f"... {len(verdicts)} of {len(found)} after {took:.0f} s", file=sys.__stderr__, flush=True)
        time.sleep(0.002)
    return verdicts


def try_folder(
    found: list[Mutant], workers: int, scratch: Path, wider: dict[str, tuple[str, ...]], slower: float
) -> dict[Mutant, str]:
    """What became of the mutants of one folder."""
    stages = {tuple(tests) for mutant in found for tests in tests_of(mutant.file, wider)}
    tests = list(dict.fromkeys(test for stage in sorted(stages, key=len, reverse=True) for test in stage))
    told, log = scratch / "told", scratch / "log"
    if wait_for(start(lambda: collect(tests, Collected(found, workers, told, wider, slower)), log)):
        sys.exit(f"{' '.join(tests)}: no test could be collected, or they fail without any change:\n" + end_of(log))
    verdicts = dict(zip(found, json.loads(told.read_text()), strict=True))
    again = [mutant for mutant in found if verdicts[mutant] in ("survived", "elsewhere")]
    took = {stage: 0.0 for mutant in again for stage in map(tuple, tests_of(mutant.file, wider))}
    for stage in took:
        began = time.monotonic()
        if wait_for(start(lambda stage=stage: run_stages([list(stage)], None), log)):  # type: ignore[misc]
            sys.exit(f"{' '.join(stage)}: fails without any change\n" + end_of(log))
        took[stage] = time.monotonic() - began

    def seconds(mutant: Mutant) -> float:
        return max(LEAST_SECONDS, slower * sum(took[tuple(tests)] for tests in tests_of(mutant.file, wider)))

    def try_anew(mutant: Mutant) -> int:
        return run_stages(tests_of(mutant.file, wider), mutant)

    print(f"{len(again)} of them anew", file=sys.__stderr__, flush=True)
    return verdicts | run_all(again, try_anew, workers=workers, seconds=seconds)


def end_of(log: Path) -> str:
    return log.read_text(errors="replace")[-3000:]


def main() -> int:
    parser = argparse.ArgumentParser(description="Mutation testing: each check removed in turn.")
    parser.add_argument("paths", nargs="+", help="folders or files under evmthread/")
    parser.add_argument("--sample", type=int, help="try so many mutants only")
    parser.add_argument("--from-line", type=int, default=0, help="only mutants at or after this line of their file")
    parser.add_argument("--seed", type=int, default=0, help="which ones (default: 0)")
    parser.add_argument("--workers", type=int, default=2, help="how many at once (default: 2)")
    parser.add_argument("--slower", type=float, default=SLOWER, help="times as long as without a change: killed")
    parser.add_argument("--quick", action="store_true", help="run a file's own test alone: some survivors are none")
    parser.add_argument("--list", action="store_true", help="only list the mutants")
    arguments = parser.parse_args()
    wider = {} if arguments.quick else WIDER
    files = files_of(arguments.paths)
    found = [mutant for file in files for mutant in mutants(file)]
    same = [mutant for mutant in found if mutant.key in SAME]
    found = [mutant for mutant in found if mutant.key not in SAME and mutant.line >= arguments.from_line]
    if arguments.sample is not None and arguments.sample < len(found):
        found = sorted(random.Random(arguments.seed).sample(found, arguments.sample), key=str)
    if arguments.list:
        print(*found, f"{len(found)} mutants", sep="\n")
        return 0
    unused = {key for key in SAME if key[0] in files} - {mutant.key for mutant in same}
    if unused:
        sys.exit(f"SAME names what isn't there any more: {sorted(unused)}")
    for name in PRELOADED:
        importlib.import_module(name)
    sys.path.insert(0, str(REPOSITORY))
    os.chdir(REPOSITORY)
    began = time.monotonic()
    scratch = Path(tempfile.mkdtemp(prefix="mutations-"))
    verdicts: dict[Mutant, str] = {}
    try:
        os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(scratch / "hypothesis")
        for folder in sorted({str(Path(mutant.file).parent) for mutant in found}):
            of_folder = [mutant for mutant in found if str(Path(mutant.file).parent) == folder]
            verdicts |= try_folder(of_folder, arguments.workers, scratch, wider, arguments.slower)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return report(verdicts, len(same), time.monotonic() - began)


def report(verdicts: dict[Mutant, str], same: int, seconds: float) -> int:
    """The table by files, the survivors, the score; 1 where something survived."""
    survivors = [mutant for mutant, verdict in verdicts.items() if verdict == "survived"]
    print()
    for file in sorted({mutant.file for mutant in verdicts}):
        of_file = [verdict for mutant, verdict in verdicts.items() if mutant.file == file]
        print(f"{file:44} {len(of_file) - of_file.count('survived'):4} of {len(of_file):4} killed")
    for mutant in survivors:
        print(f"survived: {mutant}")
    killed, slow = len(verdicts) - len(survivors), list(verdicts.values()).count("slow")
    print(f"{killed} of {len(verdicts)} mutants killed ({slow} by their time), {len(survivors)} survived;", end=" ")
    print(f"{same} mean the same as the code and were left out; {seconds:.0f} s")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
