from __future__ import annotations

import torch

from models.transducer.decoder import PredictionState
from models.transducer.durations import greedy_durations

#: Blank, two symbols; durations 0, 1 and 3.
DURATIONS = (0, 1, 3)


class Scripted:
    """A decoder that says what the frame says: frame (6,) are the logits themselves."""

    blank = 0

    def start(self, count: int) -> PredictionState:
        return PredictionState(torch.zeros(count, 6), (torch.zeros(1, count, 1),))

    def advance(self, symbols: torch.Tensor, state: PredictionState) -> PredictionState:
        return PredictionState(state.output, (state.memory[0] + symbols[None, :, None],))

    def joint(self, frames: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
        return frames + output[:, None]


def frame(symbol: int, duration: int) -> list[float]:
    return [float(n == symbol) for n in range(3)] + [float(n == duration) for n in DURATIONS]


def test_durations_skip_frames() -> None:
    script = [frame(1, 3), frame(2, 1), frame(2, 1), frame(2, 1), frame(0, 1), frame(1, 1)]
    found = greedy_durations(Scripted(), torch.tensor(script), DURATIONS)
    assert list(zip(found.symbols, found.frames, strict=True)) == [(1, 0), (2, 3), (1, 5)]
    assert all(log_prob < 0 for log_prob in found.log_probs)


def test_a_blank_goes_on_and_symbols_of_no_duration_are_limited() -> None:
    script = [frame(0, 0), frame(1, 0), frame(2, 1)]
    found = greedy_durations(Scripted(), torch.tensor(script), DURATIONS, max_symbols=3)
    assert list(zip(found.symbols, found.frames, strict=True)) == [(1, 1)] * 3 + [(2, 2)]


def test_the_last_duration_may_lead_beyond_the_end() -> None:
    found = greedy_durations(Scripted(), torch.tensor([frame(1, 1), frame(2, 3)]), DURATIONS)
    assert found.symbols == [1, 2]
    assert greedy_durations(Scripted(), torch.zeros(0, 6), DURATIONS).symbols == []
