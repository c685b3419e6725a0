"""`evmthread evidence FILE`: checks a proof against a party: that it signed two things, or what isn't so."""

import argparse

from evmthread.commands.reporting import OK, report_failure, say, say_json, show_hash
from evmthread.errors import EvmthreadError

NAME = "evidence"
HELP = "check a proof that a party contradicted itself, or signed what execution doesn't give"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("file", metavar="FILE", help="the evidence, as `thread evidence` writes it")
    parser.add_argument(
        "--thread", metavar="FILE", help="the thread's file, for evidence that only executing it can show"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a line")


def run(arguments: argparse.Namespace) -> int:
    """0: the party is convicted; 1: it isn't; 2: unreadable."""
    from evmthread.commit.terms import signing_addresses, thread_id
    from evmthread.store.evidence_file import read_evidence

    try:
        file = read_evidence(arguments.file)
        conviction = file.convict(arguments.thread)
    except EvmthreadError as error:
        return report_failure(NAME, error, as_json=arguments.json)
    key, thread = signing_addresses(file.terms)[file.party], thread_id(file.domain, file.terms)
    if arguments.json:
        say_json(
            {
                "ok": True,
                "verdict": "convicted",
                "kind": type(file.evidence).__name__,
                "threadId": show_hash(thread),
                "party": file.party,
                "key": show_hash(key),
                "reason": conviction,
            }
        )
        return OK
    who = f"party {file.party}" if file.party < len(file.terms.keys) else "the operator"
    say(f"convicted: {who}, key {show_hash(key)}, {conviction}; thread {show_hash(thread)}")
    return OK
