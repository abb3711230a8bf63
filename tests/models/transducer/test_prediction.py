from __future__ import annotations

import torch

from models.transducer.network import Transducer


@torch.no_grad()
def test_steps_give_what_training_sees(network: Transducer) -> None:
    targets = torch.tensor([[1, 4, 2], [3, 3, 1]])
    outputs = network.prediction(targets)
    assert outputs.shape == (2, 4, 8)
    state = network.start(2)
    torch.testing.assert_close(state.output, outputs[:, 0])
    for position in range(3):
        state = network.advance(targets[:, position], state)
        torch.testing.assert_close(state.output, outputs[:, position + 1])
