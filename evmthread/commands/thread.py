"""`evmthread thread DO STORE`: looks at a party's threads, checks them, hands one on. Disturbs nobody who runs them."""

import argparse
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from evmthread.commands.counting import Counting
from evmthread.commands.kept_code import add_cache_option, keep, open_files
from evmthread.commands.reporting import OK, report_failure, say, say_json, show_hash
from evmthread.errors import EvmthreadError

if TYPE_CHECKING:
    from evmthread.store.sqlite_threads import SqliteThread, SqliteThreadStore

NAME = "thread"
HELP = "list, show, check and export the threads in a store"
DESCRIPTION = """\
Look at the threads in a party's store, check them, and export one as the file that `verify` and `replay` read.

STORE is the store's file. It is only read, as it is at this moment: the process that runs its threads isn't disturbed.
ID is a thread's id, or the beginning of one that no other thread shares.

Exit codes: 0 done; 1 the thread is refuted; 2 the store, or something in it, can't be read.
"""
_SHORTEST_ID = 8  # hex digits


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares what can be done."""
    actions = parser.add_subparsers(title="what to do", metavar="DO", required=True)
    for name, does, text in (
        ("list", _list, "the threads: id, parties, latest agreement"),
        ("show", _show, "all about one thread, as the store has it"),
        ("verify", _verify, "check every signature, link and hash of a thread's agreed line"),
        ("replay", _replay, "execute the agreed line again and compare every field"),
        ("export", _export, "write the agreed line, verified, into a thread file"),
        ("evidence", _evidence, "write what convicts parties, each proof into a file of its own"),
    ):
        action = actions.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        action.add_argument("store", metavar="STORE", help="the store's file")
        if name != "list":
            action.add_argument("id", metavar="ID", help="the thread's id, or its beginning")
        if name == "export":
            action.add_argument("out", metavar="OUT", help="the new thread file")
            action.add_argument(
                "--watchtower",
                action="store_true",
                help="write a watchtower file instead, for `watch`: terms and newest agreement, no key, no move",
            )
        if name == "evidence":
            action.add_argument("folder", metavar="FOLDER", help="where the files go; it is made where it isn't there")
        if name == "replay":
            add_cache_option(action)
        if name in ("verify", "replay", "export"):
            action.add_argument("--progress", action="store_true", help="progress lines even without a terminal")
        action.add_argument("--json", action="store_true", help="print JSON instead of text, one object a line")
        action.set_defaults(does=does, action=name)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from evmthread.store.sqlite_threads import SqliteThreadStore

    counting = Counting(shows=getattr(arguments, "progress", False) or sys.stderr.isatty())
    does: Callable[[argparse.Namespace, SqliteThreadStore, Counting], None] = arguments.does
    try:
        with SqliteThreadStore(arguments.store, read_only=True) as store:
            does(arguments, store, counting)
    except EvmthreadError as error:
        counting.end()
        return report_failure(f"{NAME} {arguments.action}", error, as_json=arguments.json)
    finally:
        counting.end()
    return OK


def _list(arguments: argparse.Namespace, store: "SqliteThreadStore", _counting: Counting) -> None:
    from evmthread.commands.thread_report import ThreadReport

    ids = store.threads()
    digits = _SHORTEST_ID
    while len({identity.hex()[:digits] for identity in ids}) < len(ids):
        digits += 1
    for identity in ids:
        report = ThreadReport.of(store.look(identity))
        if arguments.json:
            say_json(report.summary())
        else:
            say(f"0x{identity.hex()[:digits]}  {report.line()}")


def _show(arguments: argparse.Namespace, store: "SqliteThreadStore", _counting: Counting) -> None:
    from evmthread.commands.thread_report import ThreadReport

    report = ThreadReport.of(_found(store, arguments.id))
    if arguments.json:
        say_json(report.to_json())
        return
    for line in report.lines():
        say(line)


def _verify(arguments: argparse.Namespace, store: "SqliteThreadStore", counting: Counting) -> None:
    from evmthread.commands.verify import tell_verified
    from evmthread.store.handing_on import verify_thread

    report = verify_thread(_found(store, arguments.id), progress=counting)
    counting.end()
    tell_verified(report, as_json=arguments.json)


def _replay(arguments: argparse.Namespace, store: "SqliteThreadStore", counting: Counting) -> None:
    from evmthread.commands.replay import tell_replayed
    from evmthread.machine.code_cache import CodeCache
    from evmthread.store.handing_on import verified_line
    from evmthread.store.replaying import replay_line

    found = _found(store, arguments.id)
    cache = CodeCache(store=open_files(arguments))
    thread, count = replay_line(found.head, verified_line(found, progress=counting), cache=cache)
    counting.end()
    keep(cache)
    tell_replayed(thread, count, as_json=arguments.json)


def _evidence(arguments: argparse.Namespace, store: "SqliteThreadStore", _counting: Counting) -> None:
    from evmthread.store.evidence_file import export_evidence

    for path, kind, party in export_evidence(_found(store, arguments.id), arguments.folder):
        if arguments.json:
            say_json({"file": str(path), "kind": kind, "party": party})
        else:
            say(f"{path}: {kind}, party {party}")


def _export(arguments: argparse.Namespace, store: "SqliteThreadStore", counting: Counting) -> None:
    from evmthread.store.handing_on import export_newest, export_thread

    export = export_newest if arguments.watchtower else export_thread
    report = export(_found(store, arguments.id), arguments.out, progress=counting)
    counting.end()
    if arguments.json:
        tip = None if report.tip is None else show_hash(report.tip.digest)
        say_json({"ok": True, "threadId": show_hash(report.thread_id), "commitments": report.count, "tip": tip,
                  "file": arguments.out})  # fmt: skip
    else:
        say(f"exported: {report.count} commitments of thread {show_hash(report.thread_id)}")


def _found(store: "SqliteThreadStore", text: str) -> "SqliteThread":
    """The thread whose id begins so. Raises InvalidInput where none or several do."""
    from evmthread.errors import InvalidInput

    digits = text.lower().removeprefix("0x")
    if not digits or digits.strip("0123456789abcdef"):
        raise InvalidInput(f"{text!r} is no thread's id: hex digits are wanted")
    found = [identity for identity in store.threads() if identity.hex().startswith(digits)]
    if len(found) != 1:
        many = f"{len(found)} threads begin" if found else "no thread begins"
        raise InvalidInput(f"{many} with 0x{digits} in {store.place}")
    return store.look(found[0])
