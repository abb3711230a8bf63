from __future__ import annotations

import pytest
import torch

from models.transducer.decoder import Emissions
from models.transducer.greedy import GreedyState, greedy
from models.transducer.network import Transducer


@torch.no_grad()
def one_by_one(network: Transducer, frames: torch.Tensor, max_symbols: int) -> Emissions:
    """The textbook's loop over the frames of one stream."""
    emissions, state = Emissions(), network.start(1)
    for time in range(len(frames)):
        for _ in range(max_symbols):
            logits = network.joint(frames[None, time : time + 1], state.output)[0, 0]
            symbol = int(logits.argmax())
            if symbol == 0:
                break
            emissions.append(symbol, time, float(logits.log_softmax(-1)[symbol]))
            state = network.advance(torch.tensor([symbol]), state)
    return emissions


def assert_same(ours: Emissions, expected: Emissions) -> None:
    assert ours.symbols == expected.symbols
    assert ours.frames == expected.frames
    assert ours.log_probs == pytest.approx(expected.log_probs, abs=1e-5)


@pytest.mark.parametrize("max_symbols", [1, 2, 5])
def test_it_is_the_textbooks_loop(
    network: Transducer, frames: torch.Tensor, max_symbols: int
) -> None:
    lengths = torch.tensor([12, 7, 0])
    state = GreedyState.start(network, 3)
    emissions, after = greedy(network, frames, lengths, state, max_symbols=max_symbols)
    for b, length in enumerate(lengths.tolist()):
        assert_same(emissions[b], one_by_one(network, frames[b, :length], max_symbols))
    assert len(emissions[0].symbols) > 3
    assert not emissions[2].symbols
    assert after.num_frames.tolist() == [12, 7, 0]


@pytest.mark.parametrize("chunk", [1, 2, 5, 11])
def test_chunks_give_the_same_as_the_whole(
    network: Transducer, frames: torch.Tensor, chunk: int
) -> None:
    lengths = torch.tensor([12, 9, 4])
    whole, last = greedy(network, frames, lengths, GreedyState.start(network, 3), max_symbols=2)
    state, found = GreedyState.start(network, 3), [Emissions() for _ in range(3)]
    for start in range(0, 12, chunk):
        part = frames[:, start : start + chunk]
        left = (lengths - start).clamp(0, part.shape[1])
        emissions, state = greedy(network, part, left, state, max_symbols=2)
        for before, new in zip(found, emissions, strict=True):
            before.extend(new)
    for ours, expected in zip(found, whole, strict=True):
        assert_same(ours, expected)
    torch.testing.assert_close(state.prediction.output, last.prediction.output)
    for ours_, expected_ in zip(state.prediction.memory, last.prediction.memory, strict=True):
        torch.testing.assert_close(ours_, expected_)


def test_streams_that_move_to_other_rows_go_on(network: Transducer, frames: torch.Tensor) -> None:
    full = torch.tensor([6, 6, 6])
    whole, _ = greedy(network, frames, full * 2, GreedyState.start(network, 3))
    first, state = greedy(network, frames[:, :6], full, GreedyState.start(network, 3))
    turned = torch.tensor([2, 0, 1])
    parts = [state.select(turned[:1]), state.select(turned[1:])]
    second, _ = greedy(network, frames[turned, 6:], full, GreedyState.join(parts))
    for row, stream in enumerate(turned.tolist()):
        first[stream].extend(second[row])
    for ours, expected in zip(first, whole, strict=True):
        assert_same(ours, expected)


def test_the_state_that_was_given_is_not_changed(network: Transducer, frames: torch.Tensor) -> None:
    state = GreedyState.start(network, 3)
    before = [part.clone() for part in (state.prediction.output, *state.prediction.memory)]
    emissions, _ = greedy(network, frames, torch.tensor([12, 12, 12]), state)
    assert all(e.symbols for e in emissions)
    for part, copy in zip((state.prediction.output, *state.prediction.memory), before, strict=True):
        assert torch.equal(part, copy)
