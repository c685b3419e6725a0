"""The simulated network and the simulated time."""

from random import Random

import pytest

from evmthread.testing.simulation import timeline as module
from evmthread.testing.simulation.network import Link, Network, damage
from evmthread.testing.simulation.timeline import Timeline


def sent(link: Link, *, count: int = 400) -> tuple[list[int], Network]:
    line, got = Timeline(0.0), list[int]()
    network = Network(line, Random(1), lambda sender, receiver, data: got.append(int.from_bytes(data, "big")))
    network.links[0, 1] = link
    for number in range(count):
        network.send(0, 1, number.to_bytes(2, "big"))
    line.run_until(1e6)
    return got, network


def test_links_lose_repeat_reorder_and_damage() -> None:
    assert sorted(sent(Link())[0]) == list(range(400))
    assert 200 < len(sent(Link(lost=0.3))[0]) < 350
    assert 450 < len(sent(Link(repeated=0.3))[0]) < 600
    late = sent(Link(delay=1.0))[0]
    assert late != sorted(late)
    assert len(set(sent(Link(damaged=0.5))[0]) & set(range(400))) < 350
    assert sent(Link(lost=1.0))[0] == []


def test_a_partition_lets_nothing_through_until_it_heals() -> None:
    line, got = Timeline(0.0), list[bytes]()
    network = Network(line, Random(1), lambda sender, receiver, data: got.append(data))
    network.apart = frozenset({0, 2})
    network.send(0, 1, b"a")
    network.send(0, 2, b"b")
    line.run_until(10)
    assert got == [b"b"]
    network.heal()
    network.send(0, 1, b"c")
    line.run_until(20)
    assert got == [b"b", b"c"]


def test_damage_changes_bytes() -> None:
    for seed in range(100):
        assert damage(Random(seed), b"some bytes") != b"some bytes"


def test_time_goes_forward_only(monkeypatch: pytest.MonkeyPatch) -> None:
    line, seen = Timeline(5.0), list[float]()
    line.after(2, lambda: seen.append(line.now))
    line.at(1, lambda: seen.append(line.now))
    line.after(1, lambda: line.after(0.5, lambda: seen.append(line.now)))
    line.run_until(6.6)
    assert (seen, line.now) == ([5.0, 6.5], 6.6)
    line.run_until(8)
    assert seen == [5.0, 6.5, 7.0]
    monkeypatch.setattr(module, "MOST", line.done)
    line.after(1, lambda: None)
    with pytest.raises(RuntimeError, match="never rests"):
        line.run_until(100)
