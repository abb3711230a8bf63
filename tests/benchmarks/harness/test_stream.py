"""The bench itself, on the embedded broker with real workers and a few thousand records."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka import Producer

from benchmarks.harness import BENCHMARKS
from benchmarks.harness.contenders import CONTENDERS, Contender
from benchmarks.harness.environments import is_built
from benchmarks.harness.inputs import load
from benchmarks.harness.outcomes import Outcome
from benchmarks.harness.readings import Readings
from benchmarks.harness.running import Job, PreparedContender
from benchmarks.harness.stream import Plan, StreamBench
from benchmarks.harness.verifying import Verifier, WrongOutputError, verify

pytestmark = pytest.mark.slow  # each test runs workers and peers as processes
NUM_RECORDS = 2_000


def bench(bootstrap: str, *contenders: str, workload: str = "a") -> StreamBench:
    lines: list[str] = []
    # A different number of records for each: it is in the topic's name, and the broker is shared.
    plan = Plan(bootstrap, workload, NUM_RECORDS + len(contenders), 1, 4, contenders)
    return StreamBench(plan, lines.append)


def is_right(outcome: Outcome, contender: str) -> bool:
    return (
        (outcome.contender, outcome.round, outcome.verified) == (contender, 1, True)
        and outcome.records >= NUM_RECORDS
        and outcome.cpu_seconds > 0
    )


def test_penstock_is_run_and_verified(embedded_bootstrap: str) -> None:
    run = bench(embedded_bootstrap, "penstock")
    (outcome,) = run.run()
    assert is_right(outcome, "penstock"), run.faults
    assert run.faults == []


def test_penstock_on_the_slow_stub(embedded_bootstrap: str) -> None:
    run = bench(embedded_bootstrap, "penstock", workload="d")
    (outcome,) = run.run()
    assert is_right(outcome, "penstock"), run.faults


@pytest.mark.kafka  # the embedded broker takes no commits while a group rebalances: repeats
def test_two_processes_take_part_as_one(kafka_bootstrap: str) -> None:
    run = bench(kafka_bootstrap, "penstock-2", workload="d")
    run = replace(run, plan=replace(run.plan, num_records=NUM_RECORDS + 50))
    (outcome,) = run.run()
    assert is_right(outcome, "penstock-2"), run.faults


def test_a_peer_writes_the_same(embedded_bootstrap: str) -> None:
    lock = BENCHMARKS / "aiokafka" / "requirements.lock"
    if not is_built(lock):
        pytest.skip("the aiokafka contender's environment is built by `penstock bench stream`")
    run = bench(embedded_bootstrap, "penstock", "aiokafka")
    outcomes = run.run()
    assert [o.verified for o in outcomes] == [True, True], run.faults


def crashing(workload: str) -> PreparedContender:
    command = [sys.executable, "-c", "raise SystemExit('out of luck')"]
    return PreparedContender("1", lambda job: command, lambda job: {})


def test_a_contender_that_ends_early_is_reported(
    embedded_bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CONTENDERS, "unlucky", Contender("unlucky", ("a",), crashing))
    run = bench(embedded_bootstrap, "unlucky", "faust", "penstock", workload="a")
    run = replace(run, plan=replace(run.plan, contenders=("unlucky",), num_records=NUM_RECORDS + 9))
    assert run.run() == []
    assert "it ended after 0 of 2009: out of luck" in run.faults[0]


COPYING = """
import sys
from confluent_kafka import Producer
job = __import__("json").loads(sys.argv[1])
producer = Producer({"bootstrap.servers": job["bootstrap_servers"]})
for i in range(int(sys.argv[2])):
    producer.produce(job["output"], b"{}", b"k")
producer.flush()
__import__("time").sleep(60)
"""


def copying(workload: str) -> PreparedContender:
    def command(job: Job) -> list[str]:
        arguments = json.dumps({"bootstrap_servers": job.bootstrap_servers, "output": job.output})
        return [sys.executable, "-c", COPYING, arguments, str(NUM_RECORDS)]

    return PreparedContender("1", command, lambda job: {})


def test_output_that_answers_no_input_is_not_verified(
    embedded_bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CONTENDERS, "copying", Contender("copying", ("a",), copying))
    run = bench(embedded_bootstrap)
    run = replace(run, plan=replace(run.plan, contenders=("copying",)))
    (outcome,) = run.run()
    assert outcome.records == NUM_RECORDS
    assert not outcome.verified
    assert "a value is not a result" in run.faults[0]


def test_a_workload_that_a_contender_does_not_do(embedded_bootstrap: str) -> None:
    run = bench(embedded_bootstrap, "faust", workload="d")
    assert run.run() == []
    assert run.unavailable == {"faust": "it does not do workload d"}


def test_reading_back_an_output_that_is_too_short(embedded_bootstrap: str, tmp_path: Path) -> None:
    topic, source = "bench-too-short", Readings(100, 4)
    load(embedded_bootstrap, topic, 4, source)
    producer = Producer({"bootstrap.servers": embedded_bootstrap})
    producer.produce("bench-too-short-out", b"", b"")
    producer.flush()
    with pytest.raises(WrongOutputError, match="a value is not a result"):
        verify(embedded_bootstrap, "bench-too-short-out", 4, Verifier(source, topic, 4, "s", "m"))
