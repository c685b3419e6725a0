"""`evmthread verify FILE`: checks signatures, order, links and hashes of a thread file. Loads no EVM."""

import argparse

from evmthread.commands.reporting import OK, report_failure, say, say_json, show_hash
from evmthread.errors import EvmthreadError

NAME = "verify"
HELP = "check every signature, link and hash in a thread's file, without executing anything"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("file", metavar="FILE", help="the thread's file, as `play --out` writes it")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a line")


def run(arguments: argparse.Namespace) -> int:
    """0: everything holds; 1: refuted; 2: unreadable."""
    from evmthread.store.verification import verify_file

    try:
        report = verify_file(arguments.file)
    except EvmthreadError as error:
        return report_failure(NAME, error, as_json=arguments.json)
    tip = report.tip
    if arguments.json:
        say_json(
            {
                "ok": True,
                "verdict": "verified",
                "threadId": show_hash(report.thread_id),
                "commitments": report.count,
                "tip": show_hash(tip.digest) if tip else None,
                "commitment": tip.commitment.to_json() if tip else None,
            }
        )
        return OK
    last = f", up to nonce {tip.commitment.nonce}" if tip else ""
    final = ", final" if tip and tip.commitment.status == 2 else ""
    say(f"verified: {report.count} commitments{last}{final}; thread {show_hash(report.thread_id)}")
    return OK
