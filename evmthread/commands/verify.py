"""`evmthread verify FILE`: checks signatures, order, links and hashes of a thread file. Loads no EVM."""

import argparse
from typing import TYPE_CHECKING

from evmthread.commands.open_question import tell_json, tell_lines
from evmthread.commands.reporting import OK, report_failure, say, say_json, show_hash
from evmthread.commit.commitment import Status
from evmthread.errors import EvmthreadError

if TYPE_CHECKING:
    from evmthread.store.verification import FileReport

NAME = "verify"
HELP = "check every signature, link and hash in a thread's file, without executing anything"

_STATUS = {Status.REST: "", Status.SUSPENDED: ", suspended", Status.FINAL: ", final"}


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
    tell_verified(report, as_json=arguments.json)
    return OK


def tell_verified(report: "FileReport", *, as_json: bool) -> None:
    """Says what holds: a line, and where a call is open what is asked; or one JSON object."""
    tip, suspension, terms = report.tip, report.suspension, report.head.terms
    checked = report.head.ruleset.transcript  # else the machine hash is that of a machine, which has to run first
    if as_json:
        say_json(
            {
                "ok": True,
                "verdict": "verified",
                "threadId": show_hash(report.thread_id),
                "commitments": report.count,
                "tip": show_hash(tip.digest) if tip else None,
                "commitment": tip.commitment.to_json() if tip else None,
                "suspended": (
                    tell_json(terms, tip.commitment, suspension, checked=checked) if tip and suspension else None
                ),
            }
        )
        return
    last = f", up to nonce {tip.commitment.nonce}{_STATUS[Status(tip.commitment.status)]}" if tip else ""
    say(f"verified: {report.count} commitments{last}; thread {show_hash(report.thread_id)}")
    if tip and suspension:
        for line in tell_lines(terms, tip.commitment, suspension):
            say(line)
        if not checked:
            say("    what is asked is not verified: the machine hash is that of a machine, which `replay` runs")
