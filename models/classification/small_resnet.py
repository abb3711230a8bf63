"""ResNet-20 for small pictures, with torchvision's parameter names.

This module imports torch: import it only where a model is trained or loaded.

Source: He et al., 2015, "Deep Residual Learning for Image Recognition", arXiv:1512.03385, section
4.2; where the shape changes, the shortcut is a projection (option B).
"""

from __future__ import annotations

from torch import Tensor, nn

_BLOCKS, _CHANNELS = 3, (16, 32, 64)


class _Block(nn.Module):
    """Two convolutions and a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample: nn.Module | None = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        inner = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        out: Tensor = (inner + shortcut).relu()
        return out


class ResNet20(nn.Module):
    """Class logits (B, C) for pictures (B, channels, H, W) of any size; 0.27 M parameters."""

    def __init__(self, num_classes: int, channels: int = 3) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, _CHANNELS[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(_CHANNELS[0])
        inputs = (_CHANNELS[0], *_CHANNELS[:-1])
        for number, (i, o) in enumerate(zip(inputs, _CHANNELS, strict=True), 1):
            first = _Block(i, o, 1 if number == 1 else 2)
            rest = [_Block(o, o, 1) for _ in range(_BLOCKS - 1)]
            setattr(self, f"layer{number}", nn.Sequential(first, *rest))
        self.fc = nn.Linear(_CHANNELS[-1], num_classes)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return class logits (B, C)."""
        x = self.bn1(self.conv1(pixels)).relu()
        for number in range(1, len(_CHANNELS) + 1):
            x = getattr(self, f"layer{number}")(x)
        logits: Tensor = self.fc(x.mean(dim=(2, 3)))
        return logits
