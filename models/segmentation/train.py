"""Train the traffic segmenter on rendered scenes with exact masks.

    OMP_NUM_THREADS=1 python -m models.segmentation.train --seed 0 --out models/segmentation/weights

renders scenes, trains, writes the weights as safetensors and ONNX, and prints the mean intersection
over union on scenes for choosing settings. Each epoch has scenes of its own: rendering them takes a
tenth of the time, and no picture is learned by heart. It saves its state after each epoch in
`--out`; the same command continues a run that was ended. With another `--epochs` it follows that
number's learning rates from there on.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from models.detection.scenes import LABELS, render_scene_with_classes

if TYPE_CHECKING:
    import torch

    from models.segmentation.tiny_unet import TinyUnet

#: Training refuses seeds from the first on: that is for choosing settings, the other for measuring.
VALIDATION_SEED, UNSEEN_SEED = 900_000, 1_000_000
_PEAK_RATE, _WEIGHT_DECAY, _WARM_UP_SHARE = 4e-3, 0.01, 0.05
#: Height and width of the crops that it trains on, multiples of 32: cheaper than whole scenes.
_CROP = (256, 416)
#: Share of the crops that are around an object; the others are anywhere.
_CENTERED_SHARE = 0.7
_CHECKPOINT = "training.pt"


@dataclass(frozen=True)
class Settings:
    """How long to train, and on how many scenes."""

    seed: int = 0
    num_scenes: int = 500
    """Rendered for each epoch."""
    crops_of_scene: int = 2
    num_epochs: int = 30
    batch_size: int = 6
    bfloat16: bool = False
    """Whether convolutions take this type: twice as fast on processors that have it."""

    @property
    def steps_per_epoch(self) -> int:
        """The number of whole batches in an epoch."""
        return self.num_scenes * self.crops_of_scene // self.batch_size


@dataclass(frozen=True)
class TrainingSet:
    """n rendered scenes."""

    images: npt.NDArray[np.uint8]
    """(n, H, W, 3) RGB."""
    classes: npt.NDArray[np.uint8]
    """(n, H, W): 0 for the background, else 1 + the index into `LABELS`."""


def render_training_set(settings: Settings, epoch: int, height: int, width: int) -> TrainingSet:
    """Render the scenes of an epoch with their masks."""
    images = np.empty((settings.num_scenes, height, width, 3), np.uint8)
    classes = np.empty((settings.num_scenes, height, width), np.uint8)
    for index in range(settings.num_scenes):
        rng = np.random.default_rng((settings.seed, epoch, index))
        scene, classes[index] = render_scene_with_classes(rng, width, height)
        images[index] = scene.image
    return TrainingSet(images, classes)


def augmented_batches(
    data: TrainingSet, settings: Settings, rng: np.random.Generator
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield one epoch in random order: pixels (B, 3, h, w) in 0 to 1 and classes (B, h, w)."""
    import torch

    order = rng.permutation(np.tile(np.arange(len(data.images)), settings.crops_of_scene))
    for step in range(settings.steps_per_epoch):
        chosen = order[step * settings.batch_size : (step + 1) * settings.batch_size]
        crops = [_crop(data, index, rng) for index in chosen]
        pixels = np.stack([image for image, _ in crops]).astype(np.float32)
        pixels *= rng.uniform(0.8, 1.2, (len(crops), 1, 1, 3)).astype(np.float32) / 255
        classes = np.stack([classes for _, classes in crops]).astype(np.int64)
        yield (
            torch.from_numpy(np.clip(pixels, 0, 1)).permute(0, 3, 1, 2),
            torch.from_numpy(classes),
        )


