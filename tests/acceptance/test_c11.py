"""C11: proposals are lost, refused or withheld, and countersignatures come late: the agreed line stays one."""

from pathlib import Path

import pytest

from evmthread.channel.desk import ChannelOptions
from evmthread.channel.errors import TooManyOpenProposals
from evmthread.channel.events import CloseFailed, Proposed, Rejected
from evmthread.channel.local import LOCAL_DOMAIN
from evmthread.channel.messages import Accept, Message, Propose, encode_message
from evmthread.channel.phases import Phase
from evmthread.commit import AlreadyFinal, GuardedSigner, TypedData
from evmthread.commit.commitment import Status
from tests.acceptance.table import Table, add
from tests.channel.games import ruleset


def test_c11_lost_a_thousand_times_then_refused_nine_times_then_played_on(tmp_path: Path) -> None:
    rules = ruleset(clock_drift=10**6, contract_timeout=0)  # a thousand times take two days
    table = Table(tmp_path, options=ChannelOptions(manual=True), rules=rules)
    for endpoint in table.endpoints:
        endpoint.start()
    table.run()
    table.do(0, lambda channel: channel.propose())
    accept(table, 1, 0)
    table.call(1, add(1))  # party 1 leads nonce 1
    accept(table, 0, 1)
    assert table.nonces == [1, 1]

    table.lost = lambda _source, to, _message: to == 1
    table.call(0, add(2))  # party 0 leads nonce 2
    lost: list[bytes] = []
    while len(lost) < 1000:
        lost += [data for sent, _, data in table.sent if sent == 0 and isinstance(table.read(data), Propose)]
        table.sent.clear()
        table.wait(200, step=200)
    assert len(set(lost[1:])) == 1  # after the genesis: always the same bytes
    assert table.nonces == [1, 1]

    table.lost = lambda source, _to, message: source == 1 and isinstance(message, Propose)
    limit = table.rules.open_proposals
    for refusal in range(9):
        table.wait(600, step=100)
        waiting = [event for event in table.told(1, Proposed) if isinstance(event, Proposed)]
        if refusal < limit:
            nonce = waiting[-1].proposal.commitment.nonce
            assert nonce == 2 + 2 * refusal  # the next one that party 0 leads
            table.do(1, lambda channel, nonce=nonce: channel.reject(nonce, "no"))  # type: ignore[misc]
    assert len(table.told(0, Rejected)) == limit
    # At eight it stops, typed, but for an empty batch, which the other may sign.
    with pytest.raises(TooManyOpenProposals):
        table.endpoints[0].do(lambda channel: channel.propose(above=True))
    waiting = [event for event in table.told(1, Proposed) if isinstance(event, Proposed)]
    last = waiting[-1].proposal
    assert not last.batch.batch.inputs
    table.do(1, lambda channel: channel.accept(last.commitment.nonce))
    assert table.nonces == [last.commitment.nonce] * 2
    table.lost = lambda _source, _to, _message: False
    # and play goes on: the call that was never agreed has lapsed, a new one is executed
    table.call(0, add(2))
    while table.sums != [3, 3]:
        for index in (0, 1):
            for event in table.told(index, Proposed):
                assert isinstance(event, Proposed)
                if event.proposal.commitment.nonce > max(table.nonces):
                    accept(table, index, event.proposal.commitment.nonce)
        table.wait(10)
    assert len({tuple(line) for line in table.lines()}) == 1


def accept(table: Table, index: int, nonce: int) -> None:
    table.do(index, lambda channel: channel.accept(nonce))


def test_c11_a_final_that_is_withheld_then_played_on(tmp_path: Path) -> None:
    """Party 1 leads the final commitment, signs it, and nobody gets it. The other two go on without it."""
    table = Table(tmp_path, parties=3, threshold=2).start()
    table.call(0, add(1))
    assert table.nonces == [1, 1, 1]
    final_leader = 2

    def final(_source: int, _to: int, message: Message) -> bool:
        return isinstance(message, Propose) and message.commitment.status == Status.FINAL

    table.lost = final
    for index in range(3):
        table.do(index, lambda channel: channel.close())
    others = [index for index in range(3) if index != final_leader]
    table.wait(200)
    for index in others:
        assert table.told(index, CloseFailed)
        assert table.channel(index).phase == Phase.READY
    assert table.channel(final_leader).phase == Phase.CLOSING
    table.call(others[0], add(5), lasting=True)
    table.wait(200)
    assert [table.sums[index] for index in others] == [6, 6]
    # The second signature of who signed the final one is refused, by the guard itself, also after a restart.
    table.lost = lambda _source, _to, _message: False
    table.restart(final_leader)
    agreement = table.channel(others[0]).agreement
    assert agreement is not None
    guard = GuardedSigner(table.signer(final_leader), table.endpoints[final_leader].lease.sign_log())
    with pytest.raises(AlreadyFinal):
        guard.sign(TypedData(LOCAL_DOMAIN, agreement.commitment))
    table.wait(100)
    assert len({tuple(line) for line in table.lines()}) == 1


def test_c11_late_countersignatures_of_skipped_nonces(tmp_path: Path) -> None:
    """Every signature on a nonce that was skipped comes after a higher one is agreed: nothing goes back."""
    table = Table(tmp_path).start()
    held: list[tuple[int, int, bytes]] = []

    def hold(source: int, to: int, message: Message) -> bool:
        if isinstance(message, Accept) and message.nonce == 1:
            held.append((source, to, encode_message(table.thread_id, message)))
            return True
        return False

    table.lost = hold
    table.call(1, add(1))  # party 1 leads nonce 1; party 0's signature on it is on its way
    assert table.channel(1).agreement.commitment.nonce == 0  # type: ignore[union-attr]
    table.lost = lambda _source, to, _message: to == 1
    table.wait(60)
    table.lost = lambda _source, _to, _message: False
    table.wait(120)
    assert held
    agreed = table.lines()
    for source, to, data in held * 3:
        table.endpoints[to].receive(source, data)
        table.run()
    assert table.lines() == agreed
    assert table.lines()[0] == table.lines()[1]
    table.call(0, add(10))
    table.wait(60)
    assert table.sums == [11, 11]
