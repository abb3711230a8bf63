"""Transducers of transformers: Parakeet (RNN-T and TDT) and Nemotron streaming, from a folder.

Their encoders read a whole utterance: Parakeet's attention looks at all of it, and Nemotron's
states are caches that grow. So the sound of an utterance is kept, and read at its end: transcripts
of such a network are final ones. All decoding is that of `models/transducer/`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.base import ModelError
from models.speech.network import BLOCK_VECTORS, Said, Step
from models.speech.voice_activity import BLOCK_FRAMES, BLOCK_SAMPLES
from models.transducer.decoder import Emissions, PredictionState
from models.transducer.durations import greedy_durations
from models.transducer.greedy import GreedyState, greedy
from models.transducer_folder.nemo_features import HOP, nemo_fbank
from models.transducer_folder.pieces import Pieces

Floats = npt.NDArray[np.float32]

#: `model_type` in config.json -> transformers' class, and whether features are normalized.
CLASSES = {
    "parakeet_rnnt": ("ParakeetForRNNT", True),
    "parakeet_tdt": ("ParakeetForTDT", True),
    "nemotron_asr_streaming": ("NemotronAsrStreamingForRNNT", False),
}
#: The recognizer's vectors have 40 ms.
_VECTOR_FRAMES = BLOCK_FRAMES // BLOCK_VECTORS


class TransformersDecoder:
    """Prediction network and joiner of these classes, as a `Decoder`."""

    def __init__(self, model: Any) -> None:
        self._decoder, self._joint = model.decoder, model.joint
        self._blank = int(model.config.blank_token_id)

    @property
    def blank(self) -> int:
        """The symbol that ends a frame."""
        return self._blank

    def start(self, count: int) -> PredictionState:
        """Return the state of `count` streams, which have read the blank."""
        lstm = self._decoder.lstm
        zeros = lstm.weight_hh_l0.new_zeros(lstm.num_layers, count, lstm.hidden_size)
        symbols = torch.full((count,), self._blank, device=zeros.device)
        return self.advance(symbols, PredictionState(zeros[0], (zeros, zeros)))

    def advance(self, symbols: Tensor, state: PredictionState) -> PredictionState:
        """Return the state after one more symbol of each row, (B,) int64."""
        embedded = self._decoder.embedding(symbols[:, None])
        output, memory = self._decoder.lstm(embedded, state.memory)
        return PredictionState(self._decoder.decoder_projector(output)[:, 0], memory)

    def joint(self, frames: Tensor, output: Tensor) -> Tensor:
        """Return logits (B, T, V) of frames (B, T, J) after predictions (B, J)."""
        logits: Tensor = self._joint(
            encoder_hidden_states=frames, decoder_hidden_states=output[:, None]
        )
        return logits


class TransformersNetwork:
    """One of these models, with the interface of the recognizer's own network."""

    def __init__(self, model: Any, pieces: Pieces, device: str) -> None:
        self._model = model.eval().requires_grad_(False).to(device)
        self._pieces, self._device = pieces, device
        self._normalize = CLASSES[model.config.model_type][1]
        self._decoder = TransformersDecoder(model)
        self._durations = tuple(getattr(model.config, "durations", ()))
        self.start: Floats = np.zeros(1, np.float32)
        """One number that says nothing: the sound is in the recognizer's vectors."""

    @property
    def width(self) -> int:
        """Of a stream's state."""
        return 1

    @property
    def joint_width(self) -> int:
        """Samples in each of a block's four vectors."""
        return BLOCK_SAMPLES // BLOCK_VECTORS

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
        return True

    def spectrograms(self, windows: Sequence[Floats]) -> list[Floats]:
        """Return the samples of each block, as 16 frames."""
        return [window[:BLOCK_SAMPLES].reshape(BLOCK_FRAMES, HOP).copy() for window in windows]

    def step(self, blocks: Sequence[Floats], states: Sequence[Floats]) -> list[Step]:
        """Keep the blocks' samples."""
        return [
            Step(Said(), state, block.reshape(BLOCK_VECTORS, -1))
            for block, state in zip(blocks, states, strict=True)
        ]

    @torch.inference_mode()
    def reread(self, vectors: Sequence[Floats], width: int) -> Said:
        """Return what is said in an utterance: alone in its call, so that no neighbor matters."""
        samples = torch.from_numpy(np.concatenate(vectors).reshape(-1))
        num_mels = int(self._model.config.encoder_config.num_mel_bins)
        frames = nemo_fbank(samples, num_mels, normalize=self._normalize)
        encoded = self._model.get_audio_features(frames[None].to(self._device)).pooler_output
        emissions = self._decode(encoded)
        scale = len(frames) / max(1, encoded.shape[1]) / _VECTOR_FRAMES
        at = tuple(int(frame * scale + 1e-6) for frame in emissions.frames)
        return Said(tuple(emissions.symbols), at, tuple(emissions.log_probs))

    def _decode(self, encoded: Tensor) -> Emissions:
        most = int(self._model.config.max_symbols_per_step)
        if self._durations:
            return greedy_durations(self._decoder, encoded[0], self._durations, max_symbols=most)
        count = torch.tensor([encoded.shape[1]], device=encoded.device)
        state = GreedyState.start(self._decoder, 1)
        (emissions,), _ = greedy(self._decoder, encoded, count, state, max_symbols=most)
        return emissions


def load_transformers(folder: Path, config: dict[str, Any], device: str) -> TransformersNetwork:
    """Read a folder's weights from safetensors, and its tokenizer.json.

    Raises:
        ModelError: a file is absent or damaged, or weights are missing.
    """
    import transformers

    from models.weights import require_safetensors

    require_safetensors(folder, config)
    name, _ = CLASSES[config["model_type"]]
    try:
        model, report = getattr(transformers, name).from_pretrained(
            folder, use_safetensors=True, local_files_only=True, output_loading_info=True
        )
    except Exception as error:
        raise ModelError(f"{folder}: transformers can't load it as {name}: {error}") from error
    if report["missing_keys"] or report["mismatched_keys"]:
        missing = sorted(map(str, report["missing_keys"] or report["mismatched_keys"]))
        raise ModelError(f"{folder}: weights are missing or do not fit, such as {missing[0]}")
    pieces = _read_tokenizer(folder, int(model.config.vocab_size), int(model.config.blank_token_id))
    return TransformersNetwork(model, pieces, device)


def _read_tokenizer(folder: Path, num_symbols: int, blank: int) -> Pieces:
    """Return the pieces of tokenizer.json; symbols that it lacks add no text.

    Raises:
        ModelError: the file can't be read.
    """
    from tokenizers import Tokenizer

    path = folder / "tokenizer.json"
    try:
        numbers = Tokenizer.from_file(str(path)).get_vocab(with_added_tokens=True)
    except Exception as error:  # tokenizers raises a bare Exception
        raise ModelError(f"{path}: expected the model's tokenizer: {error}") from error
    texts = [""] * num_symbols
    for text, number in numbers.items():
        is_special = text.startswith("<") and text.endswith(">") and len(text) > 2
        if number < num_symbols and number != blank and not is_special:
            texts[number] = text.replace("\u2581", " ")
    return Pieces(tuple(texts), blank)
