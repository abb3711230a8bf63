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
from models.evaluation import UNSEEN_SEED, Measure
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
from models.training.settings import NetworkSettings, Progress
from models.training.split import split_rows
from schemas import Segmentation, VideoFrame

#: Sides of the crops that it trains on, as a share of the input's: cheaper than whole pictures.
_CROP_SHARE = 0.65
#: Share of the crops that are around an object; the others are anywhere.
_CENTERED_SHARE = 0.7
#: A rendered scene is cut this often, in one step: rendering costs a third of a crop's training.
_CROPS_OF_SCENE = 2
#: Sides of crops are multiples of this, so that the network can halve them.
_SIDE_STEP = 32
_AVERAGE_DECAY = 0.998
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
        int,
        Meta(
            ge=8,
            description="Number of scenes rendered for each epoch, without data: no scene twice.",
        ),
    ] = 500
    height: Annotated[
        int, Meta(ge=64, le=1024, multiple_of=64, description="Height of the input, pixels.")
    ] = 384
    width: Annotated[
        int, Meta(ge=64, le=1024, multiple_of=64, description="Width of the input, pixels.")
    ] = 640
    mirrors: Annotated[
        bool, Meta(description="Whether a mirrored picture is as likely as the picture.")
    ] = True
    bfloat16: Annotated[
        bool,
        Meta(description="Whether convolutions are in bfloat16: faster where the CPU has AMX."),
    ] = False
    epochs: Annotated[
        int, Meta(ge=1, description="How often each picture is seen; rendered: new scenes.")
    ] = 26
    batch_size: Annotated[int, Meta(ge=2, description="Crops in a step.")] = 6
    learning_rate: Annotated[
        float, Meta(gt=0, description="The highest; it rises at first and falls along a cosine.")
    ] = 4e-3


def train(settings: Settings, run: RunFolder, progress: Progress) -> Trained:
    """Train, or go on with a run; write the model and measure it.

    Raises:
        ModelError: the data can't be used.
    """
    import torch

    from models.segmentation.tiny_unet import TinyUnet, segmentation_loss

    data = _Users(settings, run) if settings.data else _Rendered(settings, run)
    data.prepare(progress)
    torch.manual_seed(settings.seed)
    network = TinyUnet(len(data.labels)).to(memory_format=torch.channels_last)

    def loss(net: Any, rows: Rows, chance: np.random.Generator) -> torch.Tensor:
        crops = data.crops(rows, chance)
        gain = chance.uniform(0.8, 1.2, (len(crops), 1, 1, 3)).astype(np.float32) / 255
        images = np.clip(np.stack([image for image, _ in crops]) * gain, 0, 1)
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2)
        with torch.autocast("cpu", torch.bfloat16, enabled=settings.bfloat16):
            logits = net(pixels.contiguous(memory_format=torch.channels_last))
        truth = torch.from_numpy(np.stack([some for _, some in crops]).astype(np.int64))
        return segmentation_loss(logits.float(), truth, IGNORED_PIXEL)

    plan = Plan(data.num_examples, loss, weight_decay=0.01, clip=5.0, average_decay=_AVERAGE_DECAY)
    trained = train_network(network, plan, settings, run, progress)
    write_model(trained, data.labels, settings, run.model)
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
    """Cut out a part, mirrored half of the time."""
    height, width = classes.shape
    rows, columns = (
        max(1, round(side * _CROP_SHARE / _SIDE_STEP)) * _SIDE_STEP for side in (height, width)
    )
    y, x = _center(classes, chance)
    top = min(max(y - int(chance.integers(rows)), 0), height - rows)
    left = min(max(x - int(chance.integers(columns)), 0), width - columns)
    where = (slice(top, top + rows), slice(left, left + columns))
    if mirrors and chance.random() < 0.5:
        return image[where][:, ::-1], classes[where][:, ::-1]
    return image[where], classes[where]


def _center(classes: Image3, chance: np.random.Generator) -> tuple[int, int]:
    """Return a pixel y, x: mostly one of a class drawn from those in the picture, else any."""
    height, width = classes.shape
    present = np.unique(classes[::4, ::4])
    present = present[(present > 0) & (present != IGNORED_PIXEL)]
    if not len(present) or chance.random() >= _CENTERED_SHARE:
        return int(chance.integers(height)), int(chance.integers(width))
    places = np.flatnonzero(classes == chance.choice(present))
    y, x = divmod(int(chance.choice(places)), width)
    return y, x


def write_model(net: Any, labels: list[str], settings: Settings, folder: Path) -> None:
    """Write a `TinyUnet` as safetensors and as ONNX of any batch size, with its labels."""
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
        self.words = (
            f"{settings.num_scenes} new rendered traffic scenes (models/detection/scenes.py) "
            f"in each of {settings.epochs} epochs"
        )
        run.begin("segmenter", msgspec.to_builtins(settings), "rendered")

    @property
    def num_examples(self) -> int:
        """The number of crops in an epoch."""
        return self._settings.num_scenes * _CROPS_OF_SCENE

    def prepare(self, progress: Progress) -> None:
        """Do nothing: scenes are rendered when a step needs them."""

    def crops(self, rows: Rows, chance: np.random.Generator) -> list[tuple[Image3, Image3]]:
        """Cut new scenes, which depend on the step's random numbers alone."""
        crops = list[tuple[Image3, Image3]]()
        while len(crops) < len(rows):
            scene, classes = render_scene_with_classes(
                chance, self._settings.width, self._settings.height
            )
            for _ in range(min(_CROPS_OF_SCENE, len(rows) - len(crops))):
                crops.append(_crop(scene.image, classes, chance, self._settings.mirrors))
        return crops

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

    @property
    def num_examples(self) -> int:
        """The number of pictures."""
        return len(self._pairs)

    def prepare(self, progress: Progress) -> None:
        """Decode the pictures, once for a run."""
        pictures = (self._read(image, mask) for image, mask in self._pairs)
        count = len(self._pairs)
        self._pixels, self._classes = _prepare(pictures, count, self._settings, self._run, progress)

    def crops(self, rows: Rows, chance: np.random.Generator) -> list[tuple[Image3, Image3]]:
        """Cut each of these pictures once."""
        return [
            _crop(self._pixels[row], self._classes[row], chance, self._settings.mirrors)
            for row in rows
        ]

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
