"""nvJPEG on a real GPU: what is decoded there, and what becomes a dead letter all the same.

Skipped without one. `pytest -m gpu` runs just these and the other tests that need one.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torchcodec.decoders import decode_jpeg

from models.cores import Cores
from models.detection.boxes import Floats
from models.detection.device_decoder import DeviceDecoder
from models.detection.evaluate import UNSEEN_SEED, scenes_with_truth
from models.detection.images import ImageLimits
from models.detection.input_format import InputFormat, Slots
from models.detection.networks import Signature, TorchNetwork
from models.detection.onnx_detector import OnnxDetector
from models.detection.traffic_detector import TrafficDetector
from schemas import Detections, InputError, VideoFrame
from tests.models.detection.pictures import blotches, encode, mixed_pictures, told, turned
from tests.models.detection.tiny_onnx import write_brightness_detector

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
]
DEVICE = "cuda:0"
LIMITS = ImageLimits()
WANTED = InputFormat(height=192, width=320, keeps_aspect=True, is_bgr=False, scale=1.0)
#: Grey levels on average: another inverse transform, and colour enlarged without smoothing.
GREY_LEVELS = 2.0


def on_gpu(images: Sequence[bytes], decoder: DeviceDecoder) -> tuple[Slots, Floats]:
    network = TorchNetwork(torch.nn.Identity(), Signature(None, None, None, []), DEVICE)
    slots, uploaded = decoder.bring_all(images, LIMITS, Cores(2), network)
    return slots, uploaded.tensor().cpu().numpy()


def on_cores(images: Sequence[bytes]) -> tuple[Slots, Floats]:
    network = TorchNetwork(torch.nn.Identity(), Signature(None, None, None, []), "cpu")
    return WANTED.bring_all(images, LIMITS, Cores(2), network.transfer)


def assert_close(found: tuple[Slots, Floats], expected: tuple[Slots, Floats]) -> None:
    assert told(found[0]) == told(expected[0])
    assert found[1].shape == expected[1].shape
    for one_picture, other_picture in zip(found[1], expected[1], strict=True):
        assert np.abs(one_picture - other_picture).mean() < GREY_LEVELS


class _Counted:
    """TorchCodec's decoder, and how many pictures it really decoded."""

    num_pictures = 0

    def __call__(self, encoded: Sequence[Any], **options: Any) -> list[torch.Tensor]:
        decoded: list[torch.Tensor] = decode_jpeg(encoded, **options)
        self.num_pictures += len(decoded)
        return decoded


@pytest.fixture
def counted() -> _Counted:
    return _Counted()


@pytest.fixture
def decoder(counted: _Counted) -> DeviceDecoder:
    decoder = DeviceDecoder(DEVICE, WANTED, counted)
    counted.num_pictures = 0
    return decoder


@pytest.mark.parametrize(
    "options",
    [{"subsampling": 0}, {"subsampling": 2}, {"progressive": True}, {"restart_marker_blocks": 4}],
)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_pixels_are_those_of_libjpeg_nearly(
    decoder: DeviceDecoder, counted: _Counted, mode: str, options: dict[str, Any]
) -> None:
    sizes = [(640, 480), (101, 77), (320, 192), (1920, 1080)]
    pictures = [blotches(*size, seed, mode) for seed, size in enumerate(sizes)]
    images = [encode(picture, quality=95, **options) for picture in pictures]
    assert_close(on_gpu(images, decoder), on_cores(images))
    assert counted.num_pictures == len(images)  # none of them went the cores' way


def test_a_picture_is_not_turned(decoder: DeviceDecoder) -> None:
    images = [turned(blotches(300, 200))]
    assert_close(on_gpu(images, decoder), on_cores(images))


def test_good_and_bad_of_all_kinds_stay_in_their_rows(decoder: DeviceDecoder) -> None:
    assert_close(on_gpu(mixed_pictures(), decoder), on_cores(mixed_pictures()))


