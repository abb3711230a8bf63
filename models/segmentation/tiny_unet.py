"""A small U-Net that gives each pixel a class.

This module imports torch: import it only where a model is trained or loaded.

Source: Ronneberger, Fischer and Brox, 2015, "U-Net", arXiv:1505.04597; the last doubling of the
resolution is the pixel shuffle of Shi et al., 2016, arXiv:1609.05158.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

#: Network input, pixels: the size of the rendered pictures. Sides are multiples of 32.
INPUT_HEIGHT, INPUT_WIDTH = 384, 640
#: Channels at 1/2, 1/4, 1/8, 1/16 and 1/32 of the input's size.
_CHANNELS = (16, 32, 48, 64, 96)
_SHUFFLE = 2
#: In the loss, of the background, car, truck, bus, person, bicycle: small objects have few pixels.
_CLASS_WEIGHTS = (0.5, 1.0, 1.2, 1.0, 2.5, 2.5)


class _Conv(nn.Sequential):
    """Convolution, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class TinyUnet(nn.Module):
    """Class logits for each pixel of RGB pictures, 0.34 M parameters."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        inputs = (3, *_CHANNELS[:-1])
        self.down = nn.ModuleList(
            [
                nn.Sequential(_Conv(i, o, 2), _Conv(o, o)) if i > 3 else _Conv(i, o, 2)
                for i, o in zip(inputs, _CHANNELS, strict=True)
            ]
        )
        self.narrow = nn.ModuleList([nn.Conv2d(o, i, 1) for i, o in itertools.pairwise(_CHANNELS)])
        self.up = nn.ModuleList([_Conv(channels, channels) for channels in _CHANNELS[:-1]])
        self.head = nn.Conv2d(_CHANNELS[0], num_classes * _SHUFFLE**2, 3, padding=1)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return logits (B, C, H, W) for pixels (B, 3, H, W) float32, RGB, 0 to 1."""
        levels = []
        x = pixels
        for down in self.down:
            x = down(x)
            levels.append(x)
        for level in reversed(range(len(levels) - 1)):
            coarse = nn.functional.interpolate(self.narrow[level](x), scale_factor=2.0)
            x = self.up[level](levels[level] + coarse)
        logits: Tensor = nn.functional.pixel_shuffle(self.head(x), _SHUFFLE)
        return logits


def segmentation_loss(logits: Tensor, classes: Tensor) -> Tensor:
    """Return the cross-entropy plus the soft Dice loss of the classes (arXiv:1606.04797).

    Args:
        logits: (B, C, H, W).
        classes: (B, H, W) int64.
    """
    weights = torch.tensor(_CLASS_WEIGHTS, dtype=logits.dtype)
    entropy = nn.functional.cross_entropy(logits, classes, weights)
    shares = logits.softmax(dim=1)
    truth = nn.functional.one_hot(classes, logits.shape[1]).movedim(-1, 1).to(shares.dtype)
    overlap = (shares * truth).sum(dim=(0, 2, 3))
    total = (shares + truth).sum(dim=(0, 2, 3))
    # A class that is not in the batch would only push its own scores down, the rarest the most.
    is_there = truth.amax(dim=(0, 2, 3)) > 0
    dice = 1 - ((2 * overlap + 1) / (total + 1))[is_there].mean()
    return entropy + dice
