"""The ONNX detector on small generated files, and on a real network with real pictures."""

from __future__ import annotations

import copy
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simplejpeg

from models.base import ModelError
from models.detection.evaluate import share_of_frames_with, video_frames
from models.detection.onnx_detector import OnnxDetector
from models.registry import make_model, model_class
from schemas import DecodeError, Detections, InputError, TooLargeError, VideoFrame
from schemas.errors import ModelFailedError
from tests.models.detection.layouts.families import FAMILIES
from tests.models.detection.layouts.onnx_graph import HEIGHT, WIDTH, Graph
from tests.models.detection.layouts.plain import colored_frame
from tests.models.detection.tiny_onnx import (
    SIDE,
    write_brightness_detector,
    write_tabular_model,
)


def gray_frame(level: int, width: int = SIDE, height: int = SIDE) -> VideoFrame:
    pixels = np.full((height, width, 3), level, np.uint8)
    return VideoFrame(image=simplejpeg.encode_jpeg(pixels, quality=95))


def loaded(path: Path, **options: Any) -> OnnxDetector:
    detector = OnnxDetector(path=str(path), threads=1, **options)
    detector.load("cpu")
    return detector


def detections(answer: object) -> Detections:
    assert isinstance(answer, Detections)
    return answer


@pytest.fixture
def brightness(tmp_path: Path) -> Path:
    path = tmp_path / "brightness.onnx"
    write_brightness_detector(path)
    return path


def test_the_registry_creates_it(brightness: Path) -> None:
    model = make_model(model_class("onnx_detector"), {"path": str(brightness)})
    assert isinstance(model, OnnxDetector)


def test_scores_follow_the_input(brightness: Path) -> None:
    detector = loaded(brightness, score_threshold=0.3)
    detector.warm_up()
    dark, gray, bright = detector.predict_batch([gray_frame(v) for v in (20, 100, 220)])
    assert detections(dark).detections == []
    assert detections(gray).detections[0].score == pytest.approx(100 / 255, abs=0.01)
    assert detections(bright).detections[0].score == pytest.approx(220 / 255, abs=0.01)


@pytest.mark.parametrize("options", [{"batch": 1}, {"batch": 4}, {"half": True}])
def test_fixed_batches_and_half_precision_give_the_same(
    brightness: Path, tmp_path: Path, options: dict[str, Any]
) -> None:
    write_brightness_detector(tmp_path / "other.onnx", **options)
    frames = [gray_frame(v) for v in (90, 120, 150, 180, 210, 240)]
    expected = loaded(brightness).predict_batch(frames)
    actual = loaded(tmp_path / "other.onnx").predict_batch(frames)
    for one, other in zip(actual, expected, strict=True):
        [a], [b] = detections(one).detections, detections(other).detections
        assert a.box == b.box
        assert a.score == pytest.approx(b.score, abs=2e-3)  # half precision has three digits


def test_a_batch_is_not_changed_and_an_answer_does_not_depend_on_it(brightness: Path) -> None:
    detector = loaded(brightness)
    frames = [gray_frame(v, width=40 + v) for v in (100, 150, 200)]
    before = copy.deepcopy(frames)
    together = detector.predict_batch(frames)
    assert frames == before
    assert together == [detector.predict_batch([frame])[0] for frame in frames]


def test_bad_frames_are_errors_in_their_positions(brightness: Path) -> None:
    detector = loaded(brightness, max_pixels=10_000)
    good = gray_frame(200)
    frames = [
        VideoFrame(image=b"no image"),
        good,
        VideoFrame(image=good.image[:200]),
        gray_frame(200, 101, 100),
    ]
    answers = detector.predict_batch(frames)
    assert [type(a) for a in answers] == [DecodeError, Detections, DecodeError, TooLargeError]
    assert all(isinstance(a, InputError) for a in detector.predict_batch(frames[:1]))


def test_boxes_are_in_pixels_of_the_frame(brightness: Path) -> None:
    [answer] = loaded(brightness, letterbox=True).predict_batch([gray_frame(200, 320, 160)])
    answer = detections(answer)
    assert (answer.width, answer.height) == (320, 160)
    # The network's whole input, padding included, is cut to the frame.
    assert answer.detections[0].box == (0, 0, 320, 160)


def test_labels_come_from_the_option_a_file_beside_the_model_or_the_class_id(
    brightness: Path, tmp_path: Path
) -> None:
    frame = gray_frame(200)

    def label(**options: Any) -> str:
        [answer] = loaded(brightness, **options).predict_batch([frame])
        return detections(answer).detections[0].label

    assert label() == "class 0"
    (tmp_path / "names.json").write_text('{"labels": ["lamp"]}')
    assert label(labels=str(tmp_path / "names.json")) == "lamp"
    assert label(labels=["sun"]) == "sun"
    (tmp_path / "classes.txt").write_text("bright\n")
    assert label() == "bright"


