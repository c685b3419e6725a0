"""When a party tries again."""

from random import Random

from evmthread.channel.pacing import MOST_DOUBLINGS, Pacing


class Middle(Random):
    def random(self) -> float:
        return 0.5


def test_the_time_doubles_with_each_miss_and_is_short_again_after_an_agreement() -> None:
    pacing = Pacing(2.0, Middle())
    pacing.arm(100.0)
    assert pacing.next_at == 100.0 + 2.0 * 1.25
    pacing.arm(101.0)
    assert pacing.next_at == 102.5, "a time that is set stays"
    waits = []
    for _ in range(MOST_DOUBLINGS + 3):
        pacing.missed(200.0)
        waits.append((pacing.next_at or 0) - 200.0)
    assert waits[:3] == [5.0, 10.0, 20.0]
    assert waits[-1] == waits[-2] == 2.0 * 2**MOST_DOUBLINGS * 1.25
    assert pacing.misses == MOST_DOUBLINGS + 3
    pacing.succeeded()
    assert (pacing.misses, pacing.next_at) == (0, None)


def test_it_is_due_from_its_time_on_and_never_when_there_is_none() -> None:
    pacing = Pacing(2.0, Middle())
    assert not pacing.is_due(1e12)
    pacing.arm(100.0)
    assert not pacing.is_due(102.4)
    assert pacing.is_due(102.5)
    pacing.disarm()
    assert not pacing.is_due(1e12)


def test_the_random_part_is_at_most_half() -> None:
    for seed in range(50):
        pacing = Pacing(2.0, Random(seed))
        pacing.arm(0.0)
        assert 2.0 <= (pacing.next_at or 0) <= 3.0
