"""The segmenter that Penstock ships, for traffic as `models/detection/scenes.py` renders it."""

from __future__ import annotations

from pathlib import Path

from models.images import ImageLimits
from models.segmentation.onnx_segmenter import OnnxSegmenter

WEIGHTS = Path(__file__).parent / "weights"


class TrafficSegmenter(OnnxSegmenter):
    """Pixels of cars, trucks, buses, persons and bicycles of rendered scenes, by `TinyUnet`.

    It works on rendered traffic only; for real cameras use `image_segmenter` or `onnx_segmenter`.

    Args:
        threads: ONNX Runtime's threads within a call; 0: `OMP_NUM_THREADS`, or all cores.
        max_pixels: larger pictures are refused before they are decoded.
        weights: folder with `model.onnx` and `config.json`, as `penstock train segmenter` makes it.
    """

    name = "traffic_segmenter"

    def __init__(
        self,
        threads: int = 0,
        max_pixels: int = ImageLimits.max_pixels,
        weights: str = str(WEIGHTS),
    ) -> None:
        super().__init__(
            path=str(Path(weights) / "model.onnx"),
            background="background",
            threads=threads,
            max_pixels=max_pixels,
        )
