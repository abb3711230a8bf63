from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agents import AGENTS
from agents.commands.demo.inputs import packaged_inputs
from agents.commands.demo.pipeline import (
    AGENT_OF,
    CHAINED,
    chained,
    load_run,
    run_environment,
    write_pipeline,
)
from agents.commands.demo.spoken_alerts import READS, TEMPLATE, speaking_agents
from models.speech.grammar import words
from models.synthesis.sentences import words_of
from streams.settings import AgentSettings

#: Those of the four kinds of events, those of pictures, and those that read another's results.
FED = {*AGENT_OF.values(), "classify_images", "segment_images", *CHAINED}
RUNNING = FED | set(READS)
KAFKA = {"bootstrap.servers": "127.0.0.1:1", "group.id": "g"}


def test_the_agents_are_the_declared_ones(tmp_path: Path) -> None:
    write_pipeline(tmp_path / "p.yaml", packaged_inputs(), KAFKA)
    written = load_run(tmp_path / "p.yaml", {}).agents
    assert {k: replace(a, model="") for k, a in written.items() if k in FED} == {
        k: replace(AGENTS[k], model="") for k in FED
    }


def test_the_written_file_can_be_loaded(tmp_path: Path) -> None:
    write_pipeline(tmp_path / "p.yaml", packaged_inputs(), KAFKA, topic_prefix="demo.")
    settings = load_run(tmp_path / "p.yaml", {})
    assert settings.kafka["group.id"] == "g"
    assert set(settings.agents) == RUNNING
    topics = [t for a in settings.agents.values() for t in (*a.inputs, *a.output_topics)]
    assert all(topic.startswith("demo.") for topic in topics)


def test_events_may_need_another_model(tmp_path: Path) -> None:
    write_pipeline(tmp_path / "p.yaml", packaged_inputs(), KAFKA)
    agents: dict[str, AgentSettings] = load_run(tmp_path / "p.yaml", {}).agents
    assert agents["score_anomalies"].model_options == {"threshold": 2.2}
    assert agents["detect_objects"].model_name == "traffic_detector"
    assert agents["classify_images"].model_options["path"] == "digits"


def test_an_agent_that_reads_the_results_of_another_reads_its_topic(tmp_path: Path) -> None:
    write_pipeline(tmp_path / "p.yaml", packaged_inputs(), KAFKA, topic_prefix="demo.")
    agents = load_run(tmp_path / "p.yaml", {}).agents
    for reader, writer in chained(packaged_inputs()).items():
        assert agents[reader].inputs == [agents[writer].output]


def test_kafka_settings_of_the_environment_apply_only_to_a_running_cluster(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PENSTOCK_KAFKA__SECURITY_PROTOCOL", "SASL_SSL")
    monkeypatch.setenv("PENSTOCK_KAFKA__BOOTSTRAP_SERVERS", "elsewhere:9092")
    monkeypatch.setenv("PENSTOCK_METRICS__PORT", "1")
    started, running = run_environment(starts_broker=True), run_environment(starts_broker=False)
    assert not [name for name in started if name.startswith("PENSTOCK_")]
    assert [n for n in running if n.startswith("PENSTOCK_")] == [
        "PENSTOCK_KAFKA__SECURITY_PROTOCOL"
    ]
    assert "PATH" in started


def test_alerts_of_a_sensor_are_spoken(tmp_path: Path) -> None:
    write_pipeline(tmp_path / "p.yaml", packaged_inputs(), KAFKA, topic_prefix="demo.")
    agents = load_run(tmp_path / "p.yaml", {}).agents
    for reader, writer in READS.items():
        assert agents[reader].inputs == [agents[writer].output]
        assert agents[reader].model_name == model_of(speaking_agents()[reader])
    assert list(agents)[-3:] == list(READS)  # each after the one that it reads


def model_of(agent: dict[str, Any]) -> str:
    model = agent["model"]
    return str(model["name"] if isinstance(model, dict) else model)


def test_alerts_are_said_in_words_that_the_recognizer_knows() -> None:
    assert set(words_of(TEMPLATE)) <= set(words())
