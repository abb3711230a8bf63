"""The pictures that a run leaves behind."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agents.commands.demo.cluster_log import ClusterLog
from agents.commands.demo.cluster_plot import plot_clusters
from agents.commands.demo.drawing import draw_shots
from agents.commands.demo.gallery import Gallery
from agents.commands.demo.sensor_plot import plot_series
from agents.commands.demo.series import SensorLog

_MAX_SERIES = 3


@dataclass(frozen=True)
class Recordings:
    """What was remembered for the pictures."""

    gallery: Gallery
    sensors: SensorLog
    clusters: ClusterLog


def draw_pictures(recordings: Recordings, out: Path) -> list[Path]:
    """Write annotated frames, `anomalies.png` and `clusters.png`; return what was written.

    What there is nothing to show of is left out, and an earlier run's file removed.
    """
    written = draw_shots(recordings.gallery.shots(), out / "frames")
    for name in ("anomalies.png", "clusters.png"):
        (out / name).unlink(missing_ok=True)
    if series := recordings.sensors.series(_MAX_SERIES):
        plot_series(series, out / "anomalies.png", "Sensor readings and the anomalies in them")
        written.append(out / "anomalies.png")
    if story := recordings.clusters.story():
        plot_clusters(story, out / "clusters.png", "Clusters of behaviour as they moved")
        written.append(out / "clusters.png")
    return written
