"""`evmthread watch FILE --chain URL`: a watchtower: answers a stale challenge with the newest agreement of a file."""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from evmthread.commands.reporting import INTERRUPTED, OK, REFUTED, UNREADABLE, one_line, say, say_json, show_hash, warn
from evmthread.errors import BackendError, EvmthreadError, InvalidInput

if TYPE_CHECKING:
    from evmthread.chain.watchtower import Watchtower, Word
    from evmthread.commit.agreement import Agreement
    from evmthread.commit.members import Json
    from evmthread.rpc import Provider

NAME = "watch"
HELP = "watch a thread on chain, and answer a stale challenge with the newest agreement"
DESCRIPTION = """\
Watch a thread on chain. When somebody challenges with an old agreement, answer with the newest one, which FILE holds,
within the time that the terms give. FILE holds no key, so that anybody can do this for a party that is offline: it is
a watchtower file (`evmthread thread export --watchtower`), or a sealed thread file. A newer file in its place is taken
up. The key given pays for gas and is nobody's in the thread; without it, there are only warnings.

Ends when the thread is settled and the settlement is final.

Exit codes: 0 settled on the file's agreement or a newer one; 1 settled on an older one; 2 something can't be read.
"""
_LONGEST_PAUSE = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("file", metavar="FILE", help="a watchtower file, or a sealed thread file")
    parser.add_argument("--chain", metavar="URL", required=True, help="a node: http, https, ws or wss")
    parser.add_argument("--key", metavar="FILE", help="the key that pays for an answer")
    parser.add_argument("--password-file", metavar="FILE", help="the password of an encrypted key file")
    parser.add_argument("--interval", metavar="SECONDS", default="2", help="between two looks (default: %(default)s)")
    parser.add_argument("--once", action="store_true", help="look once, answer if need be, and leave")
    parser.add_argument("--json", action="store_true", help="print one JSON object for each thing that happens")


def run(arguments: argparse.Namespace) -> int:
    """0: settled as it should be, or looked once; 1: settled on something older; 2: unreadable; 130: interrupted."""
    try:
        return _watch(arguments)
    except EvmthreadError as error:
        warn(f"evmthread {NAME}: {one_line(error)}")
        return UNREADABLE
    except KeyboardInterrupt:
        return INTERRUPTED


def _watch(arguments: argparse.Namespace) -> int:
    interval = _seconds(arguments.interval)
    from evmthread.chain.registry import Registry
    from evmthread.chain.watchtower import Watchtower
    from evmthread.commands.keys import read_account
    from evmthread.rpc import connect

    path = Path(arguments.file)
    written = _written(path)
    agreement = read_newest(path)
    account = None if arguments.key is None else read_account(arguments.key, password_file=arguments.password_file)
    provider = connect(arguments.chain)
    registry = Registry.connect(provider, agreement.domain.verifying_contract, chain_id=agreement.domain.chain_id)
    tower = Watchtower(registry, agreement, account)
    if not arguments.json:
        commitment = agreement.commitment
        say(f"watching thread {show_hash(commitment.thread_id)}, agreed up to nonce {commitment.nonce}")
    wait = _waiting(provider)
    pause, is_unread = interval, False
    while True:
        now = _written(path)
        if now != written or is_unread:
            try:
                tower.renew(read_newest(path))
                is_unread = False
            except EvmthreadError as error:  # the agreement that is known goes on being defended
                is_unread = isinstance(error, BackendError)  # it may be read the next time
                if now != written:
                    warn(f"evmthread {NAME}: {one_line(error)}")
            written = now
        try:
            _tell(tower, as_json=arguments.json)
            pause = interval
        except EvmthreadError as error:  # a node that is away, or lies: it may be well again soon
            warn(f"evmthread {NAME}: {one_line(error)}")
            if arguments.once:
                return UNREADABLE
            pause = min(2 * pause + interval, _LONGEST_PAUSE)
        if tower.is_over or arguments.once:
            break
        wait(pause)
    return OK if not tower.is_over or tower.is_served(tower.follower.watcher.position.state) else REFUTED


def _waiting(provider: "Provider") -> Callable[[float], None]:
    """Waits so many seconds, or until a new head is pushed, where the node pushes any."""
    from evmthread.rpc import WebSocketProvider

    if not isinstance(provider, WebSocketProvider):
        return time.sleep
    try:
        provider.subscribe("newHeads")
    except BackendError:
        return time.sleep

    def wait(seconds: float) -> None:
        try:
            provider.listen(seconds)
        except BackendError:  # away, or it doesn't push any more: it is asked all the same
            time.sleep(seconds)

    return wait


def read_newest(path: Path) -> "Agreement":
    """The newest agreement of a watchtower file or a sealed thread file, verified.

    Raises InvalidInput for a thread file without one, and what reading them raises.
    """
    from evmthread.store.threadfile import MAGIC
    from evmthread.store.verification import verify_file
    from evmthread.store.watchtower_file import read_watchtower_file

    try:
        if path.exists() and not path.is_file():  # to open a pipe is to wait for who writes to it
            raise InvalidInput(f"{path}: no regular file")
        with path.open("rb") as file:
            is_thread_file = file.read(len(MAGIC)) == MAGIC
    except OSError as error:
        raise BackendError(f"{path}: {error.strerror}") from error
    if not is_thread_file:
        return read_watchtower_file(path)
    tip = verify_file(path).tip
    if tip is None:
        raise InvalidInput(f"{path}: nothing is agreed on yet")
    return tip


def _written(path: Path) -> tuple[int, int, int] | None:
    """What changes when another file takes its place; None while there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= _LONGEST_PAUSE:
        raise InvalidInput(f"interval: {text[:50]!r} is no number of seconds up to {_LONGEST_PAUSE:g}")
    return seconds


def _tell(tower: "Watchtower", *, as_json: bool) -> None:
    from evmthread.chain.watchtower import told_events

    news, words = tower.look()
    for name in told_events(news):
        if as_json:
            say_json({"event": "final", "name": name})
        else:
            say(f"final: {name}")
    for word in words:
        text, record = _shown(word)
        if as_json:
            say_json(record)
        else:
            say(text)


def _shown(word: "Word") -> tuple[str, "dict[str, Json]"]:
    from evmthread.chain.watchtower import Alarmed, Answered, Over

    if isinstance(word, Answered):
        return (
            f"answered with nonce {word.nonce} after block {word.block}: transaction {show_hash(word.transaction)}",
            {"event": "answered", "nonce": word.nonce, "transaction": show_hash(word.transaction), "block": word.block},
        )
    state = word.state
    record: dict[str, Json] = {
        "mode": state.mode.name, "nonce": state.nonce, "deadline": state.deadline,
        "digest": None if state.record is None else show_hash(state.record),
    }  # fmt: skip
    where = "nothing is recorded" if state.record is None else f"the record has nonce {state.nonce}"
    if isinstance(word, Alarmed):
        detail = f" ({word.detail})" if word.detail else ""
        until = f", until {state.deadline}" if state.deadline else ""
        return (
            f"alarm: {word.alarm.value}{detail}; {where}{until}",
            {"event": "alarm", "alarm": word.alarm.name, **record},
        )
    if isinstance(word, Over):
        return f"settled for ever; {where}", {"event": "over", **record}
    return f"our agreement is the record; the challenge ends at {state.deadline}", {"event": "standing", **record}
