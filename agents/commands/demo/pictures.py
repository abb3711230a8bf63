"""Join events with their results, and draw the pictures of a run."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path
from typing import Generic, TypeVar

from agents.commands.demo.class_pictures import ClassGallery, draw_classes
from agents.commands.demo.cluster_plot import ClusterLog, plot_clusters
from agents.commands.demo.frame_pictures import FrameGallery, draw_overview, draw_shots
from agents.commands.demo.recommendation_plot import RecommendationLog, plot_recommendations
from agents.commands.demo.segment_pictures import SegmentGallery, draw_segments
from agents.commands.demo.sensor_plot import SensorLog, plot_series
from agents.commands.demo.speech_picture import AlertLog, draw_alert, write_alert
from agents.commands.demo.track_pictures import TRACKER, TrackLog, draw_tracks
from schemas import (
    AnomalyScore,
    BehaviorEvent,
    Classification,
    ClusterAssignment,
    ClusterUpdate,
    Detections,
    Event,
    Interaction,
    Recommendation,
    Result,
    Segmentation,
    SensorReading,
    SpokenAudio,
    Transcript,
    VideoFrame,
)

#: Events kept until their result arrives; older ones are left out of the pictures.
MAX_PENDING, MAX_PENDING_FRAMES = 20_000, 64
_MAX_SERIES = 3
#: `make images` copies these to docs/images.
_OVERVIEWS = (
    "detections.png", "tracks.png", "segments.png", "classes.png", "anomalies.png", "clusters.png",
    "recommendations.png", "spoken-alert.png",
)  # fmt: skip

E = TypeVar("E", bound=Event)


class _Pending(Generic[E]):
    """The latest events without a result."""

    def __init__(self, max_events: int) -> None:
        self._max_events = max_events
        self._events: OrderedDict[str, E] = OrderedDict()

    def add(self, event: E) -> None:
        self._events[event.event_id] = event
        if len(self._events) > self._max_events:
            self._events.popitem(last=False)

    def pop(self, event_id: str) -> E | None:
        return self._events.pop(event_id, None)


class PictureRecorder:
    """Keeps what the pictures show, in bounded memory. Events and results may come from threads."""

    def __init__(self, seconds: float) -> None:
        self.frames, self.sensors, self.clusters = FrameGallery(seconds), SensorLog(), ClusterLog()
        self.tracks, self.segments, self.classes = TrackLog(), SegmentGallery(), ClassGallery()
        self.recommendations, self.alerts = RecommendationLog(), AlertLog()
        self._frames: _Pending[VideoFrame] = _Pending(MAX_PENDING_FRAMES)
        self._detected: _Pending[VideoFrame] = _Pending(MAX_PENDING_FRAMES)
        self._readings: _Pending[SensorReading] = _Pending(MAX_PENDING)
        self._behavior: _Pending[BehaviorEvent] = _Pending(MAX_PENDING)
        self._interactions: _Pending[Interaction] = _Pending(MAX_PENDING)
        self._lock = threading.Lock()

    def add_event(self, event: Event) -> None:
        """Keep an event, which is about to be published, until its result arrives."""
        with self._lock:
            if isinstance(event, VideoFrame):
                self._frames.add(event)
            elif isinstance(event, SensorReading):
                self._readings.add(event)
            elif isinstance(event, BehaviorEvent):
                self._behavior.add(event)
            elif isinstance(event, Interaction):
                self._interactions.add(event)

    def add_result(self, result: Result) -> None:
        """Record a result with its event; a result of an unknown event is left out."""
        with self._lock:
            if isinstance(result, (Detections, Classification, Segmentation)):
                self._add_to_frame(result)
            elif isinstance(result, AnomalyScore):
                if (reading := self._readings.pop(result.event_id)) is not None:
                    self.sensors.add(reading, result)
            elif isinstance(result, ClusterAssignment):
                if (event := self._behavior.pop(result.event_id)) is not None:
                    self.clusters.add(event, result)
            elif isinstance(result, Recommendation):
                if (act := self._interactions.pop(result.event_id)) is not None:
                    self.recommendations.add(act, result)
            elif isinstance(result, ClusterUpdate):
                self.clusters.add_update(result)
            elif isinstance(result, SpokenAudio):
                self.alerts.add_speech(result)
            elif isinstance(result, Transcript):
                self.alerts.add_transcript(result)

    def _add_to_frame(self, result: Detections | Classification | Segmentation) -> None:
        if isinstance(result, Detections) and result.model == TRACKER:
            self.tracks.add(self._detected.pop(result.event_id), result)
            return
        frame = self._frames.pop(result.event_id)
        if frame is None:
            return
        if isinstance(result, Detections):
            self._detected.add(frame)
            self.frames.add(frame, result)
        elif isinstance(result, Segmentation):
            self.segments.add(frame, result)
        else:
            self.classes.add(frame, result)

    def draw(self, out: Path) -> list[Path]:
        """Write annotated frames and the overviews; return the files.

        Pictures without content are left out, and those of an earlier run deleted. Call it once
        no more events and results arrive.
        """
        overviews = [out / name for name in _OVERVIEWS]
        sound = out / "spoken-alert.wav"
        for path in [*overviews, sound]:
            path.unlink(missing_ok=True)
        detections, tracks, segments, classes, anomalies, clusters, recommendations, alert = (
            overviews
        )
        shots = self.frames.shots()
        frames = draw_shots(shots, out / "frames")
        if shots:
            draw_overview(shots, detections)
        if track_shots := self.tracks.shots():
            draw_tracks(track_shots, tracks)
        if segmented := self.segments.chosen():
            draw_segments(segmented, segments)
        if classified := self.classes.chosen():
            draw_classes(classified, classes)
        if series := self.sensors.series(_MAX_SERIES):
            plot_series(series, anomalies)
        if story := self.clusters.story():
            plot_clusters(story, clusters)
        if self.recommendations.has_story:
            plot_recommendations(self.recommendations, recommendations)
        if (spoken := self.alerts.first) is not None:
            draw_alert(spoken, alert)
            write_alert(spoken, sound)
        return frames + [path for path in [*overviews, sound] if path.exists()]
