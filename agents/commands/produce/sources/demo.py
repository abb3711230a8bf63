"""What `penstock demo` streams: real data that packages carry, rendered where they carry none."""

from __future__ import annotations

from functools import partial

from agents.commands.produce.sources.packaged import image_segments, photographs, water_flow
from agents.commands.produce.sources.rendered import phrases, traffic
from agents.commands.produce.sources.source import Source, repeat

DEMO_SOURCES: tuple[Source, ...] = (
    Source(
        "traffic", "video", "a roadside camera drawn by models.detection.scenes", False, traffic
    ),
    Source("traffic-2", "video", "a second roadside camera", False, partial(traffic, camera=2)),
    Source("photographs", "video", "photographs from scikit-image", True, photographs),
    Source(
        "phrases", "text", "messages composed from templates by models.nlu.phrases", False, phrases
    ),
    Source(
        "water-flow",
        "sensor",
        "hourly flow of a water pipe in Italy, 2022 (river's WaterFlow)",
        True,
        partial(repeat, water_flow),
    ),
    Source(
        "image-segments",
        "behavior",
        "18 measures of patches of outdoor photographs (river's ImageSegments)",
        True,
        partial(repeat, image_segments),
    ),
)
"""None of them ends; the reader stops."""


def demo_source(name: str) -> Source | None:
    """Return the demo's source of that name, None if there is none."""
    return next((source for source in DEMO_SOURCES if source.name == name), None)
