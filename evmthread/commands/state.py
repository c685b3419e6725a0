"""`evmthread state DO URL`: looks at a state in a file, checks it, prunes it, and carries it to another place."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from evmthread.commands.counting import Counting
from evmthread.commands.reporting import OK, report_failure, say, say_json, show_hash

if TYPE_CHECKING:
    from evmthread.state.past import PastState
    from evmthread.state.stored import StoredState

NAME = "state"
HELP = "list, check, prune, export and import states"
DESCRIPTION = """\
Look at a state in a file, check it, prune it, and carry it to another place.

URL names the state: sqlite:PATH or lmdb:PATH; `root` also takes http://NODE@BLOCK, a chain's state at a block. Nothing
is made where there is none, but by `import`.

Exit codes: 0 done; 1 the file is damaged (verify) or lies about its root (import); 2 it can't be read.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares what can be done."""
    actions = parser.add_subparsers(title="what to do", metavar="DO", required=True)
    for name, does, text in (
        ("list", _list, "the states that are kept: nonce and root of each, one a line"),
        ("root", _root, "the state root"),
        ("export", _export, "write a whole state into one file"),
        ("import", _import, "make a state in a new file of an exported one"),
        ("prune", _prune, "forget earlier states, and what only they needed"),
        ("verify", _verify, "read everything: records, codes and tries must say the same"),
    ):
        action = actions.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        action.add_argument("url", metavar="URL", help="sqlite:PATH or lmdb:PATH")
        if name in ("export", "import"):
            action.add_argument("file", metavar="FILE", type=Path, help="the exported file")
        if name in ("root", "export"):
            action.add_argument("--nonce", type=int, metavar="N", help="of the state kept at this nonce")
        if name == "prune":
            action.add_argument("--keep-from", type=int, metavar="N", help="keep the states from this nonce on")
        if name in ("list", "root"):
            action.add_argument("--json", action="store_true", help="one JSON object a line")
        else:
            action.add_argument("--progress", action="store_true", help="progress lines even without a terminal")
        action.set_defaults(does=does, action=name)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from evmthread.errors import VerificationError
    from evmthread.merkle.nodes import CorruptNodeError, MissingNodeError
    from evmthread.state.store import CorruptState

    counting = Counting(shows=getattr(arguments, "progress", False) or sys.stderr.isatty())
    does: Callable[[argparse.Namespace, Counting], None] = arguments.does
    try:
        does(arguments, counting)
    except VerificationError as error:
        counting.end()
        return report_failure(f"{NAME} {arguments.action}", error, as_json=False)
    except (CorruptState, CorruptNodeError, MissingNodeError) as error:
        counting.end()
        if arguments.action != "verify":
            raise
        return report_failure(f"{NAME} verify", VerificationError(str(error)), as_json=False)
    finally:
        counting.end()
    return OK


def _list(arguments: argparse.Namespace, _counting: Counting) -> None:
    with _opened(arguments.url) as state:
        for nonce in state.kept():
            _say_root(arguments, nonce, state.at(nonce).root)


def _root(arguments: argparse.Namespace, _counting: Counting) -> None:
    from evmthread.errors import InvalidInput
    from evmthread.state.opening import close_state, open_state
    from evmthread.state.overlay import OverlayState
    from evmthread.state.remote import RemoteState

    if arguments.url.startswith(("http:", "https:")):
        if arguments.nonce is not None:
            raise InvalidInput("--nonce: the state of a chain is named by its block")
        chain = open_state(arguments.url)
        assert isinstance(chain, OverlayState)
        assert isinstance(chain.below, RemoteState)
        _say_root(arguments, chain.below.block.number, chain.below.block.state_root, name="block")
        close_state(chain)
        return
    with _opened(arguments.url) as state:
        view = _kept(state, arguments.nonce)
        _say_root(arguments, view.nonce, view.root)


def _say_root(arguments: argparse.Namespace, number: int, root: bytes, *, name: str = "nonce") -> None:
    if arguments.json:
        say_json({name: number, "root": show_hash(root)})
    else:
        say(f"{number} {show_hash(root)}" if arguments.action == "list" else show_hash(root))


def _export(arguments: argparse.Namespace, counting: Counting) -> None:
    from evmthread.state.transfer import export_state

    with _opened(arguments.url) as state:
        view = _kept(state, arguments.nonce)
        root = export_state(view, arguments.file, nonce=view.nonce, progress=counting)
    counting.end()
    say(f"exported: nonce {view.nonce}, root {show_hash(root)}, {arguments.file.stat().st_size:,} bytes")


def _import(arguments: argparse.Namespace, counting: Counting) -> None:
    from evmthread.state.opening import import_into

    tip = import_into(arguments.url, arguments.file, progress=counting)
    counting.end()
    say(f"imported: nonce {tip.nonce}, root {show_hash(tip.root)}")


def _prune(arguments: argparse.Namespace, counting: Counting) -> None:
    with _opened(arguments.url, read_only=False) as state:
        gone = state.prune(keep_from=arguments.keep_from, progress=counting)
        kept = sum(1 for _ in state.kept())
    counting.end()
    say(f"pruned: {gone:,} nodes are gone, {kept:,} states are kept")


def _verify(arguments: argparse.Namespace, counting: Counting) -> None:
    with _opened(arguments.url) as state:
        state.verify(progress=counting)
        nonce, root = state.nonce, state.root
    counting.end()
    say(f"verified: nonce {nonce}, root {show_hash(root)}")


def _opened(url: str, *, read_only: bool = True) -> "StoredState":
    from evmthread.errors import InvalidInput
    from evmthread.state.opening import open_state
    from evmthread.state.stored import StoredState

    if url.startswith(("http:", "https:")):
        raise InvalidInput(f"{url}: a chain's state can't be listed; only its root can be told")
    state = open_state(url, create=False, read_only=read_only)
    if not isinstance(state, StoredState):
        raise InvalidInput(f"{url} is a state in memory, and empty; name one in a file: sqlite:PATH or lmdb:PATH")
    return state


def _kept(state: "StoredState", nonce: int | None) -> "PastState | StoredState":
    return state if nonce is None else state.at(nonce)
