"""Replays a thread file: verifies it and executes it again, from the contract's code, in memory."""

from collections.abc import Sequence
from pathlib import Path

from evmthread.channel.replay import replay
from evmthread.channel.thread import Thread
from evmthread.machine.code_cache import CodeCache
from evmthread.machine.hooks import Hook
from evmthread.store.threadfile import ThreadFileReader
from evmthread.store.verification import verify_head, verify_line


def replay_file(path: str | Path, *, cache: CodeCache | None = None, hooks: Sequence[Hook] = ()) -> tuple[Thread, int]:
    """The thread at the file's tip, and how many commitments led there; every field of each was compared.

    `hooks` observe what is executed. Raises a Refusal naming the nonce and what differs, DecodingError, BackendError,
    NotSupported.
    """
    with ThreadFileReader(path) as reader:
        head = reader.head
        verify_head(head)
        thread = Thread.open(head.domain, head.terms, head.ruleset, code=head.code, cache=cache, hooks=hooks)
        line = ((agreement, record.batch, record.suspension) for agreement, record in verify_line(reader))
        return thread, sum(1 for _ in replay(thread, line))