def test_preparing_is_thread_safe(brightness: Path) -> None:
    detector = loaded(brightness)
    batches = [[gray_frame(60 + 10 * i), gray_frame(240 - 10 * i)] for i in range(12)]
    with ThreadPoolExecutor(4) as pool:
        prepared = list(pool.map(detector.prepare_batch, batches))
    actual = [detector.predict_prepared(p) for p in prepared]
    assert actual == [detector.predict_batch(batch) for batch in batches]


def test_the_version_is_a_hash_of_the_file(brightness: Path, tmp_path: Path) -> None:
    write_brightness_detector(tmp_path / "other.onnx", batch=1)
    first, again = loaded(brightness), loaded(brightness)
    assert first.version == again.version != loaded(tmp_path / "other.onnx").version
    assert len(first.version) == 12


def test_an_absent_file_is_a_one_line_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"absent\.onnx: No such file.*correct the model's path"):
        loaded(tmp_path / "absent.onnx")


def test_a_file_of_another_format_is_a_one_line_error(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"this is no protobuf at all" * 10)
    with pytest.raises(ModelError, match="not an ONNX model") as caught:
        loaded(path)
    assert "\n" not in str(caught.value)


def test_a_tabular_model_is_refused(tmp_path: Path) -> None:
    write_tabular_model(tmp_path / "rows.onnx")
    with pytest.raises(ModelError, match=r"a detector takes one float \[batch, 3, height, width\]"):
        loaded(tmp_path / "rows.onnx")


def test_wrong_labels_and_layouts_are_refused_at_load(brightness: Path) -> None:
    with pytest.raises(ModelError, match="has 1 classes, but there are 2 labels"):
        loaded(brightness, labels=["a", "b"])
    with pytest.raises(ModelError, match="can't be of layout yolov8"):
        loaded(brightness, layout="yolov8")
    with pytest.raises(ModelError, match=r"no-such-file: No such file"):
        loaded(brightness, labels="no-such-file")


@pytest.mark.parametrize(
    "options",
    [
        {"score_threshold": 1.5},
        {"iou_threshold": -0.1},
        {"max_detections": 0},
        {"threads": -1},
        {"input_size": 0},
        {"input_size": [640, 0]},
        {"input_size": "640"},
        {"layout": "yolov99"},
        {"mean": [0.5]},
        {"std": [1, 1, 0]},
        {"input_scale": 0},
        {"threshold": 0.5},
    ],
)
def test_bad_options_are_refused_when_it_is_created(options: dict[str, Any]) -> None:
    with pytest.raises(ModelError):
        make_model(OnnxDetector, {"path": "model.onnx", **options})


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "cuda:99"])
def test_an_absent_device_is_a_one_line_error(brightness: Path, device: str) -> None:
    with pytest.raises(ModelError, match=f"device '?{device}"):
        OnnxDetector(path=str(brightness)).load(device)


def test_it_must_be_loaded_first(brightness: Path) -> None:
    with pytest.raises(ModelError, match="call load"):
        OnnxDetector(path=str(brightness)).predict_batch([gray_frame(1)])


def fastestdet(data_dir: Path, score_threshold: float | None = None) -> OnnxDetector:
    path = data_dir / "detector_fastestdet" / "FastestDet.onnx"
    return loaded(path, score_threshold=score_threshold)


def test_a_real_network_finds_dog_bicycle_and_car(data_dir: Path) -> None:
    frame = VideoFrame(image=(data_dir / "photos" / "dog.jpg").read_bytes())
    [answer] = fastestdet(data_dir, score_threshold=0.5).predict_batch([frame])
    answer = detections(answer)
    by_label = {d.label: d.box for d in reversed(answer.detections)}  # the best of each label
    assert set(by_label) == {"dog", "bicycle", "car"}
    # Boxes read off the photo by eye, to a twentieth of its width.
    for label, box in {
        "dog": (130, 215, 315, 540),
        "bicycle": (150, 130, 570, 425),
        "car": (465, 75, 690, 170),
    }.items():
        np.testing.assert_allclose(by_label[label], box, atol=0.05 * answer.width)
    scores = [d.score for d in answer.detections]
    assert scores == sorted(scores, reverse=True)


def test_a_real_network_finds_people_in_nine_of_ten_frames_of_a_street(data_dir: Path) -> None:
    frames = list(video_frames(data_dir / "video" / "vtest.mp4", every=10))
    # The layout's own threshold, 0.4: the lowest that the network's authors recommend.
    assert share_of_frames_with(fastestdet(data_dir), frames, "person") >= 0.9


