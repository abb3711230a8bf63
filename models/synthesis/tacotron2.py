"""Tacotron 2: characters in, log-mel frames out.

Shen et al., 2018, "Natural TTS Synthesis by Conditioning WaveNet on Mel Spectrogram Predictions",
arXiv:1712.05884. The parameters have the names of torchaudio's implementation; NVIDIA's differ
only by a wrapper and are renamed by `published_names`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec
import torch
from torch import nn
from torch.nn import functional

from models.synthesis.tacotron2_decoder import Decoder, dropout


class Tacotron2Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sizes; the defaults are the published ones (28.1 M parameters with 148 symbols)."""

    num_symbols: int = 148
    num_mels: int = 80
    frames_per_step: int = 1
    """Frames that the decoder predicts in one step, the reduction factor of Wang et al., 2017."""
    symbol_size: int = 512
    """Of an embedded symbol, and of the encoder; even."""
    encoder_layers: int = 3
    encoder_kernel: int = 5
    decoder_size: int = 1024
    attention_rnn_size: int = 1024
    attention_size: int = 128
    location_filters: int = 32
    location_kernel: int = 31
    prenet_size: int = 256
    postnet_layers: int = 5
    postnet_kernel: int = 5
    postnet_size: int = 512
    dropout: float = 0.5
    """Of the pre-net, always."""
    recurrent_dropout: float = 0.1
    """Of the outputs of both decoder layers, in training only."""
    convolution_dropout: float = 0.5
    """Of convolutions, in training only."""


class Forced(NamedTuple):
    """What the network predicts from the true frames before each step, to train it."""

    before: torch.Tensor
    """(B, num_mels, T) before the post-net."""
    after: torch.Tensor
    """(B, num_mels, T) after the post-net."""
    stop_logits: torch.Tensor
    """(B, T / frames_per_step)."""
    alignments: torch.Tensor
    """(B, T / frames_per_step, S)."""


class Encoder(nn.Module):
    """Convolutions and a bidirectional LSTM over embedded symbols."""

    def __init__(self, config: Tacotron2Config) -> None:
        super().__init__()
        size, kernel = config.symbol_size, config.encoder_kernel
        self._dropout = config.convolution_dropout
        self.convolutions = nn.ModuleList(
            _convolution(size, size, kernel, "relu") for _ in range(config.encoder_layers)
        )
        self.lstm = nn.LSTM(size, size // 2, 1, batch_first=True, bidirectional=True)

    def forward(self, embedded: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Encode (B, size, S); rows are as if alone. Returns (B, S, size), 0 behind an end."""
        exists = positions_within(lengths, embedded.shape[2]).unsqueeze(1)
        x = embedded * exists
        for layer in self.convolutions:
            x = dropout(functional.relu(layer(x)), self._dropout, self.training)
            x = x * exists  # as the zeros around a text that is alone
        packed = nn.utils.rnn.pack_padded_sequence(
            x.transpose(1, 2), lengths.cpu(), batch_first=True, enforce_sorted=False
        )
        encoded, _ = nn.utils.rnn.pad_packed_sequence(
            self.lstm(packed)[0], batch_first=True, total_length=embedded.shape[2]
        )
        return encoded


class Postnet(nn.Module):
    """Convolutions that predict what the decoder's frames lack."""

    def __init__(self, config: Tacotron2Config) -> None:
        super().__init__()
        inner = [config.postnet_size] * (config.postnet_layers - 1)
        sizes = [config.num_mels, *inner, config.num_mels]
        self._dropout = config.convolution_dropout
        self.convolutions = nn.ModuleList(
            _convolution(a, b, config.postnet_kernel, "linear" if last else "tanh")
            for last, a, b in zip(
                [*(False for _ in inner), True], sizes[:-1], sizes[1:], strict=True
            )
        )

    def forward(self, frames: torch.Tensor, exists: torch.Tensor) -> torch.Tensor:
        """Return (B, num_mels, T) to add to the frames; `exists` (B, 1, T) marks real ones."""
        x = frames * exists
        for number, layer in enumerate(self.convolutions):
            x = layer(x)
            if number < len(self.convolutions) - 1:
                x = torch.tanh(x)
            x = dropout(x, self._dropout, self.training) * exists
        return x


class Tacotron2(nn.Module):
    """The whole network."""

    def __init__(self, config: Tacotron2Config) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.num_symbols, config.symbol_size)
        nn.init.xavier_uniform_(self.embedding.weight)
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.postnet = Postnet(config)

    def forward(
        self,
        symbols: torch.Tensor,
        num_symbols: torch.Tensor,
        frames: torch.Tensor,
        num_frames: torch.Tensor,
    ) -> Forced:
        """Predict each step from the true frames before it.

        Args:
            symbols: (B, S) int64.
            num_symbols: (B,) int64, each at least 1.
            frames: (B, num_mels, T) true log-mel, T a multiple of `frames_per_step`.
            num_frames: (B,) int64.
        """
        memory = self.encoder(self.embedding(symbols).transpose(1, 2), num_symbols)
        outside = ~positions_within(num_symbols, symbols.shape[1])
        before, stop_logits, alignments = self.decoder(memory, outside, frames)
        exists = positions_within(num_frames, frames.shape[2]).unsqueeze(1)
        return Forced(before, before + self.postnet(before, exists), stop_logits, alignments)

    def encode(self, symbols: torch.Tensor) -> torch.Tensor:
        """Return the encoded symbols (S, symbol_size) of one text (S,)."""
        length = torch.tensor([len(symbols)], device=symbols.device)
        encoded: torch.Tensor = self.encoder(self.embedding(symbols[None]).transpose(1, 2), length)
        return encoded[0]

    def finish(self, frames: torch.Tensor) -> torch.Tensor:
        """Return what the post-net makes of the decoder's frames of one text: (num_mels, T)."""
        exists = torch.ones_like(frames[:1], dtype=torch.bool)[None]
        finished: torch.Tensor = frames + self.postnet(frames[None], exists)[0]
        return finished


def positions_within(lengths: torch.Tensor, size: int) -> torch.Tensor:
    """Return (B, size) bool: True on positions before a row's length."""
    return torch.arange(size, device=lengths.device) < lengths[:, None]


def published_names(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return a published state dict with the names of this module.

    NVIDIA's wraps each linear layer and convolution (`linear_layer.weight`, `conv.weight`), and
    one that was trained on several devices begins each name with `module.`.
    """
    return {
        name.removeprefix("module.").replace(".linear_layer.", ".").replace(".conv.", "."): tensor
        for name, tensor in tensors.items()
    }


def _convolution(inputs: int, outputs: int, kernel: int, gain: str) -> nn.Sequential:
    convolution = nn.Conv1d(inputs, outputs, kernel, padding=(kernel - 1) // 2)
    nn.init.xavier_uniform_(convolution.weight, nn.init.calculate_gain(gain))  # type: ignore[arg-type]
    return nn.Sequential(convolution, nn.BatchNorm1d(outputs))
