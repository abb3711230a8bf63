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
    shape = TransducerShape(joint=16, hidden=16)
    network = Transducer(encoder, encoder_width=16, num_symbols=5, shape=shape)
    optimizer = torch.optim.Adam(network.parameters(), 2e-2)

    def batch(size: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        heard = torch.randint(0, 5, (size, 7))
        said = [row[row > 0] for row in heard]
        padded = torch.nn.utils.rnn.pad_sequence(said, batch_first=True)
        return heard, padded, torch.tensor([len(row) for row in said])

    for _ in range(150):
        heard, said, counts = batch(32)
        logits = network(encoder(heard), said)
        loss = transducer_loss(logits, said, torch.full((32,), 7), counts).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    network.eval()
    heard, said, counts = batch(50)
    frames = network.project(encoder(heard))
    emissions, _ = greedy(network, frames, torch.full((50,), 7), GreedyState.start(network, 50))
    right = [
        e.symbols == row[:count].tolist()
        for e, row, count in zip(emissions, said, counts.tolist(), strict=True)
    ]
    assert sum(right) >= 48
