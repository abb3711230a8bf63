"""Nemotron's streaming transducer of transformers: text comes while it is said.

Its encoder is made for streams: causal convolutions, attention to a window of the past, and a
lookahead of whole chunks. transformers' own caches are a stream's state, between calls a row of
numbers. Its `generate` can stream too, but keeps its state to itself, so decoding is that of
`models/transducer/`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.base import ModelError
from models.speech.blocks import BLOCK_VECTORS, Said, Step
from models.speech.voice_activity import BLOCK_FRAMES, BLOCK_SAMPLES
from models.transducer.decoder import Emissions, PredictionState
from models.transducer.greedy import GreedyState, greedy
from models.transducer_folder.encoder_caches import EncoderCaches
from models.transducer_folder.nemo_features import HOP
from models.transducer_folder.transformers_decoder import TransformersDecoder
from models.transducer_folder.transformers_folder import Opened
from models.transducer_folder.utterance_network import VECTOR_FRAMES, block_samples

Floats = npt.NDArray[np.float32]


class _Stream(NamedTuple):
    """The parts of a state: views of its row."""

    counts: Floats
    """Blocks heard, samples that wait, mel frames and the encoder's frames made, last sample."""
    samples: Floats
    """That wait, sharpened; they begin before the next frame's middle, by its reach."""
    prediction: Floats
    caches: Floats


