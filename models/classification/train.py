"""Train ResNet-20 classifiers: `digits`, which is shipped, and `traffic`, which is not yet.

    OMP_NUM_THREADS=1 python -m models.classification.train digits --seed 0
    OMP_NUM_THREADS=1 python -m models.classification.train traffic --seed 0

writes `model.safetensors` and `config.json` to `models/classification/weights/<name>` and prints
the accuracy on pictures that it has not seen. `--folds 4` trains no final model: it measures each
amount of augmentation by cross-validation on the training pictures.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from models.classification.training_sets import (
    UNSEEN_SEED,
    PictureSet,
    load_digits,
    render_traffic,
)

if TYPE_CHECKING:
    from torch import Tensor

    from models.classification.small_resnet import ResNet20

_PEAK_RATE, _WEIGHT_DECAY, _WARM_UP_SHARE, _SMOOTHING = 4e-3, 0.05, 0.15, 0.05
_NUM_TRAFFIC, _NUM_UNSEEN = 4000, 1000
#: The amounts of augmentation that `--folds` compares.
CANDIDATES = (0.0, 0.5, 1.0)


@dataclass(frozen=True)
class Settings:
    """How to train."""

    seed: int = 0
    num_epochs: int = 12
    batch_size: int = 64
    augmentation: float = 1.0
    """1: turned by up to 15 degrees, scaled by up to 15 %, shifted by up to 10 % of the side."""
    mirrors: bool = False
    """Whether a mirrored picture has the same class."""


def train(settings: Settings, data: PictureSet) -> ResNet20:
    """Train with AdamW and a one-cycle learning rate."""
    import torch

    from models.classification.small_resnet import ResNet20

    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    net = ResNet20(len(data.labels), data.pixels.shape[3]).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), lr=_PEAK_RATE, weight_decay=_WEIGHT_DECAY)
    loss_of = torch.nn.CrossEntropyLoss(label_smoothing=_SMOOTHING)
    steps = len(data.pixels) // settings.batch_size
    started = time.monotonic()
    for epoch in range(settings.num_epochs):
        order, losses = rng.permutation(len(data.pixels)), []
        for step in range(steps):
            chosen = order[step * settings.batch_size : (step + 1) * settings.batch_size]
            done = (epoch * steps + step + 1) / (steps * settings.num_epochs)
            optimizer.param_groups[0]["lr"] = _rate(done)
            pixels = augmented(to_tensor(data.pixels[chosen]), settings, rng)
            loss = loss_of(net(pixels), torch.from_numpy(data.class_ids[chosen]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
        spent = time.monotonic() - started
        print(f"epoch {epoch + 1}: mean loss {np.mean(losses):.3f}, {spent:.0f} s", flush=True)
    return net.eval()


def to_tensor(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Tensor:
    """Return pictures (B, H, W, channels) as (B, channels, H, W) float32, -1 to 1."""
    import torch

    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1


def augmented(pixels: Tensor, settings: Settings, rng: np.random.Generator) -> Tensor:
    """Turn, scale, shift and perhaps mirror each picture."""
    import torch

    count, amount = len(pixels), settings.augmentation
    angle = rng.uniform(-1, 1, count) * amount * math.radians(15)
    scale = 1 + rng.uniform(-1, 1, count) * amount * 0.15
    shift = rng.uniform(-1, 1, (count, 2)) * amount * 0.2  # of half a side
    mirror = np.where(rng.random(count) < 0.5, -1.0, 1.0) if settings.mirrors else np.ones(count)
    theta = np.empty((count, 2, 3), np.float32)
    theta[:, 0, 0], theta[:, 0, 1] = np.cos(angle) * scale * mirror, -np.sin(angle) * scale
    theta[:, 1, 0], theta[:, 1, 1] = np.sin(angle) * scale * mirror, np.cos(angle) * scale
    theta[:, :, 2] = shift
    functional = torch.nn.functional
    grid = functional.affine_grid(torch.from_numpy(theta), list(pixels.shape), align_corners=False)
    return functional.grid_sample(pixels, grid, padding_mode="border", align_corners=False)


def accuracy(net: ResNet20, data: PictureSet) -> float:
    """Return the share of pictures whose likeliest class is right."""
    import torch

    with torch.inference_mode():
        parts = [net(to_tensor(data.pixels[i : i + 256])) for i in range(0, len(data.pixels), 256)]
        found = torch.cat(parts).argmax(dim=1).numpy()
    return float((found == data.class_ids).mean())


def cross_validate(settings: Settings, data: PictureSet, num_folds: int) -> dict[float, float]:
    """Return the mean accuracy over the folds for each of `CANDIDATES`."""
    fold = np.random.default_rng(settings.seed).permutation(len(data.pixels)) % num_folds
    means = {}
    for amount in CANDIDATES:
        tried = replace(settings, augmentation=amount)
        scores = [
            accuracy(
                train(tried, data.rows(np.flatnonzero(fold != number))),
                data.rows(np.flatnonzero(fold == number)),
            )
            for number in range(num_folds)
        ]
        means[amount] = float(np.mean(scores))
        print(f"augmentation {amount}: {means[amount]:.4f} of {scores}", flush=True)
    return means


def _rate(done: float) -> float:
    """Return the learning rate: a linear rise, then a cosine down to zero."""
    if done < _WARM_UP_SHARE:
        return _PEAK_RATE * done / _WARM_UP_SHARE
    return _PEAK_RATE * (1 + math.cos(math.pi * (done - _WARM_UP_SHARE) / (1 - _WARM_UP_SHARE))) / 2


def save(net: ResNet20, data: PictureSet, folder: Path) -> None:
    """Write `model.safetensors` and `config.json`."""
    from safetensors.torch import save_file

    _, height, width, channels = data.pixels.shape
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.contiguous() for name, tensor in net.state_dict().items()}
    save_file(tensors, folder / "model.safetensors")
    image_input = {
        "height": height,
        "width": width,
        "resize": "stretch",
        "mean": [0.5] * channels,
        "std": [0.5] * channels,
    }
    config = {"architecture": "resnet20", "labels": data.labels, "image_input": image_input}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def main() -> None:
    """Train one of the shipped classifiers, or cross-validate."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("name", choices=("digits", "traffic"))
    parser.add_argument("--seed", type=int, default=Settings.seed)
    parser.add_argument("--epochs", type=int, default=Settings.num_epochs)
    parser.add_argument("--folds", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("models/classification/weights"))
    arguments = parser.parse_args()
    if not 0 <= arguments.seed < UNSEEN_SEED:
        parser.error(f"--seed {arguments.seed}: expected 0 to {UNSEEN_SEED - 1}")
    is_traffic = arguments.name == "traffic"
    settings = Settings(arguments.seed, arguments.epochs, mirrors=is_traffic)
    data = render_traffic(settings.seed, _NUM_TRAFFIC) if is_traffic else load_digits(True)
    if arguments.folds:
        cross_validate(settings, data, arguments.folds)
        return
    net = train(settings, data)
    save(net, data, arguments.out / arguments.name)
    unseen = render_traffic(UNSEEN_SEED, _NUM_UNSEEN) if is_traffic else load_digits(False)
    print(f"accuracy on {len(unseen.pixels)} unseen pictures: {accuracy(net, unseen):.4f}")


if __name__ == "__main__":
    main()
