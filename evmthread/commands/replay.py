"""`evmthread replay FILE`: executes a thread file again from the contract's code and compares every field."""

import argparse
from typing import TYPE_CHECKING

from evmthread.commands.kept_code import add_cache_option, keep, open_files
from evmthread.commands.open_question import tell_json, tell_lines
from evmthread.commands.reporting import OK, report_failure, say, say_json, show_hash
from evmthread.errors import EvmthreadError

if TYPE_CHECKING:
    from evmthread.channel.thread import Thread

NAME = "replay"
HELP = "execute a thread's file again from the contract's code and compare every field of every commitment"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("file", metavar="FILE", help="the thread's file, as `play --out` writes it")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a line")
    add_cache_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """0: everything holds; 1: refuted; 2: unreadable, or nothing that this version can execute."""
    from evmthread.machine.code_cache import CodeCache
    from evmthread.store.replaying import replay_file

    cache = CodeCache(store=open_files(arguments))
    try:
        thread, count = replay_file(arguments.file, cache=cache)
    except EvmthreadError as error:
        return report_failure(NAME, error, as_json=arguments.json)
    keep(cache)
    tell_replayed(thread, count, as_json=arguments.json)
    return OK


def tell_replayed(thread: "Thread", count: int, *, as_json: bool) -> None:
    """Says what holds: a line, and where a call is open what is asked; or one JSON object."""
    tip = thread.agreement
    gas = tip.commitment.gas_used if tip else 0
    root = tip.commitment.state_root if tip else None
    suspension = thread.open_call.suspension if thread.open_call else None
    terms = thread.terms
    if as_json:
        say_json(
            {
                "ok": True,
                "verdict": "replayed",
                "threadId": show_hash(thread.thread_id),
                "commitments": count,
                "gasUsed": str(gas),
                "stateRoot": show_hash(root) if root else None,
                "codeHash": show_hash(terms.code_hash),
                "suspended": tell_json(terms, tip.commitment, suspension, checked=True) if tip and suspension else None,
            }
        )
        return
    state = f"; state root {show_hash(root)}" if root else ""
    suspended = ", suspended" if suspension else ""
    say(f"replayed: {count} commitments, every field equal{suspended}, {gas:,} gas{state}")
    if tip and suspension:
        for line in tell_lines(terms, tip.commitment, suspension):
            say(line)
