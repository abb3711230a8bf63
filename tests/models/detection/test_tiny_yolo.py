"""The small network, its loss and its files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from models.base import ModelError
from models.detection.onnx_network import OnnxNetwork
from models.detection.scenes import LABELS
from models.detection.tiny_yolo import INPUT_HEIGHT, INPUT_WIDTH, TinyYolo
from models.detection.tiny_yolo_loss import assign, detection_loss, distance_iou_loss
from models.detection.tiny_yolo_weights import load_torch
from models.detection.traffic_detector import WEIGHTS
from models.training.detector import write_model

NUM_CELLS = 24 * 40 + 12 * 20 + 6 * 10


def test_shapes_and_size() -> None:
    net = TinyYolo(3).eval()
    boxes, scores = net(torch.rand(2, 3, INPUT_HEIGHT, INPUT_WIDTH))
    assert boxes.shape == (2, NUM_CELLS, 4)
    assert scores.shape == (2, NUM_CELLS, 3)
    assert ((scores > 0) & (scores < 1)).all()
    assert (boxes[..., 2:] > boxes[..., :2]).all()
    assert sum(p.numel() for p in net.parameters()) < 1_000_000


def test_distance_iou_loss_of_equal_and_of_distant_boxes() -> None:
    box = torch.tensor([[0.0, 0.0, 10.0, 10.0]])
    assert float(distance_iou_loss(box, box)) == pytest.approx(0, abs=1e-5)
    # No overlap; centers 20 apart along x, hull 30 by 10.
    assert float(distance_iou_loss(box, box + torch.tensor([20.0, 0, 20, 0]))) == pytest.approx(
        1 + 400 / 1000, abs=1e-5
    )


def test_cells_inside_an_object_predict_it() -> None:
    net = TinyYolo(2)
    truth = torch.tensor([[[40.0, 40.0, 120.0, 100.0], [0.0, 0.0, 0.0, 0.0]]])
    boxes = truth[:, :1].expand(1, NUM_CELLS, 4)
    scores = torch.full((1, NUM_CELLS, 2), 0.5)
    owner, quality = assign(boxes, scores, net.centers, truth, torch.tensor([[1, -1]]))
    chosen = owner[0] == 0
    assert int(chosen.sum()) == 10
    inside = (net.centers > truth[0, 0, :2]) & (net.centers < truth[0, 0, 2:])
    assert inside.all(dim=1)[chosen].all()
    assert quality[0, chosen].max() == pytest.approx(1.0, abs=1e-3)
    assert (owner[0, ~chosen] == -1).all()
    assert not quality[0, ~chosen].any()


def test_a_picture_without_objects_has_a_loss() -> None:
    net = TinyYolo(2)
    boxes, logits = net.boxes_and_logits(torch.rand(2, 3, INPUT_HEIGHT, INPUT_WIDTH))
    nothing, none = torch.zeros(2, 4, 4), torch.full((2, 4), -1)
    loss = detection_loss(boxes, logits, net.centers, nothing, none)
    assert torch.isfinite(loss)
    loss.backward()  # type: ignore[no-untyped-call]


@pytest.mark.slow
def test_the_exported_file_agrees_with_torch(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = TinyYolo(len(LABELS)).eval()
    write_model(net, list(LABELS), tmp_path)
    again = load_torch(tmp_path / "model.safetensors")
    onnx = OnnxNetwork(tmp_path / "model.onnx", "cpu", threads=1)
    for batch in (1, 3):
        pixels = torch.rand(batch, 3, INPUT_HEIGHT, INPUT_WIDTH)
        with torch.inference_mode():
            expected, reloaded = net(pixels), again(pixels)
        [actual] = onnx.run(onnx.upload(pixels.numpy()))
        for want, same, got in zip(expected, reloaded, actual.outputs, strict=True):
            assert torch.equal(want, same)
            np.testing.assert_allclose(got, want.numpy(), rtol=1e-4, atol=1e-3)


def test_other_files_are_refused_as_weights(tmp_path: Path) -> None:
    (tmp_path / "rubbish.safetensors").write_bytes(b"\x00" * 64)
    for name in ("rubbish.safetensors", "absent.safetensors"):
        with pytest.raises(ModelError, match="not the weights of the traffic detector"):
            load_torch(tmp_path / name)


def test_the_committed_files_are_small() -> None:
    sizes = [path.stat().st_size for path in WEIGHTS.iterdir()]
    assert len(sizes) >= 4
    assert sum(sizes) <= 4 * 1024**2
