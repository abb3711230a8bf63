"""The small U-Net and its loss."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch
from safetensors.torch import load_file

from models.segmentation.tiny_unet import INPUT_HEIGHT, INPUT_WIDTH, TinyUnet, segmentation_loss
from models.segmentation.traffic_segmenter import WEIGHTS


def plain_loss(logits: torch.Tensor, classes: torch.Tensor, ignored: int) -> float:
    """Cross-entropy plus Dice, with one-hot classes, over the pixels that count."""
    kept = (classes != ignored).reshape(-1)
    rows = logits.movedim(1, -1).reshape(-1, logits.shape[1])[kept]
    truth = classes.reshape(-1)[kept]
    shares, hot = rows.softmax(dim=1), torch.nn.functional.one_hot(truth, logits.shape[1])
    dice = (2 * (shares * hot).sum(0) + 1) / (shares.sum(0) + hot.sum(0) + 1)
    entropy = torch.nn.functional.cross_entropy(rows, truth)
    return float(entropy + 1 - dice[hot.sum(0) > 0].mean())


def test_each_pixel_has_logits_of_each_class() -> None:
    net = TinyUnet(6).eval()
    assert net(torch.rand(2, 3, 64, 96)).shape == (2, 6, 64, 96)
    assert INPUT_HEIGHT % 32 == INPUT_WIDTH % 32 == 0
    assert sum(p.numel() for p in net.parameters()) < 1_000_000


def test_a_single_pixel_changes_the_logits_of_its_neighbors_most() -> None:
    torch.manual_seed(0)
    net, pixels = TinyUnet(3).eval(), torch.rand(1, 3, 64, 64)
    other = pixels.clone()
    other[0, :, 31, 20] = 1 - other[0, :, 31, 20]
    with torch.inference_mode():
        change = (net(other) - net(pixels)).abs().sum(dim=1)[0]
    y, x = divmod(int(change.argmax()), 64)
    assert abs(y - 31) <= 8
    assert abs(x - 20) <= 8


def test_the_shipped_weights_are_of_this_network() -> None:
    net = TinyUnet(6)
    net.load_state_dict(load_file(WEIGHTS / "model.safetensors"))
    pixels = torch.rand(1, 3, INPUT_HEIGHT, INPUT_WIDTH)
    with torch.inference_mode():
        expected = net.eval()(pixels).numpy()
    session = onnxruntime.InferenceSession(WEIGHTS / "model.onnx")
    (found,) = session.run(["logits"], {"pixels": pixels.numpy()})
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("share_ignored", [0.0, 0.3])
def test_the_loss_is_that_of_one_hot_classes(share_ignored: float) -> None:
    chance = np.random.default_rng(0)
    logits = torch.from_numpy(chance.normal(size=(2, 4, 8, 10)).astype(np.float32))
    classes = torch.from_numpy(chance.integers(0, 3, (2, 8, 10)))  # class 3 is in no picture
    classes[torch.from_numpy(chance.random((2, 8, 10)) < share_ignored)] = 255
    found = float(segmentation_loss(logits, classes, 255))
    assert found == pytest.approx(plain_loss(logits, classes, 255), rel=1e-5)


def test_ignored_pixels_alone_have_no_loss_but_a_gradient() -> None:
    logits = torch.zeros(1, 3, 4, 4, requires_grad=True)
    loss = segmentation_loss(logits, torch.full((1, 4, 4), 255), 255)
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(loss.detach()) == 0
    assert logits.grad is not None
    assert not logits.grad.any()
