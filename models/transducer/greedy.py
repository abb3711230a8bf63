"""Greedy decoding of many streams at once, in chunks of any length."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models.transducer.decoder import Decoder, Emissions, PredictionState


@dataclass(frozen=True)
class GreedyState:
    """Where greedy decoding of B streams stands."""

    prediction: PredictionState
    num_frames: Tensor
    """(B,) int64: frames decoded so far."""

    @staticmethod
    def start(decoder: Decoder, count: int) -> GreedyState:
        """Return the state of `count` new streams."""
        prediction = decoder.start(count)
        zeros = torch.zeros(count, dtype=torch.int64, device=prediction.output.device)
        return GreedyState(prediction, zeros)

    def select(self, rows: Tensor) -> GreedyState:
        """Return these streams."""
        return GreedyState(self.prediction.select(rows), self.num_frames[rows])

    @staticmethod
    def join(states: list[GreedyState]) -> GreedyState:
        """Put streams together, in order; at least one state."""
        return GreedyState(
            PredictionState.join([state.prediction for state in states]),
            torch.cat([state.num_frames for state in states]),
        )


@torch.no_grad()
def greedy(
    decoder: Decoder,
    frames: Tensor,
    num_frames: Tensor,
    state: GreedyState,
    *,
    max_symbols: int = 5,
) -> tuple[list[Emissions], GreedyState]:
    """Output the most likely symbol at each step.

    A pass looks at all frames that a stream has left, and goes to the first that is not blank
    ("label looping": Bataev et al., 2024, arXiv:2406.06220). So the number of passes is one more
    than the symbols of the stream that has most, and streams are independent of each other.

    Args:
        decoder: the transducer.
        frames: (B, T, J) float: the next frames of B streams, padded.
        num_frames: (B,) int64 in [0, T]: how many of them are real.
        state: of the streams so far; not changed.
        max_symbols: at most so many symbols at one frame; then the next frame, as after a blank.

    Returns:
        What each stream said in these frames, and its state after them.
    """
    emissions = [Emissions() for _ in range(len(frames))]
    prediction = state.prediction
    place = torch.zeros_like(num_frames)  # the next frame to look at, of each stream
    at_frame = torch.zeros_like(num_frames)  # symbols given at that frame
    rows = torch.nonzero(place < num_frames).flatten()
    while len(rows):
        logits = decoder.joint(frames[rows], prediction.output[rows])
        symbols, found = _first_symbols(logits, decoder.blank, place[rows], num_frames[rows])
        speaks = found < num_frames[rows]
        rows, symbols, found, logits = rows[speaks], symbols[speaks], found[speaks], logits[speaks]
        if not len(rows):
            break
        at_frame[rows] = torch.where(found == place[rows], at_frame[rows], 0) + 1
        is_full = at_frame[rows] >= max_symbols
        place[rows] = found + is_full.long()
        at_frame[rows] = torch.where(is_full, 0, at_frame[rows])
        _record(emissions, rows, symbols, found + state.num_frames[rows], logits, found)
        after = decoder.advance(symbols, prediction.select(rows))
        prediction = prediction.replace(rows, after)
        rows = rows[place[rows] < num_frames[rows]]
    return emissions, GreedyState(prediction, state.num_frames + num_frames)


def _first_symbols(
    logits: Tensor, blank: int, place: Tensor, num_frames: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the first symbol that is not blank, from `place` on, and its frame or `num_frames`."""
    best = logits.argmax(-1)
    times = torch.arange(logits.shape[1], device=logits.device)
    is_symbol = (best != blank) & (times >= place[:, None]) & (times < num_frames[:, None])
    first = is_symbol.long().argmax(-1)
    found = torch.where(is_symbol.any(-1), first, num_frames)
    return best.gather(1, first[:, None]).squeeze(1), found


def _record(
    emissions: list[Emissions],
    rows: Tensor,
    symbols: Tensor,
    frames: Tensor,
    logits: Tensor,
    places: Tensor,
) -> None:
    chosen = logits[torch.arange(len(rows), device=logits.device), places].log_softmax(-1)
    log_probs = chosen.gather(1, symbols[:, None]).squeeze(1)
    columns = (rows.tolist(), symbols.tolist(), frames.tolist(), log_probs.tolist())
    for row, symbol, frame, log_prob in zip(*columns, strict=True):
        emissions[row].append(symbol, frame, log_prob)
