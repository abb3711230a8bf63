"""Detectors that decode on their device find what they find otherwise; that device is the CPU."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.base import ModelError
from models.detection import onnx_detector
from models.detection.boxes import iou_matrix
from models.detection.device_decoder import DecodeJpegs, DeviceDecoder
from models.detection.evaluate import (
    FOUND_FROM_SCORE,
    MEASURED_FROM_SCORE,
    UNSEEN_SEED,
    evaluate_detector,
    photos_with_truth,
    scenes_with_truth,
)
from models.detection.input_format import InputFormat
from models.detection.onnx_detector import OnnxDetector
from models.detection.traffic_detector import TrafficDetector
from schemas import Detection, Detections, InputError, VideoFrame
from streams.predicting import predict_prepared, prepare
from tests.models.detection.pictures import blotches, encode
from tests.models.detection.tiny_onnx import write_brightness_detector

#: A grey level more or less of the input moves scores by some thousandths and boxes by a part of a
#: pixel; but of two cells that find the same object nearly as surely, the other one may win.
SCORE, OVERLAP = 0.02, 0.8
WANTED = InputFormat(height=32, width=32, keeps_aspect=True, is_bgr=False, scale=1.0)


class OnDevice(OnnxDetector):
    """Decodes on the device whichever that is."""

    decode_jpegs: DecodeJpegs | None = None

    def _decoder(self, device: str, wanted: InputFormat) -> DeviceDecoder:
        return DeviceDecoder(device, wanted, self.decode_jpegs)


class TrafficOnDevice(OnDevice, TrafficDetector):
    """The traffic detector so."""


def loaded(detector: OnnxDetector) -> OnnxDetector:
    detector.load("cpu")
    detector.warm_up()
    return detector


def pair(path: Path, **options: Any) -> tuple[OnnxDetector, OnnxDetector]:
    """Return one that decodes on the cores, and one that does so on the device."""
    return (
        loaded(OnnxDetector(path=str(path), threads=1, **options)),
        loaded(OnDevice(path=str(path), threads=1, **options)),
    )


def traffic_pair(**options: Any) -> tuple[OnnxDetector, OnnxDetector]:
    return (
        loaded(TrafficDetector(threads=1, **options)),
        loaded(TrafficOnDevice(threads=1, **options)),
    )


def assert_close(
    found: Sequence[object], expected: Sequence[object], from_score: float = 0.0
) -> None:
    for one, other in zip(found, expected, strict=True):
        if isinstance(other, InputError):
            assert (type(one), str(one)) == (type(other), str(other))
            continue
        assert isinstance(one, Detections)
        assert isinstance(other, Detections)
        assert (one.width, one.height) == (other.width, other.height)
        for some, others in ((one, other), (other, one)):
            sure = [d for d in some.detections if d.score >= from_score]
            assert all(has_like(d, others.detections) for d in sure)


def has_like(one: Detection, others: list[Detection]) -> bool:
    boxes = np.array([d.box for d in others], np.float32).reshape(-1, 4)
    [overlaps] = iou_matrix(np.array([one.box], np.float32), boxes)
    return any(
        d.label == one.label and abs(d.score - one.score) <= SCORE and overlap >= OVERLAP
        for d, overlap in zip(others, overlaps, strict=True)
    )


def frames_of_all_kinds() -> list[VideoFrame]:
    pictures = [blotches(100 + 40 * n, 90 + 10 * n, n) for n in range(9)]
    images = [encode(picture) for picture in pictures]
    images[1] = encode(pictures[1], "PNG")
    images[4] = images[4][:200]
    images[5] = encode(pictures[5].convert("CMYK"))
    images[7] = b"no picture"
    return [VideoFrame(image=image) for image in images]


@pytest.mark.parametrize(
    "options", [{}, {"batch": 1}, {"batch": 4}, {"half": True}, {"batch": 4, "half": True}], ids=str
)
def test_every_kind_of_file_takes_the_devices_pixels(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    write_brightness_detector(tmp_path / "model.onnx", **options)
    cores, device = pair(tmp_path / "model.onnx", score_threshold=0.1)
    frames = frames_of_all_kinds()
    assert_close(device.predict_batch(frames), cores.predict_batch(frames))
    for frame in frames:
        assert_close(device.predict_batch([frame]), cores.predict_batch([frame]))


@pytest.mark.parametrize("runtime", ["onnx", "torch"])
def test_the_traffic_detector_finds_the_same(runtime: str) -> None:
    frames = [frame for frame, _ in scenes_with_truth(UNSEEN_SEED + 3, 8)]
    cores, device = traffic_pair(runtime=runtime)
    found = device.predict_batch(frames)
    assert_close(found, cores.predict_batch(frames), from_score=0.5)  # some are at the threshold
    assert sum(len(a.detections) for a in found if isinstance(a, Detections)) > 20


def test_quality_on_unseen_scenes_is_the_same() -> None:
    scenes = list(scenes_with_truth(UNSEEN_SEED, 40))
    cores, device = (
        evaluate_detector(detector, scenes, FOUND_FROM_SCORE)
        for detector in traffic_pair(score_threshold=MEASURED_FROM_SCORE)
    )
    for name, value in cores.items():
        assert device[name] == pytest.approx(value, abs=0.01)


def test_it_wins_over_scaled_decoding_where_both_could() -> None:
    both = loaded(TrafficOnDevice(threads=1, scaled_decoding=True))
    [scene, _] = [frame for frame, _ in scenes_with_truth(UNSEEN_SEED + 4, 2)]
    device = loaded(TrafficOnDevice(threads=1))
    scaled = loaded(TrafficDetector(threads=1, scaled_decoding=True))
    large = VideoFrame(image=encode(blotches(1280, 768)))
    for frame in (scene, large):
        assert both.predict_batch([frame]) == device.predict_batch([frame])
    bytes_of = [_pixels(detector, large).tobytes() for detector in (both, device, scaled)]
    assert bytes_of[0] == bytes_of[1] != bytes_of[2]


def _pixels(detector: OnnxDetector, frame: VideoFrame) -> np.ndarray[Any, np.dtype[np.float32]]:
    [part] = detector.prepare_batch([frame]).uploaded.parts
    pixels: np.ndarray[Any, np.dtype[np.float32]] = part.tensor().numpy()
    return pixels


def test_preparing_is_thread_safe() -> None:
    frames = [frame for frame, _ in scenes_with_truth(UNSEEN_SEED + 6, 12)]
    batches = [[*frames[n : n + 2], VideoFrame(image=b"bad")] for n in range(0, 12, 2)]
    detector = loaded(TrafficOnDevice(threads=1))
    with ThreadPoolExecutor(4) as pool:
        prepared = list(pool.map(detector.prepare_batch, batches))
    for one, batch in zip(prepared, batches, strict=True):
        assert_close(detector.predict_prepared(one), detector.predict_batch(batch))


def test_a_batch_that_does_not_fit_is_answered_in_halves(tmp_path: Path) -> None:
    from torchcodec.decoders import decode_jpeg

    def small_device(encoded: Sequence[Any], **options: Any) -> list[torch.Tensor]:
        if len(encoded) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        decoded: list[torch.Tensor] = decode_jpeg(encoded, **options)
        return decoded

    write_brightness_detector(tmp_path / "model.onnx")
    cores, device = pair(tmp_path / "model.onnx", score_threshold=0.1)
    assert isinstance(device, OnDevice)
    device.decode_jpegs = staticmethod(small_device)
    device.load("cpu")
    frames = frames_of_all_kinds()
    prepared = prepare(device, frames)
    assert isinstance(prepared.value, torch.OutOfMemoryError)
    assert_close(predict_prepared(device, prepared, frames), cores.predict_batch(frames))


def test_photographs_are_decoded_the_same(data_dir: Path) -> None:
    path = data_dir / "detector_fastestdet" / "FastestDet.onnx"
    photos = [frame for frame, _ in photos_with_truth(data_dir / "coco_photos")]
    photos += [VideoFrame(image=p.read_bytes()) for p in (data_dir / "photos").glob("*.jpg")]
    for letterbox in (True, False):
        detectors = pair(path, letterbox=letterbox)
        for frame in photos:
            on_cores, on_device = (_pixels(detector, frame) for detector in detectors)
            # Grey levels; see `test_device_decoder`.
            assert np.abs(on_cores - on_device).max() * 255 <= 1.01


def test_photographs_are_found_the_same(data_dir: Path) -> None:
    path = data_dir / "detector_fastestdet" / "FastestDet.onnx"
    photos = list(photos_with_truth(data_dir / "coco_photos"))
    cores, device = (
        evaluate_detector(detector, photos, FOUND_FROM_SCORE)
        for detector in pair(path, score_threshold=MEASURED_FROM_SCORE)
    )
    for name, value in cores.items():
        assert device[name] == pytest.approx(value, abs=0.01)


def test_of_many_sizes_each_keeps_its_own_frame(tmp_path: Path) -> None:
    write_brightness_detector(tmp_path / "model.onnx")
    cores, device = pair(tmp_path / "model.onnx", score_threshold=0.1)
    sizes = list(itertools.product((31, 64, 200), (32, 77, 150)))
    frames = [VideoFrame(image=encode(blotches(*size, n))) for n, size in enumerate(sizes * 2)]
    found = device.predict_batch(frames)
    assert [(a.width, a.height) for a in found if isinstance(a, Detections)] == sizes * 2
    assert_close(found, cores.predict_batch(frames))


def test_the_option_is_for_gpus_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    monkeypatch.setattr(onnx_detector, "DeviceDecoder", lambda device, wanted: made.append(device))
    detector = OnnxDetector(path=str(tmp_path), gpu_decoding=True)
    detector._decoder("cpu", WANTED)
    assert made == []
    detector._decoder("cuda:1", WANTED)
    OnnxDetector(path=str(tmp_path))._decoder("cuda:0", WANTED)
    assert made == ["cuda:1"]


def test_without_torchcodec_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchcodec.decoders", None)
    with pytest.raises(ModelError, match=r"TorchCodec can't be imported.*penstock\[gpu\]"):
        DeviceDecoder("cpu", WANTED)


def test_a_device_that_decodes_nothing_is_told_at_load() -> None:
    def refuse(encoded: Sequence[Any], **options: Any) -> list[torch.Tensor]:
        raise RuntimeError("not compiled with nvJPEG support\nRebuild it")

    with pytest.raises(ModelError, match=r"cpu: .*\(not compiled with nvJPEG support\): set gpu_d"):
        DeviceDecoder("cpu", WANTED, refuse)
