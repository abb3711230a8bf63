"""Deadlines, several inputs and the group's name in the pipeline file: what is refused, and why."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.pipeline.file import PipelineFileError, load_pipeline
from streams.settings import TOPIC
from tests.conftest import REPO

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
    ("more", "message"),
    [
        ("    deadline_seconds: 2\n",
         "7:23: agents.watch.deadline_seconds: only with `overload: latest`: process_all drops "
         "nothing"),
        ("    expired: dead_letter\n",
         "7:14: agents.watch.expired: only with `overload: latest`: process_all drops nothing"),
        ("    overload: latest\n",
         "7:15: agents.watch.overload: latest needs deadline_seconds: the age above which events "
         "expire"),
        ("    overload: latest\n    deadline_seconds: 0.05\n",
         "8:23: agents.watch.deadline_seconds: expected more than batch.max_wait_seconds (0.05), "
         "or all would expire"),
        ("    overload: latest\n    deadline_seconds: 0\n",
         "8:23: agents.watch.deadline_seconds: expected a number > 0"),
        ("    overload: newest\n",
         "7:15: agents.watch.overload: expected one of process_all, latest"),
    ],
)  # fmt: skip
def test_a_deadline_that_does_not_fit_is_refused_with_its_place(
    tmp_path: Path, more: str, message: str
) -> None:
    path = write(tmp_path, more)
    with pytest.raises(PipelineFileError) as caught:
        load_pipeline(path, {})
    assert str(caught.value) == f"{path}:{message}"


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ("[]", "12: agents.watch.input: expected at least one entry"),
        ("[video.live, video.live]", "12: agents.watch.input: 'video.live' is here twice"),
        ("[video.live, a b]",
         f"25: agents.watch.input[1]: expected {TOPIC.meaning}"),
        ("[video.live, 5]", "25: agents.watch.input[1]: expected a text, got a whole number"),
        ("a b", f"12: agents.watch.input: expected {TOPIC.meaning}"),
        ("sensor.*", f"12: agents.watch.input: expected {TOPIC.meaning}"),
        ("5", "12: agents.watch.input: expected a text or a list, got a whole number"),
        ("{a: b}", "12: agents.watch.input: expected a text or a list, got a mapping"),
    ],
)  # fmt: skip
def test_inputs_that_are_not_topics_are_refused(tmp_path: Path, inputs: str, message: str) -> None:
    path = write(tmp_path, text=FILE.replace("[video.live, video.archive]", inputs))
    with pytest.raises(PipelineFileError) as caught:
        load_pipeline(path, {})
    assert str(caught.value) == f"{path}:3:{message}"


def test_a_loop_through_a_later_input_and_an_input_of_two_agents(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "  again: {input: video.archive, output: video.live, model: traffic_detector}\n",
    )
    with pytest.raises(PipelineFileError) as caught:
        load_pipeline(path, {})
    messages = [mistake.split(": ", 1)[1] for mistake in caught.value.mistakes]
    assert messages == [
        "agents.again.input: agent 'watch' reads 'video.archive' already: one agent a topic "
        "(for a second one run a second pipeline file with another group.id)"
    ]
    path.write_text(path.read_text().replace("video.detections", "video.archive"))
    with pytest.raises(PipelineFileError, match="a loop: what goes to 'video"):
        load_pipeline(path, {})


def test_one_dead_letter_topic_for_all_inputs_if_it_is_named(tmp_path: Path) -> None:
    agent = load_pipeline(write(tmp_path, "    dead_letters: bad\n"), {}).agents["watch"]
    assert agent.dead_letter_topics == ["bad"]
    assert agent.dead_letter_topic("video.archive") == "bad"


def test_lists_from_the_environment(tmp_path: Path) -> None:
    env = {
        "PENSTOCK_AGENTS__WATCH__INPUT": "a, b",
        "PENSTOCK_TOPICS__VIDEO_ARCHIVE__PARTITIONS": "3",
    }
    with pytest.raises(PipelineFileError, match="no setting 'video_archive' in topics"):
        load_pipeline(write(tmp_path), env)
    del env["PENSTOCK_TOPICS__VIDEO_ARCHIVE__PARTITIONS"]
    assert load_pipeline(write(tmp_path), env).agents["watch"].inputs == ["a", "b"]
    env["PENSTOCK_AGENTS__WATCH__INPUT"] = "a"
    assert load_pipeline(write(tmp_path), env).agents["watch"].inputs == ["a"]


@pytest.mark.parametrize("group", ["team a/penstock", "équipe", "g" * 245, "''"])
def test_a_group_that_can_not_begin_a_topic_is_refused(tmp_path: Path, group: str) -> None:
    path = write(tmp_path, f"kafka:\n  group.id: {group}\n")
    with pytest.raises(PipelineFileError) as caught:
        load_pipeline(path, {})
    assert str(caught.value) == (
        f"{path}:8:13: kafka.group.id: expected 1 to 200 letters, digits, '.', '_' or '-': it "
        "begins the name of each state topic"
    )


def test_a_group_from_the_environment_is_refused_with_the_variable(tmp_path: Path) -> None:
    with pytest.raises(PipelineFileError) as caught:
        load_pipeline(write(tmp_path), {"PENSTOCK_KAFKA__GROUP_ID": ""})
    assert str(caught.value).startswith("PENSTOCK_KAFKA__GROUP_ID (environment): kafka.group.id: ")


def test_a_state_topic_that_would_be_too_long_is_refused(tmp_path: Path) -> None:
    group = f"kafka: {{group.id: {'g' * 200}}}\n"
    assert load_pipeline(write(tmp_path, group, FILE.replace("watch", "w" * 42)), {}).agents
    path = write(tmp_path, group, FILE.replace("watch", "w" * 43))
    with pytest.raises(PipelineFileError, match=r":7:19: kafka\.group\.id: the state topic .* 250"):
        load_pipeline(path, {})
    assert load_pipeline(path, {"PENSTOCK_STATE__STORE": "none"}).agents


def test_side_records_that_go_back_are_no_loop() -> None:
    """The picture of clusters comes from an agent's updates and goes to its input."""
    settings = load_pipeline(REPO / "examples" / "clusters.yaml", {})
    assert settings.agents["share_clusters"].output in settings.agents["cluster_behavior"].inputs


def test_side_records_that_come_back_are_no_loop(tmp_path: Path) -> None:
    """No agent answers them: with `route: partition` the same way would be a loop."""
    path = tmp_path / "penstock.yaml"
    text = """
agents:
  learn: {input: a, output: b, event: TextMessage, model: online_intent_head}
  relay: {input: b, output: a, model: label_relay, route: ROUTE}
"""
    path.write_text(text.replace("ROUTE", "answer"))
    load_pipeline(path)
    path.write_text(text.replace("ROUTE", "partition"))
    with pytest.raises(PipelineFileError, match="a loop"):
        load_pipeline(path)
