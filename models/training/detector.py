"""Train the small YOLO-style detector: on rendered traffic, or on pictures with COCO boxes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from msgspec import Meta

from models.base import ModelError
from models.detection.coco_metrics import Truth, require_pycocotools
from models.detection.evaluate import FOUND_FROM_SCORE, MEASURED_FROM_SCORE, evaluate_detector
from models.detection.fitting import letterbox
from models.detection.onnx_detector import OnnxDetector
from models.detection.scenes import LABELS, render_scene
from models.evaluation import UNSEEN_SEED, Measure
from models.training.loop import Plan, Rows, train_network
from models.training.pictures import BoxedPicture, digest_of, read_coco, read_picture
from models.training.result import Trained, serving, write_config
from models.training.run_folder import RunFolder
from models.training.settings import NetworkSettings, Progress
from models.training.split import split_rows
from schemas import VideoFrame

#: Boxes with a shorter side in the network's input are not trained on.
_MIN_SIDE_PIXELS = 2.0
_AUGMENTED_GAIN = (0.8, 1.2)
_AVERAGE_DECAY = 0.998
_NUM_MEASURED_SCENES = 200

USE = """model:
  name: onnx_detector
  options: {path: FOLDER/model.onnx}    # or, shorter, `model: FOLDER`"""


class Settings(NetworkSettings, frozen=True, kw_only=True):
    """Of the detector."""

    annotations: Annotated[
        str | None,
        Meta(description="COCO JSON with object boxes; null: rendered traffic scenes."),
    ] = None
    images: Annotated[
        str | None,
        Meta(description="Folder of its pictures; null: `images` beside the annotations."),
    ] = None
    num_scenes: Annotated[
        int, Meta(ge=16, description="Number of rendered scenes, without annotations.")
    ] = 4000
    mirrors: Annotated[
        bool, Meta(description="Whether a mirrored picture is as likely as the picture.")
    ] = True


def train(settings: Settings, run: RunFolder, progress: Progress) -> Trained:
    """Train, or go on with a run; write the model and measure it.

    Raises:
        ModelError: the data can't be used, or a package is missing.
    """
    import torch

    from models.detection.tiny_yolo import TinyYolo

    require_pycocotools()  # it measures the result at the end: say now if it is absent
    data = _Rendered(settings, run) if settings.annotations is None else _Users(settings, run)
    pixels, boxes, class_ids = data.arrays(progress)
    torch.manual_seed(settings.seed)
    network = TinyYolo(len(data.labels)).to(memory_format=torch.channels_last)

    def loss(net: Any, rows: Rows, chance: np.random.Generator) -> torch.Tensor:
        images, moved = _augmented(pixels[rows], boxes[rows], chance, settings.mirrors)
        value: torch.Tensor = _loss(net, images, moved, class_ids[rows])
        return value

    plan = Plan(len(pixels), loss, average_decay=_AVERAGE_DECAY)
    trained = train_network(network, plan, settings, run, progress)
    write_model(trained, data.labels, run.model)
    return Trained(
        model="onnx_detector",
        what="TinyYolo (models/detection/tiny_yolo.py), 0.46 M parameters, input 320x192: after "
        "FCOS (Tian et al., 2019), CSPNet (Wang et al., 2019) and YOLOv8.",
        data=data.words,
        measures=data.measure(run.model, settings),
        use=USE,
        limits=(
            "The input is 320x192: objects that are only some pixels large in it are not found.",
        ),
    )


def _loss(
    net: Any,
    images: npt.NDArray[np.uint8],
    boxes: npt.NDArray[np.float32],
    class_ids: npt.NDArray[np.int64],
) -> Any:
    import torch

    from models.detection.tiny_yolo_loss import detection_loss

    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    predicted, logits = net.boxes_and_logits(pixels.contiguous(memory_format=torch.channels_last))
    truth = torch.from_numpy(boxes), torch.from_numpy(np.ascontiguousarray(class_ids))
    return detection_loss(predicted, logits, net.centers, *truth)


