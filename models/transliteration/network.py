"""The transliterator's networks: an encoder of letters, and a transducer behind it."""

from __future__ import annotations

from typing import Annotated

import msgspec
import torch
from msgspec import Meta
from torch import Tensor, nn

from models.transducer.network import Size, Transducer, TransducerShape
from models.transliteration.alphabet import Alphabet


class TransliteratorShape(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes of all networks; stored beside the weights."""

    embedding: Size = 128
    """Width of a letter's vector."""
    hidden: Size = 256
    """Units of a layer of the encoder, in each direction."""
    layers: Annotated[int, Meta(ge=1, le=8)] = 2
    """Of the encoder."""
    dropout: Annotated[float, Meta(ge=0, lt=1)] = 0.3
    """In training: of letters and between the encoder's layers."""
    transducer: TransducerShape = TransducerShape()


class LetterEncoder(nn.Module):
    """Letters, read from both ends: an embedding and a bidirectional LSTM."""

    def __init__(self, num_inputs: int, shape: TransliteratorShape) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_inputs, shape.embedding, padding_idx=0)
        self.dropout = nn.Dropout(shape.dropout)
        self.recurrent = nn.LSTM(
            shape.embedding,
            shape.hidden,
            shape.layers,
            batch_first=True,
            bidirectional=True,
            dropout=shape.dropout if shape.layers > 1 else 0.0,
        )

    def forward(self, letters: Tensor, lengths: Tensor) -> Tensor:
        """Return (B, T, 2 hidden) of letters (B, T) int64, padded with 0; lengths are >= 1."""
        embedded = self.dropout(self.embedding(letters))
        packed = nn.utils.rnn.pack_padded_sequence(
            embedded, lengths.cpu(), batch_first=True, enforce_sorted=False
        )
        output, _ = self.recurrent(packed)
        encoded, _ = nn.utils.rnn.pad_packed_sequence(
            output, batch_first=True, total_length=letters.shape[1]
        )
        dropped: Tensor = self.dropout(encoded)
        return dropped


def make_network(alphabet: Alphabet, shape: TransliteratorShape) -> Transducer:
    """Return a transducer with random weights from torch's generator."""
    return Transducer(
        LetterEncoder(alphabet.num_inputs, shape),
        encoder_width=2 * shape.hidden,
        num_symbols=alphabet.num_symbols,
        shape=shape.transducer,
    )


def pad(rows: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Return rows of numbers as one (B, T) tensor, padded with 0, and their lengths (B,)."""
    lengths = torch.tensor([len(row) for row in rows])
    padded = torch.zeros(len(rows), max(map(len, rows), default=0), dtype=torch.int64)
    for place, row in enumerate(rows):
        padded[place, : len(row)] = torch.tensor(row, dtype=torch.int64)
    return padded, lengths
