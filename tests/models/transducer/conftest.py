from __future__ import annotations

import pytest
import torch

from models.transducer.network import Transducer, TransducerShape

NUM_SYMBOLS = 5
WIDTH = 6


@pytest.fixture(params=["lstm", "gru"])
def network(request: pytest.FixtureRequest) -> Transducer:
    """A small transducer with random weights that outputs symbols about as often as blanks."""
    torch.manual_seed(3)
    shape = TransducerShape(joint=8, hidden=7, layers=2, cell=request.param)
    made = Transducer(
        torch.nn.Identity(), encoder_width=WIDTH, num_symbols=NUM_SYMBOLS, shape=shape
    )
    with torch.no_grad():
        made.joiner.output.weight.mul_(6)
        made.projection.weight.mul_(3)
        made.joiner.output.bias[0] += 1.0
    return made.eval()


@pytest.fixture
def frames(network: Transducer) -> torch.Tensor:
    """Three streams of twelve frames, projected."""
    torch.manual_seed(4)
    with torch.no_grad():
        return network.project(torch.randn(3, 12, WIDTH))