def _crop(
    data: TrainingSet, index: int, rng: np.random.Generator
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Cut out a part of a scene, mirrored half of the time."""
    (rows, columns), (height, width) = _CROP, data.classes.shape[1:]
    y, x = _center(data.classes[index], rng)
    top = min(max(y - int(rng.integers(rows)), 0), height - rows)
    left = min(max(x - int(rng.integers(columns)), 0), width - columns)
    where = (slice(top, top + rows), slice(left, left + columns))
    image, classes = data.images[index][where], data.classes[index][where]
    return (image[:, ::-1], classes[:, ::-1]) if rng.random() < 0.5 else (image, classes)


def _center(classes: npt.NDArray[np.uint8], rng: np.random.Generator) -> tuple[int, int]:
    """Return a pixel y, x: mostly one of a class drawn from those in the scene, else any."""
    height, width = classes.shape
    present = np.unique(classes[::4, ::4])
    present = present[present > 0]
    if not len(present) or rng.random() >= _CENTERED_SHARE:
        return int(rng.integers(height)), int(rng.integers(width))
    places = np.flatnonzero(classes == rng.choice(present))
    y, x = divmod(int(rng.choice(places)), width)
    return y, x


def train(settings: Settings, out: Path) -> TinyUnet:
    """Train with AdamW and a one-cycle learning rate; continue from `out` if it was ended.

    Args:
        settings: how long to train.
        out: folder of the checkpoint.
    """
    import torch

    from models.segmentation.tiny_unet import INPUT_HEIGHT, INPUT_WIDTH, TinyUnet

    torch.manual_seed(settings.seed)
    net = TinyUnet(1 + len(LABELS)).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), lr=_PEAK_RATE, weight_decay=_WEIGHT_DECAY)
    first = _resume(out / _CHECKPOINT, settings, net, optimizer)
    started = time.monotonic()
    for epoch in range(first, settings.num_epochs):
        data = render_training_set(settings, epoch, INPUT_HEIGHT, INPUT_WIDTH)
        loss = _train_epoch(settings, epoch, data, net, optimizer)
        spent = time.monotonic() - started
        print(f"epoch {epoch + 1}: mean loss {loss:.4f}, {spent:.0f} s", flush=True)
        _checkpoint(out / _CHECKPOINT, settings, epoch + 1, net, optimizer)
    return net.eval()


def _train_epoch(
    settings: Settings,
    epoch: int,
    data: TrainingSet,
    net: TinyUnet,
    optimizer: torch.optim.Optimizer,
) -> float:
    """Return the mean loss."""
    import torch

    from models.segmentation.tiny_unet import segmentation_loss

    losses, rng = [], np.random.default_rng((settings.seed, epoch, settings.num_scenes))
    batches = augmented_batches(data, settings, rng)
    for step, (pixels, classes) in enumerate(batches, epoch * settings.steps_per_epoch + 1):
        rate = _rate(step, settings.steps_per_epoch * settings.num_epochs)
        optimizer.param_groups[0]["lr"] = rate
        with torch.autocast("cpu", torch.bfloat16, enabled=settings.bfloat16):
            logits = net(pixels.contiguous(memory_format=torch.channels_last))
        loss = segmentation_loss(logits.float(), classes)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimizer.step()
        losses.append(float(loss.detach()))
    return float(np.mean(losses))


def _checkpoint(
    path: Path, settings: Settings, epoch: int, net: TinyUnet, optimizer: torch.optim.Optimizer
) -> None:
    import torch

    path.parent.mkdir(parents=True, exist_ok=True)
    state = {"settings": vars(settings), "epoch": epoch}
    whole = state | {"net": net.state_dict(), "optimizer": optimizer.state_dict()}
    torch.save(whole, path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)


def _resume(path: Path, settings: Settings, net: TinyUnet, optimizer: torch.optim.Optimizer) -> int:
    """Restore an ended run with the same settings but `num_epochs`; return the next epoch."""
    import torch

    if not path.is_file():
        return 0
    state = torch.load(path, weights_only=True)
    if state["settings"] | {"num_epochs": settings.num_epochs} != vars(settings):
        return 0
    net.load_state_dict(state["net"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["epoch"])


def _rate(step: int, num_steps: int) -> float:
    """Return the learning rate: a linear rise, then a cosine down to a hundredth."""
    warm_up = max(1, int(_WARM_UP_SHARE * num_steps))
    if step < warm_up:
        return _PEAK_RATE * step / warm_up
    done = (step - warm_up) / max(1, num_steps - warm_up)
    return _PEAK_RATE * (0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2)


def main() -> None:
    """Train, write the files and print the quality on scenes for choosing settings."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=Settings.seed)
    parser.add_argument("--out", type=Path, default=Path("models/segmentation/weights"))
    parser.add_argument("--scenes", type=int, default=Settings.num_scenes)
    parser.add_argument("--epochs", type=int, default=Settings.num_epochs)
    parser.add_argument("--bfloat16", action="store_true")
    arguments = parser.parse_args()
    if not 0 <= arguments.seed < VALIDATION_SEED:
        parser.error(f"--seed {arguments.seed}: expected 0 to {VALIDATION_SEED - 1}")
    from models.segmentation.export import save_all

    settings = Settings(
        arguments.seed, arguments.scenes, num_epochs=arguments.epochs, bfloat16=arguments.bfloat16
    )
    save_all(train(settings, arguments.out), arguments.out)
    (arguments.out / _CHECKPOINT).unlink()
    from models.segmentation.evaluate import evaluate_scenes

    for name, value in evaluate_scenes(arguments.out, VALIDATION_SEED).items():
        print(f"{name}: {value:.4f}")


if __name__ == "__main__":
    main()