def write_quotients(path: Path, numerator: float, is_score: bool) -> Path:
    """Write a detector whose score or box is numerator / 0 for a black picture, else finite."""
    g = Graph()
    gray = g.linear(g.op("ReduceMean", g.averages, g.constant_of([1]), keepdims=1), 1.0, 0.5)
    gray = g.op("Reshape", gray, g.constant_of([-1, 1, 1]))
    bad = g.op("Div", g.linear(gray, 1.0, numerator), gray)
    bad = g.linear(bad, 0.1)
    fine = g.linear(gray, 0.0, 0.9)
    box = g.op("Concat", fine, fine, *[fine if is_score else bad] * 2, axis=2)
    g.output(g.linear(box, 10.0), "boxes", [g.batch, 1, 4])
    g.output(bad if is_score else fine, "scores", [g.batch, 1, 1])
    return g.save(path)


@pytest.mark.parametrize("is_score", [True, False], ids=["score", "box"])
@pytest.mark.parametrize("numerator", [0, 1], ids=["nan", "infinite"])
def test_a_frame_with_an_answer_that_is_not_finite_is_an_error_beside_good_ones(
    numerator: float, is_score: bool, tmp_path: Path
) -> None:
    path = write_quotients(tmp_path / "model.onnx", numerator, is_score)
    detector = loaded(path, layout="end_to_end", score_threshold=0.05)
    black, white = gray_frame(0, WIDTH, HEIGHT), gray_frame(255, WIDTH, HEIGHT)
    first, bad, last = detector.predict_batch([white, black, white])
    assert first == last == detector.predict_batch([white])[0]
    assert len(detections(first).detections) == 1
    assert isinstance(bad, ModelFailedError)
    assert "NaN or infinite" in str(bad)


def write_yolov8(path: Path, metadata: dict[str, str]) -> Path:
    family = next(f for f in FAMILIES if f.name == "yolov8")
    return family.write(path, metadata=metadata)


def labels_in(path: Path, **options: Any) -> set[str]:
    frames = [VideoFrame(image=colored_frame(seed)) for seed in range(8)]
    answers = loaded(path, **options).predict_batch(frames)
    return {d.label for answer in answers for d in detections(answer).detections}


@pytest.mark.parametrize(
    "metadata",
    [
        {"task": "detect", "names": "{0: 'person', 1: 'car', 2: 'dog'}"},
        {"names": '{"0": "person", "1": "car", "2": "dog"}'},
        {"names": '["person", "car", "dog"]'},
    ],
)
def test_class_names_come_from_the_file(metadata: dict[str, str], tmp_path: Path) -> None:
    path = write_yolov8(tmp_path / "model.onnx", metadata)
    assert labels_in(path) == {"person", "car", "dog"}
    assert labels_in(path, labels=["a", "b", "c"]) == {"a", "b", "c"}
    (tmp_path / "classes.txt").write_text("x\ny\nz\n")
    assert labels_in(path) == {"x", "y", "z"}


@pytest.mark.parametrize("names", ["__import__('os')", "{0: ", "{-1: 'a'}", "{99999999: 'a'}", "7"])
def test_names_that_are_no_list_or_dict_of_texts_are_no_names(names: str, tmp_path: Path) -> None:
    path = write_yolov8(tmp_path / "model.onnx", {"names": names})
    assert labels_in(path) == {"class 0", "class 1", "class 2"}


def test_the_configuration_of_transformers_gives_names_size_and_normalization(
    tmp_path: Path,
) -> None:
    path = write_yolov8(tmp_path / "model.onnx", {})
    plain = loaded(path)
    (tmp_path / "config.json").write_text('{"id2label": {"0": "a", "1": "b", "2": "c"}}')
    preprocessor = {"do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    stated = loaded(path)
    assert labels_in(path) == {"a", "b", "c"}
    assert stated.version != plain.version
    frame = VideoFrame(image=colored_frame(1))
    normalized = loaded(path, mean=[0.5] * 3, std=[0.5] * 3)
    assert stated.predict_batch([frame]) == normalized.predict_batch([frame])
    unnormalized = loaded(path, mean=[0, 0, 0], std=[1, 1, 1], labels=["a", "b", "c"])
    assert stated.predict_batch([frame]) != unnormalized.predict_batch([frame])


def test_a_configuration_that_is_no_json_is_an_error(tmp_path: Path) -> None:
    path = write_yolov8(tmp_path / "model.onnx", {})
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ModelError, match=r"config\.json: .*expected JSON"):
        loaded(path)
