"""Three ONNX files as one network: blocks of sound in, symbols out, each stream's state a row.

It has the interface of the recognizer's own network (`models/speech/network.py`), so that all else
is shared: chunks, silence, utterances, snapshots.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from models.base import ModelError
from models.speech.blocks import BLOCK_VECTORS, Said, Step
from models.speech.voice_activity import BLOCK_FRAMES
from models.transducer.decoder import Emissions, PredictionState
from models.transducer.greedy import GreedyState, greedy
from models.transducer_folder.kaldi_features import kaldi_fbank
from models.transducer_folder.onnx_decoder import OnnxDecoder
from models.transducer_folder.onnx_encoder import OnnxEncoder
from models.transducer_folder.onnx_files import TransducerFiles, open_part
from models.transducer_folder.pieces import Pieces, read_pieces

Floats = npt.NDArray[np.float32]

#: Of a stream's state: frames that wait for a whole chunk, blocks heard, vectors made.
_NUM_COUNTERS = 3


class OnnxNetwork:
    """Encoder, decoder and joiner, and the states of streams as rows of numbers.

    Every call of a session has the same number of rows, filled up: what a stream gives depends
    neither on its neighbors nor on how many there are.
    """

    def __init__(
        self, encoder: OnnxEncoder, decoder: OnnxDecoder, pieces: Pieces, rows: int
    ) -> None:
        """Join the parts.

        Args:
            encoder: of the frames.
            decoder: of the symbols.
            pieces: the text of each symbol.
            rows: streams in one call of the encoder.

        Raises:
            ModelError: the parts do not fit each other.
        """
        self._encoder, self._decoder, self._pieces, self._rows = encoder, decoder, pieces, rows
        self._room = encoder.window + BLOCK_FRAMES
        self._joint = decoder.start_state.output.shape[1]
        self._context = decoder.start_state.memory[0].shape[2]
        self._check()
        prediction = self._of_prediction(decoder.start(1))[0]
        waiting = np.zeros(_NUM_COUNTERS + self._room * encoder.num_features, np.float32)
        self.start: Floats = np.concatenate([waiting, prediction, encoder.start()])
        """(D,) the state of a stream before any block. Not to be changed."""

    @property
    def width(self) -> int:
        """D, the numbers in a stream's state."""
        return len(self.start)

    @property
    def joint_width(self) -> int:
        """J, the numbers in a vector in the joint space."""
        return self._joint

    @property
    def symbols(self) -> tuple[str, ...]:
        """What each symbol adds to a text."""
        return self._pieces.texts

    @property
    def frame_width(self) -> int:
        """F, the mels of a frame."""
        return self._encoder.num_features

    @property
    def hears_at_end(self) -> bool:
        """Whether symbols come from `reread` alone."""
        return False

    def finish(self, state: Floats) -> Said:
        """Return nothing: what waits for a whole chunk is the silence that ended the utterance."""
        return Said()

    def reread(self, vectors: Sequence[Floats], width: int) -> Said:
        """Refuse: there is no search over these networks, as the encoder's vectors are not kept."""
        raise ModelError("a transducer of three ONNX files has no beam search: set beam 1")

    def spectrograms(self, windows: Sequence[Floats]) -> list[Floats]:
        """Return the log-mel frames (16, F) of each window of samples."""
        with torch.inference_mode():
            return [
                kaldi_fbank(torch.from_numpy(window)[None], self._encoder.num_features)[0].numpy()
                for window in windows
            ]

    def step(self, blocks: Sequence[Floats], states: Sequence[Floats]) -> list[Step]:
        """Hear one block of each stream.

        Args:
            blocks: n of log-mel frames (16, F).
            states: n of `width` numbers; not changed.
        """
        rows = [self._with_block(state, block) for state, block in zip(states, blocks, strict=True)]
        said = [Emissions() for _ in rows]
        ready = [n for n, row in enumerate(rows) if row[0] >= self._encoder.window]
        while ready:
            self._hear_chunks(rows, ready, said)
            ready = [n for n in ready if rows[n][0] >= self._encoder.window]
        vectors = np.zeros((0, self._joint), np.float32)
        return [
            Step(self._said(emissions, row), row, vectors)
            for emissions, row in zip(said, rows, strict=True)
        ]

    def _with_block(self, state: Floats, block: Floats) -> Floats:
        row = state.copy()
        waiting = int(row[0])
        self._frames(row)[waiting : waiting + BLOCK_FRAMES] = block
        row[0] += BLOCK_FRAMES
        row[1] += 1
        return row

    def _frames(self, row: Floats) -> Floats:
        """Return the frames that wait, (room, F), as a view of a state."""
        end = _NUM_COUNTERS + self._room * self._encoder.num_features
        return row[_NUM_COUNTERS:end].reshape(self._room, -1)

    def _hear_chunks(self, rows: list[Floats], ready: list[int], said: list[Emissions]) -> None:
        """Encode and decode one chunk of each stream that has one; move its state on."""
        window, shift = self._encoder.window, self._encoder.shift
        chunks = np.stack([self._frames(rows[n])[:window] for n in ready])
        encoded, after = self._encode(chunks, np.stack([self._of_encoder(rows[n]) for n in ready]))
        count = encoded.shape[1]
        state = GreedyState(
            self._to_prediction(np.stack([self._of_symbols(rows[n]) for n in ready])),
            torch.tensor([int(rows[n][2]) for n in ready]),
        )
        emissions, state = greedy(
            self._decoder,
            torch.from_numpy(encoded),
            torch.full((len(ready),), count),
            state,
        )
        predictions = self._of_prediction(state.prediction)
        for place, n in enumerate(ready):
            said[n].extend(emissions[place])
            frames = self._frames(rows[n])
            frames[: self._room - shift] = frames[shift:].copy()
            rows[n][0] -= shift
            rows[n][2] += count
            self._of_symbols(rows[n])[:] = predictions[place]
            self._of_encoder(rows[n])[:] = after[place]

    def _encode(self, chunks: Floats, states: Floats) -> tuple[Floats, Floats]:
        """Run the encoder in calls of `rows` streams."""
        encoded, after = list[Floats](), list[Floats]()
        for first in range(0, len(chunks), self._rows):
            count = min(self._rows, len(chunks) - first)
            made, moved = self._encoder.run(
                _filled(chunks[first : first + count], self._rows),
                _filled(states[first : first + count], self._rows),
            )
            encoded.append(made[:count])
            after.append(moved[:count])
        return np.concatenate(encoded), np.concatenate(after)

    def _said(self, emissions: Emissions, row: Floats) -> Said:
        """Return the symbols with frames as the recognizer counts them: 4 in a block, from it on.

        A symbol may come from a block before this one: then its frame is below 0.
        """
        made = max(1, int(row[2]))
        heard = int(row[1]) * BLOCK_FRAMES - int(row[0])  # frames of 10 ms that were encoded
        frames_of_vector = heard / made / (BLOCK_FRAMES / BLOCK_VECTORS)
        start = (int(row[1]) - 1) * BLOCK_VECTORS
        frames = tuple(int(frame * frames_of_vector + 1e-6) - start for frame in emissions.frames)
        return Said(tuple(emissions.symbols), frames, tuple(emissions.log_probs))

    def _of_symbols(self, row: Floats) -> Floats:
        start = _NUM_COUNTERS + self._room * self._encoder.num_features
        return row[start : start + self._context + self._joint]

    def _of_encoder(self, row: Floats) -> Floats:
        return row[len(row) - self._encoder.state_size :]

    def _of_prediction(self, state: PredictionState) -> Floats:
        """Return (n, context + J): the last symbols and the decoder's output after them."""
        symbols = state.memory[0][0].to(torch.float32)
        rows: Floats = torch.cat([symbols, state.output], 1).numpy()
        return rows

    def _to_prediction(self, rows: Floats) -> PredictionState:
        symbols = torch.from_numpy(rows[:, : self._context]).round().long()
        return PredictionState(torch.from_numpy(rows[:, self._context :].copy()), (symbols[None],))

    def _check(self) -> None:
        """Run one chunk of silence.

        Raises:
            ModelError: the parts do not fit each other.
        """
        chunk = np.zeros((self._rows, self._encoder.window, self._encoder.num_features), np.float32)
        states = np.tile(self._encoder.start(), (self._rows, 1))
        try:
            encoded, _ = self._encoder.run(chunk, states)
            logits = self._decoder.joint(
                torch.from_numpy(encoded[:1]), self._decoder.start_state.output
            )
        except Exception as error:  # ONNX Runtime's exceptions have no other common base
            raise ModelError(f"encoder, decoder and joiner do not run together: {error}") from error
        if logits.shape[-1] != len(self._pieces.texts):
            raise ModelError(
                f"the joiner has {logits.shape[-1]} symbols and tokens.txt "
                f"{len(self._pieces.texts)}: expected the same"
            )


def load_onnx(files: TransducerFiles, device: str, threads: int, rows: int) -> OnnxNetwork:
    """Open three files.

    Raises:
        ModelError: one can't be read, is of another layout, or does not fit the others.
    """
    pieces = read_pieces(files.tokens)
    encoder, facts = open_part(files.encoder, device, threads)
    decoder, context = open_part(files.decoder, device, threads)
    joiner, _ = open_part(files.joiner, device, threads)
    try:
        prediction = OnnxDecoder(decoder, context, joiner, pieces.blank, files.decoder, rows)
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(f"{files.decoder}: it can't be run: {error}") from error
    return OnnxNetwork(OnnxEncoder(encoder, facts, files.encoder), prediction, pieces, rows)


def _filled(rows: Floats, count: int) -> Floats:
    """Return rows filled up with copies of the first to `count`."""
    return np.concatenate([rows, np.repeat(rows[:1], count - len(rows), axis=0)])
