"""What Nemotron's streaming encoder remembers, as one row of numbers for each stream.

transformers keeps two caches: keys and values of attention, which grow up to the sliding window,
and the last inputs of each causal convolution. A row has room for full ones.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

Floats = npt.NDArray[np.float32]


class EncoderCaches:
    """Puts the caches of one encoder into rows and takes them out again."""

    def __init__(self, encoder: Any, outputs: Any) -> None:
        """Note the shapes.

        Args:
            encoder: of transformers.
            outputs: what it gave for the first chunk of a stream, with caches.
        """
        self._config = encoder.config
        self._convolutions = {
            name: copy.copy(layer) for name, layer in outputs.padding_cache.layers.items()
        }
        _, self._heads, _, self._depth = outputs.past_key_values.layers[0].keys.shape
        self._layers = len(outputs.past_key_values.layers)
        self._kept = int(encoder.config.sliding_window) - 1
        attention = 2 * self._layers * self._heads * self._kept * self._depth
        self.width = attention + sum(c.cache.numel() for c in self._convolutions.values())
        """Numbers in a row."""

    def to_row(self, outputs: Any) -> Floats:
        """Return the caches after a chunk."""
        shape = (self._layers, 2, self._heads, self._kept, self._depth)
        attention = np.zeros(shape, np.float32)
        for number, layer in enumerate(outputs.past_key_values.layers):
            count = layer.keys.shape[2]
            for place, part in enumerate((layer.keys, layer.values)):
                attention[number, place, :, :count] = part[0].cpu().numpy()
        padding = outputs.padding_cache.layers
        parts = [padding[name].cache.cpu().numpy().reshape(-1) for name in self._convolutions]
        return np.concatenate([attention.reshape(-1), *parts])

    def from_row(self, row: Floats, num_frames: int, device: str) -> tuple[Any, Any]:
        """Return attention's cache and the convolutions', as the encoder takes them.

        Args:
            row: (width,), not changed.
            num_frames: that the encoder has made of the stream, > 0.
            device: of the model.
        """
        from transformers.cache_utils import DynamicCache
        from transformers.models.nemotron_asr_streaming import (
            modeling_nemotron_asr_streaming as modeling,
        )

        whole = torch.from_numpy(row.copy()).to(device)
        attention, start = DynamicCache(config=self._config), 0
        size = self._heads * self._kept * self._depth
        for layer in attention.layers:
            keys, values = (
                whole[at : at + size].reshape(1, self._heads, self._kept, self._depth)
                for at in (start, start + size)
            )
            count = min(num_frames, self._kept)
            layer.lazy_initialization(keys, values)
            layer.keys, layer.values = keys[:, :, :count], values[:, :, :count]
            layer.cumulative_length = num_frames
            start += 2 * size
        padding = modeling.NemotronAsrStreamingEncoderCausalConvPaddingCache()
        for name, noted in self._convolutions.items():
            layer = copy.copy(noted)
            size = noted.cache.numel()
            layer.cache = whole[start : start + size].reshape(noted.cache.shape).clone()
            padding.layers[name] = layer
            start += size
        return attention, padding
