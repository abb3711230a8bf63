"""The recognizer's network in use: rows of streams in, letters out, in calls of one fixed shape.

Matrix products of another number of rows may differ in their last digits. So every call has
`TILE_ROWS` rows of one block each, filled up with zeros: what a stream gives depends neither on its
neighbors nor on how many there are. States are then equal to the last bit wherever and with
whomever a stream is heard.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.base import ModelError
from models.speech.alphabet import NUM_SYMBOLS, SYMBOLS
from models.speech.blocks import Said, Step
from models.speech.encoder import EncoderShape, EncoderState, SpeechEncoder
from models.speech.features import NUM_MELS, log_mel
from models.transducer.decoder import PredictionState
from models.transducer.network import Transducer, TransducerShape
from models.vision.folder_config import read_json

Floats = npt.NDArray[np.float32]

#: Streams in one call. More is no faster on a processor, fewer waste more of the weights' way.
TILE_ROWS = 16
_MAX_SYMBOLS = 5


@dataclass(frozen=True)
class _Part:
    """A tensor of the states: its shape with the streams first, and its place in a row."""

    shape: tuple[int, ...]
    start: int
    stop: int


class SpeechNetwork:
    """A transducer with its weights, and the states of streams as rows of numbers."""

    def __init__(self, transducer: Transducer, device: str = "cpu") -> None:
        self.transducer = transducer.eval().requires_grad_(False).to(device)
        self._device = device
        encoder = self.transducer.encoder
        assert isinstance(encoder, SpeechEncoder)
        self._encoder = encoder
        with torch.inference_mode():
            parts = self._tensors(encoder.start(TILE_ROWS), transducer.start(TILE_ROWS))
        self._parts, stop = list[_Part](), 0
        for part in parts:
            size = part[0].numel()
            self._parts.append(_Part(tuple(part.shape[1:]), stop, stop + size))
            stop += size
        self.start: Floats = self._to_rows(parts)[0]
        """(D,) the state of a stream before any block. Not to be changed."""

    @property
    def width(self) -> int:
        """D, the numbers in a stream's state."""
        return len(self.start)

    @property
    def joint_width(self) -> int:
        """J, the numbers in a vector in the joint space."""
        return int(self.transducer.projection.out_features)

    @property
    def frame_width(self) -> int:
        """F, the mels of a frame."""
        return NUM_MELS

    @property
    def symbols(self) -> Sequence[str]:
        """The text of each symbol."""
        return SYMBOLS

    @property
    def hears_at_end(self) -> bool:
        """Whether symbols come from `reread` alone."""
        return False

    def finish(self, state: Floats) -> Said:
        """Return nothing: no sound waits, as every block is heard at once."""
        return Said()

    def reread(self, vectors: Sequence[Floats], width: int) -> Said:
        """Return the likeliest letters of a whole utterance, by a search."""
        from models.speech.rereading import reread

        return reread(self.transducer, vectors, width)

    def spectrograms(self, windows: Sequence[Floats]) -> list[Floats]:
        """Return the log-mel frames (16, 80) of each window of `BLOCK_WINDOW` samples."""
        made: list[Floats] = []
        for first in range(0, len(windows), TILE_ROWS):
            tile = _tile(windows[first : first + TILE_ROWS])
            with torch.inference_mode():
                frames = log_mel(torch.from_numpy(tile)).numpy()
            made += list(frames[: len(windows) - first])
        return made

    def step(self, blocks: Sequence[Floats], states: Sequence[Floats]) -> list[Step]:
        """Hear one block of each stream.

        Args:
            blocks: n of log-mel frames (16, 80).
            states: n of `width` numbers; not changed.
        """
        steps: list[Step] = []
        for first in range(0, len(blocks), TILE_ROWS):
            part = slice(first, first + TILE_ROWS)
            steps += self._step_tile(blocks[part], states[part])
        return steps

    @torch.inference_mode()
    def _step_tile(self, blocks: Sequence[Floats], states: Sequence[Floats]) -> list[Step]:
        count = len(blocks)
        frames = torch.from_numpy(_tile(blocks)).to(self._device)
        encoder_state, prediction = self._to_states(_tile(states))
        encoded, encoder_state = self._encoder(frames, encoder_state)
        vectors = self.transducer.project(encoded)
        said, prediction = self._greedy(vectors, prediction, count)
        rows = self._to_rows(self._tensors(encoder_state, prediction))
        kept = vectors.cpu().numpy()
        return [Step(said[row], rows[row], kept[row]) for row in range(count)]

    def _greedy(
        self, vectors: Tensor, prediction: PredictionState, count: int
    ) -> tuple[list[Said], PredictionState]:
        """Give the best symbol at each vector until it is the blank, all rows together."""
        found: list[list[tuple[int, int, float]]] = [[] for _ in range(count)]
        for frame in range(vectors.shape[1]):
            speaks = torch.ones(TILE_ROWS, dtype=torch.bool, device=vectors.device)
            speaks[count:] = False
            for _ in range(_MAX_SYMBOLS):
                logits = self.transducer.joint(vectors[:, frame : frame + 1], prediction.output)
                best, symbols = logits[:, 0].log_softmax(-1).max(-1)
                speaks = speaks & (symbols != self.transducer.blank)
                rows = torch.nonzero(speaks).flatten().tolist()
                if not rows:
                    break
                for row in rows:
                    found[row].append((int(symbols[row]), frame, float(best[row])))
                after = self.transducer.advance(symbols, prediction)
                prediction = _where(speaks, after, prediction)
        return [Said(*(tuple(column) for column in zip(*row, strict=True))) for row in found], (
            prediction
        )

    def _tensors(self, encoder: EncoderState, prediction: PredictionState) -> list[Tensor]:
        """Return all states with the streams first."""
        memory = [part.movedim(1, 0) for part in prediction.memory]
        moved = [encoder.hidden.movedim(1, 0), encoder.cell.movedim(1, 0)]
        return [encoder.frame, encoder.subsampled, *moved, prediction.output, *memory]

    def _to_rows(self, tensors: Sequence[Tensor]) -> Floats:
        flat: Floats = torch.cat([part.flatten(1) for part in tensors], 1).cpu().numpy()
        return flat

    def _to_states(self, rows: Floats) -> tuple[EncoderState, PredictionState]:
        whole = torch.from_numpy(rows).to(self._device)
        parts = [
            whole[:, part.start : part.stop].reshape(TILE_ROWS, *part.shape).contiguous()
            for part in self._parts
        ]
        frame, subsampled, hidden, cell, output, *memory = parts
        hidden, cell, *memory = [
            part.movedim(0, 1).contiguous() for part in (hidden, cell, *memory)
        ]
        return EncoderState(frame, subsampled, hidden, cell), PredictionState(output, tuple(memory))


