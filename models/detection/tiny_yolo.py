"""A small anchor-free detector like YOLO, which decodes boxes in its graph.

This module imports torch: import it only where a model is trained or loaded.

Cross-stage blocks after Wang et al., 2019, "CSPNet", arXiv:1911.11929; a top-down pyramid after
Lin et al., 2016, "Feature Pyramid Networks", arXiv:1612.03144; distances from cell centers to box
sides after Tian et al., 2019, "FCOS", arXiv:1904.01355, with one score for each class and no
objectness, as in YOLOv8.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

#: Network input, pixels; 5:3 like the rendered pictures.
INPUT_HEIGHT, INPUT_WIDTH = 192, 320
STRIDES = (8, 16, 32)
_CHANNELS = (16, 32, 48, 80, 112)
_NECK_CHANNELS = 48
#: Share of cells that contain an object, before training (arXiv:1708.02002, section 4.1).
_PRIOR = 0.01
#: Raw distances are capped before exp(), so that a half-trained network can't overflow.
_MAX_LOG_DISTANCE = 5.0


class _Conv(nn.Sequential):
    """Convolution, batch norm, SiLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(outputs),
            nn.SiLU(inplace=True),
        )


class _Bottleneck(nn.Module):
    """Half of the channels skip, half go through a residual pair of convolutions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.passed = _Conv(channels, half, 1)
        self.entry = _Conv(channels, half, 1)
        self.residual = nn.Sequential(_Conv(half, half), _Conv(half, half))
        self.exit = _Conv(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.entry(x)
        merged = torch.cat([self.passed(x), inner + self.residual(inner)], dim=1)
        out: Tensor = self.exit(merged)
        return out


def _stage(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(_Conv(inputs, outputs, 3, 2), _Bottleneck(outputs))


class _Head(nn.Module):
    """The class logits and box distances of one level."""

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.classes = nn.Sequential(_Conv(channels, channels), nn.Conv2d(channels, num_classes, 1))
        self.distances = nn.Sequential(_Conv(channels, channels), nn.Conv2d(channels, 4, 1))
        bias = self.classes[-1].bias
        assert isinstance(bias, Tensor)
        nn.init.constant_(bias, -math.log((1 - _PRIOR) / _PRIOR))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        logits, distances = self.classes(x), self.distances(x)
        return logits.flatten(2).transpose(1, 2), distances.flatten(2).transpose(1, 2)


class TinyYolo(nn.Module):
    """Boxes and class scores for RGB pictures of `INPUT_HEIGHT` by `INPUT_WIDTH`."""

    centers: Tensor
    strides: Tensor

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        c1, c2, c3, c4, c5 = _CHANNELS
        self.stem = _Conv(3, c1, 3, 2)
        self.stages = nn.ModuleList(
            [_stage(c1, c2), _stage(c2, c3), _stage(c3, c4), _stage(c4, c5)]
        )
        self.laterals = nn.ModuleList([_Conv(c, _NECK_CHANNELS, 1) for c in (c3, c4, c5)])
        self.smooth = nn.ModuleList([_Bottleneck(_NECK_CHANNELS) for _ in range(3)])
        self.heads = nn.ModuleList([_Head(_NECK_CHANNELS, num_classes) for _ in STRIDES])
        centers, strides = _cells()
        self.register_buffer("centers", centers, persistent=False)
        self.register_buffer("strides", strides, persistent=False)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Return boxes and scores.

        Args:
            pixels: (B, 3, 192, 320) float32, RGB, 0 to 1.

        Returns:
            boxes (B, N, 4) xyxy in network pixels and scores (B, N, C) in [0, 1], for the N cells
            of all levels, before suppression.
        """
        boxes, logits = self.boxes_and_logits(pixels)
        return boxes, logits.sigmoid()

    def boxes_and_logits(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Return boxes (B, N, 4) as `forward` does, and class logits (B, N, C)."""
        levels = [head(x) for head, x in zip(self.heads, self._pyramid(pixels), strict=True)]
        logits = torch.cat([level[0] for level in levels], dim=1)
        raw = torch.cat([level[1] for level in levels], dim=1)
        distances = raw.clamp(max=_MAX_LOG_DISTANCE).exp() * self.strides
        corners = [self.centers - distances[..., :2], self.centers + distances[..., 2:]]
        return torch.cat(corners, dim=-1), logits

    def _pyramid(self, pixels: Tensor) -> list[Tensor]:
        x = self.stem(pixels)
        levels = []
        for stage in self.stages:
            x = stage(x)
            levels.append(x)
        sides = [lateral(x) for lateral, x in zip(self.laterals, levels[1:], strict=True)]
        for fine in (1, 0):
            sides[fine] = sides[fine] + nn.functional.interpolate(sides[fine + 1], scale_factor=2.0)
        return [smooth(side) for smooth, side in zip(self.smooth, sides, strict=True)]


def _cells() -> tuple[Tensor, Tensor]:
    """Return each cell's center (N, 2) x, y and stride (N, 1), in network pixels."""
    centers, strides = [], []
    for stride in STRIDES:
        rows, columns = INPUT_HEIGHT // stride, INPUT_WIDTH // stride
        y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        centers.append((torch.stack([x, y], dim=-1).reshape(-1, 2) + 0.5) * stride)
        strides.append(torch.full((rows * columns, 1), float(stride)))
    return torch.cat(centers), torch.cat(strides)
