"""Beam search of many streams at once, in chunks of any length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from models.transducer.decoder import Decoder, Emissions, PredictionState


@dataclass(frozen=True)
class Hypothesis:
    """One way in which a stream may read."""

    symbols: tuple[int, ...]
    frames: tuple[int, ...]
    """At which frame each symbol came, on the likeliest way to this hypothesis."""
    log_probs: tuple[float, ...]
    """Of each symbol when it came, in nats."""
    score: float
    """Log-probability of the symbols, summed over the alignments that the search saw."""
    row: int
    """Its row in the states."""

    def said(self, symbol: int, frame: int, log_prob: float) -> Hypothesis:
        """Return it with one more symbol; the row is still that of the symbols before."""
        return Hypothesis(
            (*self.symbols, symbol),
            (*self.frames, frame),
            (*self.log_probs, log_prob),
            self.score + log_prob,
            self.row,
        )

    def emissions(self) -> Emissions:
        """Return its symbols as decoding's result."""
        return Emissions(list(self.symbols), list(self.frames), list(self.log_probs))


@dataclass(frozen=True)
class Beam:
    """Where the search of one stream stands: its hypotheses, the best first, never none."""

    hypotheses: tuple[Hypothesis, ...]
    states: PredictionState
    """A row for each hypothesis, in their order."""
    num_frames: int = 0
    """Frames searched so far."""

    @staticmethod
    def start(decoder: Decoder) -> Beam:
        """Return the beam of a new stream."""
        return Beam((Hypothesis((), (), (), 0.0, 0),), decoder.start(1))

    def take_agreed(self) -> tuple[Emissions, Beam]:
        """Cut off the symbols that all hypotheses share: they can't change any more.

        So a beam's memory is bounded by what is still open, and partial results can be final.
        """
        first = self.hypotheses[0]
        columns = zip(*(h.symbols for h in self.hypotheses), strict=False)
        count = 0
        for column in columns:
            if len(set(column)) > 1:
                break
            count += 1
        agreed = Emissions(
            list(first.symbols[:count]), list(first.frames[:count]), list(first.log_probs[:count])
        )
        rest = tuple(
            replace(
                h,
                symbols=h.symbols[count:],
                frames=h.frames[count:],
                log_probs=h.log_probs[count:],
            )
            for h in self.hypotheses
        )
        return agreed, replace(self, hypotheses=rest)


@torch.no_grad()
def beam_search(
    decoder: Decoder,
    frames: Tensor,
    num_frames: Sequence[int],
    beams: Sequence[Beam],
    *,
    width: int = 4,
    max_symbols: int = 5,
) -> list[Beam]:
    """Search the most likely sequences of symbols, frame by frame.

    At each frame every hypothesis may be extended by up to `max_symbols` symbols and then has to
    take the blank. Hypotheses with the same symbols are merged: their probabilities add. All
    hypotheses of all streams take each step in one call of the networks.

    Args:
        decoder: the transducer.
        frames: (B, T, J) float: the next frames of B streams, padded.
        num_frames: B numbers in [0, T]: how many of them are real.
        beams: of the streams so far; not changed.
        width: hypotheses that are kept for a stream, >= 1.
        max_symbols: at one frame, >= 0.

    Returns:
        The beam of each stream after these frames.

    Source: Graves, 2012, arXiv:1211.3711, section 2.5; the time-synchronous form of Saon, Tüske
    and Audhkhasi, 2020, "Alignment-length synchronous decoding for RNN transducer", ICASSP.
    """
    result = list(beams)
    for time in range(max(num_frames, default=0)):
        rows = [b for b, count in enumerate(num_frames) if time < count]
        searched = _search_frame(
            decoder, frames[rows, time], [result[b] for b in rows], width, max_symbols
        )
        for b, beam in zip(rows, searched, strict=True):
            result[b] = beam
    return result


