"""The four agents on real data, through a real broker: they find what the labels say."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from agents.commands.produce.sources.real_data import detector_file, real_sources
from agents.commands.produce.sources.real_sensors import nab
from models.detection.coco_metrics import Found, measure_detections
from models.detection.evaluate import (
    FOUND_FROM_SCORE,
    MEASURED_FROM_SCORE,
    evaluate_detector,
    photos_with_truth,
    video_frames,
)
from models.detection.onnx_detector import OnnxDetector
from schemas import Event, SensorReading, VideoFrame
from tests.integration.four_agents import FourAgents

#: CPU load of a database server; two labeled windows.
_NAB_FILE = "realAWSCloudwatch/rds_cpu_utilization_cc0c53.csv"
_EVERY = 10


@pytest.fixture
def pipeline(tmp_path: Path, bootstrap: str, data_dir: Path) -> FourAgents:
    detector = detector_file(data_dir)
    model = {"name": "onnx_detector", "options": {"path": str(detector)}}
    return FourAgents(tmp_path, bootstrap, {"detect_objects": {"model": model}})


def source(data_dir: Path, name: str, limit: int) -> list[Event]:
    """The first `limit` events of a real source."""
    (events,) = (s for s in real_sources(data_dir) if s.name == name)
    return list(islice(events, limit))


def street(data_dir: Path) -> Iterator[VideoFrame]:
    """Every tenth frame of the street clip."""
    return video_frames(data_dir / "video" / "vtest.mp4", _EVERY)


def series(data_dir: Path) -> list[SensorReading]:
    """One labeled series of the Numenta Anomaly Benchmark, in its order."""
    name = Path(_NAB_FILE).stem
    readings = [r for r in nab(data_dir / "nab") if name in r.source_id]
    assert len(readings) > 4000
    return readings


def test_the_agents_find_what_the_labels_say(pipeline: FourAgents, data_dir: Path) -> None:
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
        worker.stop()
    assert accounts["in"] == sum(sent.values())
    assert accounts["answered"] == sum(sent.values())
    check_people_in_the_street(pipeline, len(frames))
    check_texts(pipeline)
    check_anomaly_windows(pipeline, data_dir)
    check_clusters(pipeline)


def test_photos_are_answered_through_kafka_as_without_it(
    tmp_path: Path, bootstrap: str, data_dir: Path
) -> None:
    """FastestDet's mAP50 on COCO photographs, from the result topic, is the offline one."""
    options: dict[str, Any] = {
        "path": str(detector_file(data_dir)),
        "score_threshold": MEASURED_FROM_SCORE,
    }
    model = {"name": "onnx_detector", "options": options}
    pipeline = FourAgents(tmp_path, bootstrap, {"detect_objects": {"model": model}})
    pairs = list(photos_with_truth(data_dir / "coco_photos"))
    frames = [replace(frame, source_id=str(number)) for number, (frame, _) in enumerate(pairs)]
    assert pipeline.publish("detect_objects", frames) == len(frames) == 19
    with pipeline.worker() as worker:
        pipeline.await_records(pipeline.topic("detect_objects"), len(frames))
        worker.stop()
    answers = {int(r["source_id"]): r["detections"] for r in pipeline.results("detect_objects")}
    assert sorted(answers) == list(range(len(frames)))
    found = [
        Found(
            np.array([d["box"] for d in answers[number]], np.float32).reshape(-1, 4),
            [d["label"] for d in answers[number]],
            np.array([d["score"] for d in answers[number]], np.float32),
        )
        for number in range(len(frames))
    ]
    truths = [truth for _, truth in pairs]
    through_kafka = measure_detections(list(zip(found, truths, strict=True)), FOUND_FROM_SCORE)
    detector = OnnxDetector(**options)
    detector.load("cpu")
    offline = evaluate_detector(detector, pairs, FOUND_FROM_SCORE)
    detector.close()
    assert offline["mAP50"] > 0.3
    for name, value in offline.items():
        assert abs(through_kafka[name] - value) < 0.001, name  # a tenth of a point


def check_people_in_the_street(pipeline: FourAgents, num_frames: int) -> None:
    """In nine frames of ten at least one person is detected: people walk through all the time."""
    results = pipeline.results("detect_objects")
    with_person = [r for r in results if any(d["label"] == "person" for d in r["detections"])]
    share = f"a person is detected in {len(with_person)} of {num_frames} frames"
    assert len(with_person) >= 0.9 * num_frames, share
    for result in results:
        for detection in result["detections"]:
            x1, y1, x2, y2 = detection["box"]
            assert 0 <= x1 <= x2 <= result["width"] == 480
            assert 0 <= y1 <= y2 <= result["height"] == 360


def check_texts(pipeline: FourAgents) -> None:
    """Most assistant queries have none of the shipped head's 12 intents; some have one."""
    intents = Counter(r["intent"] for r in pipeline.results("understand_text"))
    assert intents["oos"] > 0.4 * intents.total(), intents
    assert len(intents) > 1, intents


def check_anomaly_windows(pipeline: FourAgents, data_dir: Path) -> None:
    """Readings in the labeled windows are flagged ten times as often as those outside."""
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
    rates = f"flagged inside the windows: {rate_inside:.2%}, outside: {rate_outside:.2%}"
    assert rate_inside > 10 * rate_outside, rates


def _time_ms(text: str) -> float:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC).timestamp() * 1000


def check_clusters(pipeline: FourAgents) -> None:
    """Several clusters form, and their centers move while the stream runs."""
    assigned = Counter(r["cluster_id"] for r in pipeline.results("cluster_behavior"))
    assert len(assigned) >= 3, assigned
    centers = defaultdict(set)
    for update in pipeline.results("cluster_behavior", "updates"):
        assert update["agent"] == "cluster_behavior"
        for cluster in update["clusters"]:
            key = (update["partition"], cluster["cluster_id"])
            centers[key].add(tuple(sorted(cluster["center"].items())))
    # A partition with few records has taken a step or two; the busy ones have moved on.
    assert sum(len(places) > 5 for places in centers.values()) >= 3
