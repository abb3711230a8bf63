"""The four agents on real data, through a real broker: what they find is what is there."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from agents.commands.produce.sources.real_data import detector_file, real_sources
from agents.commands.produce.sources.real_sensors import nab
from models.detection.evaluate import video_frames
from schemas import Event, SensorReading, VideoFrame
from tests.integration.four_agents import FourAgents

#: CPU load of a database server; two labelled windows.
_NAB_FILE = "realAWSCloudwatch/rds_cpu_utilization_cc0c53.csv"
_EVERY = 10


@pytest.fixture
def pipeline(tmp_path: Path, bootstrap: str, data_dir: Path) -> FourAgents:
    detector = detector_file(data_dir)
    model = {"name": "onnx_detector", "options": {"path": str(detector)}}
    return FourAgents(tmp_path, bootstrap, {"detect_objects": {"model": model}})


def source(data_dir: Path, name: str, limit: int) -> list[Event]:
    (found,) = (s for s in real_sources(data_dir) if s.name == name)
    return list(islice(found, limit))


def street(data_dir: Path) -> Iterator[VideoFrame]:
    """Every tenth frame of the street clip."""
    return video_frames(data_dir / "video" / "vtest.mp4", _EVERY)


def series(data_dir: Path) -> list[SensorReading]:
    """One labelled series of the Numenta Anomaly Benchmark, in its order."""
    name = Path(_NAB_FILE).stem
    readings = [r for r in nab(data_dir / "nab") if name in r.source_id]
    assert len(readings) > 4000
    return readings


def test_the_agents_find_what_is_there(pipeline: FourAgents, data_dir: Path) -> None:
    frames = list(street(data_dir))
    readings = series(data_dir)
    sent = {
        "detect_objects": pipeline.publish("detect_objects", frames),
        "understand_text": pipeline.publish("understand_text", source(data_dir, "clinc150", 200)),
        "score_anomalies": pipeline.publish("score_anomalies", readings),
        "cluster_behavior": pipeline.publish("cluster_behavior", source(data_dir, "kdd99", 3000)),
    }
    with pipeline.worker() as worker:
        for agent, count in sent.items():
            pipeline.await_records(pipeline.topic(agent), count)
        accounts = worker.accounts()
        assert worker.stop() == 0, worker.log.read_text()
    assert accounts["in"] == sum(sent.values())
    assert accounts["answered"] == sum(sent.values())
    check_people_in_the_street(pipeline, len(frames))
    check_texts(pipeline)
    check_anomaly_windows(pipeline, data_dir)
    check_clusters(pipeline)


def check_people_in_the_street(pipeline: FourAgents, num_frames: int) -> None:
    """People walk through the clip all the time: in nine frames of ten at least one is seen."""
    results = pipeline.results("detect_objects")
    with_person = [r for r in results if any(d["label"] == "person" for d in r["detections"])]
    assert len(with_person) >= 0.9 * num_frames
    for result in results:
        for detection in result["detections"]:
            x1, y1, x2, y2 = detection["box"]
            assert 0 <= x1 <= x2 <= result["width"] == 480
            assert 0 <= y1 <= y2 <= result["height"] == 360


def check_texts(pipeline: FourAgents) -> None:
    """Assistant queries are mostly none of the shipped head's 12 intents, and some are."""
    intents = Counter(r["intent"] for r in pipeline.results("understand_text"))
    assert intents["oos"] > 0.4 * intents.total()
    assert len(intents) > 1


def check_anomaly_windows(pipeline: FourAgents, data_dir: Path) -> None:
    """What is flagged lies in the labelled windows, ten times as densely as outside them."""
    labels = json.loads((data_dir / "nab" / "labels" / "combined_windows.json").read_text())
    windows = [(_time_ms(start), _time_ms(end)) for start, end in labels[_NAB_FILE]]
    inside: list[dict[str, Any]] = []
    outside: list[dict[str, Any]] = []
    for result in pipeline.results("score_anomalies"):
        at = result["event_time_ms"]
        (inside if any(s <= at <= e for s, e in windows) else outside).append(result)
    rate_inside = sum(r["is_anomaly"] for r in inside) / len(inside)
    rate_outside = sum(r["is_anomaly"] for r in outside) / len(outside)
    assert rate_inside > 0
    assert rate_inside > 10 * rate_outside


def _time_ms(text: str) -> float:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC).timestamp() * 1000


def check_clusters(pipeline: FourAgents) -> None:
    """Clusters form, several of them, and their centres move as the stream goes on."""
    assigned = Counter(r["cluster_id"] for r in pipeline.results("cluster_behavior"))
    assert len(assigned) >= 3
    centres = defaultdict(set)
    for update in pipeline.results("cluster_behavior", "updates"):
        assert update["agent"] == "cluster_behavior"
        for cluster in update["clusters"]:
            key = (update["partition"], cluster["cluster_id"])
            centres[key].add(tuple(sorted(cluster["center"].items())))
    # A partition of rare records has had no more than a step or two; the busy ones have moved on.
    assert sum(len(places) > 5 for places in centres.values()) >= 3
