from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agents import AGENTS
from agents.pipeline.file import PipelineFileError, declared_values, load_pipeline
from agents.pipeline.yaml_lines import write_document
from streams.settings import AgentSettings, ModelSettings
from tests.agents.pipeline.bad_pipeline_files import BAD, GOOD


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "penstock.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def mistakes(path: Path, env: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(PipelineFileError) as caught:
        load_pipeline(path, env or {})
    return caught.value.mistakes


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_each_mistake_is_reported_with_its_line(
    tmp_path: Path, text: str | bytes, message: str
) -> None:
    path = write(tmp_path, text)
    assert mistakes(path) == [f"{path}{message}"]


def test_good_file_and_its_defaults(tmp_path: Path) -> None:
    settings = load_pipeline(write(tmp_path, GOOD), {})
    assert settings.kafka == {"bootstrap.servers": "broker-1:9092", "group.id": "penstock"}
    agent = settings.agents["score"]
    assert (agent.model_name, agent.model_options) == ("robust_zscore", {"window": 64})
    assert agent == AgentSettings(
        input="sensor.readings",
        output="sensor.anomalies",
        event="SensorReading",
        model=agent.model,
    )


def test_all_mistakes_are_reported_in_the_order_of_the_lines(tmp_path: Path) -> None:
    text = GOOD.replace("sensor.anomalies", "a b") + "    device: gpu\n    concurrency: 0\nx: 1\n"
    lines = [m.split(":")[1] for m in mistakes(write(tmp_path, text))]
    assert lines == ["6", "9", "10", "11"]


def test_mistakes_of_kafka_settings_are_reported_with_the_others(tmp_path: Path) -> None:
    text = GOOD.replace("broker-1:9092", "broker-1:9092\n  group.id: a b\n  acks: 7")
    path = write(tmp_path, text + "    codec: 5\n")
    assert [m.split(": ")[1] for m in mistakes(path)] == [
        "kafka.group.id",
        "kafka.acks",
        "agents.score.codec",
    ]


def test_absent_file_and_folder(tmp_path: Path) -> None:
    path = tmp_path / "no.yaml"
    hint = "no such file: name a pipeline file with -c FILE or PENSTOCK_CONFIG"
    assert mistakes(path) == [f"{path}: {hint}"]
    assert mistakes(tmp_path) == [f"{tmp_path}: can't be read: Is a directory"]


