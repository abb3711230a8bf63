"""Limits of what is spoken: how many steps a text may take, and when its reading is broken."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import torch


class Limits(NamedTuple):
    """When the decoder has to end."""

    max_steps: torch.Tensor
    """(B,) int64: of each text."""
    stop_probability: float = 0.5
    """A step whose stop token has at least this probability is the last."""
