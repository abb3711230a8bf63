"""Train the traffic detector on rendered scenes: `python -m models.detection.train --seed 0`.

Renders its training pictures, so it needs no download; takes about fifteen minutes on two cores.
Writes the weights, the ONNX file and the labels, and prints the mAP on scenes not trained on.
"""

from __future__ import annotations

import argparse
import copy
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image

from models.detection.coco_metrics import require_pycocotools
from models.detection.evaluate import (
    FOUND_FROM_SCORE,
    MEASURED_FROM_SCORE,
    UNSEEN_SEED,
    evaluate_detector,
    scenes_with_truth,
)
from models.detection.scenes import LABELS, render_scene
from models.detection.traffic_detector import TrafficDetector

if TYPE_CHECKING:
    import torch

    from models.detection.tiny_yolo import TinyYolo

_PEAK_RATE, _WEIGHT_DECAY, _WARM_UP_SHARE = 2e-3, 0.02, 0.05
_AVERAGE_DECAY = 0.998
_MAX_OBJECTS = 24


@dataclass(frozen=True)
class Settings:
    """How long to train, and on how many scenes."""

    seed: int = 0
    num_scenes: int = 4000
    num_epochs: int = 8
    batch_size: int = 16


@dataclass(frozen=True)
class TrainingSet:
    """n rendered scenes at the size of the network's input."""

    images: npt.NDArray[np.uint8]
    """(n, H, W, 3) RGB."""
    boxes: npt.NDArray[np.float32]
    """(n, 24, 4) xyxy in network pixels, zeros where padded."""
    class_ids: npt.NDArray[np.int64]
    """(n, 24), -1 where padded."""


def render_training_set(settings: Settings, height: int, width: int) -> TrainingSet:
    """Render `num_scenes` scenes at twice the network's size and shrink them."""
    count = settings.num_scenes
    images = np.empty((count, height, width, 3), np.uint8)
    boxes = np.zeros((count, _MAX_OBJECTS, 4), np.float32)
    class_ids = np.full((count, _MAX_OBJECTS), -1, np.int64)
    for index in range(count):
        scene = render_scene(np.random.default_rng((settings.seed, index)), 2 * width, 2 * height)
        small = Image.fromarray(scene.image).resize((width, height), Image.Resampling.BILINEAR)
        images[index] = np.asarray(small)
        kept = min(len(scene.boxes), _MAX_OBJECTS)
        boxes[index, :kept] = scene.boxes[:kept] / 2
        class_ids[index, :kept] = scene.class_ids[:kept]
    return TrainingSet(images, boxes, class_ids)


def augmented_batches(
    data: TrainingSet, settings: Settings, rng: np.random.Generator
) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Yield one epoch in random order: pixels (B, 3, H, W) in 0 to 1, boxes, class ids."""
    import torch

    order = rng.permutation(len(data.images))
    for start in range(0, len(order) - settings.batch_size + 1, settings.batch_size):
        chosen = order[start : start + settings.batch_size]
        images, boxes = _augment(data.images[chosen], data.boxes[chosen], rng)
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
        yield pixels, torch.from_numpy(boxes), torch.from_numpy(data.class_ids[chosen])


def _augment(
    images: npt.NDArray[np.uint8], boxes: npt.NDArray[np.float32], rng: np.random.Generator
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Mirror half of the pictures and change the colors of all."""
    images, boxes, width = images.copy(), boxes.copy(), images.shape[2]
    mirrored = np.flatnonzero(rng.random(len(images)) < 0.5)
    images[mirrored] = images[mirrored, :, ::-1]
    real = boxes[mirrored].any(axis=-1, keepdims=True)
    flipped = width - boxes[mirrored][..., [2, 1, 0, 3]]
    flipped[..., [1, 3]] = boxes[mirrored][..., [1, 3]]
    boxes[mirrored] = np.where(real, flipped, 0)
    gain = rng.uniform(0.8, 1.2, (len(images), 1, 1, 3)).astype(np.float32)
    return np.clip(images * gain, 0, 255).astype(np.uint8), boxes