def _augmented(
    images: npt.NDArray[np.uint8],
    boxes: npt.NDArray[np.float32],
    chance: np.random.Generator,
    mirrors: bool,
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Mirror half of the pictures and change the colors of all."""
    images, boxes, width = images.copy(), boxes.copy(), images.shape[2]
    if mirrors:
        mirrored = np.flatnonzero(chance.random(len(images)) < 0.5)
        images[mirrored] = images[mirrored, :, ::-1]
        real = boxes[mirrored].any(axis=-1, keepdims=True)
        flipped = width - boxes[mirrored][..., [2, 1, 0, 3]]
        flipped[..., [1, 3]] = boxes[mirrored][..., [1, 3]]
        boxes[mirrored] = np.where(real, flipped, 0)
    gain = chance.uniform(*_AUGMENTED_GAIN, (len(images), 1, 1, 3)).astype(np.float32)
    return np.clip(images * gain, 0, 255).astype(np.uint8), boxes


def write_model(net: Any, labels: list[str], folder: Path) -> None:
    """Write a `TinyYolo` as safetensors and as ONNX of any batch size, with its labels."""
    import torch
    from safetensors.torch import save_file

    from models.detection.tiny_yolo import INPUT_HEIGHT, INPUT_WIDTH
    from models.training.onnx_export import write_onnx

    write_config(
        folder,
        {
            "architecture": "tiny_yolo",
            "labels": labels,
            **serving("onnx_detector", {"path": "model.onnx"}, labels=labels, layout="end_to_end"),
        },
    )
    (folder / "classes.txt").write_text("".join(f"{label}\n" for label in labels), "utf-8")
    tensors = {name: tensor.contiguous() for name, tensor in net.state_dict().items()}
    save_file(tensors, folder / "model.safetensors")
    example = torch.zeros(2, 3, INPUT_HEIGHT, INPUT_WIDTH)
    write_onnx(net, example, folder / "model.onnx", ["pixels"], ["boxes", "scores"])


def _measures(folder: Path, pairs: list[tuple[VideoFrame, Truth]], dataset: str) -> list[Measure]:
    """Measure the written model on frames; none if nothing can be found in them."""
    if not any(len(truth.labels) for _, truth in pairs):
        return []
    model = OnnxDetector(
        str(folder / "model.onnx"), layout="end_to_end", score_threshold=MEASURED_FROM_SCORE
    )
    model.load("cpu")
    figures = evaluate_detector(model, pairs, FOUND_FROM_SCORE)
    model.close()
    return [
        Measure(task="detection", dataset=dataset, model=model.name, metric=name, value=value)
        for name, value in figures.items()
    ]


Arrays = tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32], npt.NDArray[np.int64]]


class _Rendered:
    """Rendered traffic."""

    def __init__(self, settings: Settings, run: RunFolder) -> None:
        self.labels = list(LABELS)
        self._settings, self._run = settings, run
        self.words = f"{settings.num_scenes} rendered traffic scenes (models/detection/scenes.py)"
        run.begin("detector", _plain(settings), "rendered")

    def arrays(self, progress: Progress) -> Arrays:
        """Return pixels (n, H, W, 3), boxes (n, m, 4) in them, and class ids (n, m)."""
        from models.detection.tiny_yolo import INPUT_HEIGHT, INPUT_WIDTH

        def scenes() -> Iterator[tuple[Any, Any, Any]]:
            for index in range(self._settings.num_scenes):
                chance = np.random.default_rng((self._settings.seed, index))
                scene = render_scene(chance, 2 * INPUT_WIDTH, 2 * INPUT_HEIGHT)
                yield scene.image, scene.boxes, scene.class_ids

        return _prepare(scenes(), self._settings.num_scenes, self._run, progress)

    def measure(self, folder: Path, settings: Settings) -> list[Measure]:
        """Measure on scenes that no training run renders."""
        from models.detection.evaluate import scenes_with_truth

        count = min(_NUM_MEASURED_SCENES, settings.num_scenes)
        pairs = list(scenes_with_truth(UNSEEN_SEED, count))
        return _measures(folder, pairs, f"{count} rendered scenes of unseen seeds")


class _Users:
    """A user's pictures with COCO boxes."""

    def __init__(self, settings: Settings, run: RunFolder) -> None:
        assert settings.annotations is not None
        annotations = Path(settings.annotations)
        folder = Path(settings.images) if settings.images else annotations.parent / "images"
        pictures, self.labels = read_coco(annotations, folder)
        kept, others = split_rows(len(pictures), settings.held_out, settings.seed)
        self._pictures = [pictures[row] for row in kept]
        self._held_out = [pictures[row] for row in others]
        self._run = run
        run.begin(
            "detector", _plain(settings), digest_of([annotations, *(p.path for p in pictures)])
        )
        num_boxes = sum(len(picture.boxes) for picture in self._pictures)
        self.words = (
            f"{len(self._pictures)} pictures with {num_boxes} boxes of {len(self.labels)} classes "
            f"({annotations.name}); {len(self._held_out)} pictures held out"
        )

    def arrays(self, progress: Progress) -> Arrays:
        """Return the same as `_Rendered.arrays`; crowds are not trained on."""

        def pictures() -> Iterator[tuple[Any, Any, Any]]:
            for picture in self._pictures:
                single = ~np.array(picture.is_crowd, bool)
                yield read_picture(picture.path), picture.boxes[single], picture.class_ids[single]

        return _prepare(pictures(), len(self._pictures), self._run, progress)

    def measure(self, folder: Path, settings: Settings) -> list[Measure]:
        """Measure on the held-out pictures."""
        pairs = [(_frame(picture), self._truth(picture)) for picture in self._held_out]
        return _measures(folder, pairs, f"{len(pairs)} held-out pictures")

    def _truth(self, picture: BoxedPicture) -> Truth:
        labels = [self.labels[class_id] for class_id in picture.class_ids.tolist()]
        return Truth(picture.boxes, labels, picture.is_crowd)


def _frame(picture: BoxedPicture) -> VideoFrame:
    return VideoFrame(image=picture.path.read_bytes())


def _prepare(
    pictures: Iterator[tuple[Any, Any, Any]], count: int, run: RunFolder, progress: Progress
) -> Arrays:
    """Fit pictures and their boxes to the network's input, once for a run."""
    from models.detection.tiny_yolo import INPUT_HEIGHT, INPUT_WIDTH

    found: list[tuple[Any, Any]] = []

    def fill_pixels(array: npt.NDArray[Any]) -> None:
        for index, (image, boxes, class_ids) in enumerate(pictures):
            array[index], fit = letterbox(np.ascontiguousarray(image), INPUT_HEIGHT, INPUT_WIDTH)
            scale = np.array([fit.scale_x, fit.scale_y] * 2, np.float32)
            offset = np.array([fit.offset_x, fit.offset_y] * 2, np.float32)
            moved = boxes * scale + offset
            large = (moved[:, 2:] - moved[:, :2]).min(axis=1, initial=np.inf) >= _MIN_SIDE_PIXELS
            found.append((moved[large], class_ids[large]))
            progress("pictures", index + 1, count)
        _store_objects(run, found)

    shape = (count, INPUT_HEIGHT, INPUT_WIDTH, 3)
    pixels = run.prepared("pixels", shape, np.uint8, fill_pixels)
    try:
        boxes, class_ids = (
            np.load(run.path / "prepared" / f"{name}.npy", allow_pickle=False)
            for name in ("boxes", "class_ids")
        )
    except (OSError, ValueError) as error:
        raise ModelError(f"{run.path / 'prepared'}: {error}: remove the folder") from error
    return pixels, boxes, class_ids


def _store_objects(run: RunFolder, found: list[tuple[Any, Any]]) -> None:
    """Store the objects, padded with zeros and -1 to the largest number of a picture."""
    most = max(1, *(len(boxes) for boxes, _ in found))
    boxes = np.zeros((len(found), most, 4), np.float32)
    class_ids = np.full((len(found), most), -1, np.int64)
    for row, (some, ids) in enumerate(found):
        boxes[row, : len(some)], class_ids[row, : len(ids)] = some, ids
    np.save(run.path / "prepared" / "boxes.npy", boxes)
    np.save(run.path / "prepared" / "class_ids.npy", class_ids)


def _plain(settings: Settings) -> dict[str, Any]:
    from msgspec import to_builtins

    plain: dict[str, Any] = to_builtins(settings)
    return plain
