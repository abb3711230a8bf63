from __future__ import annotations

import torch

from models.transducer.greedy import GreedyState, greedy
from models.transducer.loss import transducer_loss
from models.transducer.network import Transducer, TransducerShape


def test_training_and_decoding_have_the_same_logits(network: Transducer) -> None:
    encoded, targets = torch.randn(2, 5, 6), torch.tensor([[1, 4, 2], [3, 3, 1]])
    with torch.no_grad():
        logits = network(encoded, targets)
        assert logits.shape == (2, 5, 4, 5)
        state = network.advance(targets[:, 0], network.start(2))
        stepped = network.joint(network.project(encoded), state.output)
    torch.testing.assert_close(logits[:, :, 1], stepped)


def test_it_learns_to_copy_what_is_not_silence() -> None:
    torch.manual_seed(0)
    encoder = torch.nn.Embedding(5, 16)
    shape = TransducerShape(joint=32, hidden=16)
    network = Transducer(encoder, encoder_width=16, num_symbols=5, shape=shape)
    optimizer = torch.optim.Adam(network.parameters(), 2e-2)

    def batch(size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (size, 7) frames, 0 is silence, and the four symbols in them, each once."""
        order = torch.rand(size, 7).argsort(-1)
        heard = torch.where(order < 4, order + 1, 0)
        return heard, torch.stack([row[row > 0] for row in heard])

    frames, counts = torch.full((32,), 7), torch.full((32,), 4)
    for _ in range(100):
        heard, said = batch(32)
        loss = transducer_loss(network(encoder(heard), said), said, frames, counts).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    network.eval()
    heard, said = batch(32)
    projected = network.project(encoder(heard))
    emissions, _ = greedy(network, projected, frames, GreedyState.start(network, 32))
    right = sum(e.symbols == row.tolist() for e, row in zip(emissions, said, strict=True))
    assert right >= 30
