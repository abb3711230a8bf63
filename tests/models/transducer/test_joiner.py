from __future__ import annotations

import torch

from models.transducer.joiner import Joiner


def test_frames_and_predictions_are_broadcast() -> None:
    joiner = Joiner(4, 3)
    frames, predictions = torch.randn(2, 5, 4), torch.randn(2, 6, 4)
    logits = joiner(frames[:, :, None], predictions[:, None])
    assert logits.shape == (2, 5, 6, 3)
    torch.testing.assert_close(logits[1, 2, 3], joiner(frames[1, 2], predictions[1, 3]))
