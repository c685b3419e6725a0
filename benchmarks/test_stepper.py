"""Workloads on the stepper and on the tiered engine: the time of a warm call, and opcodes per second in `extra_info`.

Run with `pytest benchmarks/test_stepper.py`. Every result is checked: output, gas and refund.
"""

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.measure import ENGINES, Subject
from benchmarks.workload import WORKLOADS, Workload, read_workloads

MANY_OPCODES = 500_000


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("workload", read_workloads([WORKLOADS]), ids=lambda workload: workload.name)
def test_workload(benchmark: BenchmarkFixture, workload: Workload, engine: str) -> None:
    benchmark.group = workload.name
    subject = Subject(workload, engine)
    subject.warm_up()
    rounds = 3 if workload.expect.opcodes > MANY_OPCODES else 15
    _, answer = benchmark.pedantic(subject.call, rounds=rounds)
    assert workload.problem(answer) is None
    if benchmark.stats is not None:
        benchmark.extra_info["opcodes_per_second"] = round(workload.expect.opcodes / benchmark.stats.stats.median)
