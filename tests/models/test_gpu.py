"""Models on a real GPU: the same answers as on the CPU, and out-of-memory errors.

Skipped without one. `pytest -m gpu` runs just these.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.base import ModelError
from models.classification.image_classifier import ImageClassifier
from models.detection.boxes import nms_of_frames
from models.detection.device_nms import DeviceNms
from models.detection.evaluate import scenes_with_truth
from models.detection.traffic_detector import TrafficDetector
from models.evaluation import UNSEEN_SEED
from models.nlu.encoder import SentenceEncoder
from models.nlu.model_files import find_model
from models.nlu.onnx_export import export_onnx
from models.segmentation.image_segmenter import ImageSegmenter
from models.vision.networks import PRECISIONS, TorchImages
from schemas import Classification, Detections, Segmentation
from streams.out_of_memory import is_out_of_memory
from tests.models.detection.crowds import crowded_frames
from tests.models.vision.tiny_files import write_segformer_folder

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
]
DEVICE = "cuda:0"


@pytest.mark.parametrize("runtime", ["onnx", "torch"])
def test_a_detector_finds_the_same_on_cpu_and_gpu(runtime: str) -> None:
    frames = [frame for frame, _ in scenes_with_truth(UNSEEN_SEED + 5, 12)]
    answers: list[list[Any]] = []
    for device in ("cpu", DEVICE):
        detector = TrafficDetector(runtime=runtime)
        detector.load(device)
        assert detector._ready is not None
        assert isinstance(detector._ready.suppress, DeviceNms) == (device != "cpu")
        detector.warm_up()
        # Several under way at once, as the engine has them.
        prepared = [detector.prepare_batch(frames[i : i + 4]) for i in range(0, 12, 4)]
        answers.append([a for p in prepared for a in detector.predict_prepared(p)])
    for on_cpu, on_gpu in zip(*answers, strict=True):
        assert isinstance(on_gpu, Detections)
        sure = [d for d in on_cpu.detections if d.score > 0.5]
        assert len(sure) > 0
        for one in sure:
            distances = [np.abs(np.subtract(one.box, d.box)).max() for d in on_gpu.detections]
            assert min(distances) < 2.0  # pixels; half precision of some kernels


def test_boxes_are_suppressed_on_the_gpu_as_on_the_cpu() -> None:
    frames = crowded_frames(8, 300)
    on_gpu = DeviceNms(DEVICE)(frames, 0.45, 100)
    for one, other in zip(on_gpu, nms_of_frames(frames, 0.45, 100), strict=True):
        assert one.tolist() == other.tolist()


def test_vectors_are_the_same_on_cpu_and_gpu(minilm_or_tiny: str) -> None:
    texts = ["hello", "where is my order", "thanks " * 40, "money " * 9]
    vectors = []
    for device in ("cpu", DEVICE):
        encoder = SentenceEncoder(minilm_or_tiny)
        encoder.load(device)
        prepared = [encoder.prepare(texts), encoder.prepare(texts[::-1])]
        vectors.append([encoder.encode_prepared(p.passes) for p in prepared])
    np.testing.assert_allclose(vectors[1], vectors[0], atol=1e-3)


@pytest.fixture
def minilm_or_tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    from tests.models.nlu.tiny_bert import write_bert

    return str(write_bert(tmp_path_factory.mktemp("bert")))


@pytest.mark.parametrize("inputs", [(), ("token_type_ids", "position_ids")])
def test_an_onnx_encoder_has_the_same_vectors_on_the_gpu(
    tmp_path: Path, inputs: tuple[str, ...]
) -> None:
    from tests.models.nlu.tiny_bert import write_bert

    (tmp_path / "bert").mkdir()
    files = find_model(str(write_bert(tmp_path / "bert")))
    made = export_onnx(files, tmp_path / "onnx", "encoder", inputs)
    texts = ["hello", "where is my order", "thanks " * 40, "money " * 9]
    vectors = []
    for source, device in ((files, "cpu"), (made, DEVICE)):
        encoder = SentenceEncoder(str(source))
        encoder.load(device)
        prepared = [encoder.prepare(texts), encoder.prepare(texts[::-1])]
        vectors.append([encoder.encode_prepared(p.passes) for p in prepared])
    np.testing.assert_allclose(vectors[1], vectors[0], atol=1e-3)


def test_an_out_of_memory_error_of_the_device_is_recognized() -> None:
    free, _ = torch.cuda.mem_get_info()
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2 * free, dtype=torch.uint8, device=DEVICE)
    assert is_out_of_memory(caught.value)
    torch.zeros(16, device=DEVICE).sum().item()  # the device still works


@pytest.mark.parametrize("cuda_graphs", [False, True])
@pytest.mark.parametrize(
    ("precision", "tolerance"), [("fp32", 0.005), ("bf16", 0.05), ("fp16", 0.02)]
)
def test_a_classifier_answers_the_same_on_cpu_and_gpu(
    precision: str, tolerance: float, cuda_graphs: bool
) -> None:
    frames = [frame for frame, _ in scenes_with_truth(UNSEEN_SEED + 6, 11)]
    scores = []
    for device, kind in (("cpu", "fp32"), (DEVICE, precision)):
        classifier = ImageClassifier(
            path="digits", top_k=10, precision=kind, cuda_graphs=cuda_graphs
        )
        classifier.load(device)
        classifier.warm_up()
        # Batches of 4, 4 and 3: a graph is replayed with other pixels, then another one made.
        prepared = [classifier.prepare_batch(frames[i : i + 4]) for i in range(0, 11, 4)]
        answers = [a for p in prepared for a in classifier.predict_prepared(p)]
        good = [a for a in answers if isinstance(a, Classification)]
        assert len(good) == len(frames)
        scores.append([{t.class_id: t.score for t in a.top} for a in good])
    for on_cpu, on_gpu in zip(*scores, strict=True):
        assert on_gpu == pytest.approx(on_cpu, abs=tolerance)


@pytest.mark.parametrize("cuda_graphs", [False, True])
def test_a_segmenter_finds_the_same_regions_on_cpu_and_gpu(
    cuda_graphs: bool, tmp_path: Path
) -> None:
    write_segformer_folder(tmp_path)
    frames = [frame for frame, _ in scenes_with_truth(UNSEEN_SEED + 7, 5)]
    areas = []
    for device in ("cpu", DEVICE):
        segmenter = ImageSegmenter(path=str(tmp_path), cuda_graphs=cuda_graphs)
        segmenter.load(device)
        answers = [*segmenter.predict_batch(frames), *segmenter.predict_batch(frames[::-1])]
        good = [a for a in answers if isinstance(a, Segmentation)]
        assert len(good) == len(answers)
        areas.append([{r.label: r.area for r in a.regions} for a in good])
    for on_cpu, on_gpu in zip(*areas, strict=True):
        for label in on_cpu | on_gpu:
            # Pixels between two classes may fall on either side.
            assert abs(on_cpu.get(label, 0) - on_gpu.get(label, 0)) < 0.01 * 640 * 384


def test_a_network_that_waits_for_its_numbers_is_refused_as_a_cuda_graph() -> None:
    class Waits(torch.nn.Module):
        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return pixels * 2 if float(pixels.sum()) > 0 else pixels

    network = TorchImages(Waits(), DEVICE, cuda_graphs=True)
    with pytest.raises(ModelError, match="can't be captured"):
        network.run(network.upload(np.ones((2, 3, 8, 8), np.float32)))
    torch.zeros(16, device=DEVICE).sum().item()  # the device still works


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_convolutions_are_computed_in_the_precision_with_channels_last(precision: str) -> None:
    seen: list[tuple[torch.dtype, bool]] = []
    net = torch.nn.Conv2d(3, 8, 3)
    net.register_forward_hook(
        lambda module, inputs, output: seen.append(
            (output.dtype, output.is_contiguous(memory_format=torch.channels_last))
        )
    )
    network = TorchImages(net, DEVICE, precision=precision)
    network.run(network.upload(np.ones((2, 3, 16, 16), np.float32)))
    assert seen == [(getattr(torch, PRECISIONS[precision]), True)]
