"""A model of pictures as a source: an ONNX file, or a classifier that becomes one."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.base import Model, ModelError
from models.classification.evaluate import frames_of
from models.classification.image_classifier import ImageClassifier
from models.classification.training_sets import render_traffic
from models.detection.coco_metrics import Found, Truth, measure_detections
from models.detection.detector import Detector
from models.detection.evaluate import (
    FOUND_FROM_SCORE,
    MEASURED_FROM_SCORE,
    scenes_with_truth,
)
from models.detection.scenes import LABELS
from models.evaluation import UNSEEN_SEED
from models.export.source import ONNX_NAME, Feed
from models.export.speed import run_all
from models.registry import make_model, model_class
from models.segmentation.evaluate import classes_of
from models.training.pictures import (
    BoxedPicture,
    pictures_in,
    read_class_folders,
    read_coco,
)
from models.training.result import serving, write_config
from models.vision.folder_config import read_json
from models.vision.networks import _DTYPES
from schemas import Classification, Detections, InputError, Segmentation, VideoFrame

_BATCH = 8
_MAX_PICTURES = {"calibration": 96, "comparison": 64}
#: Rendered for a detector of rendered traffic, which is rated on them.
_NUM_SCENES = 200
#: A user's labeled data is read whole up to this many pictures.
_MAX_LABELED = 1000
_COPIED = ("config.json", "preprocessor_config.json", "classes.txt", "README.md", "card.md")


class PictureSource:
    """A detector, classifier or segmenter of frames."""

    def __init__(
        self,
        model: str,
        options: dict[str, Any],
        data: Path | None = None,
        calibration: Path | None = None,
    ) -> None:
        """Load the model and read pictures.

        Args:
            model: the registered name.
            options: of the model, with its `path`.
            data: a folder of pictures, of class folders, or a COCO file; None: rendered traffic.
            calibration: the same; None: rendered traffic.

        Raises:
            ModelError: the model does not load, or there are no pictures.
        """
        self._name, self._options = model, options
        self._model = _loaded(model, options)
        self._truth: list[Truth | str] = []
        self._frames = {
            "comparison": self._read(data),
            "calibration": self._calibration(calibration),
        }

    @property
    def _is_of_traffic(self) -> bool:
        """Whether the model knows the classes of rendered traffic, and no others."""
        return bool(self._model._require_loaded().labels == list(LABELS))

    def _calibration(self, data: Path | None) -> list[VideoFrame]:
        count = _MAX_PICTURES["calibration"]
        if data is None and self._is_of_traffic and isinstance(self._model, ImageClassifier):
            return frames_of(render_traffic(UNSEEN_SEED + 2, count))
        return _frames(data, 1, count)

    def _read(self, data: Path | None) -> list[VideoFrame]:
        """Return the pictures to compare with, and keep what is known about them."""
        if data is not None and data.suffix == ".json":
            pictures, labels = read_coco(data, data.parent / "images")
            pictures = pictures[:_MAX_LABELED]
            self._truth = [_boxes_of(picture, labels) for picture in pictures]
            return [VideoFrame(image=picture.path.read_bytes()) for picture in pictures]
        if data is not None and data.is_dir() and not pictures_in(data):
            paths, names = read_class_folders(data)
            step = -(-len(paths) // _MAX_LABELED)
            self._truth = list(names[::step])
            return [VideoFrame(image=path.read_bytes()) for path in paths[::step]]
        if data is None and self._is_of_traffic and isinstance(self._model, ImageClassifier):
            objects = render_traffic(UNSEEN_SEED + 1, _NUM_SCENES)
            self._truth = [LABELS[class_id] for class_id in objects.class_ids.tolist()]
            return frames_of(objects)
        if data is None and self._is_of_traffic:
            pairs = list(scenes_with_truth(UNSEEN_SEED + 1, _NUM_SCENES))
            self._truth = [truth for _, truth in pairs]
            return [frame for frame, _ in pairs]
        return _frames(data, 0, _MAX_PICTURES["comparison"])

    def write_float(self, out: Path) -> Path:
        """Copy the ONNX file, or write the classifier's network."""
        out.mkdir(parents=True, exist_ok=True)
        path = Path(str(self._options["path"]))
        folder = path if path.is_dir() else path.parent
        for name in _COPIED:
            if (folder / name).is_file():
                shutil.copyfile(folder / name, out / name)
        config = read_json(out / "config.json")
        if isinstance(self._model, ImageClassifier):
            self._write_classifier(out, config)
        else:
            _copy_onnx(path, out / ONNX_NAME)
            kept = {key: value for key, value in self._options.items() if key != "path"}
            write_config(out, config | serving(self._name, {"path": ONNX_NAME}, **kept))
        return out / ONNX_NAME

    def _write_classifier(self, out: Path, config: dict[str, Any]) -> None:
        import torch

        from models.training.onnx_export import write_onnx

        loaded = self._model._require_loaded()
        height, width = loaded.image_input.shape[1:]
        example = torch.zeros(2, loaded.image_input.shape[0], height, width)
        write_onnx(_Logits(loaded.network), example, out / ONNX_NAME, ["pixels"], ["logits"])
        image = loaded.image_input
        fields = {name: getattr(image, name) for name in _INPUT_FIELDS}
        declared = serving("onnx_classifier", {"path": ONNX_NAME}, activation="softmax")
        top_k = {k: v for k, v in self._options.items() if k == "top_k"}
        declared["penstock"]["options"] |= top_k
        described = {"labels": loaded.labels, "image_input": fields}
        kept = {k: v for k, v in config.items() if k not in ("architectures", "id2label")}
        write_config(out, kept | described | declared)

    def parity(self, onnx: Path) -> float | None:
        """Compare a classifier with torch."""
        if not isinstance(self._model, ImageClassifier):
            return None
        import torch

        feeds, net, worst = self.feeds(onnx, "comparison")[:2], self._model._require_loaded(), 0.0
        for feed, (found,) in zip(feeds, run_all(onnx, feeds), strict=True):
            with torch.inference_mode():
                uploaded = net.network.upload(np.ascontiguousarray(next(iter(feed.values()))))
                (expected,) = net.network.run(uploaded)
            worst = max(worst, float(np.abs(found - expected.numpy()).max()))
        return worst

    def feeds(self, onnx: Path, part: str) -> list[Feed]:
        """Decode the pictures as the served model does."""
        from models.export.speed import open_file

        node = open_file(onnx).get_inputs()[0]
        fixed = node.shape[0] if isinstance(node.shape[0], int) else None
        frames, size = self._frames[part], fixed or _BATCH
        frames = frames[: _MAX_PICTURES[part] // size * size] or frames
        dtype = _DTYPES[node.type]
        feeds = []
        for start in range(0, len(frames) - (fixed or 1) + 1, size):
            pixels = self._pixels(frames[start : start + size])
            feeds.append({node.name: pixels.astype(dtype)})
        if not feeds:
            raise ModelError(f"{len(frames)} pictures: expected at least {size}")
        return feeds

    def _pixels(self, frames: Sequence[VideoFrame]) -> Any:
        loaded, images = self._model._require_loaded(), [frame.image for frame in frames]
        made = loaded.input_format if isinstance(self._model, Detector) else loaded.image_input
        slots, pixels = made.decode_all(
            images, self._model._limits, loaded.cores, loaded.network.transfer
        )
        for slot in slots:
            if isinstance(slot, InputError):
                raise ModelError(f"a picture can't be decoded: {slot}: remove it from the data")
        return pixels

    def agreement(self, one: Path, other: Path) -> dict[str, float]:
        """Compare the answers of served models."""
        frames = self._frames["comparison"][: _MAX_PICTURES["comparison"]]
        answers_before, answers_after = (
            _answers(_served(path.parent), frames) for path in (one, other)
        )
        pairs = list(zip(answers_before, answers_after, strict=True))
        if isinstance(answers_before[0], Detections):
            return _same_boxes(pairs)
        if isinstance(answers_before[0], Segmentation):
            same = [float((classes_of(a) == classes_of(b)).mean()) for a, b in pairs]
            return {"pixels with the same class": float(np.mean(same))}
        return {
            "pictures with the same class": float(np.mean([a.label == b.label for a, b in pairs]))
        }

    def quality(self, onnx: Path) -> dict[str, float]:
        """Return mAP or accuracy on a user's labeled data; empty without."""
        if not self._truth:
            return {}
        low = {} if isinstance(self._truth[0], str) else {"score_threshold": MEASURED_FROM_SCORE}
        answers = _answers(_served(onnx.parent, **low), self._frames["comparison"])
        if not low:
            right = [
                answer.label == name for answer, name in zip(answers, self._truth, strict=True)
            ]
            return {"accuracy": float(np.mean(right))}
        truths = [truth for truth in self._truth if isinstance(truth, Truth)]
        pairs = [(_found(answer), truth) for answer, truth in zip(answers, truths, strict=True)]
        figures = measure_detections(pairs, FOUND_FROM_SCORE)
        return {name: figures[name] for name in ("mAP50", "mAP50-95")}


_INPUT_FIELDS = ("height", "width", "resize", "resized_to", "resampling", "mean", "std", "scale")


def _boxes_of(picture: BoxedPicture, labels: list[str]) -> Truth:
    names = [labels[class_id] for class_id in picture.class_ids.tolist()]
    return Truth(picture.boxes, names, picture.is_crowd)


def _copy_onnx(path: Path, target: Path) -> None:
    """Copy an ONNX file as one file, with the data that lies beside it."""
    from models.export.precision import _import_onnx

    onnx = _import_onnx()
    onnx.save(onnx.load(path), target)


def _frames(folder: Path | None, part: int, count: int) -> list[VideoFrame]:
    """Return pictures of a folder and its subfolders, or of a COCO file; else rendered scenes."""
    if folder is None:
        return [frame for frame, _ in scenes_with_truth(UNSEEN_SEED + 1 + part, count)]
    if folder.suffix == ".json":
        folder = folder.parent / "images"
    if not folder.is_dir():
        raise ModelError(f"{folder}: no such folder")
    paths = [p for place in sorted([folder, *folder.rglob("*/")]) for p in pictures_in(place)]
    if not paths:
        raise ModelError(f"{folder}: no picture in it")
    step = -(-len(paths) // count)
    return [VideoFrame(image=path.read_bytes()) for path in paths[::step]]


def _loaded(name: str, options: dict[str, Any]) -> Any:
    model: Model[Any, Any] = make_model(model_class(name), options)
    model.load("cpu")
    return model


def _served(folder: Path, **options: Any) -> Any:
    """Load a written folder as a worker does."""
    from models.model_folder import served_by

    name, declared = served_by(folder) or ("", {})
    return _loaded(name, declared | options)


def _answers(model: Any, frames: Sequence[VideoFrame]) -> list[Any]:
    answers: list[Detections | Segmentation | Classification] = []
    for start in range(0, len(frames), _BATCH):
        for answer in model.predict_batch(frames[start : start + _BATCH]):
            if isinstance(answer, InputError):
                raise ModelError(f"a picture can't be decoded: {answer}: remove it from the data")
            answers.append(answer)
    model.close()
    return answers


def _same_boxes(pairs: Sequence[tuple[Detections, Detections]]) -> dict[str, float]:
    """Return the shares of either's boxes that the other has too: same class, IoU 0.5."""
    shares = {}
    for name, order in (("boxes found again", 1), ("boxes that were there before", -1)):
        truths = [(_found(b), _truth(a)) for a, b in (pair[::order] for pair in pairs)]
        has_any = any(len(truth.labels) for _, truth in truths)
        shares[name] = measure_detections(truths)["recall50"] if has_any else 1.0
    return shares


def _found(answer: Detections) -> Found:
    truth = _truth(answer)
    scores = np.array([d.score for d in answer.detections], np.float32)
    return Found(truth.boxes, truth.labels, scores)


def _truth(answer: Detections) -> Truth:
    boxes = np.array([d.box for d in answer.detections], np.float32).reshape(-1, 4)
    return Truth(boxes, [d.label for d in answer.detections])


def _Logits(network: Any) -> Any:
    """Return a module that maps pixels to the class scores of a loaded classifier."""
    import torch

    class Logits(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = network._module

        def forward(self, pixels: torch.Tensor) -> Any:
            (output,) = network._forward(self.net, pixels)
            return output

    return Logits().eval()
