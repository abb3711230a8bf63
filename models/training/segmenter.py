"""Train the small U-Net: on rendered traffic, or on pictures with masks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta
from PIL import Image

from models.base import ModelError
from models.detection.scenes import LABELS, render_scene_with_classes
from models.evaluation import Measure
from models.segmentation.evaluate import classes_of, mean_iou, scenes_with_classes
from models.segmentation.onnx_segmenter import OnnxSegmenter
from models.training.loop import Plan, Rows, train_network
from models.training.pictures import (
    IGNORED_PIXEL,
    digest_of,
    read_mask,
    read_masked,
    read_picture,
)
from models.training.result import Trained, serving, write_config
from models.training.run_folder import RunFolder
from models.training.settings import UNSEEN_SEED, NetworkSettings, Progress
from models.training.split import split_rows
from schemas import Segmentation, VideoFrame

#: Sides of the crops that it trains on, as a share of the picture's: cheaper than whole pictures.
_CROP_SHARE = 0.5
_NUM_MEASURED_SCENES = 100
Image3 = npt.NDArray[np.uint8]

USE = """model: FOLDER"""


class Settings(NetworkSettings, frozen=True, kw_only=True):
    """Of the segmenter."""

    data: Annotated[
        str | None,
        Meta(description="Folder with images/, masks/ and classes.txt; null: rendered traffic."),
    ] = None
    num_scenes: Annotated[
        int, Meta(ge=8, description="Number of rendered scenes, without data.")
    ] = 1500
    height: Annotated[
        int, Meta(ge=64, le=1024, multiple_of=64, description="Height of the input, pixels.")
    ] = 384
    width: Annotated[
        int, Meta(ge=64, le=1024, multiple_of=64, description="Width of the input, pixels.")
    ] = 640
    mirrors: Annotated[
        bool, Meta(description="Whether a mirrored picture is as likely as the picture.")
    ] = True
    epochs: Annotated[int, Meta(ge=1, description="How often each picture is seen.")] = 12
    batch_size: Annotated[int, Meta(ge=2, description="Pictures in a step.")] = 8
    learning_rate: Annotated[
        float, Meta(gt=0, description="The highest; it rises at first and falls along a cosine.")
    ] = 4e-3


def train(settings: Settings, run: RunFolder, progress: Progress) -> Trained:
    """Train, or go on with a run; write the model and measure it.

    Raises:
        ModelError: the data can't be used.
    """
    import torch

    from models.segmentation.tiny_unet import TinyUnet

    data = _Users(settings, run) if settings.data else _Rendered(settings, run)
    pixels, classes = data.arrays(progress)
    weights = torch.from_numpy(_class_weights(classes, len(data.labels)))
    torch.manual_seed(settings.seed)
    network = TinyUnet(len(data.labels)).to(memory_format=torch.channels_last)

    def loss(net: Any, rows: Rows, chance: np.random.Generator) -> torch.Tensor:
        crops = [_crop(pixels[row], classes[row], chance, settings.mirrors) for row in rows]
        gain = chance.uniform(0.8, 1.2, (len(crops), 1, 1, 3)).astype(np.float32) / 255
        images = np.clip(np.stack([image for image, _ in crops]) * gain, 0, 1)
        logits = net(torch.from_numpy(images).permute(0, 3, 1, 2))
        truth = torch.from_numpy(np.stack([some for _, some in crops]).astype(np.int64))
        value: torch.Tensor = _loss(logits, truth, weights)
        return value

    plan = Plan(len(pixels), loss, weight_decay=0.01, clip=5.0)
    trained = train_network(network, plan, settings, run, progress)
    _write(trained, data.labels, settings, run.model)
    return Trained(
        model="onnx_segmenter",
        what=f"TinyUnet (after Ronneberger et al., 2015, arXiv:1505.04597), input "
        f"{settings.width}x{settings.height}, trained from random weights.",
        data=data.words,
        measures=data.measure(run.model),
        use=USE,
        limits=("Frames are stretched to the input's size, whatever their aspect ratio.",),
    )


def _crop(
    image: Image3, classes: Image3, chance: np.random.Generator, mirrors: bool
) -> tuple[Image3, Image3]:
    """Cut out a part, around a pixel of a class that is in it, mirrored half of the time."""
    rows, columns = (int(side * _CROP_SHARE) for side in classes.shape)
    present = np.unique(classes[::4, ::4])
    present = present[present != IGNORED_PIXEL]
    places = np.flatnonzero(classes == chance.choice(present)) if len(present) else [0]
    y, x = divmod(int(chance.choice(places)), classes.shape[1])
    top = min(max(y - int(chance.integers(rows)), 0), classes.shape[0] - rows)
    left = min(max(x - int(chance.integers(columns)), 0), classes.shape[1] - columns)
    where = (slice(top, top + rows), slice(left, left + columns))
    if mirrors and chance.random() < 0.5:
        return image[where][:, ::-1], classes[where][:, ::-1]
    return image[where], classes[where]


def _class_weights(classes: npt.NDArray[np.uint8], num_classes: int) -> npt.NDArray[np.float32]:
    """Return the weight of each class in the loss: rare ones more, by the root of their share."""
    counts = np.zeros(num_classes, np.float64)
    for some in classes:
        counts += np.bincount(some.ravel(), minlength=IGNORED_PIXEL + 1)[:num_classes]
    roots = 1 / np.sqrt(np.maximum(counts / counts.sum(), 1e-4))
    weights: npt.NDArray[np.float32] = (roots / roots.mean()).astype(np.float32)
    return weights


def _loss(logits: Any, truth: Any, weights: Any) -> Any:
    """Return the weighted cross-entropy plus the soft Dice loss (arXiv:1606.04797)."""
    import torch
    from torch.nn import functional

    entropy = functional.cross_entropy(logits, truth, weights, ignore_index=IGNORED_PIXEL)
    known = (truth != IGNORED_PIXEL).unsqueeze(1)
    shares = logits.softmax(dim=1) * known
    places = functional.one_hot(torch.where(known[:, 0], truth, 0), logits.shape[1])
    there = places.movedim(-1, 1).to(shares.dtype) * known
    overlap = (shares * there).sum(dim=(0, 2, 3))
    total = (shares + there).sum(dim=(0, 2, 3))
    # A class that is not in the batch would only push its own scores down, the rarest the most.
    is_there = there.amax(dim=(0, 2, 3)) > 0
    dice = ((2 * overlap + 1) / (total + 1))[is_there]
    return entropy + (1 - dice.mean() if len(dice) else 0.0)


def _write(net: Any, labels: list[str], settings: Settings, folder: Path) -> None:
    import torch
    from safetensors.torch import save_file

    from models.training.onnx_export import write_onnx

    image_input = {
        "height": settings.height,
        "width": settings.width,
        "resize": "stretch",
        "mean": [0.0] * 3,
        "std": [1.0] * 3,
    }
    declared = serving("onnx_segmenter", {"path": "model.onnx"}, background=labels[0])
    config = {"architecture": "tiny_unet", "labels": labels, "image_input": image_input}
    write_config(folder, {**config, **declared})
    tensors = {name: tensor.contiguous() for name, tensor in net.state_dict().items()}
    save_file(tensors, folder / "model.safetensors")
    example = torch.zeros(2, 3, settings.height, settings.width)
    write_onnx(net, example, folder / "model.onnx", ["pixels"], ["logits"])


def _measures(
    folder: Path, pairs: list[tuple[VideoFrame, Image3]], labels: list[str], dataset: str
) -> list[Measure]:
    """Measure the written model; pixels without a class are left out."""
    if not pairs:
        return []
    model = OnnxSegmenter(str(folder / "model.onnx"), background=labels[0])
    model.load("cpu")
    compared = []
    for frame, truth in pairs:
        (answer,) = model.predict_batch([frame])
        if not isinstance(answer, Segmentation):
            raise ModelError(f"a held-out picture can't be read: {answer}")
        known = truth != IGNORED_PIXEL
        compared.append((classes_of(answer)[known], truth[known]))
    model.close()
    mean, ious = mean_iou(compared, len(labels))
    figures = {"mIoU": mean, **{f"IoU {n}": v for n, v in zip(labels, ious, strict=True)}}
    return [
        Measure(task="segmentation", dataset=dataset, model=model.name, metric=name, value=value)
        for name, value in figures.items()
        if np.isfinite(value)
    ]


class _Rendered:
    """Rendered traffic."""

    def __init__(self, settings: Settings, run: RunFolder) -> None:
        self.labels = ["background", *LABELS]
        self._settings, self._run = settings, run
        self.words = f"{settings.num_scenes} rendered traffic scenes (models/detection/scenes.py)"
        run.begin("segmenter", msgspec.to_builtins(settings), "rendered")

    def arrays(self, progress: Progress) -> tuple[Image3, Image3]:
        """Return pixels (n, H, W, 3) and classes (n, H, W)."""
        return _prepare(
            self._scenes(), self._settings.num_scenes, self._settings, self._run, progress
        )

    def _scenes(self) -> Iterator[tuple[Image3, Image3]]:
        for index in range(self._settings.num_scenes):
            chance = np.random.default_rng((self._settings.seed, index))
            scene, classes = render_scene_with_classes(chance)
            yield scene.image, classes

    def measure(self, folder: Path) -> list[Measure]:
        """Measure on scenes that no training run renders."""
        count = min(_NUM_MEASURED_SCENES, self._settings.num_scenes)
        pairs = list(scenes_with_classes(UNSEEN_SEED, count))
        return _measures(folder, pairs, self.labels, f"{count} rendered scenes of unseen seeds")


class _Users:
    """A user's pictures with masks."""

    def __init__(self, settings: Settings, run: RunFolder) -> None:
        folder = Path(settings.data or "")
        pairs, self.labels = read_masked(folder)
        kept, others = split_rows(len(pairs), settings.held_out, settings.seed)
        self._pairs, self._held_out = [pairs[row] for row in kept], [pairs[row] for row in others]
        self._settings, self._run = settings, run
        files = [file for pair in pairs for file in pair]
        run.begin(
            "segmenter", msgspec.to_builtins(settings), digest_of([folder / "classes.txt", *files])
        )
        self.words = (
            f"{len(self._pairs)} pictures with masks of {len(self.labels)} classes "
            f"({folder.name}); {len(self._held_out)} held out"
        )

    def arrays(self, progress: Progress) -> tuple[Image3, Image3]:
        """Return the same as `_Rendered.arrays`."""
        pictures = (self._read(image, mask) for image, mask in self._pairs)
        return _prepare(pictures, len(self._pairs), self._settings, self._run, progress)

    def _read(self, image: Path, mask: Path) -> tuple[Image3, Image3]:
        pixels, classes = read_picture(image), read_mask(mask, len(self.labels))
        if pixels.shape[:2] != classes.shape:
            raise ModelError(
                f"{mask} is {classes.shape[1]}x{classes.shape[0]} and {image.name} is "
                f"{pixels.shape[1]}x{pixels.shape[0]}: expected the same size"
            )
        return pixels, classes

    def measure(self, folder: Path) -> list[Measure]:
        """Measure on the held-out pictures."""
        pairs = []
        for image, mask in self._held_out:
            _, classes = self._read(image, mask)
            pairs.append((VideoFrame(image=image.read_bytes()), classes))
        return _measures(folder, pairs, self.labels, f"{len(pairs)} held-out pictures")


def _prepare(
    pictures: Iterator[tuple[Image3, Image3]],
    count: int,
    settings: Settings,
    run: RunFolder,
    progress: Progress,
) -> tuple[Image3, Image3]:
    """Stretch pictures and masks to the input's size, once for a run."""
    size = (settings.width, settings.height)
    channels = 4  # the fourth is the class, so that both are one file

    def fill(array: npt.NDArray[Any]) -> None:
        for index, (pixels, classes) in enumerate(pictures):
            resized = Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR)
            array[index, :, :, :3] = np.asarray(resized)
            array[index, :, :, 3] = np.asarray(
                Image.fromarray(classes).resize(size, Image.Resampling.NEAREST)
            )
            progress("pictures", index + 1, count)

    both = run.prepared(
        "pixels", (count, settings.height, settings.width, channels), np.uint8, fill
    )
    return both[..., :3], both[..., 3]
