from __future__ import annotations

from pathlib import Path

from agents.commands.schemas.asyncapi import asyncapi_document
from agents.commands.schemas.flows import flows_of
from agents.pipeline.file import load_pipeline
from agents.pipeline.topics import partition_notes, plan_topics

SEVERAL_INPUTS = """\
agents:
  watch:
    input: [video.live, video.archive]
    output: video.detections
    model: traffic_detector
    codec: image
"""
FILE = Path(__file__).parents[3] / "examples" / "penstock.yaml"


def test_a_plan_has_every_topic_once_inputs_first() -> None:
    plan = plan_topics(load_pipeline(FILE, {}), {"video.frames": 3})
    roles = [p.role for p in plan]
    assert roles == ["input"] * 4 + ["output"] * 4 + ["updates"] + ["dead letters"] * 4
    assert len({p.topic for p in plan}) == 13
    existing = {p.topic: p.partitions for p in plan if p.partitions}
    assert existing == {"video.frames": 3}


def test_a_topic_has_its_settings_or_the_default_ones() -> None:
    env = {
        "PENSTOCK_TOPICS__DEFAULT__PARTITIONS": "6",
        "PENSTOCK_TOPICS__VIDEO_FRAMES__PARTITIONS": "12",
    }
    settings = load_pipeline(FILE, env)
    wanted = {p.topic: p.wanted.partitions for p in plan_topics(settings, {})}
    assert (wanted["video.frames"], wanted["video.detections"]) == (12, 6)
    (note,) = partition_notes(settings, plan_topics(settings, {}))
    assert note == (
        "video.detections has 6 partitions and video.frames has 12: a result goes to its "
        "input's partition modulo 6"
    )


def test_every_topic_of_several_inputs_is_planned_and_exported(tmp_path: Path) -> None:
    path = tmp_path / "penstock.yaml"
    path.write_text(SEVERAL_INPUTS)
    settings = load_pipeline(path, {})
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
