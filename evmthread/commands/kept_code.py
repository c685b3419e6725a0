"""The --cache option: compiled code that outlives the process; off unless asked for, and never needed."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from evmthread.errors import BackendError

if TYPE_CHECKING:
    from evmthread.machine.code_cache import CodeCache
    from evmthread.machine.region_files import RegionFiles

OPTION = "--cache"


def add_cache_option(parser: argparse.ArgumentParser) -> None:
    """Declares the option."""
    parser.add_argument(
        OPTION,
        nargs="?",
        metavar="FOLDER",
        help="keep compiled code for later runs: in the user's own cache folder, or in a private one (--cache=FOLDER)",
    )


def closed(words: list[str]) -> list[str]:
    """The command line with the option's value in the option's own word: what follows a bare one is no folder."""
    end = words.index("--") if "--" in words else len(words)
    return [f"{OPTION}=" if word == OPTION else word for word in words[:end]] + words[end:]


def open_files(arguments: argparse.Namespace) -> "RegionFiles | None":
    """The files that compiled code is kept in; None without the option and, with a warning, if there are none."""
    if arguments.cache is None:
        return None
    from evmthread.commands.reporting import one_line, warn
    from evmthread.machine.region_files import RegionFiles

    try:
        return RegionFiles(Path(arguments.cache) if arguments.cache else None)
    except BackendError as error:
        warn(f"evmthread: no cache: {one_line(error)}")
        return None


def keep(cache: "CodeCache") -> None:
    """Keeps what was compiled, with a warning where it can't be written."""
    from evmthread.commands.reporting import one_line, warn

    try:
        cache.save()
    except BackendError as error:
        warn(f"evmthread: nothing kept: {one_line(error)}")
