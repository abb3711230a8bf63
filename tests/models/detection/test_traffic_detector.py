"""The shipped detector: golden numbers, both runtimes, quality on unseen scenes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import simplejpeg
from PIL import Image

from models.base import ModelError
from models.detection.coco_metrics import Truth
from models.detection.evaluate import (
    FOUND_FROM_SCORE,
    MEASURED_FROM_SCORE,
    evaluate_detector,
    evaluate_on,
    scenes_with_truth,
)
from models.detection.traffic_detector import TrafficDetector
from models.evaluation import UNSEEN_SEED, Skipped, figures
from models.registry import make_model, model_class
from schemas import Detection, Detections, InputError, VideoFrame

GOLDEN = Path(__file__).parent / "golden"
#: Another CPU sums in another order; a JPEG decoder may differ by a gray level.
BOX_PIXELS, SCORE = 1.0, 0.02


def loaded(**options: Any) -> TrafficDetector:
    detector = TrafficDetector(threads=1, **options)
    detector.load("cpu")
    detector.warm_up()
    return detector


def detect(detector: TrafficDetector, frames: Sequence[VideoFrame]) -> list[list[Detection]]:
    answers = detector.predict_batch(frames)
    assert all(isinstance(answer, Detections) for answer in answers)
    return [answer.detections for answer in answers if isinstance(answer, Detections)]


def assert_close(actual: list[Detection], expected: list[Detection]) -> None:
    def by_place(one: Detection) -> tuple[str, float]:
        return one.label, one.box[0]

    actual, expected = sorted(actual, key=by_place), sorted(expected, key=by_place)
    assert [d.label for d in actual] == [d.label for d in expected]
    for a, b in zip(actual, expected, strict=True):
        np.testing.assert_allclose(a.box, b.box, atol=BOX_PIXELS)
        assert a.score == pytest.approx(b.score, abs=SCORE)


def golden_frame() -> VideoFrame:
    return VideoFrame(image=(GOLDEN / "scene.jpg").read_bytes())


@pytest.mark.parametrize("runtime", ["onnx", "torch"])
def test_golden_numbers(runtime: str) -> None:
    expected = msgspec.json.decode((GOLDEN / "scene.json").read_bytes(), type=list[Detection])
    assert len({d.label for d in expected}) >= 3
    [actual] = detect(loaded(runtime=runtime), [golden_frame()])
    assert_close(actual, expected)


def test_the_runtimes_agree_on_unseen_scenes() -> None:
    frames = [frame for frame, _ in scenes_with_truth(UNSEEN_SEED + 1, 4)]
    for a, b in zip(detect(loaded(), frames), detect(loaded(runtime="torch"), frames), strict=True):
        assert_close(a, b)


def test_an_answer_does_not_depend_on_the_batch() -> None:
    frames = [frame for frame, _ in scenes_with_truth(UNSEEN_SEED + 2, 3)]
    detector = loaded()
    frames.insert(1, VideoFrame(image=frames[0].image[:500]))
    together = detector.predict_batch(frames)
    assert isinstance(together[1], InputError)
    for frame, answer in zip(frames, together, strict=True):
        if isinstance(answer, Detections):
            assert_close(answer.detections, detect(detector, [frame])[0])


def test_quality_on_unseen_scenes() -> None:
    detector = loaded(score_threshold=MEASURED_FROM_SCORE)
    measured = evaluate_detector(detector, scenes_with_truth(UNSEEN_SEED, 60), FOUND_FROM_SCORE)
    # Sixty scenes of the five hundred that `train` prints; the floor leaves room for the sample.
    assert measured["mAP50"] >= 0.8
    assert measured["recall50"] >= 0.7


def test_scaled_decoding_costs_little_quality_and_keeps_coordinates() -> None:
    # Twice the size, as a camera would send it: decoded at a half.
    scenes = [
        (VideoFrame(image=larger(frame.image)), Truth(truth.boxes * 2, truth.labels))
        for frame, truth in scenes_with_truth(UNSEEN_SEED, 40)
    ]
    whole, scaled = (
        evaluate_detector(loaded(score_threshold=MEASURED_FROM_SCORE, scaled_decoding=on), scenes)
        for on in (False, True)
    )
    assert scaled != whole
    assert scaled["mAP50"] >= whole["mAP50"] - 0.02
    assert scaled["mAP50-95"] >= whole["mAP50-95"] - 0.02  # boxes off by a pixel would show here


def larger(jpeg: bytes) -> bytes:
    """Return the picture at twice its size."""
    pixels = simplejpeg.decode_jpeg(jpeg, colorspace="RGB")
    twice = Image.fromarray(pixels).resize((2 * pixels.shape[1], 2 * pixels.shape[0]))
    encoded: bytes = simplejpeg.encode_jpeg(np.asarray(twice), quality=92)
    return encoded


def test_the_registry_creates_it_and_onnx_needs_no_torch() -> None:
    assert isinstance(make_model(model_class("traffic_detector"), {}), TrafficDetector)
    script = (
        "import sys\n"
        "from models.detection.traffic_detector import TrafficDetector\n"
        "from schemas import VideoFrame\n"
        "heavy = {'torch', 'onnxruntime', 'av', 'transformers', 'sklearn', 'matplotlib'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "detector = TrafficDetector(threads=1)\n"
        "detector.load()\n"
        "detector.predict_batch([VideoFrame.example()])\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_bad_options_and_missing_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="expected one of onnx, torch"):
        make_model(TrafficDetector, {"runtime": "tensorflow"})
    for runtime in ("onnx", "torch"):
        with pytest.raises(ModelError, match="No such file"):
            loaded(runtime=runtime, weights=str(tmp_path))


def test_evaluation_covers_both_detectors(data_dir: Path) -> None:
    rows = figures(evaluate_on(data_dir, num_scenes=10))
    assert len(rows) == 7
    assert all(0 <= value <= 1 for value in rows.values())
    # The network's authors publish AP50 25 on COCO val; these photos are of its training split.
    assert rows["onnx_detector (FastestDet), coco_photos: mAP50"] >= 0.25
    [people] = [value for name, value in rows.items() if "vtest" in name]
    assert people >= 0.9


def test_absent_data_is_skipped(tmp_path: Path) -> None:
    rows = evaluate_on(tmp_path, num_scenes=4)
    assert [row.dataset for row in rows if isinstance(row, Skipped)] == ["detector_fastestdet"]
    names = list(figures(rows))
    assert len(names) == 3
    assert all(name.startswith("traffic_detector") for name in names)
