"""Runs thread files, or a plain call, under a hook: what the commands that look at contracts have in common."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from evmthread.commands.given import accounts_of
from evmthread.commands.plain_call import add_call_options, plain_call

if TYPE_CHECKING:
    from evmthread.debugging.known_code import KnownCode
    from evmthread.machine.hooks import Hook


def add_artifact_option(parser: argparse.ArgumentParser) -> None:
    """Declares whose sources are known."""
    parser.add_argument(
        "--artifact",
        metavar="FILE",
        action="append",
        default=[],
        help="a contract's artifact with its sources, besides those shipped with this program; may be repeated",
    )


def add_observed(parser: argparse.ArgumentParser) -> None:
    """Declares what is run: thread files, or a call."""
    parser.add_argument("files", metavar="FILE", nargs="*", help="thread files, such as `play --out` writes them")
    add_artifact_option(parser)
    add_call_options(parser)


def known_code(arguments: argparse.Namespace) -> "KnownCode":
    """The artifacts that were named, and those that come with the program. Raises InvalidInput, DecodingError."""
    from evmthread.contracts import parse_artifact
    from evmthread.debugging.known_code import shipped_and
    from evmthread.errors import DecodingError, InvalidInput

    artifacts = []
    for name in arguments.artifact:
        try:
            artifacts.append(parse_artifact(Path(name).read_bytes()))
        except OSError as error:
            raise InvalidInput(f"--artifact: {name}: {error.strerror}") from None
        except DecodingError as error:
            raise DecodingError(f"--artifact: {name}: {error}") from None
    return shipped_and(artifacts)


def is_plain_call(arguments: argparse.Namespace) -> bool:
    """Whether a call is asked for, by what says which."""
    given = (arguments.code, arguments.codefile, arguments.prestate, arguments.state)
    return any(each is not None for each in given)


def run_observed(arguments: argparse.Namespace, hook: "Hook", *, command: str, told: Callable[[str], None]) -> None:
    """Runs what was asked for; tells of calls that failed. Raises what running a file or a call raises."""
    from evmthread.errors import InvalidInput
    from evmthread.store.replaying import replay_file

    if arguments.files and is_plain_call(arguments):
        raise InvalidInput("either thread files, or a call: --code, --codefile, --prestate and --state are of a call")
    for file in arguments.files:
        replay_file(file, hooks=[hook])
    if arguments.files:
        return
    from evmthread.debugging.failures import failure_of

    call = plain_call(arguments, command=command)
    with accounts_of(arguments) as state:
        result = call.run(call.world(state, hooks=[hook]))
    failure = failure_of(result, known_code(arguments))
    if failure is not None:
        told(f"the call failed: {failure}")


def write_text(path: str, text: str) -> None:
    """Writes a file. Raises InvalidInput where it can't."""
    from evmthread.errors import InvalidInput

    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror}") from None
