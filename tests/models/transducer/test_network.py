from __future__ import annotations

import pytest
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


def test_the_loss_without_padding_is_the_same(network: Transducer) -> None:
    encoded = torch.randn(4, 6, 6)
    targets = torch.randint(1, 5, (4, 3))
    lengths = torch.tensor([6, 1, 4, 5]), torch.tensor([3, 2, 0, 1])
    for fast_emit in (0.0, 0.3):
        whole = transducer_loss(network(encoded, targets), targets, *lengths, fast_emit=fast_emit)
        packed = network.loss(encoded, targets, *lengths, fast_emit=fast_emit)
        torch.testing.assert_close(packed, whole)
        weights = list(network.parameters())
        expected = torch.autograd.grad(whole.sum(), weights)
        ours = torch.autograd.grad(packed.sum(), weights)
        for one, other in zip(ours, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_the_loss_refuses_wrong_lengths(network: Transducer) -> None:
    encoded, targets = torch.randn(1, 6, 6), torch.tensor([[1, 2]])
    with pytest.raises(ValueError, match=r"each in \[1, 6\]"):
        network.loss(encoded, targets, torch.tensor([7]), torch.tensor([2]))
    with pytest.raises(ValueError, match=r"each in \[0, 2\]"):
        network.loss(encoded, targets, torch.tensor([6]), torch.tensor([3]))
