"""Greedy decoding of a token-and-duration transducer: the network says how many frames to skip.

Source: Xu et al., 2023, "Efficient Sequence Transduction by Jointly Predicting Tokens and
Durations", arXiv:2304.06795.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from models.transducer.decoder import Decoder, Emissions


@torch.no_grad()
def greedy_durations(
    decoder: Decoder, frames: Tensor, durations: Sequence[int], *, max_symbols: int = 10
) -> Emissions:
    """Return the most likely symbols of one whole sequence.

    Args:
        decoder: its `joint` gives V logits of symbols, then one for each duration.
        frames: (T, J) float.
        durations: in frames, >= 0, in the order of their logits.
        max_symbols: at most so many at one frame; then the next frame.

    A blank of duration 0 goes on by one frame, as in NeMo.
    """
    emissions, state, time, at_frame = Emissions(), decoder.start(1), 0, 0
    while time < len(frames):
        logits = decoder.joint(frames[None, time : time + 1], state.output)[0, 0]
        symbol_logits, duration_logits = logits[: -len(durations)], logits[-len(durations) :]
        symbol = int(symbol_logits.argmax())
        skip = durations[int(duration_logits.argmax())]
        if symbol == decoder.blank:
            skip = max(skip, 1)
        else:
            log_prob = float(symbol_logits.log_softmax(-1)[symbol])
            emissions.append(symbol, time, log_prob)
            state = decoder.advance(torch.tensor([symbol], device=frames.device), state)
            at_frame = 0 if skip else at_frame + 1
            if at_frame >= max_symbols:
                skip = 1
        if skip:
            at_frame = 0
        time += skip
    return emissions
