"""The detector that Penstock ships, for traffic as `scenes.py` renders it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from models.detection.networks import Network, TorchNetwork
from models.detection.onnx_detector import OnnxDetector

WEIGHTS = Path(__file__).parent / "weights"
_RUNTIMES = ("onnx", "torch")


class TrafficDetector(OnnxDetector):
    """Cars, trucks, buses, persons and bicycles of rendered scenes, by `tiny_yolo.TinyYolo`.

    It works on rendered traffic only; for real cameras use `onnx_detector`.

    Args:
        runtime: `onnx`, which does not import torch, or `torch`.
        score_threshold: lower scores are dropped, in [0, 1].
        iou_threshold: of two boxes of a class that overlap more, the better one is kept.
        max_detections: the most detections in a frame.
        threads: ONNX Runtime's threads within a call; 0: `OMP_NUM_THREADS`, or all cores.
        weights: folder with `model.onnx`, `model.safetensors` and `config.json`, as
            `penstock train detector` makes it.
        scaled_decoding: decode JPEG at 1/2, 1/4 or 1/8 if the network needs no more pixels.
        gray_range: as of `onnx_detector`.
    """

    name = "traffic_detector"

    def __init__(
        self,
        runtime: str = "onnx",
        score_threshold: float = 0.4,
        iou_threshold: float = 0.45,
        max_detections: int = 100,
        threads: int = 0,
        weights: str = str(WEIGHTS),
        scaled_decoding: bool = False,
        gray_range: str | Sequence[float] | None = None,
    ) -> None:
        if runtime not in _RUNTIMES:
            raise ValueError(f"runtime is {runtime!r}: expected one of {', '.join(_RUNTIMES)}")
        folder, suffix = Path(weights), "onnx" if runtime == "onnx" else "safetensors"
        super().__init__(
            path=str(folder / f"model.{suffix}"),
            labels=str(folder / "config.json"),
            layout="end_to_end",
            score_threshold=score_threshold,
            iou_threshold=iou_threshold,
            max_detections=max_detections,
            threads=threads,
            scaled_decoding=scaled_decoding,
            gray_range=gray_range,
        )
        self._runtime = runtime

    def _open(self, device: str) -> Network:
        if self._runtime == "onnx":
            return super()._open(device)
        from models.detection.tiny_yolo_weights import load_torch, signature

        return TorchNetwork(load_torch(self._path), signature(), device)
