"""The input of workload `b`: rendered traffic scenes as JPEG frames."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from benchmarks.harness.cycled import TOLERANCE, CycledInput, workload_module

_NUM_FRAMES, _SEED = 32, 4
_WIDTH, _HEIGHT, _JPEG_QUALITY = 640, 480, 85


def rendered_frames() -> list[bytes]:
    """Return rendered traffic scenes as JPEGs of 640 x 480."""
    import simplejpeg

    from models.detection.scenes import render_scene

    rng = np.random.default_rng(_SEED)
    scenes = [render_scene(rng, _WIDTH, _HEIGHT) for _ in range(_NUM_FRAMES)]
    return [simplejpeg.encode_jpeg(scene.image, quality=_JPEG_QUALITY) for scene in scenes]


def frames_input(num_records: int, partitions: int) -> CycledInput:
    """Return the input: frames, whose objects are computed here."""
    images = rendered_frames()
    module = workload_module("frames")
    detector = module.Detector("cpu")
    answers = [detector.detect(*detector.prepare([image]))[0] for image in images]
    decoder = msgspec.json.Decoder(module.Objects)

    def fault(expected: Any, value: bytes) -> str:
        objects = decoder.decode(value).objects
        numbers, right = _numbers(objects), _numbers(expected)
        if numbers.shape == right.shape and np.allclose(numbers, right, TOLERANCE, TOLERANCE):
            return ""
        return f"the objects are {objects}: expected {expected}"

    return CycledInput(
        num_records, partitions, kind="penstock.objects.v1", answers=answers,
        value=lambda _, index: images[index % len(images)], fault=fault, has_ids=False,
    )  # fmt: skip


def _numbers(objects: Any) -> npt.NDArray[np.float64]:
    """Return (n, 6) float64: class, score and box of each object."""
    return np.array([(o.class_id, o.score, *o.box) for o in objects]).reshape(-1, 6)
