"""Replays a thread file, or a line from elsewhere: executes it again, from the contract's code, in memory."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from evmthread.channel.replay import replay
from evmthread.channel.thread import Thread
from evmthread.commit.agreement import Agreement
from evmthread.machine.code_cache import CodeCache
from evmthread.machine.hooks import Hook
from evmthread.store.threadfile import AgreedRecord, ThreadFileReader, ThreadHead
from evmthread.store.verification import verify_head, verify_line


def replay_file(path: str | Path, *, cache: CodeCache | None = None, hooks: Sequence[Hook] = ()) -> tuple[Thread, int]:
    """The thread at the file's tip, and how many commitments led there; every field of each was compared.

    `hooks` observe what is executed. Raises a Refusal naming the nonce and what differs, DecodingError, BackendError,
    NotSupported.
    """
    with ThreadFileReader(path) as reader:
        verify_head(reader.head)
        return replay_line(reader.head, verify_line(reader), cache=cache, hooks=hooks)


def replay_line(
    head: ThreadHead,
    line: Iterable[tuple[Agreement, AgreedRecord]],
    *,
    cache: CodeCache | None = None,
    hooks: Sequence[Hook] = (),
) -> tuple[Thread, int]:
    """The same of a verified line, wherever it comes from. Raises as replay_file does, and what `line` raises."""
    thread = Thread.open(head.domain, head.terms, head.ruleset, code=head.code, cache=cache, hooks=hooks)
    records = ((agreement, record.batch, record.suspension) for agreement, record in line)
    return thread, sum(1 for _ in replay(thread, records))