def _search_frame(
    decoder: Decoder, frames: Tensor, beams: list[Beam], width: int, max_symbols: int
) -> list[Beam]:
    """Move B beams by one frame each, (B, J)."""
    states = PredictionState.join([beam.states for beam in beams])
    active, start = list[list[Hypothesis]](), 0
    for beam in beams:
        active.append([replace(h, row=start + i) for i, h in enumerate(beam.hypotheses)])
        start += len(beam.hypotheses)
    finished: list[dict[tuple[int, ...], Hypothesis]] = [{} for _ in beams]
    for level in range(max_symbols + 1):
        flat = [(b, h) for b, hypotheses in enumerate(active) for h in hypotheses]
        if not flat:
            break
        log_probs = _log_probs(decoder, frames, states, flat)
        for (b, hypothesis), row in zip(flat, log_probs, strict=True):
            ended = replace(hypothesis, score=hypothesis.score + float(row[decoder.blank]))
            _merge(finished[b], ended)
        if level == max_symbols:
            break
        log_probs[:, decoder.blank] = -np.inf
        active = _extend(flat, log_probs, finished, beams, width)
        states, active = _advance(decoder, states, active)
    return [
        _pruned(kept, states, width, beam.num_frames + 1)
        for kept, beam in zip(finished, beams, strict=True)
    ]


def _log_probs(
    decoder: Decoder,
    frames: Tensor,
    states: PredictionState,
    flat: list[tuple[int, Hypothesis]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return log-probabilities (N, V) of what may follow each of N hypotheses."""
    of_stream = torch.tensor([b for b, _ in flat], device=frames.device)
    of_state = torch.tensor([h.row for _, h in flat], device=frames.device)
    logits = decoder.joint(frames[of_stream, None], states.output[of_state])
    log_probs: np.ndarray[tuple[int, ...], np.dtype[np.float64]] = (
        logits[:, 0].double().log_softmax(-1).cpu().numpy()
    )
    return log_probs


def _merge(kept: dict[tuple[int, ...], Hypothesis], new: Hypothesis) -> None:
    """Add a hypothesis; one with the same symbols adds its probability."""
    old = kept.get(new.symbols)
    if old is None:
        kept[new.symbols] = new
        return
    likelier = max(old, new, key=lambda h: h.score)
    kept[new.symbols] = replace(likelier, score=float(np.logaddexp(old.score, new.score)))


def _extend(
    flat: list[tuple[int, Hypothesis]],
    log_probs: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    finished: list[dict[tuple[int, ...], Hypothesis]],
    beams: list[Beam],
    width: int,
) -> list[list[Hypothesis]]:
    """Return the best extensions of each stream that could still be among its best hypotheses."""
    best = np.argsort(-log_probs, axis=1, kind="stable")[:, :width]
    candidates: list[list[Hypothesis]] = [[] for _ in beams]
    for (b, hypothesis), symbols, row in zip(flat, best, log_probs, strict=True):
        frame = beams[b].num_frames
        for symbol in symbols.tolist():
            if np.isfinite(row[symbol]):
                candidates[b].append(hypothesis.said(symbol, frame, float(row[symbol])))
    kept = []
    for options, done in zip(candidates, finished, strict=True):
        scores = sorted((h.score for h in done.values()), reverse=True)
        # An extension has yet to take a blank, so it can only lose.
        floor = scores[width - 1] if len(scores) >= width else -np.inf
        options.sort(key=lambda h: -h.score)
        kept.append([h for h in options[:width] if h.score > floor])
    return kept


def _advance(
    decoder: Decoder, states: PredictionState, active: list[list[Hypothesis]]
) -> tuple[PredictionState, list[list[Hypothesis]]]:
    """Add rows to the states, for the hypotheses that have one more symbol."""
    flat = [h for hypotheses in active for h in hypotheses]
    if not flat:
        return states, active
    device = states.output.device
    before = states.select(torch.tensor([h.row for h in flat], device=device))
    symbols = torch.tensor([h.symbols[-1] for h in flat], device=device)
    joined = PredictionState.join([states, decoder.advance(symbols, before)])
    row, numbered = len(states), list[list[Hypothesis]]()
    for hypotheses in active:
        numbered.append([replace(h, row=row + i) for i, h in enumerate(hypotheses)])
        row += len(hypotheses)
    return joined, numbered


def _pruned(
    kept: dict[tuple[int, ...], Hypothesis], states: PredictionState, width: int, num_frames: int
) -> Beam:
    best = sorted(kept.values(), key=lambda h: -h.score)[:width]
    rows = torch.tensor([h.row for h in best], device=states.output.device)
    hypotheses = tuple(replace(h, row=i) for i, h in enumerate(best))
    return Beam(hypotheses, states.select(rows), num_frames)
