"""What a worker's metrics say about the agents, the models and the build."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from streams.assignment import AssignedPartitions
from streams.health.metrics import Metrics
from streams.records import TopicPartition
from streams.settings import IntakeSettings


def test_an_agent_with_a_budget_exports_it_and_others_do_not() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    metrics.for_agent("live", ["frames"], "m", budget_seconds=0.4)
    metrics.for_agent("batch", ["texts"], "m")
    name = "penstock_event_age_budget_seconds"
    assert registry.get_sample_value(name, {"agent": "live"}) == 0.4
    assert registry.get_sample_value(name, {"agent": "batch"}) is None
    good = registry.get_sample_value("penstock_records_within_budget_total", {"agent": "live"})
    assert good == 0


def test_infos_are_one() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    metrics.show_build("1.2", "3.11.7")
    metrics.show_model("live", "onnx_detector", "abc", "cuda:0")
    build = {"version": "1.2", "python": "3.11.7"}
    model = {"agent": "live", "model": "onnx_detector", "version": "abc", "device": "cuda:0"}
    assert registry.get_sample_value("penstock_build_info", build) == 1
    assert registry.get_sample_value("penstock_model_info", model) == 1


def test_restored_state_is_counted_in_seconds_and_bytes() -> None:
    registry = CollectorRegistry()
    agent = Metrics(registry).for_agent("a", ["t"], "m")
    agent.state_restored(2_000_000, 0.5)
    agent.state_restored(0, 4.0)
    labels = {"agent": "a"}
    assert registry.get_sample_value("penstock_state_restored_bytes_total", labels) == 2_000_000
    assert registry.get_sample_value("penstock_state_restore_seconds_count", labels) == 2
    assert registry.get_sample_value("penstock_state_restore_seconds_sum", labels) == 4.5


def test_rebalances_are_counted_and_their_time_is_lost_once() -> None:
    registry = CollectorRegistry()
    held = AssignedPartitions({"t": IntakeSettings()}, Metrics(registry))
    lost = "penstock_rebalance_seconds_total"
    held.flow_resumed()  # the first: nothing was read before
    held.assigned([TopicPartition("t", 0)])
    assert registry.get_sample_value(lost) == 0
    held.flow_stopped()
    held.flow_stopped()  # Faust may say it twice
    held.assigned([])
    while registry.get_sample_value(lost) == 0:
        pass
    held.flow_resumed()
    seconds = registry.get_sample_value(lost)
    assert seconds == registry.get_sample_value(lost) > 0  # type: ignore[operator]
    assert registry.get_sample_value("penstock_rebalances_total") == 2