def test_alias_bomb_ends_soon(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    (mistake,) = mistakes(write(tmp_path, "\n".join(lines)))
    assert "more than 20000 values, aliases expanded" in mistake


def test_a_loop_through_two_agents(tmp_path: Path) -> None:
    text = (
        GOOD + "  back: {input: sensor.anomalies, output: sensor.readings, model: onnx_tabular}\n"
    )
    found = mistakes(write(tmp_path, text))
    assert [m.split(": ", 1)[1].partition(":")[0] for m in found] == [
        "agents.score.output",
        "agents.back.output",
    ]


def test_a_chain_of_agents_is_no_loop(tmp_path: Path) -> None:
    text = GOOD + "  next: {input: sensor.anomalies, output: sensor.more, model: onnx_tabular}\n"
    assert list(load_pipeline(write(tmp_path, text), {}).agents) == ["score", "next"]


def test_types_are_those_of_yaml_1_2(tmp_path: Path) -> None:
    options = "{a: no, b: 0123, c: 12:30:45, d: 1e-3, e: 1_000, f: 2024-01-01, g: 'true', h: ~}"
    text = GOOD.replace("{window: 64}", options)
    assert load_pipeline(write(tmp_path, text), {}).agents["score"].model_options == {
        "a": "no",
        "b": "0123",
        "c": "12:30:45",
        "d": 0.001,
        "e": 1000,
        "f": "2024-01-01",
        "g": "true",
        "h": None,
    }


def test_secrets_come_from_environment_and_files_and_are_never_shown(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("pa$$ word\n")
    text = GOOD.replace(
        "agents:",
        "  sasl.username: ${USER_NAME}\n  sasl.password: ${file:./password}\n"
        "  client.id: $${not}\nagents:",
    )
    path = write(tmp_path, text)
    kafka = load_pipeline(path, {"USER_NAME": "007"}).kafka
    assert kafka["sasl.username"] == "007"
    assert kafka["sasl.password"] == "pa$$ word"
    assert kafka["client.id"] == "${not}"
    path = write(tmp_path, text.replace("client.id: $${not}", "sasl.mechanism: ${USER_NAME}"))
    (mistake,) = mistakes(path, {"USER_NAME": "hidden-value"})
    assert "kafka.sasl.mechanism: expected one of PLAIN" in mistake
    assert "hidden-value" not in mistake


def test_a_variable_can_be_a_number(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD + "metrics: {port: '${PORT}'}\n")
    assert load_pipeline(path, {"PORT": "9999"}).metrics.port == 9999
    (mistake,) = mistakes(path, {"PORT": "many"})
    assert mistake == f"{path}:9:17: metrics.port: expected a whole number, got a text"


def test_relative_paths_start_at_the_file(tmp_path: Path) -> None:
    text = GOOD.replace("robust_zscore", "./sub/../mine.py:Mine").replace(
        "SensorReading", "../e.py:E"
    )
    agent = load_pipeline(write(tmp_path, text), {}).agents["score"]
    assert agent.model_name == f"{tmp_path}/mine.py:Mine"
    assert agent.event == f"{tmp_path.parent}/e.py:E"


def test_kafka_topic_settings_need_no_quotes(tmp_path: Path) -> None:
    path = write(
        tmp_path, GOOD + "topics: {default: {config: {retention.ms: 60000, preallocate: true}}}\n"
    )
    config = load_pipeline(path, {}).topics["default"].config
    assert config == {"retention.ms": "60000", "preallocate": "true"}


def agents_of(folder: Path, text: str, env: dict[str, str] | None = None) -> dict[str, Any]:
    return load_pipeline(write(folder, text), env or {}).agents


@pytest.mark.parametrize("name", AGENTS)
@pytest.mark.parametrize("value", ["{}", "", "null"])
def test_a_shipped_agent_needs_no_keys(tmp_path: Path, name: str, value: str) -> None:
    assert agents_of(tmp_path, f"agents:\n  {name}: {value}\n") == {name: AGENTS[name]}


def test_a_shipped_agent_keeps_what_is_not_overridden(tmp_path: Path) -> None:
    agents = agents_of(
        tmp_path,
        "agents:\n"
        "  detect_objects: {batch: {max_batch_size: 4}}\n"
        "  score_anomalies: {output: odd, model: {options: {window: 64}}}\n"
        "  cluster_behavior: {updates: null}\n",
        {"PENSTOCK_AGENTS__SCORE_ANOMALIES__MODEL__OPTIONS__THRESHOLD": "6"},
    )
    detect, score = AGENTS["detect_objects"], AGENTS["score_anomalies"]
    batch = replace(detect.batch, max_batch_size=4)
    assert agents["detect_objects"] == replace(detect, batch=batch)
    options = {"window": 64, "threshold": 6}
    model = ModelSettings(name="robust_zscore", options=options)
    assert agents["score_anomalies"] == replace(score, output="odd", model=model)
    assert agents["cluster_behavior"] == replace(AGENTS["cluster_behavior"], updates=None)


def test_an_agent_of_another_name_inherits_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, "agents:\n  score_anomaly: {}\n")
    missing = [f"{path}:2:3: agents.score_anomaly: the key '{key}' is missing"
               for key in ("input", "output", "model")]  # fmt: skip
    assert mistakes(path) == missing


def test_a_mistake_in_an_inherited_agent_has_the_line_of_the_key_or_of_the_agent(
    tmp_path: Path,
) -> None:
    path = write(tmp_path, "agents:\n  score_anomalies:\n    modle: x\n    codec: jsn\n")
    assert mistakes(path) == [
        f"{path}:3:5: agents.score_anomalies.modle: unknown key: did you mean 'model'?"
    ]
    path = write(tmp_path, "agents:\n  score_anomalies:\n    input: sensor.anomalies\n")
    (mistake,) = mistakes(path)
    assert mistake.startswith(f"{path}:2:3: agents.score_anomalies.output: a loop: ")


def test_declared_values_give_the_same_settings_again(tmp_path: Path) -> None:
    text = write_document({"agents": {n: declared_values(a) for n, a in AGENTS.items()}})
    assert agents_of(tmp_path, text) == AGENTS
    assert "expired" not in text  # defaults are left out
