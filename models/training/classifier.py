"""Train a small ResNet-20: on rendered vehicles, or on folders of pictures by class."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta
from PIL import Image

from models.classification.evaluate import accuracy
from models.classification.image_classifier import ImageClassifier
from models.classification.training_sets import PictureSet, render_traffic
from models.evaluation import UNSEEN_SEED, Measure
from models.training.loop import Plan, Rows, train_network
from models.training.pictures import digest_of, read_class_folders, read_picture
from models.training.result import Trained, serving, write_config
from models.training.run_folder import RunFolder
from models.training.settings import NetworkSettings, Progress
from models.training.split import split_by_class

if TYPE_CHECKING:
    from torch import Tensor

_SMOOTHING = 0.05
_NUM_UNSEEN = 1000
_RENDERED_SIDE = 48

USE = """model: FOLDER"""


class Settings(NetworkSettings, frozen=True, kw_only=True):
    """Of the classifier."""

    data: Annotated[
        str | None,
        Meta(description="A folder of pictures for each class in it; null: rendered traffic."),
    ] = None
    num_rendered: Annotated[
        int, Meta(ge=16, description="Number of rendered pictures, without data.")
    ] = 4000
    side: Annotated[
        int,
        Meta(ge=16, le=256, description="Height and width of the input, pixels; 48 if rendered."),
    ] = 48
    is_gray: Annotated[bool, Meta(description="Whether colors mean nothing.")] = False
    augmentation: Annotated[
        float,
        Meta(
            ge=0,
            le=2,
            description="1: turned by up to 15 degrees, scaled by 15 %, shifted by 10 %.",
        ),
    ] = 1.0
    mirrors: Annotated[bool, Meta(description="Whether a mirrored picture has the same class.")] = (
        True
    )
    epochs: Annotated[int, Meta(ge=1, description="How often each picture is seen.")] = 12
    batch_size: Annotated[int, Meta(ge=2, description="Pictures in a step.")] = 64
    learning_rate: Annotated[
        float, Meta(gt=0, description="The highest; it rises at first and falls along a cosine.")
    ] = 4e-3


def train(settings: Settings, run: RunFolder, progress: Progress) -> Trained:
    """Train, or go on with a run; write the model and measure it.

    Raises:
        ModelError: the data can't be used.
    """
    import torch

    from models.classification.small_resnet import ResNet20

    pictures, held_out, words = _read(settings, run, progress)
    torch.manual_seed(settings.seed)
    channels = pictures.pixels.shape[3]
    network = ResNet20(len(pictures.labels), channels).to(memory_format=torch.channels_last)
    loss_of = torch.nn.CrossEntropyLoss(label_smoothing=_SMOOTHING)

    def loss(net: Any, rows: Rows, chance: np.random.Generator) -> torch.Tensor:
        pixels = _augmented(_to_tensor(pictures.pixels[rows]), settings, chance)
        value: torch.Tensor = loss_of(net(pixels), torch.from_numpy(pictures.class_ids[rows]))
        return value

    def held_out_loss(net: Any) -> float:
        logits = net(_to_tensor(np.ascontiguousarray(held_out.pixels)))
        return float(loss_of(logits, torch.from_numpy(held_out.class_ids)))

    measured = held_out_loss if len(held_out.class_ids) else None
    plan = Plan(
        len(pictures.pixels), loss, measured, weight_decay=0.05, warm_up_share=0.15, clip=1e9
    )
    trained = train_network(network, plan, settings, run, progress)
    _write(trained, pictures, run.model)
    return Trained(
        model="image_classifier",
        what="ResNet-20 (He et al., 2015, arXiv:1512.03385, section 4.2), 0.27 M parameters, "
        f"input {settings.side}x{settings.side}, trained from random weights.",
        data=words,
        measures=_measures(run.model, held_out),
        use=USE,
        limits=("Frames are stretched to the input's size, whatever their aspect ratio.",),
    )


def _read(
    settings: Settings, run: RunFolder, progress: Progress
) -> tuple[PictureSet, PictureSet, str]:
    """Return the pictures to train on, those held out, and words about them."""
    plain = msgspec.to_builtins(settings)
    if settings.data is None:
        run.begin("classifier", plain, "rendered")
        pictures = render_traffic(settings.seed, settings.num_rendered)
        unseen = render_traffic(UNSEEN_SEED, min(_NUM_UNSEEN, settings.num_rendered))
        words = f"{len(pictures.pixels)} objects of rendered traffic; {len(unseen.pixels)} held out"
        return pictures, unseen, words
    folder = Path(settings.data)
    paths, names = read_class_folders(folder)
    run.begin("classifier", plain, digest_of(paths))
    labels = sorted(set(names))
    channels = 1 if settings.is_gray else 3

    def fill(array: npt.NDArray[Any]) -> None:
        for index, path in enumerate(paths):
            array[index] = _small(read_picture(path), settings.side, settings.is_gray)
            progress("pictures", index + 1, len(paths))

    shape = (len(paths), settings.side, settings.side, channels)
    pixels = run.prepared("pixels", shape, np.uint8, fill)
    whole = PictureSet(pixels, np.array([labels.index(name) for name in names], np.int64), labels)
    kept, others = split_by_class(names, settings.held_out, settings.seed)
    words = f"{len(kept)} pictures of {len(labels)} classes ({folder.name}); {len(others)} held out"
    return whole.rows(kept), whole.rows(others), words


def _to_tensor(pixels: npt.NDArray[np.uint8]) -> Tensor:
    """Return pictures (B, H, W, channels) as (B, channels, H, W) float32, -1 to 1."""
    import torch

    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1


def _augmented(pixels: Tensor, settings: Settings, chance: np.random.Generator) -> Tensor:
    """Turn, scale, shift and perhaps mirror each picture."""
    import torch

    count, amount = len(pixels), settings.augmentation
    angle = chance.uniform(-1, 1, count) * amount * math.radians(15)
    scale = 1 + chance.uniform(-1, 1, count) * amount * 0.15
    shift = chance.uniform(-1, 1, (count, 2)) * amount * 0.2  # of half a side
    mirror = np.where(chance.random(count) < 0.5, -1.0, 1.0) if settings.mirrors else np.ones(count)
    theta = np.empty((count, 2, 3), np.float32)
    theta[:, 0, 0], theta[:, 0, 1] = np.cos(angle) * scale * mirror, -np.sin(angle) * scale
    theta[:, 1, 0], theta[:, 1, 1] = np.sin(angle) * scale * mirror, np.cos(angle) * scale
    theta[:, :, 2] = shift
    functional = torch.nn.functional
    grid = functional.affine_grid(torch.from_numpy(theta), list(pixels.shape), align_corners=False)
    return functional.grid_sample(pixels, grid, padding_mode="border", align_corners=False)


def _small(pixels: npt.NDArray[np.uint8], side: int, is_gray: bool) -> npt.NDArray[np.uint8]:
    """Resize as the served model does: stretched, bilinear."""
    image = Image.fromarray(pixels).resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(image.convert("L"))[:, :, None] if is_gray else np.asarray(image)


def _write(net: Any, data: PictureSet, folder: Path) -> None:
    from safetensors.torch import save_file

    _, height, width, channels = data.pixels.shape
    image_input = {
        "height": height,
        "width": width,
        "resize": "stretch",
        "mean": [0.5] * channels,
        "std": [0.5] * channels,
    }
    write_config(
        folder,
        {
            "architecture": "resnet20",
            "labels": data.labels,
            "image_input": image_input,
            **serving("image_classifier", {"path": "."}),
        },
    )
    tensors = {name: tensor.contiguous() for name, tensor in net.state_dict().items()}
    save_file(tensors, folder / "model.safetensors")


def _measures(folder: Path, held_out: PictureSet) -> list[Measure]:
    if not len(held_out.class_ids):
        return []
    model = ImageClassifier(str(folder))
    model.load("cpu")
    value = accuracy(model, held_out)
    model.close()
    return [
        Measure(
            task="classification",
            dataset=f"{len(held_out.class_ids)} held-out pictures",
            model=model.name,
            metric="accuracy",
            value=value,
        )
    ]