class StreamingNetwork:
    """One of these models, with the interface of the recognizer's own network.

    Streams are encoded one by one, so that no neighbor matters.
    """

    def __init__(self, opened: Opened) -> None:
        """Hear one chunk of silence, to learn the sizes of what the encoder remembers.

        Raises:
            ModelError: the encoder does not make the expected number of frames.
        """
        self._model, self._pieces, self._features = opened.model, opened.pieces, opened.features
        self._device, self._lookahead = opened.device, opened.lookahead
        self._factor = int(self._model.config.encoder_config.subsampling_factor)
        self._most = int(self._model.config.max_symbols_per_step)
        self._decoder = TransformersDecoder(self._model, self._pieces.blank)
        self._room = HOP * self._num_mel_frames(1) + 2 * self._features.reach + BLOCK_SAMPLES
        with torch.inference_mode():
            outputs = self._encode(torch.zeros(self._num_mel_frames(0), opened.features.num_mels))
            self._caches = EncoderCaches(self._model.encoder, outputs)
            prediction = _to_row(self._decoder.start(1))
        if outputs.pooler_output.shape[1] != self._lookahead + 1:
            raise ModelError(
                f"the encoder makes {outputs.pooler_output.shape[1]} frames of the first chunk: "
                f"expected {self._lookahead + 1}"
            )
        self._sizes = (5, self._room, len(prediction), self._caches.width)
        self.start: Floats = np.zeros(sum(self._sizes), np.float32)
        """(D,) the state of a stream before any block. Not to be changed."""
        stream = self._parts(self.start)
        stream.counts[1] = self._features.reach  # silence before the first sample
        stream.prediction[:] = prediction

    @property
    def width(self) -> int:
        """D, the numbers in a stream's state."""
        return len(self.start)

    @property
    def joint_width(self) -> int:
        """The width of vectors that are kept: there are none."""
        return 1

    @property
    def frame_width(self) -> int:
        """Samples in each of a block's 16 frames."""
        return HOP

    @property
    def symbols(self) -> tuple[str, ...]:
        """What each symbol adds to a text."""
        return self._pieces.texts

    @property
    def hears_at_end(self) -> bool:
        """Whether symbols come from `reread` alone."""
        return False

    def spectrograms(self, windows: Sequence[Floats]) -> list[Floats]:
        """Return the samples of each block, as 16 frames: mel frames reach beyond a block."""
        return block_samples(windows)

    def reread(self, vectors: Sequence[Floats], width: int) -> Said:
        """Refuse: there is no search over these networks, as the encoder's vectors are not kept."""
        raise ModelError("a streaming transducer of transformers has no beam search: set beam 1")

    @torch.inference_mode()
    def step(self, blocks: Sequence[Floats], states: Sequence[Floats]) -> list[Step]:
        """Hear one block of each stream: n of samples (16, 160)."""
        steps = []
        for block, state in zip(blocks, states, strict=True):
            row, said = state.copy(), Emissions()
            stream = self._parts(row)
            self._take(stream, torch.from_numpy(block.reshape(-1)))
            stream.counts[0] += 1
            while stream.counts[1] >= self._num_samples(count := self._next_chunk(stream)):
                self._hear(stream, self._mel_frames(stream, count), said)
            steps.append(Step(self._said(said, stream, 1), row, np.zeros((0, 1), np.float32)))
        return steps

    @torch.inference_mode()
    def finish(self, state: Floats) -> Said:
        """Hear what waits, as the last chunk: as short as it is, it ends the attention's window.

        Args:
            state: of a stream whose utterance has ended; not changed.
        """
        stream, said = self._parts(state.copy()), Emissions()
        waiting = int(stream.counts[0]) * BLOCK_FRAMES - int(stream.counts[2])
        silence = torch.zeros(self._features.reach)
        self._put(stream, silence)  # after the last sample
        mel = self._mel_frames(stream, waiting)
        # transformers' convolutions have one frame of zeros on the right of a whole sound.
        self._hear(stream, torch.nn.functional.pad(mel, (0, 0, 0, 1)), said)
        return self._said(said, stream, 0)

    def _num_mel_frames(self, encoded: int) -> int:
        """Return the mel frames of the next chunk, after so many frames of the encoder."""
        whole = self._factor * self._lookahead
        return whole + self._factor if encoded else whole + 1

    def _next_chunk(self, stream: _Stream) -> int:
        return self._num_mel_frames(int(stream.counts[3]))

    def _num_samples(self, num_frames: int) -> int:
        return HOP * (num_frames - 1) + 2 * self._features.reach

    def _take(self, stream: _Stream, samples: Tensor) -> None:
        """Sharpen samples and put them behind those that wait."""
        self._put(stream, self._features.sharpen(samples, float(stream.counts[4])))
        stream.counts[4] = float(samples[-1])

    def _put(self, stream: _Stream, sharp: Tensor) -> None:
        waiting = int(stream.counts[1])
        stream.samples[waiting : waiting + len(sharp)] = sharp.numpy()
        stream.counts[1] += len(sharp)

    def _mel_frames(self, stream: _Stream, count: int) -> Tensor:
        """Return the next mel frames (count, F), and forget the samples that no later one needs."""
        used, taken = self._num_samples(count), HOP * count
        if not count:
            return torch.zeros(0, self._features.num_mels)
        frames = self._features.frames(torch.from_numpy(stream.samples[:used].copy()))
        stream.samples[: self._room - taken] = stream.samples[taken:].copy()
        stream.counts[1] -= taken
        stream.counts[2] += count
        return frames

    def _hear(self, stream: _Stream, mel: Tensor, said: Emissions) -> None:
        """Encode and decode one chunk (T, F)."""
        outputs = self._encode(mel, stream)
        stream.caches[:] = self._caches.to_row(outputs)
        encoded = outputs.pooler_output
        state = GreedyState(
            self._to_prediction(stream.prediction),
            torch.tensor([int(stream.counts[3])], device=encoded.device),
        )
        (emissions,), state = greedy(
            self._decoder,
            encoded,
            torch.tensor([encoded.shape[1]], device=encoded.device),
            state,
            max_symbols=self._most,
        )
        said.extend(emissions)
        stream.prediction[:] = _to_row(state.prediction)
        stream.counts[3] += encoded.shape[1]

    def _encode(self, mel: Tensor, stream: _Stream | None = None) -> Any:
        attention, padding = None, None
        if stream is not None and (made := int(stream.counts[3])):
            attention, padding = self._caches.from_row(stream.caches, made, self._device)
        return self._model.get_audio_features(
            mel[None].to(self._device),
            past_key_values=attention,
            padding_cache=padding,
            num_lookahead_tokens=self._lookahead,
            use_cache=True,
            output_attention_mask=False,
        )

    def _said(self, emissions: Emissions, stream: _Stream, blocks_after: int) -> Said:
        """Return the symbols with frames as the recognizer counts them: 4 in a block.

        A symbol may come from a block before: then its frame is below 0.
        """
        start = (int(stream.counts[0]) - blocks_after) * BLOCK_VECTORS
        frames = tuple(frame * self._factor // VECTOR_FRAMES - start for frame in emissions.frames)
        return Said(tuple(emissions.symbols), frames, tuple(emissions.log_probs))

    def _parts(self, row: Floats) -> _Stream:
        ends = np.cumsum(self._sizes)[:-1]
        return _Stream(*np.split(row, ends))

    def _to_prediction(self, row: Floats) -> PredictionState:
        return self._decoder.of_row(torch.from_numpy(row.copy()).to(self._device))


def _to_row(prediction: PredictionState) -> Floats:
    parts = [prediction.output, *prediction.memory]
    row: Floats = torch.cat([part.reshape(-1) for part in parts]).cpu().numpy()
    return row
