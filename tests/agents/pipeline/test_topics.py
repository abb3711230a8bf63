from __future__ import annotations

from pathlib import Path

from agents.pipeline.file import load_pipeline
from agents.pipeline.topics import partition_notes, plan_topics

FILE = Path(__file__).parents[3] / "examples" / "penstock.yaml"


def test_every_topic_once_inputs_first() -> None:
    plan = plan_topics(load_pipeline(FILE, {}), {"video.frames": 3})
    roles = [p.role for p in plan]
    assert roles == ["input"] * 4 + ["output"] * 4 + ["updates"] + ["dead letters"] * 4
    assert len({p.topic for p in plan}) == 13
    found = {p.topic: p.partitions for p in plan if p.partitions}
    assert found == {"video.frames": 3}


def test_settings_of_its_own_or_the_default() -> None:
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
