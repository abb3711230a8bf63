"""A small U-Net that gives each pixel a class.

This module imports torch: import it only where a model is trained or loaded.

Source: Ronneberger, Fischer and Brox, 2015, "U-Net", arXiv:1505.04597, with the residual blocks of
He et al., 2015, arXiv:1512.03385, where the resolution is low.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

#: Network input, pixels: the size of the rendered pictures. Sides are multiples of 32.
INPUT_HEIGHT, INPUT_WIDTH = 384, 640
#: Channels at 1/1, 1/2, 1/4, 1/8, 1/16 and 1/32 of the input's size. The whole resolution has
#: features of its own: limbs and bicycle rims are one or two pixels wide.
_CHANNELS = (16, 24, 40, 56, 72, 80)
#: From this level on, blocks are residual.
_RESIDUAL_FROM = 3


class _Conv(nn.Sequential):
    """Convolution, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class _Residual(nn.Module):
    """Two convolutions that add to their input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.entry = _Conv(channels, channels)
        self.exit = nn.Sequential(
            nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = nn.functional.relu(x + self.exit(self.entry(x)))
        return out


def _level(number: int, inputs: int, outputs: int) -> nn.Sequential:
    block = _Residual(outputs) if number >= _RESIDUAL_FROM else _Conv(outputs, outputs)
    return nn.Sequential(_Conv(inputs, outputs, 2), block)


class TinyUnet(nn.Module):
    """Class logits for each pixel of RGB pictures, 0.5 M parameters."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        pairs = list(itertools.pairwise(_CHANNELS))
        self.stem = _Conv(3, _CHANNELS[0])
        self.down = nn.ModuleList([_level(n, i, o) for n, (i, o) in enumerate(pairs, 1)])
        self.narrow = nn.ModuleList([nn.Conv2d(o, i, 1) for i, o in pairs])
        self.up = nn.ModuleList([_Conv(channels, channels) for channels in _CHANNELS[:-1]])
        self.head = nn.Conv2d(_CHANNELS[0], num_classes, 1)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return logits (B, C, H, W) for pixels (B, 3, H, W) float32, RGB, 0 to 1."""
        levels = [self.stem(pixels)]
        for down in self.down:
            levels.append(down(levels[-1]))
        x = levels.pop()
        for level in reversed(range(len(levels))):
            coarse = nn.functional.interpolate(self.narrow[level](x), scale_factor=2.0)
            x = self.up[level](levels[level] + coarse)
        logits: Tensor = self.head(x)
        return logits


def segmentation_loss(logits: Tensor, classes: Tensor, ignored: int = -1) -> Tensor:
    """Return the cross-entropy plus the soft Dice loss of the classes (arXiv:1606.04797).

    Args:
        logits: (B, C, H, W) float32.
        classes: (B, H, W) int64.
        ignored: pixels of this class count for nothing.
    """
    is_known = (classes != ignored).reshape(-1)
    log_shares = logits.log_softmax(dim=1)
    places = torch.where(is_known, classes.reshape(-1), 0)
    # Without one-hot classes, which would be as large as the logits.
    own = log_shares.gather(1, places.view_as(classes)[:, None]).reshape(-1)
    known = is_known.to(own.dtype)
    entropy = -(own * known).sum() / known.sum().clamp(min=1)
    counts = torch.zeros(logits.shape[1]).index_add(0, places, known)
    overlap = torch.zeros(logits.shape[1]).index_add(0, places, own.exp() * known)
    shares = log_shares.exp() * known.view_as(classes)[:, None]
    # A class that is not in the batch would only push its own scores down, the rarest the most.
    is_there = counts > 0
    dice = ((2 * overlap + 1) / (shares.sum(dim=(0, 2, 3)) + counts + 1))[is_there]
    return entropy + (1 - dice.mean() if len(dice) else 0.0)
