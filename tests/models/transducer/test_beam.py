from __future__ import annotations

import pytest
import torch

from models.transducer.beam import Beam, beam_search
from models.transducer.greedy import GreedyState, greedy
from models.transducer.loss import transducer_loss
from models.transducer.network import Transducer


def exact_score(network: Transducer, frames: torch.Tensor, symbols: tuple[int, ...]) -> float:
    """Log-probability of the symbols over all alignments, by the loss."""
    targets = torch.tensor([symbols], dtype=torch.int64)
    with torch.no_grad():
        predictions = network.prediction(targets)
        logits = network.joiner(frames[None, :, None], predictions[:, None])
        lengths = torch.tensor([len(frames)]), torch.tensor([len(symbols)])
        return -float(transducer_loss(logits, targets, *lengths))


def start(network: Transducer, count: int) -> list[Beam]:
    return [Beam.start(network) for _ in range(count)]


def test_a_wide_beam_gives_exact_probabilities(network: Transducer, frames: torch.Tensor) -> None:
    few = frames[:1, :2]
    (beam,) = beam_search(network, few, [2], start(network, 1), width=10_000, max_symbols=3)
    symbols = [h.symbols for h in beam.hypotheses]
    assert len(set(symbols)) == len(symbols) > 1000
    scores = [h.score for h in beam.hypotheses]
    assert scores == sorted(scores, reverse=True)
    short = [h for h in beam.hypotheses if len(h.symbols) <= 3]
    assert len(short) == 1 + 4 + 16 + 64
    for hypothesis in short:
        assert hypothesis.score == pytest.approx(
            exact_score(network, few[0], hypothesis.symbols), abs=1e-4
        )


def test_a_small_beam_never_scores_more_than_the_truth(
    network: Transducer, frames: torch.Tensor
) -> None:
    beams = beam_search(network, frames, [12] * 3, start(network, 3), width=4)
    for b, beam in enumerate(beams):
        assert len(beam.hypotheses) == 4
        for hypothesis in beam.hypotheses:
            exact = exact_score(network, frames[b], hypothesis.symbols)
            assert hypothesis.score <= exact + 1e-3
            assert hypothesis.score > exact - 3


def test_it_finds_what_is_at_least_as_likely_as_greedys(
    network: Transducer, frames: torch.Tensor
) -> None:
    lengths = torch.tensor([12] * 3)
    emissions, _ = greedy(network, frames, lengths, GreedyState.start(network, 3))
    beams = beam_search(network, frames, [12] * 3, start(network, 3), width=8)
    for b in range(3):
        best = beams[b].hypotheses[0].symbols
        assert exact_score(network, frames[b], best) >= exact_score(
            network, frames[b], tuple(emissions[b].symbols)
        )


@pytest.mark.parametrize("chunk", [1, 3, 7])
def test_chunks_give_the_same_as_the_whole(
    network: Transducer, frames: torch.Tensor, chunk: int
) -> None:
    lengths = [12, 8, 3]
    whole = beam_search(network, frames, lengths, start(network, 3))
    beams = start(network, 3)
    for first in range(0, 12, chunk):
        part = frames[:, first : first + chunk]
        left = [min(max(length - first, 0), part.shape[1]) for length in lengths]
        beams = beam_search(network, part, left, beams)
    for ours, expected in zip(beams, whole, strict=True):
        assert ours.num_frames == expected.num_frames
        assert [h.symbols for h in ours.hypotheses] == [h.symbols for h in expected.hypotheses]
        assert [h.frames for h in ours.hypotheses] == [h.frames for h in expected.hypotheses]
        assert [h.score for h in ours.hypotheses] == pytest.approx(
            [h.score for h in expected.hypotheses], abs=1e-4
        )


def test_a_stream_is_searched_alone_as_among_others(
    network: Transducer, frames: torch.Tensor
) -> None:
    together = beam_search(network, frames, [12] * 3, start(network, 3))
    for b in range(3):
        (alone,) = beam_search(network, frames[b : b + 1], [12], start(network, 1))
        assert [h.symbols for h in alone.hypotheses] == [h.symbols for h in together[b].hypotheses]


def test_agreed_symbols_are_cut_off_and_nothing_else_changes(
    network: Transducer, frames: torch.Tensor
) -> None:
    (whole,) = beam_search(network, frames[:1], [12], start(network, 1))
    (beam,) = start(network, 1)
    said, cut = [], 0
    for time in range(12):
        (beam,) = beam_search(network, frames[:1, time : time + 1], [1], [beam])
        agreed, beam = beam.take_agreed()
        cut += bool(agreed.symbols)
        said += agreed.symbols
        opened = {h.symbols[:1] for h in beam.hypotheses}
        assert len(opened) > 1 or opened == {()}
    assert cut > 1
    assert (*said, *beam.hypotheses[0].symbols) == whole.hypotheses[0].symbols
    assert beam.hypotheses[0].emissions().frames == list(whole.hypotheses[0].frames[len(said) :])


def test_no_symbols_allowed_gives_none(network: Transducer, frames: torch.Tensor) -> None:
    (beam,) = beam_search(network, frames[:1], [12], start(network, 1), max_symbols=0)
    assert [h.symbols for h in beam.hypotheses] == [()]
