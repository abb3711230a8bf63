"""The decoder of Tacotron 2: a pre-net, and two LSTM layers around the attention."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn
from torch.nn import functional

from models.synthesis.location_attention import AttendedText, Attention, linear

if TYPE_CHECKING:
    from models.synthesis.tacotron2 import Tacotron2Config


class Prenet(nn.Module):
    """Two layers with dropout that is never turned off: it keeps the frames from being copied."""

    def __init__(self, config: Tacotron2Config) -> None:
        super().__init__()
        self._dropout = config.dropout
        size = config.prenet_size
        self.layers = nn.ModuleList(
            linear(inputs, size, "linear")
            for inputs in (config.num_mels * config.frames_per_step, size)
        )

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """Return (..., prenet_size), with random dropout."""
        x = frames
        for layer in self.layers:
            x = dropout(functional.relu(layer(x)), self._dropout, is_training=True)
        return x

    def with_masks(self, frames: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
        """Return (B, prenet_size) with the same dropout in each row: masks (2, prenet_size)."""
        x = frames
        for layer, mask in zip(self.layers, masks, strict=True):
            x = functional.relu(layer(x)) * mask
        return x

    def masks(self, num_steps: int, seed: int) -> torch.Tensor:
        """Return masks (num_steps, 2, prenet_size); a step's do not depend on `num_steps`."""
        weight = next(self.parameters())  # (prenet_size, inputs)
        chance = torch.Generator().manual_seed(seed)
        shape = (num_steps, len(self.layers), weight.shape[0])
        kept = torch.rand(shape, generator=chance) >= self._dropout
        return (kept / (1 - self._dropout)).to(weight)


class Spoken(NamedTuple):
    """What the decoder predicts for B texts of S symbols."""

    frames: torch.Tensor
    """(B, num_mels, T) before the post-net; meaningless behind a row's end."""
    num_steps: torch.Tensor
    """(B,) int64, of `frames_per_step` frames each."""
    has_stopped: torch.Tensor
    """(B,) bool: the stop token came before the limit."""
    alignments: torch.Tensor
    """(B, T / frames_per_step, S): each step's attention over the symbols."""


class _State(NamedTuple):
    """What one step passes to the next."""

    hidden: torch.Tensor
    cell: torch.Tensor
    context: torch.Tensor
    weights: torch.Tensor
    """(B, 2, S): the last attention and the sum of all."""