def train(settings: Settings, data: TrainingSet) -> TinyYolo:
    """Train with AdamW and a one-cycle learning rate; return the average of the weights.

    Source of the averaging: Polyak and Juditsky, 1992; its decay as in YOLOv5.
    """
    import torch

    from models.detection.tiny_yolo import TinyYolo
    from models.detection.tiny_yolo_loss import detection_loss

    torch.manual_seed(settings.seed)
    net = TinyYolo(len(LABELS)).to(memory_format=torch.channels_last)
    average = copy.deepcopy(net).eval()
    optimizer = torch.optim.AdamW(net.parameters(), lr=_PEAK_RATE, weight_decay=_WEIGHT_DECAY)
    steps_per_epoch = len(data.images) // settings.batch_size
    num_steps, step, started = steps_per_epoch * settings.num_epochs, 0, time.monotonic()
    rng = np.random.default_rng(settings.seed)
    for epoch in range(settings.num_epochs):
        losses = []
        for pixels, boxes, class_ids in augmented_batches(data, settings, rng):
            step += 1
            optimizer.param_groups[0]["lr"] = _rate(step, num_steps)
            pixels = pixels.contiguous(memory_format=torch.channels_last)
            predicted, logits = net.boxes_and_logits(pixels)
            loss = detection_loss(predicted, logits, net.centers, boxes, class_ids)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(net.parameters(), 10.0)
            optimizer.step()
            _move_average(average, net, step)
            losses.append(float(loss.detach()))
        spent = time.monotonic() - started
        print(f"epoch {epoch + 1}: mean loss {np.mean(losses):.3f}, {spent:.0f} s", flush=True)
    return average


def _rate(step: int, num_steps: int) -> float:
    """Return the learning rate: a linear rise, then a cosine down to a fiftieth."""
    warm_up = max(1, int(_WARM_UP_SHARE * num_steps))
    if step < warm_up:
        return _PEAK_RATE * step / warm_up
    done = (step - warm_up) / max(1, num_steps - warm_up)
    return _PEAK_RATE * (0.02 + 0.98 * (1 + math.cos(math.pi * done)) / 2)


def _move_average(average: TinyYolo, net: TinyYolo, step: int) -> None:
    import torch

    # At the start the average has to forget the untrained weights sooner.
    decay = min(_AVERAGE_DECAY, step / (step + 10))
    with torch.no_grad():
        pairs = zip(average.state_dict().values(), net.state_dict().values(), strict=True)
        for averaged, current in pairs:
            if averaged.is_floating_point():
                averaged.lerp_(current, 1 - decay)
            else:
                averaged.copy_(current)


def measure(weights: Path, num_scenes: int = 500) -> dict[str, float]:
    """Measure the exported detector on scenes that no training run renders."""
    detector = TrafficDetector(weights=str(weights), score_threshold=MEASURED_FROM_SCORE)
    detector.load("cpu")
    scenes = scenes_with_truth(UNSEEN_SEED, num_scenes)
    return evaluate_detector(detector, scenes, FOUND_FROM_SCORE)


def main() -> None:
    """Train, write the files and print the mAP on unseen scenes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=Settings.seed)
    parser.add_argument("--out", type=Path, default=Path("models/detection/weights"))
    parser.add_argument("--scenes", type=int, default=Settings.num_scenes)
    parser.add_argument("--epochs", type=int, default=Settings.num_epochs)
    arguments = parser.parse_args()
    if not 0 <= arguments.seed < UNSEEN_SEED:
        parser.error(f"--seed {arguments.seed}: expected 0 to {UNSEEN_SEED - 1}")
    from models.detection.export import save_all
    from models.detection.tiny_yolo import INPUT_HEIGHT, INPUT_WIDTH

    require_pycocotools()  # it measures the result at the end: say now if it is absent
    settings = Settings(arguments.seed, arguments.scenes, arguments.epochs)
    net = train(settings, render_training_set(settings, INPUT_HEIGHT, INPUT_WIDTH))
    save_all(net, arguments.out)
    for name, value in measure(arguments.out).items():
        print(f"{name}: {value:.4f}")


if __name__ == "__main__":
    main()
