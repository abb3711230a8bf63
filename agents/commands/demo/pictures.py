"""Draw the pictures of a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agents.commands.demo.cluster_plot import ClusterLog, plot_clusters
from agents.commands.demo.frame_pictures import FrameGallery, draw_overview, draw_shots
from agents.commands.demo.results import Recorder
from agents.commands.demo.sensor_plot import SensorLog, plot_series

_MAX_SERIES = 3
#: `make images` copies these to docs/images.
_OVERVIEWS = ("detections.png", "anomalies.png", "clusters.png")


@dataclass(frozen=True)
class Recorders:
    """Keep what the pictures show."""

    frames: FrameGallery
    sensors: SensorLog
    clusters: ClusterLog

    def as_list(self) -> list[Recorder]:
        """Return all of them."""
        return [self.frames, self.sensors, self.clusters]


def draw_pictures(recorders: Recorders, out: Path) -> list[Path]:
    """Write annotated frames and three overviews; return the files.

    Pictures without content are left out, and those of an earlier run deleted.
    """
    detections, anomalies, clusters = (out / name for name in _OVERVIEWS)
    for path in (detections, anomalies, clusters):
        path.unlink(missing_ok=True)
    shots = recorders.frames.shots()
    frames = draw_shots(shots, out / "frames")
    if shots:
        draw_overview(shots, detections)
    if series := recorders.sensors.series(_MAX_SERIES):
        plot_series(series, anomalies)
    if story := recorders.clusters.story():
        plot_clusters(story, clusters)
    return frames + [path for path in (detections, anomalies, clusters) if path.exists()]