class Decoder(nn.Module):
    """Frames, and when they end, step by step."""

    def __init__(self, config: Tacotron2Config) -> None:
        super().__init__()
        self._config = config
        self.prenet = Prenet(config)
        self.attention_rnn = nn.LSTMCell(
            config.prenet_size + config.symbol_size, config.attention_rnn_size
        )
        self.attention_layer = Attention(config)
        self.decoder_rnn = nn.LSTMCell(
            config.attention_rnn_size + config.symbol_size, config.decoder_size
        )
        read = config.decoder_size + config.symbol_size
        self.linear_projection = linear(
            read, config.num_mels * config.frames_per_step, "linear", bias=True
        )
        self.gate_layer = linear(read, 1, "sigmoid", bias=True)

    def forward(
        self, memory: torch.Tensor, outside: torch.Tensor, frames: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Predict each step from the true frames before it.

        The second layer feeds nothing back to the attention, so it runs over all steps at once.

        Args:
            memory: (B, S, symbol_size).
            outside: (B, S) bool, True behind a text's end.
            frames: (B, num_mels, T).

        Returns:
            frames (B, num_mels, T), stop logits (B, T / r), alignments (B, T / r, S).
        """
        rows, per_step = len(frames), self._config.num_mels * self._config.frames_per_step
        steps = frames.transpose(1, 2).reshape(rows, -1, per_step).transpose(0, 1)
        inputs = self.prenet(torch.cat((steps.new_zeros(1, rows, per_step), steps[:-1])))
        hiddens, contexts, alignments = self._attend_all(
            self.attention_layer.memory(memory, outside), inputs
        )
        start = memory.new_zeros(1, rows, self._config.decoder_size)
        cell = self.decoder_rnn
        weights = [cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh]
        read = torch.cat((hiddens, contexts), dim=2)
        out = torch.lstm(read, (start, start), weights, True, 1, 0.0, False, False, False)[0]
        out = dropout(out, self._config.recurrent_dropout, self.training)
        read = torch.cat((out, contexts), dim=2)
        return (
            self._frames(self.linear_projection(read)),
            self.gate_layer(read).squeeze(2).T,
            alignments,
        )

    def _attend_all(
        self, memory: AttendedText, inputs: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return hidden states and contexts, (steps, B, size) each, and (B, steps, S) weights."""
        state = self._start(memory.encoded)
        hiddens, contexts, alignments = [], [], []
        for step in inputs:
            state = self._attend(step, state, memory)
            hiddens.append(state.hidden)
            contexts.append(state.context)
            alignments.append(state.weights[:, 0])
        return torch.stack(hiddens), torch.stack(contexts), torch.stack(alignments, dim=1)

    def _attend(self, step: torch.Tensor, state: _State, memory: AttendedText) -> _State:
        hidden, cell = self.attention_rnn(
            torch.cat((step, state.context), dim=1), (state.hidden, state.cell)
        )
        hidden = dropout(hidden, self._config.recurrent_dropout, self.training)
        context, weights = self.attention_layer(hidden, memory, state.weights)
        both = torch.stack((weights, state.weights[:, 1] + weights), dim=1)
        return _State(hidden, cell, context, both)

    def _start(self, memory: torch.Tensor) -> _State:
        rows, size = len(memory), self._config.attention_rnn_size
        return _State(
            memory.new_zeros(rows, size),
            memory.new_zeros(rows, size),
            memory.new_zeros(rows, memory.shape[2]),
            memory.new_zeros(rows, 2, memory.shape[1]),
        )

    def _frames(self, projected: torch.Tensor) -> torch.Tensor:
        """Return (B, num_mels, T) of (steps, B, num_mels * frames_per_step)."""
        rows = projected.shape[1]
        frames = projected.transpose(0, 1).reshape(rows, -1, self._config.num_mels)
        return frames.transpose(1, 2)

    @torch.inference_mode()
    def speak(
        self, memory: torch.Tensor, outside: torch.Tensor, limits: torch.Tensor, seed: int
    ) -> Spoken:
        """Predict each step from the predicted frames before it, until the stop token or a limit.

        Args:
            memory: (B, S, symbol_size).
            outside: (B, S) bool, True behind a text's end.
            limits: (B,) int64, the most steps of each row; 0 for a row that only fills the batch.
            seed: of the pre-net's dropout, which is the same in each row.
        """
        state, attended = self._start(memory), self.attention_layer.memory(memory, outside)
        longest = int(limits.max())
        hidden = cell = memory.new_zeros(len(memory), self._config.decoder_size)
        frames = memory.new_zeros(len(memory), self._config.num_mels * self._config.frames_per_step)
        masks = self.prenet.masks(longest, seed)
        num_steps, has_stopped = (
            torch.zeros_like(limits),
            torch.zeros_like(limits, dtype=torch.bool),
        )
        outputs, alignments = [], []
        for step in range(longest):
            is_going = ~has_stopped & (step < limits)
            if not is_going.any():
                break
            num_steps += is_going
            read = self.prenet.with_masks(frames, masks[step])
            state = self._attend(read, state, attended)
            read = torch.cat((state.hidden, state.context), dim=1)
            hidden, cell = self.decoder_rnn(read, (hidden, cell))
            read = torch.cat((hidden, state.context), dim=1)
            frames = self.linear_projection(read)
            has_stopped |= (self.gate_layer(read).squeeze(1) >= 0) & is_going  # probability 1/2
            outputs.append(frames)
            alignments.append(state.weights[:, 0])
        return Spoken(
            self._frames(torch.stack(outputs)),
            num_steps,
            has_stopped,
            torch.stack(alignments, dim=1),
        )


def dropout(x: torch.Tensor, share: float, is_training: bool) -> torch.Tensor:
    """Set a share of the numbers to 0, in steps of 1/256; one draw serves eight of them.

    Dropout of torch draws for each number, which takes a tenth of a training step.
    """
    if not is_training or not share:
        return x
    draws = torch.randint(-(2**63), 2**63 - 1, (x.numel() // 8 + 1,))
    kept = draws.view(torch.uint8)[: x.numel()].view(x.shape) >= round(share * 256)
    return x * (kept / (1 - share))
