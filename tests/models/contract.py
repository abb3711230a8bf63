"""Helpers of the contract tests: create registered models, make events, compare answers."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

from models.base import Model, OnlineModel
from models.registry import make_model, model_class, model_names
from schemas import (
    AnomalyReport,
    AudioChunk,
    BehaviorEvent,
    Cluster,
    ClusterReport,
    DetectedFrame,
    Detection,
    Event,
    Feedback,
    GlobalClusterRecord,
    Interaction,
    ItemSummaryRecord,
    Member,
    SensorReading,
    TextMessage,
    VideoFrame,
)
from tests.models.detection.tiny_onnx import write_brightness_detector
from tests.models.forests.small_forest import save_small_forest
from tests.models.linear_onnx import save_linear
from tests.models.nlu.tiny_bert import write_bert
from tests.models.remote.linear_server import linear_server
from tests.models.speech.small_recognizer import write_small_recognizer
from tests.models.synthesis.tiny_tacotron2 import write_tacotron2
from tests.models.transducer_folder.tiny_onnx import write_transducer
from tests.models.transliteration.small_places import write_transliterator
from tests.models.vision.tiny_files import (
    write_onnx_classifier,
    write_onnx_segmenter,
    write_preprocessor,
    write_resnet_folder,
    write_segformer_folder,
)

Options = dict[str, Any]


def _detector_options(folder: Path) -> Options:
    write_brightness_detector(folder / "detector.onnx")
    return {"path": str(folder / "detector.onnx")}


def _forest_options(folder: Path) -> Options:
    save_small_forest(folder)
    return {"path": str(folder)}


def _tabular_options(folder: Path) -> Options:
    path = save_linear(folder / "linear.onnx")
    return {"path": path, "features": ["flow_l_min", "pressure_bar"]}


def _classifier_options(folder: Path) -> Options:
    labels = {0: "greeting", 1: "order"}
    write_bert(folder, "BertForSequenceClassification", id2label=labels)
    return {"path": str(folder)}


def _entities_options(folder: Path) -> Options:
    labels = {0: "O", 1: "B-person", 2: "I-person"}
    write_bert(folder, "BertForTokenClassification", id2label=labels)
    return {"path": str(folder)}


def _onnx_classifier_options(folder: Path) -> Options:
    write_preprocessor(folder)
    write_onnx_classifier(folder / "classes.onnx", batch=2)
    return {"path": str(folder / "classes.onnx"), "num_classes": 4}


def _image_classifier_options(folder: Path) -> Options:
    write_resnet_folder(folder)
    return {"path": str(folder)}


def _onnx_segmenter_options(folder: Path) -> Options:
    write_preprocessor(folder)
    write_onnx_segmenter(folder / "masks.onnx")
    return {"path": str(folder / "masks.onnx")}


def _image_segmenter_options(folder: Path) -> Options:
    write_segformer_folder(folder)
    return {"path": str(folder)}


def _remote_options(folder: Path) -> Options:
    return {"url": linear_server(), "model": "linear", "features": ["flow_l_min", "pressure_bar"]}


def _transducer_options(folder: Path) -> Options:
    write_transducer(folder)
    return {"path": str(folder)}


def _tacotron2_options(folder: Path) -> Options:
    write_tacotron2(folder)
    return {"path": str(folder), "max_characters": 80}


#: Models that need a file: the function that writes it to an empty folder.
FILE_OPTIONS: dict[str, Callable[[Path], Options]] = {
    "onnx_detector": _detector_options,
    "onnx_classifier": _onnx_classifier_options,
    "image_classifier": _image_classifier_options,
    "onnx_segmenter": _onnx_segmenter_options,
    "image_segmenter": _image_segmenter_options,
    "onnx_tabular": _tabular_options,
    "random_forest": _forest_options,
    "huggingface_classifier": _classifier_options,
    "huggingface_entities": _entities_options,
    "transducer_folder": _transducer_options,
    "tacotron2": _tacotron2_options,
}


def _tiny_encoder_options(folder: Path) -> Options:
    write_bert(folder)
    return {"encoder": str(folder), "head": "empty"}


#: Models that are tested with a small network, since their default is slow: they encode each text
#: of the long logs of the online contract.
SMALL_OPTIONS: dict[str, Callable[[Path], Options]] = {
    "open_inference": _remote_options,
    "online_intent_head": _tiny_encoder_options,
    "speech_recognizer": write_small_recognizer,
    "transliterator": lambda folder: {"weights": str(write_transliterator(folder))},
    "hibari": lambda folder: {"max_characters": 60},
    # Its trees grow for longer than the logs of the contract, up to the limit.
    "adaptive_random_forest": lambda folder: {"num_trees": 3, "max_nodes": 5},
    "random_cut_forest": lambda folder: {"trees": 3, "max_samples": 32, "learn_every": 4},
    "deep_autoencoder": lambda folder: {"hidden": 8, "first_steps": 20, "learn_every": 4},
    "incremental_pca": lambda folder: {"learn_every": 4},
    # It keeps one to two windows of readings: with a small one the sizes of snapshots vary little.
    "river_detector": lambda folder: {"detector": "loda", "window": 32, "min_values": 16},
}

#: Models that have a required option and need no file.
REQUIRED_OPTIONS: dict[str, Options] = {
    "zero_shot": {"labels": {"greeting": None, "order": ["where is my order", "delivery"]}},
}


def make_registered(name: str, folder: Path) -> Model[Any, Any]:
    """Create a registered model with default options, or with a file written to `folder`."""
    makers = {**FILE_OPTIONS, **SMALL_OPTIONS}
    options = makers[name](folder) if name in makers else REQUIRED_OPTIONS.get(name, {})
    return make_model(model_class(name), options)


#: Models whose default encoder is MiniLM, of the extra `demo`.
MINILM_MODELS = (
    "intent_classifier",
    "entity_recognizer",
    "sentence_encoder",
    "zero_shot",
    "text_heads",
)


def online_names() -> list[str]:
    """Return the names of the models that learn from the stream."""
    return [name for name in model_names() if issubclass(model_class(name), OnlineModel)]


#: Networks that hear a stream's sound again and again: half a minute and more for some tests.
_SLOW = ("speech_recognizer", "transducer_folder")


def online_params() -> list[Any]:
    """Return the names of all models that learn as parameters; the slowest are marked as such."""
    return [
        pytest.param(name, marks=pytest.mark.slow) if name in _SLOW else name
        for name in online_names()
    ]


def events_for(event_type: type[Event], count: int) -> list[Event]:
    """Return `count` different events of a type, which a model must answer."""
    makers: dict[type[Event], Callable[[int], Event]] = {
        VideoFrame: _frame,
        TextMessage: _message,
        SensorReading: _reading,
        BehaviorEvent: _behavior,
        DetectedFrame: _detected_frame,
        AudioChunk: _audio_chunk,
        ClusterReport: _cluster_report,
        GlobalClusterRecord: _global_cluster,
        Feedback: _feedback,
        Interaction: _interaction,
        ItemSummaryRecord: _item_summary,
        AnomalyReport: _report,
        Event: _reading,
    }
    return [makers[event_type](index) for index in range(count)]


def _frame(index: int) -> VideoFrame:
    from PIL import Image

    chance = np.random.default_rng(index)
    pixels = chance.integers(0, 256, (60 + 20 * (index % 3), 90, 3), dtype=np.uint8)
    png = io.BytesIO()
    Image.fromarray(pixels).save(png, "png")
    return VideoFrame(source_id=f"camera-{index % 2}", frame_index=index, image=png.getvalue())


def _message(index: int) -> TextMessage:
    texts = ["where is my order", "hello", "it rains " * 60, "¿cuánto dinero tengo? 💶", "refund!"]
    return TextMessage(source_id=f"c-{index % 3}", text=f"{texts[index % len(texts)]} {index}")


def _report(index: int) -> AnomalyReport:
    return AnomalyReport(
        source_id=f"pump-{index % 3}",
        score=index % 7 / 7,
        is_anomaly=index % 2 == 0,
        channel="flow_l_min" if index % 3 else "",
        expected=index / 3 if index % 5 else None,
    )


def _feedback(index: int) -> Feedback:
    return Feedback(source_id=f"c-{index % 3}", label=f"k-{index % 2}", answer=f"in:0:{index}:a")


def _reading(index: int) -> SensorReading:
    chance = np.random.default_rng(index)
    level = 30 + 15 * (index // 300 % 2)  # it changes for good now and then
    flow = level + 5 * math.sin(index / 9) + chance.normal() + (40 if index % 67 == 66 else 0)
    values = {"flow_l_min": flow, "pressure_bar": 2 + 0.1 * chance.normal()}
    return SensorReading(
        source_id=f"pump-{index % 2}", event_time_ms=1_700_000_000_000 + 1000 * index, values=values
    )


def _audio_chunk(index: int) -> AudioChunk:
    """Two streams of 0.1 seconds in turns: tones that come and go, noise below them."""
    at, rate = index // 2, 16_000
    chance = np.random.default_rng(index)
    time = (at * 1600 + np.arange(1600)) / rate
    tone = np.sin(2 * np.pi * (300 + 40 * (at % 7)) * time) * 0.3 * (at % 11 < 5)
    samples = (tone + 0.001 * chance.standard_normal(1600)) * 32767
    return AudioChunk(
        source_id=f"microphone-{index % 2}",
        audio=samples.astype("<i2").tobytes(),
        encoding="s16le",
        sample_rate_hz=rate,
        sequence=at,
    )


def _detected_frame(index: int) -> DetectedFrame:
    """Two objects that drive through the picture in a minute, and one that comes and goes."""
    at, x = index // 2, 600.0 * (index // 2 % 150) / 150
    detections = [
        Detection("car", 0, 0.9, (x, 100.0, x + 60.0, 140.0), track_id=1 + at // 150 * 2),
        Detection("bus", 1, 0.2 + 0.7 * (at % 3 > 0), (540.0 - x, 200.0, 640.0 - x, 260.0), 2),
    ]
    if at % 20 < 15:
        detections.append(
            Detection("person", 2, 0.6, (300.0, 300.0, 320.0, 350.0), 1000 + at // 20)
        )
    return DetectedFrame(
        source_id=f"camera-{index % 2}",
        event_time_ms=1_700_000_000_000 + 100 * at,
        width=640,
        height=384,
        detections=detections,
    )


def _behavior(index: int) -> BehaviorEvent:
    chance = np.random.default_rng(index)
    center = [(2, 30, 0), (12, 340, 60), (40, 90, 5)][index % 3]
    pages, seconds, amount = (value + chance.normal() for value in center)
    return BehaviorEvent(
        source_id=f"user-{index % 5}",
        event_time_ms=1_700_000_000_000 + 1000 * index,
        action="buy",
        features={"pages": pages, "seconds": seconds, "amount_eur": amount},
    )


def _cluster_report(index: int) -> ClusterReport:
    """Reports of three partitions in turn, whose two clusters move, one of them through all."""
    sequence, partition = divmod(index, 3)
    at = 0.5 + 0.4 * math.sin(sequence / 40 + partition)
    centers = [{"pages": 1.0 + partition, "seconds": 30.0}, {"pages": 20.0 * at, "seconds": 300.0}]
    clusters = [
        Cluster(2 * (sequence // 100) + i, center, 10.0 + index % 7, 0.1, i)
        for i, center in enumerate(centers)
    ]
    return ClusterReport(
        source_id=f"cluster_behavior:{partition}",
        event_time_ms=1_700_000_000_000 + 1000 * index,
        agent="cluster_behavior",
        partition=partition,
        sequence=sequence,
        clusters=clusters,
        low={"pages": 0.0, "seconds": 0.0},
        high={"pages": 20.0, "seconds": 300.0},
        reach=0.2,
    )


def _global_cluster(index: int) -> GlobalClusterRecord:
    return GlobalClusterRecord(
        source_id="cluster_behavior:0",
        event_time_ms=1_700_000_000_000 + 1000 * index,
        global_id=index % 5,
        status="changed",
        weight=10.0 + index,
        center={"pages": 1.0 + index % 3},
        radius=0.1,
        members=[Member("cluster_behavior", index % 4, index % 5)],
    )


def _interaction(index: int) -> Interaction:
    """Five users, each of whom goes through ten items of one kind and some of all kinds."""
    chance = np.random.default_rng(index)
    user = int(chance.integers(5))
    item = f"{'abcde'[user]}-{chance.integers(10)}" if index % 3 else f"all-{chance.integers(20)}"
    return Interaction(
        source_id=f"user-{user}",
        event_time_ms=1_700_000_000_000 + 1000 * index,
        item=item,
        action="view",
    )


def _item_summary(index: int) -> ItemSummaryRecord:
    example = ItemSummaryRecord.example()
    items = [f"item-{index % 7}", f"item-{index % 5 + 10}"]
    return replace(example, source_id=f"s-{index % 2}", sequence=index, items=items)


def results_of(answer: Any) -> list[Any]:
    """Return the results of an answer, or its error: none, one or several."""
    if answer is None:
        return []
    return list(answer) if isinstance(answer, list | tuple) else [answer]


def assert_alike(actual: Any, expected: Any, tolerance: float) -> None:
    """Compare answers; numbers may differ by `tolerance`, relative or absolute."""
    if isinstance(expected, Exception):
        assert type(actual) is type(expected)
        assert str(actual) == str(expected)
    else:
        left, right = msgspec.to_builtins(actual), msgspec.to_builtins(expected)
        assert _alike(left, right, tolerance), f"{left} differs from {right}"


def _alike(actual: Any, expected: Any, tolerance: float) -> bool:
    if isinstance(expected, float) and isinstance(actual, float | int):
        return math.isclose(actual, expected, rel_tol=tolerance, abs_tol=tolerance)
    if isinstance(expected, dict) and isinstance(actual, dict):
        pairs = [(actual.get(key), value) for key, value in expected.items()]
        return actual.keys() == expected.keys() and all(_alike(*p, tolerance) for p in pairs)
    if isinstance(expected, list | tuple) and isinstance(actual, list | tuple):
        same = len(actual) == len(expected)
        return same and all(map(lambda a, b: _alike(a, b, tolerance), actual, expected))
    return bool(actual == expected)
