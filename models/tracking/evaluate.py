"""Measure the tracker on rendered clips with known ids, and on a real video."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import simplejpeg

from models.base import Model
from models.detection.evaluate import FOUND_FROM_SCORE, video_frames
from models.detection.onnx_detector import OnnxDetector
from models.detection.scenes import Scene, render_clip
from models.detection.traffic_detector import TrafficDetector
from models.evaluation import UNSEEN_SEED, Row, answer_stream, measures, one_result, without_data
from models.tracking.byte_tracker import ByteTracker
from models.tracking.mot_metrics import MotFigures, Placed, measure_tracks
from schemas import DetectedFrame, Detections, InputError, VideoFrame

TASK = "tracking"
#: The detector keeps boxes of low scores for the tracker.
_DETECTED_FROM_SCORE = 0.1
_BATCH_SIZE = 16
_JPEG_QUALITY = 92


def detected_frames(
    model: Model[VideoFrame, Detections], frames: Iterable[VideoFrame], source_id: str
) -> Iterator[DetectedFrame]:
    """Yield what a loaded detector finds in the frames of one camera."""
    pending: list[VideoFrame] = []
    for frame in frames:
        pending.append(frame)
        if len(pending) == _BATCH_SIZE:
            yield from _detected(model, pending, source_id)
            pending = []
    yield from _detected(model, pending, source_id)


def evaluate_clips(
    detector: Model[VideoFrame, Detections],
    tracker: ByteTracker,
    seed: int,
    num_clips: int,
    num_frames: int,
) -> MotFigures:
    """Measure a detector and a tracker on rendered clips, one camera each.

    Classes are not compared: ids are what is measured.
    """
    figures = MotFigures()
    for index in range(num_clips):
        scenes = list(render_clip(seed + index, num_frames))
        frames = [_frame(scene) for scene in scenes]
        events = list(detected_frames(detector, frames, f"camera-{index}"))
        tracked = [placed(one_result(answer)) for answer in answer_stream(tracker, events)]
        true = [Placed(s.boxes.astype(np.float64), s.object_ids) for s in scenes]
        figures.add(measure_tracks(zip(true, tracked, strict=True)))
    return figures


def placed(answer: Detections) -> Placed:
    """Return the boxes of an answer that belong to tracks."""
    found = [d for d in answer.detections if d.track_id is not None]
    boxes = np.array([d.box for d in found], np.float64).reshape(-1, 4)
    return Placed(boxes, np.array([d.track_id for d in found], np.int64))


def evaluate_on(data_dir: Path, num_clips: int = 20, num_frames: int = 100) -> list[Row]:
    """Measure on rendered clips that no model was trained on, and on `video/vtest.mp4`.

    Args:
        data_dir: contains `video/` and `detector_fastestdet/`; absent ones are left out.
        num_clips: how many clips to render.
        num_frames: of a clip, at 10 a second.

    Returns:
        Figures. The video has no true ids: its figures say how long
        tracks last, not whether they are right.
    """
    detector = TrafficDetector(score_threshold=_DETECTED_FROM_SCORE)
    detector.load("cpu")
    figures = evaluate_clips(detector, ByteTracker(), UNSEEN_SEED, num_clips, num_frames)
    values = {
        "MOTA": figures.mota,
        "id switches for each true box": figures.num_switches / figures.num_true,
        "id switches for each object": figures.switched_share,
        "id switches to another object's id": figures.num_taken,
        "id switches to a new id after a gap": figures.num_resumed,
        "recall": 1 - figures.num_missed / figures.num_true,
        "false boxes for each true one": figures.num_false / figures.num_true,
    }
    rows = measures(
        TASK,
        f"rendered clips, {num_clips} unseen",
        "byte_tracker (traffic_detector)",
        values,
        lower_is_better=[name for name in values if "switches" in name or "false" in name],
        seed=UNSEEN_SEED,
    )
    network = data_dir / "detector_fastestdet" / "FastestDet.onnx"
    if network.is_file() and (video := data_dir / "video" / "vtest.mp4").is_file():
        return [*rows, *_video_rows(network, video)]
    return [*rows, *without_data(TASK, "video")]


def _video_rows(network: Path, video: Path) -> list[Row]:
    model = OnnxDetector(path=str(network), score_threshold=_DETECTED_FROM_SCORE)
    model.load("cpu")
    events = list(detected_frames(model, video_frames(video, every=1), "vtest"))
    lengths: dict[int, int] = {}
    num_detected = num_tracked = 0
    for answer in answer_stream(ByteTracker(), events):
        for found in one_result(answer).detections:
            if found.score >= FOUND_FROM_SCORE:
                num_detected += 1
                num_tracked += found.track_id is not None
            if found.track_id is not None:
                lengths[found.track_id] = lengths.get(found.track_id, 0) + 1
    values = {
        "tracks": float(len(lengths)),
        "median frames of a track": float(np.median(list(lengths.values()))),
        f"share of boxes (>= {FOUND_FROM_SCORE}) in a track": num_tracked / num_detected,
    }
    return measures(
        TASK, f"video, {video.name}", "byte_tracker (FastestDet)", values, neither=("tracks",)
    )


def _detected(
    model: Model[VideoFrame, Detections], frames: list[VideoFrame], source_id: str
) -> Iterator[DetectedFrame]:
    for answer in model.predict_batch(frames) if frames else []:
        if isinstance(answer, InputError):
            raise answer
        assert isinstance(answer, Detections)
        yield DetectedFrame(
            source_id=source_id,
            width=answer.width,
            height=answer.height,
            detections=answer.detections,
        )


def _frame(scene: Scene) -> VideoFrame:
    image = np.ascontiguousarray(scene.image)
    jpeg = simplejpeg.encode_jpeg(image, quality=_JPEG_QUALITY, colorspace="RGB")
    return VideoFrame(image=jpeg)
