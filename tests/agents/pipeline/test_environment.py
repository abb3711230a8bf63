from __future__ import annotations

from pathlib import Path

import pytest

from agents.pipeline.file import PipelineFileError, load_pipeline

FILE = Path(__file__).parents[3] / "examples" / "penstock.yaml"
#: Variable (after the prefix), its value, the path of the setting, and the setting's new value.
GOOD = [
    ("AGENTS__DETECT_OBJECTS__BATCH__MAX_BATCH_SIZE", "64",
     "agents detect_objects batch max_batch_size", 64),
    ("agents__detect_objects__batch__max_wait_seconds", "1e-2",
     "agents detect_objects batch max_wait_seconds", 0.01),
    ("AGENTS__CLUSTER_BEHAVIOR__UPDATES", "null",
     "agents cluster_behavior updates", None),
    ("AGENTS__DETECT_OBJECTS__OUTPUT", "0123",
     "agents detect_objects output", "0123"),
    ("KAFKA__BOOTSTRAP_SERVERS", "b:1,c:2",
     "kafka bootstrap.servers", "b:1,c:2"),
    ("KAFKA__SASL_PASSWORD", "007",
     "kafka sasl.password", "007"),
    ("KAFKA__SESSION_TIMEOUT_MS", "9000",
     "kafka session.timeout.ms", 9000),
    ("KAFKA__CHECK_CRCS", "false",
     "kafka check.crcs", False),
    ("METRICS__PORT", "0",
     "metrics port", 0),
    ("TOPICS__VIDEO_FRAMES__PARTITIONS", "12",
     "topics video.frames partitions", 12),
    ("TOPICS__DEFAULT__CONFIG__RETENTION_MS", "60000",
     "topics default config retention.ms", "60000"),
    ("AGENTS__SCORE_ANOMALIES__MODEL__OPTIONS__WINDOW", "64",
     "agents score_anomalies model options window", 64),
]  # fmt: skip
BAD = [
    ("AGENTS__DETECT_OBJECT__CODEC", "json",
     ": no setting 'detect_object' in agents: did you mean 'detect_objects'?"),
    ("AGENTS__DETECT_OBJECTS__BATCH__MAX_SIZE", "3",
     ": no setting 'max_size' in agents.detect_objects.batch: did you mean 'max_batch_size'?"),
    ("METRIC__PORT", "3", ": no setting 'metric' in a pipeline file: did you mean 'metrics'?"),
    ("AGENTS__DETECT_OBJECTS__INPUT__X", "3",
     ": agents.detect_objects.input has no settings below it"),
    ("AGENTS__DETECT_OBJECTS__BATCH", "3",
     " (environment): agents.detect_objects.batch: expected a mapping, got a text"),
    ("AGENTS__DETECT_OBJECTS__CONCURRENCY", "secret",
     " (environment): agents.detect_objects.concurrency: expected a whole number, got a text"),
    ("AGENTS__DETECT_OBJECTS__OUTPUT", "video.frames",
     " (environment): agents.detect_objects.output: a loop: what goes to 'video.frames' comes back "
     "to 'video.frames'"),
]  # fmt: skip


def setting(path: str, env: dict[str, str]) -> object:
    value: object = load_pipeline(FILE, env)
    for key in path.split():
        value = value[key] if isinstance(value, dict) else getattr(value, key)
    return value


@pytest.mark.parametrize(("variable", "text", "path", "expected"), GOOD, ids=[g[0] for g in GOOD])
def test_a_variable_overrides_the_file(
    variable: str, text: str, path: str, expected: object
) -> None:
    value = setting(path, {f"PENSTOCK_{variable}": text})
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(("variable", "text", "message"), BAD, ids=[b[0] for b in BAD])
def test_a_variable_that_does_not_fit_is_named(variable: str, text: str, message: str) -> None:
    with pytest.raises(PipelineFileError) as caught:
        load_pipeline(FILE, {f"PENSTOCK_{variable}": text})
    assert str(caught.value) == f"PENSTOCK_{variable}{message}"


def test_other_variables_are_not_overrides() -> None:
    env = {
        "PENSTOCK_CONFIG": "x",
        "PENSTOCK_TEST_DATA": "y",
        "PENSTOCK_REQUIRE_ALL": "1",
        "A__B": "",
    }
    assert load_pipeline(FILE, env) == load_pipeline(FILE, {})


def test_a_variable_that_matches_two_agents_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "penstock.yaml"
    path.write_text(
        "agents:\n"
        "  a.b: {input: x, output: y, model: robust_zscore}\n"
        "  a-b: {input: p, output: q, model: robust_zscore}\n"
    )
    with pytest.raises(PipelineFileError, match=r"^PENSTOCK_AGENTS__A_B__CODEC: a\.b and a-b in"):
        load_pipeline(path, {"PENSTOCK_AGENTS__A_B__CODEC": "json"})


def test_a_path_in_a_variable_starts_at_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    env = {"PENSTOCK_AGENTS__SCORE_ANOMALIES__MODEL": "./mine.py:Mine"}
    assert setting("agents score_anomalies model", env) == f"{tmp_path}/mine.py:Mine"


def test_a_model_given_by_name_takes_options() -> None:
    env = {
        "PENSTOCK_AGENTS__SCORE_ANOMALIES__MODEL": "half_space_trees",
        "PENSTOCK_AGENTS__SCORE_ANOMALIES__MODEL__OPTIONS__SEED": "3",
    }
    agent = load_pipeline(FILE, env).agents["score_anomalies"]
    assert (agent.model_name, agent.model_options) == ("half_space_trees", {"seed": 3})
