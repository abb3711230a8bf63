from __future__ import annotations

import torch

from models.transducer.decoder import PredictionState
from models.transducer.network import Transducer


def test_rows_can_be_taken_out_put_back_and_joined(network: Transducer) -> None:
    state = network.advance(torch.tensor([1, 2, 3]), network.start(3))
    turned = state.select(torch.tensor([2, 0]))
    assert torch.equal(turned.output, state.output[[2, 0]])
    assert all(
        torch.equal(a, b[:, [2, 0]]) for a, b in zip(turned.memory, state.memory, strict=True)
    )
    put = network.start(3).replace(torch.tensor([2, 0]), turned)
    assert torch.equal(put.output[[0, 2]], state.output[[0, 2]])
    assert torch.equal(put.output[1], network.start(1).output[0])
    joined = PredictionState.join([turned, put])
    assert len(joined) == 5
    assert torch.equal(joined.memory[0][:, 2:], put.memory[0])


def test_tensors_give_the_state_back(network: Transducer) -> None:
    state = network.advance(torch.tensor([1, 2]), network.start(2))
    again = PredictionState.of_tensors({**state.tensors(), "other": torch.zeros(1)})
    assert torch.equal(again.output, state.output)
    assert len(again.memory) == len(state.memory)
    assert all(torch.equal(a, b) for a, b in zip(again.memory, state.memory, strict=True))
