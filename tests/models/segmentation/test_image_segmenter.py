from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from models.base import ModelError
from models.segmentation.evaluate import classes_of
from models.segmentation.image_segmenter import ImageSegmenter
from schemas import Segmentation, VideoFrame
from tests.models.contract import events_for
from tests.models.vision.tiny_files import (
    write_mask2former_folder,
    write_resnet_folder,
    write_segformer_folder,
)


def _pixels(frame: VideoFrame) -> torch.Tensor:
    """Return (1, 3, 64, 64), -1 to 1, by plain Pillow and torch."""
    image = Image.open(io.BytesIO(frame.image)).resize((64, 64), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 127.5 - 1


def _size(frame: VideoFrame) -> tuple[int, int]:
    return Image.open(io.BytesIO(frame.image)).size[::-1]


def test_segformer_is_as_transformers_reads_it(tmp_path: Path) -> None:
    net = write_segformer_folder(tmp_path)
    model = ImageSegmenter(path=str(tmp_path))
    model.load("cpu")
    frames: list[VideoFrame] = [e for e in events_for(VideoFrame, 5) if isinstance(e, VideoFrame)]
    for frame, answer in zip(frames, model.predict_batch(frames), strict=True):
        assert isinstance(answer, Segmentation)
        with torch.inference_mode():
            logits = net(pixel_values=_pixels(frame)).logits
            wide = torch.nn.functional.interpolate(logits, _size(frame), mode="bilinear")
        assert (classes_of(answer) == wide[0].argmax(0).numpy()).mean() > 0.999
        assert {region.label for region in answer.regions} <= {"road", "car", "sky"}
        assert sum(region.area for region in answer.regions) == answer.width * answer.height


def test_mask2former_gives_objects_with_scores(tmp_path: Path) -> None:
    net = write_mask2former_folder(tmp_path)
    frames: list[VideoFrame] = [e for e in events_for(VideoFrame, 4) if isinstance(e, VideoFrame)]
    model = ImageSegmenter(path=str(tmp_path), score_threshold=0.1)
    model.load("cpu")
    num_objects = 0
    for frame, answer in zip(frames, model.predict_batch(frames), strict=True):
        assert isinstance(answer, Segmentation)
        with torch.inference_mode():
            outputs = net(pixel_values=_pixels(frame))
        height, width = _size(frame)
        likely = torch.nn.functional.interpolate(
            outputs.masks_queries_logits.sigmoid(), (height, width), mode="bilinear"
        )[0]
        scores, labels = outputs.class_queries_logits.softmax(-1)[0].max(-1)
        kept = (labels < 3) & (scores >= 0.1)
        best = (likely[kept] * scores[kept, None, None]).argmax(0)
        expected = []
        for index in range(int(kept.sum())):
            mask = (best == index) & (likely[kept][index] >= 0.5)
            whole = int((likely[kept][index] >= 0.5).sum())
            if mask.sum() and mask.sum() >= 0.8 * whole:
                expected.append((int(labels[kept][index]), int(mask.sum())))
        found = [(region.class_id, region.area) for region in answer.regions]
        assert [c for c, _ in sorted(found)] == [c for c, _ in sorted(expected)]
        for (_, area), (_, right) in zip(sorted(found), sorted(expected), strict=True):
            assert abs(area - right) <= 2  # pixels at 0.5 exactly, but for rounding
        assert all(region.score and region.score >= 0.1 for region in answer.regions)
        num_objects += len(found)
    assert num_objects > 0


def test_mask2former_gives_classes(tmp_path: Path) -> None:
    write_mask2former_folder(tmp_path)
    model = ImageSegmenter(path=str(tmp_path), task="classes")
    model.load("cpu")
    (answer,) = model.predict_batch([VideoFrame.example()])
    assert isinstance(answer, Segmentation)
    assert sum(region.area for region in answer.regions) == 1


def test_a_classifier_is_refused(tmp_path: Path) -> None:
    write_resnet_folder(tmp_path)
    with pytest.raises(ModelError, match="not a segmentation model"):
        ImageSegmenter(path=str(tmp_path)).load("cpu")
