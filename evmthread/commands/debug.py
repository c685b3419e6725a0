"""`evmthread debug FILE`: one input of a thread, or one call, step by step, forwards and backwards."""

import argparse
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from evmthread.commands.given import accounts_of
from evmthread.commands.observed import add_artifact_option, is_plain_call, known_code
from evmthread.commands.plain_call import add_call_options, plain_call
from evmthread.commands.reporting import OK, UNREADABLE, report_failure, say, warn
from evmthread.errors import VerificationError

if TYPE_CHECKING:
    from evmthread.debugging.debugger import Debugger
    from evmthread.debugging.known_code import KnownCode
    from evmthread.debugging.timeline import Beginning

PROMPT = "(evmthread) "

NAME = "debug"
HELP = "run an input of a thread, or a call, step by step: forwards and backwards, in the words of its source"
DESCRIPTION = """\
Run one input of a thread, or one call, step by step, forwards and backwards.

Without --nonce the inputs of the file are listed. Commands are typed, or come from a pipe, one on a line; `help` lists
them. Contracts whose artifact is known (the shipped ones, and --artifact) are shown in their source.
docs/tools.md has a session.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("file", metavar="FILE", nargs="?", help="a thread file, such as `play --out` writes it")
    parser.add_argument("--nonce", metavar="N", type=int, help="the commitment of which an input is run")
    add_artifact_option(parser)
    add_call_options(parser, input_help="with a file, which input of the commitment (default 0); else the call data")


def run(arguments: argparse.Namespace) -> int:
    """0: done; 1: the file is refuted; 2: something can't be read, or no input was chosen."""
    from evmthread.debugging.debugger import Debugger
    from evmthread.debugging.timeline import Timeline
    from evmthread.errors import InvalidInput

    try:
        known = known_code(arguments)
        if arguments.file is not None and arguments.nonce is None:
            return _list(arguments.file, known)
        if arguments.codefile == "-" or arguments.inputfile == "-":
            raise InvalidInput("standard input is for the debugger's commands")
        with _beginning(arguments) as beginning:
            _obey_all(Debugger(Timeline(beginning, known)))
    except VerificationError as error:
        return report_failure(NAME, error, as_json=False)
    return OK


@contextmanager
def _beginning(arguments: argparse.Namespace) -> Iterator["Beginning"]:
    """What is debugged."""
    from evmthread.debugging.timeline import Beginning
    from evmthread.errors import InvalidInput

    if arguments.file is not None:
        from evmthread.store.inputs import input_beginning

        if is_plain_call(arguments):
            raise InvalidInput(
                "either a thread file, or a call: --code, --codefile, --prestate and --state are of a call"
            )
        index = arguments.input or "0"
        if not index.isdecimal() or len(index) > 9:
            raise InvalidInput(f"--input: {index[:40]!r} is no place of an input")
        yield input_beginning(arguments.file, nonce=arguments.nonce, index=int(index))
        return
    if arguments.nonce is not None:
        raise InvalidInput("--nonce is of a thread file")
    call = plain_call(arguments, command=NAME)
    with accounts_of(arguments) as state:
        yield Beginning(lambda hooks: call.world(state, hooks=hooks, settled=True), call.open)


def _list(file: str, known: "KnownCode") -> int:
    from evmthread.commands.open_question import read_question
    from evmthread.commit.batch import InputKind
    from evmthread.store.inputs import file_inputs

    for each in file_inputs(file):
        kind = InputKind(each.input.kind).name.lower()
        calls = [read_question(artifact, each.input.data) for artifact in known.artifacts]
        what = next((str(call) for call in calls if call is not None), f"{len(each.input.data):,} bytes of data")
        say(f"--nonce {each.nonce} --input {each.index}  {kind} by 0x{each.input.actor.hex()}: {what}")
    warn(f"evmthread {NAME}: which input? Name it with --nonce and --input")
    return UNREADABLE


def _obey_all(debugger: "Debugger") -> None:
    """Obeys one line after the other, until `quit` or the end of them."""
    for line in debugger.here():
        say(line)
    last = ""
    lines = _typed() if sys.stdin.isatty() else _piped()
    for line in lines:
        line = line.strip()
        if not line and sys.stdin.isatty():
            line = last  # as debuggers do
        last = line
        with _interrupts(debugger):
            answer = debugger.obey(line)
        for each in answer:
            say(each)
        if debugger.ended:
            return


def _typed() -> Iterator[str]:
    """Lines typed at a terminal, with its history."""
    with suppress(ImportError):
        import readline  # noqa: F401 - input() then edits lines and remembers them
    while True:
        try:
            yield input(PROMPT)
        except KeyboardInterrupt:
            say("\n(quit leaves)")
        except EOFError:
            say()
            return


def _piped() -> Iterator[str]:
    """Lines of a pipe, shown as if they had been typed."""
    from evmthread.errors import InvalidInput

    try:
        for line in sys.stdin:
            say(PROMPT + line.rstrip("\n"))
            yield line
    except UnicodeDecodeError as error:
        raise InvalidInput(f"standard input: {error}") from None


@contextmanager
def _interrupts(debugger: "Debugger") -> Iterator[None]:
    """Inside, Ctrl-C stops the run at its next step and leaves the debugger as it is."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: Any) -> None:  # noqa: ARG001 - what a handler is given
        debugger.timeline.interrupted = True

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
