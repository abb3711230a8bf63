"""Deadlines, buckets and several inputs in the pipeline file: what fits, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from prometheus_client import CollectorRegistry

from agents.commands.schemas.asyncapi import asyncapi_document
from agents.pipeline.file import PipelineFileError, load_pipeline
from agents.pipeline.flows import flows_of
from agents.pipeline.parts import load_agent
from agents.pipeline.topics import plan_topics
from agents.process.model_proxy import isolated
from models.base import ModelError
from schemas import TextMessage
from streams.health.metrics import Metrics
from streams.protocols import MeasuringModel
from streams.settings import AgentSettings, BatchSettings

FILE = """\
agents:
  watch:
    input: [video.live, video.archive]
    output: video.detections
    model: traffic_detector
    codec: image
"""


def write(folder: Path, more: str = "", text: str = FILE) -> Path:
    path = folder / "penstock.yaml"
    path.write_text(text + more)
    return path


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("    deadline_seconds: 2\n",
         "7:23: agents.watch.deadline_seconds: only with `overload: latest`: process_all gives "
         "nothing up"),
        ("    expired: dead_letter\n",
         "7:14: agents.watch.expired: only with `overload: latest`: process_all gives nothing up"),
        ("    overload: latest\n",
         "7:15: agents.watch.overload: latest needs deadline_seconds: from what age on is it too "
         "late?"),
        ("    overload: latest\n    deadline_seconds: 0.05\n",
         "8:23: agents.watch.deadline_seconds: expected more than batch.max_wait_seconds (0.05), "
         "or all would expire"),
        ("    overload: latest\n    deadline_seconds: 0\n",
         "8:23: agents.watch.deadline_seconds: expected a number > 0.0"),
        ("    overload: newest\n",
         "7:15: agents.watch.overload: expected one of process_all, latest"),
        ("    batch: {buckets: [16, 64, 32]}\n",
         "7:22: agents.watch.batch.buckets: expected ascending bounds, each once"),
        ("    batch: {buckets: [0, 32]}\n",
         "7:22: agents.watch.batch.buckets: expected a whole number >= 1"),
        ("    batch: {buckets: 16}\n",
         "7:22: agents.watch.batch.buckets: expected a list, got a whole number"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told_with_its_place(tmp_path: Path, more: str, told: str) -> None:
    path = write(tmp_path, more)
    with pytest.raises(PipelineFileError) as caught:
        load_pipeline(path, {})
    assert str(caught.value) == f"{path}:{told}"


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        ("[]", "expected at least one entry"),
        ("[video.live, video.live]", "'video.live' stands here twice"),
        ("[video.live, a b]", "expected 1 to 200 letters, digits, '.', '_' or '-'"),
        ("a b", "expected 1 to 200 letters, digits, '.', '_' or '-'"),
        ("5", "expected a text or a list, got a whole number"),
    ],
)
def test_inputs_that_are_none(tmp_path: Path, inputs: str, told: str) -> None:
    path = write(tmp_path, text=FILE.replace("[video.live, video.archive]", inputs))
    with pytest.raises(PipelineFileError) as caught:
        load_pipeline(path, {})
    assert str(caught.value) == f"{path}:3:12: agents.watch.input: {told}"


def test_a_loop_through_a_later_input_and_an_input_of_two_agents(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "  again: {input: video.archive, output: video.live, model: traffic_detector}\n",
    )
    with pytest.raises(PipelineFileError) as caught:
        load_pipeline(path, {})
    told = [mistake.split(": ", 1)[1] for mistake in caught.value.mistakes]
    assert told == [
        "agents.again.input: agent 'watch' reads 'video.archive' already: one agent a topic "
        "(for a second one run a second pipeline file with another group.id)"
    ]
    path.write_text(path.read_text().replace("video.detections", "video.archive"))
    with pytest.raises(PipelineFileError, match="a loop: what goes to 'video"):
        load_pipeline(path, {})


def test_every_topic_of_several_inputs_is_planned_and_told(tmp_path: Path) -> None:
    settings = load_pipeline(write(tmp_path), {})
    assert [(p.topic, p.role) for p in plan_topics(settings, {})] == [
        ("video.live", "input"),
        ("video.archive", "input"),
        ("video.detections", "output"),
        ("video.live.dlq", "dead letters"),
        ("video.archive.dlq", "dead letters"),
    ]
    document = asyncapi_document(flows_of(settings, tmp_path), "1")
    assert set(document["operations"]) == {
        "watch_receive_video_live",
        "watch_receive_video_archive",
        "watch_send",
        "watch_send_dead_letters_video_live_dlq",
        "watch_send_dead_letters_video_archive_dlq",
    }


def test_one_dead_letter_topic_for_all_inputs_if_it_is_named(tmp_path: Path) -> None:
    agent = load_pipeline(write(tmp_path, "    dead_letters: bad\n"), {}).agents["watch"]
    assert agent.dead_letter_topics == ["bad"]
    assert agent.dead_letter_topic("video.archive") == "bad"


def test_lists_from_the_environment(tmp_path: Path) -> None:
    env = {
        "PENSTOCK_AGENTS__WATCH__INPUT": "a, b",
        "PENSTOCK_AGENTS__WATCH__BATCH__BUCKETS": "16,32",
        "PENSTOCK_TOPICS__VIDEO_ARCHIVE__PARTITIONS": "3",
    }
    with pytest.raises(PipelineFileError, match="no setting 'video_archive' in topics"):
        load_pipeline(write(tmp_path), env)
    del env["PENSTOCK_TOPICS__VIDEO_ARCHIVE__PARTITIONS"]
    agent = load_pipeline(write(tmp_path), env).agents["watch"]
    assert (agent.inputs, agent.batch.buckets) == (["a", "b"], [16, 32])
    env["PENSTOCK_AGENTS__WATCH__INPUT"] = "a"
    assert load_pipeline(write(tmp_path), env).agents["watch"].inputs == ["a"]


@pytest.mark.parametrize("batch", [BatchSettings(buckets=[8]), BatchSettings(max_batch_weight=8)])
def test_a_model_that_can_not_measure(batch: BatchSettings) -> None:
    agent = AgentSettings(input="a", output="b", model="traffic_detector", batch=batch)
    with pytest.raises(ModelError, match="TrafficDetector has no measure_batch"):
        load_agent(agent)
    assert load_agent(AgentSettings(input="a", output="b", model="intent_classifier", batch=batch))


def test_a_users_own_model_that_measures(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        "from schemas import TextMessage\n"
        "class Own:\n"
        "    event_type = TextMessage\n"
        "    def measure_batch(self, batch): return [len(m.text) for m in batch]\n"
        "    def predict_batch(self, batch): return [None] * len(batch)\n"
    )
    agent = AgentSettings(
        input="a", output="b", model="./own.py:Own", batch=BatchSettings(buckets=[8])
    )
    model = load_agent(agent, tmp_path).make_model()
    assert callable(model.measure_batch)  # type: ignore[attr-defined]


def test_a_model_that_learns_sees_everything_in_order() -> None:
    live = AgentSettings(
        input="a", output="b", model="robust_zscore", overload="latest", deadline_seconds=1
    )
    with pytest.raises(ModelError, match="must see every event"):
        load_agent(live)


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_a_model_measures_wherever_it_runs(isolation: Literal["thread", "process"]) -> None:
    agent = AgentSettings(
        input="a",
        output="b",
        model="intent_classifier",
        batch=BatchSettings(buckets=[8]),
        isolation=isolation,
    )
    model = isolated(Metrics(CollectorRegistry()), "a", agent, Path(), load_agent(agent))()
    assert isinstance(model, MeasuringModel)
    assert list(model.measure_batch([TextMessage(text="hello there")])) == [5]
