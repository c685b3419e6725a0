"""Goes on from a sealed thread file: its thread, executed again, and a file that begins with the same records.

Whose keys sign what follows, and that none of them signed elsewhere what the file doesn't hold, is its caller's matter.
"""

from dataclasses import dataclass
from pathlib import Path

from evmthread.channel.replay import replay
from evmthread.channel.thread import Thread
from evmthread.errors import BackendError
from evmthread.machine.code_cache import CodeCache
from evmthread.store.threadfile import ThreadFileReader, ThreadFileWriter
from evmthread.store.verification import verify_head, verify_line


@dataclass(frozen=True, slots=True)
class Continued:
    """Threads at a file's tip, none sharing state with another, and the file in which it goes on."""

    threads: tuple[Thread, ...]
    writer: ThreadFileWriter


def continue_file(
    reader: ThreadFileReader, out: str | Path, *, copies: int = 1, cache: CodeCache | None = None
) -> Continued:
    """Verifies and executes a file that was just opened, `copies` times, and writes its records to a new one.

    `out` may be the name of the file that is read: it stays whole until the new one is sealed, and of two who go on
    from it at once one is refused. Raises as replay_file and ThreadFileWriter.create do; what was written is removed.
    """
    head = reader.head
    verify_head(head)
    cache = CodeCache() if cache is None else cache
    threads = [Thread.open(head.domain, head.terms, head.ruleset, code=head.code, cache=cache) for _ in range(copies)]
    writer = ThreadFileWriter.create(out, head)
    try:
        if not reader.is_current():  # another who went on from it has just sealed: his name must not be taken from him
            raise BackendError(f"{reader.path}: was replaced while it was read")
        for agreement, record in verify_line(reader):
            for thread in threads:
                for _ in replay(thread, [(agreement, record.batch, record.suspension)]):
                    pass
            writer.append(agreement, record.batch, record.suspension)
    except BaseException:
        writer.remove()
        raise
    return Continued(tuple(threads), writer)
