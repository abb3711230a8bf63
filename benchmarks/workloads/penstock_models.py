"""The same workloads as a Penstock user would write them: one model class each."""

from __future__ import annotations

from schemas import Result, SensorReading, TextMessage, VideoFrame
from workloads import frames, texts
from workloads.readings import mean_scores, slow_scores


class Score(Result, kw_only=True):
    """The mean of a reading's values."""

    score: float


class Mean:
    """Workload `a`."""

    name, event_type, result_type = "mean", SensorReading, Score

    def predict_batch(self, readings):
        """Answer B readings."""
        return [Score(score=score) for score in mean_scores(readings)]


class SlowMean(Mean):
    """Workload `d`."""

    def predict_batch(self, readings):
        """Answer B readings after 5 ms and 20 us for each."""
        return [Score(score=score) for score in slow_scores(readings)]


class Objects(Result, kw_only=True):
    """The objects on a frame."""

    objects: list[frames.Found]


class Detect:
    """Workload `b`."""

    name, event_type, result_type, uses_gpu = "traffic", VideoFrame, Objects, True

    def load(self, device="cpu"):
        """Load the network."""
        self._detector = frames.Detector(device)

    def prepare_batch(self, batch):
        """Decode B frames."""
        return self._detector.prepare([frame.image for frame in batch])

    def predict_prepared(self, prepared):
        """Answer B frames."""
        return [Objects(objects=objects) for objects in self._detector.detect(*prepared)]


class Vector(Result, kw_only=True):
    """The vector of a text."""

    vector: list[float]


class Encode:
    """Workload `c`."""

    name, event_type, result_type, uses_gpu = "minilm", TextMessage, Vector, True

    def load(self, device="cpu"):
        """Load the network."""
        self._encoder = texts.Encoder(device)

    def prepare_batch(self, batch):
        """Tokenize B texts."""
        return self._encoder.tokenize([message.text for message in batch])

    def predict_prepared(self, tokens):
        """Answer B texts."""
        return [Vector(vector=v) for v in texts.rounded(self._encoder.encode(tokens))]