def _tile(rows: Sequence[Floats]) -> Floats:
    """Stack rows and fill up with zeros to `TILE_ROWS`."""
    tile = np.zeros((TILE_ROWS, *rows[0].shape), np.float32)
    tile[: len(rows)] = rows
    return tile


def _where(speaks: Tensor, after: PredictionState, before: PredictionState) -> PredictionState:
    memory = tuple(
        torch.where(speaks[None, :, None], new, old)
        for new, old in zip(after.memory, before.memory, strict=True)
    )
    return PredictionState(torch.where(speaks[:, None], after.output, before.output), memory)


@lru_cache(maxsize=4)
def load_network(folder: Path, device: str) -> SpeechNetwork:
    """Load what `penstock train recognizer` wrote; all partitions share one.

    Raises:
        ModelError: a file is absent, or does not fit.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    config = read_json(folder / "config.json")
    if config.get("architecture") != "speech_transducer":
        raise ModelError(
            f"{folder}: its config.json has no architecture speech_transducer: expected the model/ "
            "folder of `penstock train recognizer`"
        )
    if config.get("symbols") != list(SYMBOLS) or config.get("num_mels") != NUM_MELS:
        raise ModelError(f"{folder}: its config.json has other symbols or mels than this build")
    try:
        transducer = _make(config)
        tensors = load_file(folder / "model.safetensors")
        transducer.load_state_dict({name: part.float() for name, part in tensors.items()})
    except (OSError, SafetensorError, RuntimeError, msgspec.ValidationError, KeyError) as error:
        raise ModelError(f"{folder}: the network can't be loaded: {error}") from error
    return SpeechNetwork(transducer, device)


def _make(config: dict[str, Any]) -> Transducer:
    encoder = SpeechEncoder(msgspec.convert(config["encoder"], EncoderShape))
    return Transducer(
        encoder,
        encoder_width=encoder.shape.hidden,
        num_symbols=NUM_SYMBOLS,
        shape=msgspec.convert(config["transducer"], TransducerShape),
    )
