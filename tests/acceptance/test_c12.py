"""C12: a party dies at every boundary between propose, log, sign, send, receive, verify, countersign and apply.

Whatever leaves or enters an endpoint goes through its store, its signer and its `send`. The party dies before and after
each such step in turn, its store is opened again, and the game goes on. (That a store is whole after kill -9 at each of
its writes, and after a power cut, tests/store/test_store_durability.py shows.)
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from evmthread.channel.messages import Accept, Propose
from evmthread.commit import TypedData
from evmthread.commit.eip712 import digest
from tests.acceptance.table import Table, add


class Died(BaseException):
    """The process ends here."""


class Countdown:
    """Dies at a step's number."""

    def __init__(self, at: int) -> None:
        self.left = at
        self.armed = False

    def step(self) -> None:
        if self.armed:
            self.left -= 1
            if self.left < 0:
                self.armed = False
                raise Died


class Watched:
    """A signer that may die before and after it signs, and tells what it signed."""

    def __init__(self, signer: object, countdown: Countdown, signed: list[TypedData]) -> None:
        self.signer, self.countdown, self.signed = signer, countdown, signed

    @property
    def address(self) -> bytes:
        return self.signer.address  # type: ignore[attr-defined,no-any-return]

    def sign(self, typed_data: TypedData) -> bytes:
        self.countdown.step()
        signature: bytes = self.signer.sign(typed_data)  # type: ignore[attr-defined]
        self.signed.append(typed_data)
        self.countdown.step()
        return signature


class DyingTable(Table):
    """One party dies at a step; the others never."""

    def __init__(self, folder: Path, dying: int, at: int) -> None:
        self.dying, self.countdown = dying, Countdown(at)
        self.made: list[list[TypedData]] = [[], []]
        super().__init__(
            folder,
            sign_with=lambda index, signer: Watched(
                signer, self.countdown if index == dying else Countdown(1 << 60), self.made[index]
            ),
        )

    def open(self, index: int) -> object:  # type: ignore[override]
        endpoint = super().open(index)
        if index == self.dying:
            write, step = self.stores[index].write, self.countdown.step

            def dying_write(batch: object) -> object:
                step()
                result = write(batch)  # type: ignore[arg-type]
                step()
                return result

            self.stores[index].write = dying_write  # type: ignore[method-assign,assignment]
        return endpoint

    def post(self, source: int, to: int, data: bytes) -> None:
        if source == self.dying:
            self.countdown.step()
        super().post(source, to, data)
        if source == self.dying:
            self.countdown.step()

    def survive(self, act: Callable[[], None]) -> bool:
        """Does something; where the party dies in it, its process begins again. Whether it died."""
        try:
            act()
        except Died:
            self.restart(self.dying)
            return True
        return False


def play(folder: Path, dying: int, at: int) -> bool:
    """Three rounds; the party dies at this step. Whether there was such a step."""
    table = DyingTable(folder, dying, at)
    table.start()
    table.countdown.armed = True
    died = False
    for number in range(3):
        who = number % 2
        died |= table.survive(lambda who=who, number=number: table.call(who, add(1 << number), lasting=True))  # type: ignore[misc]
        for _ in range(60):
            died |= table.survive(lambda: table.wait(1))
            if table.sums == [(2 << number) - 1] * 2:
                break
        else:  # what was wanted died with the process before it was kept: it is wanted again
            table.call(who, add(1 << number), lasting=True)
            table.wait(60)
        assert table.sums == [(2 << number) - 1] * 2
    died |= table.survive(table.run)
    table.wait(5)
    check(table)
    return died


def check(table: DyingTable) -> None:
    """One digest per nonce and key; the same bytes again; nothing agreed is lost; both hold the same."""
    lines = table.lines()
    assert lines[0] == lines[1]
    for index in (0, 1):
        assert set(table.adopted(index)) <= set(lines[0])
        digests: dict[int, set[bytes]] = {}
        for typed_data in table.made[index]:
            record = typed_data.record
            if hasattr(record, "state_root"):
                digests.setdefault(record.nonce, set()).add(typed_data.digest())
        assert all(len(each) == 1 for each in digests.values())
    sent: dict[tuple[int, type, int], set[bytes]] = {}
    for source, _, data in table.sent:
        message = table.read(data)
        if isinstance(message, Propose):
            assert digest(table.head.domain, message.commitment)
            sent.setdefault((source, Propose, message.commitment.nonce), set()).add(data)
        if isinstance(message, Accept):
            sent.setdefault((source, Accept, message.nonce), set()).add(data)
    assert all(len(each) == 1 for each in sent.values())


@pytest.mark.parametrize("dying", [0, 1])
@pytest.mark.parametrize("start", range(4))
def test_c12(tmp_path: Path, dying: int, start: int) -> None:
    """Every fourth step from `start`, until there are no more."""
    at = start
    while True:
        folder = tmp_path / str(at)
        folder.mkdir()
        if not play(folder, dying, at):
            break
        at += 4
    assert at > 12  # there were several in each round