def test_a_picture_too_long_to_be_resized_there_is_so_on_the_cores(decoder: DeviceDecoder) -> None:
    images = [encode(blotches(20_000, 100)), encode(blotches(64, 64))]
    assert_close(on_gpu(images, decoder), on_cores(images))


def test_damage_hurts_only_the_damaged(decoder: DeviceDecoder) -> None:
    rng = np.random.default_rng(0)
    good = encode(blotches(320, 240))
    expected = on_cores([good])[1][0]
    for _ in range(100):
        damaged = bytearray(good)
        for place in rng.integers(2, len(good), 5).tolist():
            damaged[place] = int(rng.integers(256))
        slots, pixels = on_gpu([good, bytes(damaged[: rng.integers(len(good))]), good], decoder)
        assert [isinstance(slot, InputError) for slot in (slots[0], slots[2])] == [False, False]
        for picture in (pixels[0], pixels[-1]):
            assert np.abs(picture - expected).mean() < GREY_LEVELS


def test_many_threads_at_once_keep_their_pictures(decoder: DeviceDecoder) -> None:
    batches = [
        [encode(blotches(300 + n, 200, n)), encode(blotches(64, 64, n), "PNG"), b""] * 4
        for n in range(64)
    ]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda batch: on_gpu(batch, decoder), batches))
    for one, batch in zip(found, batches, strict=True):
        assert_close(one, on_cores(batch))


def test_large_pictures_take_a_bounded_share_of_the_memory(decoder: DeviceDecoder) -> None:
    image = encode(blotches(5000, 4000))
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    slots, _ = on_gpu([image] * 16, decoder)
    assert not any(isinstance(slot, InputError) for slot in slots)
    assert torch.cuda.max_memory_allocated() - before < 1_000_000_000


@pytest.mark.parametrize("options", [{}, {"batch": 4}, {"half": True}], ids=str)
def test_every_kind_of_file_takes_the_devices_pixels(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    write_brightness_detector(tmp_path / "model.onnx", **options)
    path = str(tmp_path / "model.onnx")
    cores = OnnxDetector(path=path, score_threshold=0.1)
    gpu = OnnxDetector(path=path, score_threshold=0.1, gpu_decoding=True)
    cores.load("cpu")
    gpu.load(DEVICE)
    frames = [VideoFrame(image=image) for image in mixed_pictures()]
    for on_gpu, on_cpu in zip(gpu.predict_batch(frames), cores.predict_batch(frames), strict=True):
        assert type(on_gpu) is type(on_cpu)
        if isinstance(on_gpu, Detections) and isinstance(on_cpu, Detections):
            [a], [b] = on_gpu.detections, on_cpu.detections
            assert a.box == pytest.approx(b.box, abs=0.5)
            assert a.score == pytest.approx(b.score, abs=0.01)


@pytest.mark.parametrize("runtime", ["onnx", "torch"])
def test_a_detector_finds_the_same_on_both(runtime: str) -> None:
    frames = [frame for frame, _ in scenes_with_truth(UNSEEN_SEED + 5, 12)]
    answers: list[list[Any]] = []
    for device in ("cpu", DEVICE):
        detector = TrafficDetector(runtime=runtime, gpu_decoding=True)
        detector.load(device)
        detector.warm_up()
        with ThreadPoolExecutor(3) as pool:  # several under way at once, as the engine has them
            halves = [frames[start : start + 4] for start in range(0, 12, 4)]
            prepared = list(pool.map(detector.prepare_batch, halves))
        answers.append([a for p in prepared for a in detector.predict_prepared(p)])
    for on_cpu, on_gpu in zip(*answers, strict=True):
        sure = [d for d in on_cpu.detections if d.score > 0.6]
        for one in sure:
            same = [d for d in on_gpu.detections if d.label == one.label]
            distances = [np.abs(np.subtract(one.box, d.box)).max() for d in same]
            assert min(distances) < 20.0  # pixels: of two cells, the other one may win
