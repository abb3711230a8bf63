"""The recognizer with what only its training needs: losses, and a head on its encoder."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.speech.alphabet import NUM_SYMBOLS, encode_text
from models.speech.augment import vary_features
from models.speech.blocks import SUBSAMPLING
from models.speech.encoder import EncoderShape, SpeechEncoder
from models.speech.even_letters import spread_letters
from models.speech.features import HOP, WINDOW, log_mel
from models.transducer.loss import transducer_loss
from models.transducer.network import Transducer, TransducerShape

#: Weight of the encoder's own loss (CTC; Graves et al., 2006), which finds alignments sooner.
_CTC_WEIGHT = 0.3
#: Earlier output (Yu et al., 2021, "FastEmit", arXiv:2010.11148).
_FAST_EMIT = 0.005
_DROPOUT = 0.1


class RecognizerInTraining(nn.Module):
    """The transducer, and a head on its encoder that only training needs."""

    def __init__(self, hidden: int, layers: int, joint: int) -> None:
        super().__init__()
        encoder = SpeechEncoder(EncoderShape(hidden=hidden, layers=layers), _DROPOUT)
        self.shape = TransducerShape(joint=joint, hidden=joint, dropout=_DROPOUT)
        self.transducer = Transducer(
            encoder,
            encoder_width=hidden,
            num_symbols=NUM_SYMBOLS,
            shape=self.shape,
        )
        self.ctc = nn.Linear(hidden, NUM_SYMBOLS)

    def _encode(
        self, sounds: list[Any], chance: np.random.Generator | None
    ) -> tuple[Tensor, Tensor]:
        """Return (B, T, H) and the number of vectors of each (B,)."""
        frames, lengths = _spectrograms(sounds, chance)
        encoder: Any = self.transducer.encoder
        encoded, _ = encoder(frames, encoder.start(len(sounds)))
        return encoded, (lengths // SUBSAMPLING).clamp(min=1)

    def first_letters(self, sounds: list[Any], texts: list[str]) -> Tensor:
        """Return the loss of letters where they would be if all took the same time."""
        encoded, _ = self._encode(sounds, None)
        targets = np.full(encoded.shape[:2], -1)
        for row, (sound, text) in enumerate(zip(sounds, texts, strict=True)):
            spread = spread_letters(sound, text)
            targets[row, : len(spread)] = spread[: encoded.shape[1]]
        logits: Tensor = self.ctc(encoded).transpose(1, 2)
        loss: Tensor = nn.functional.cross_entropy(
            logits, torch.from_numpy(targets), ignore_index=-1
        )
        return loss

    def ctc_loss(
        self, sounds: list[Any], texts: list[str], chance: np.random.Generator | None
    ) -> Tensor:
        """Return the mean loss of the encoder alone, per symbol."""
        encoded, num_frames = self._encode(sounds, chance)
        targets, num_targets = _pad(texts)
        return (self._ctc(encoded, num_frames, targets, num_targets) / num_targets).mean()

    def _ctc(
        self, encoded: Tensor, num_frames: Tensor, targets: Tensor,
        num_targets: Tensor,
    ) -> Tensor:  # fmt: skip
        log_probs: Tensor = self.ctc(encoded).log_softmax(-1).transpose(0, 1)
        loss: Tensor = nn.functional.ctc_loss(
            log_probs, targets, num_frames, num_targets, reduction="none", zero_infinity=True
        )
        return loss

    def loss(
        self, sounds: list[Any], texts: list[str], chance: np.random.Generator | None
    ) -> Tensor:
        """Return the mean loss of sentences, per symbol; varied if there is chance."""
        encoded, num_frames = self._encode(sounds, chance)
        targets, num_targets = _pad(texts)
        logits = self.transducer(encoded, targets)
        main = transducer_loss(logits, targets, num_frames, num_targets, fast_emit=_FAST_EMIT)
        beside = self._ctc(encoded, num_frames, targets, num_targets)
        return ((main + _CTC_WEIGHT * beside) / num_targets).mean()


def _pad(texts: list[str]) -> tuple[Tensor, Tensor]:
    """Return symbols (B, U) with zeros behind them, and the number of each (B,)."""
    symbols = [torch.tensor(encode_text(text)) for text in texts]
    padded = torch.nn.utils.rnn.pad_sequence(symbols, batch_first=True)
    return padded, torch.tensor([len(some) for some in symbols])


def _spectrograms(sounds: list[Any], chance: np.random.Generator | None) -> tuple[Tensor, Tensor]:
    """Return (B, T, 80) and lengths (B,), T a multiple of 4; varied if there is chance."""
    longest = max(map(len, sounds))
    longest += -(longest - WINDOW) % (4 * HOP)  # whole groups of 4 frames
    padded = np.zeros((len(sounds), longest + 3 * HOP), np.float32)
    for row, sound in enumerate(sounds):
        padded[row, : len(sound)] = sound
    frames = log_mel(torch.from_numpy(padded))
    lengths = torch.tensor([(len(sound) - WINDOW) // HOP + 1 for sound in sounds])
    if chance is not None:
        varied = [vary_features(frames.shape[1], chance) for _ in sounds]
        curves, masks = (np.stack(part) for part in zip(*varied, strict=True))
        frames = (frames + torch.from_numpy(curves)[:, None]) * torch.from_numpy(masks)
    return frames[:, : frames.shape[1] // 4 * 4], lengths
