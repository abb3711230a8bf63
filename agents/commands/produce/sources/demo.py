"""The sources of `penstock demo`: real data from installed packages, else generated data."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import partial

from agents.commands.produce.sources.packaged import image_segments, photographs, water_flow
from agents.commands.produce.sources.source import Source, repeat, spread
from agents.commands.produce.sources.video import JPEG_QUALITY
from schemas import Interaction, TextMessage, VideoFrame

#: Seed of the demo's traffic; the shipped detector was trained on scenes of other seeds.
TRAFFIC_SEED = 20_008
#: Seed of the demo's messages; the shipped model was not trained on the `test` templates.
PHRASES_SEED = 20_001
#: Seed of the demo's shop; the figures of `penstock eval recommendation` are of others.
SHOP_SEED = 20_011


def traffic(
    num_frames: int = 0, *, camera: int = 1, seed: int = TRAFFIC_SEED
) -> Iterator[VideoFrame]:
    """Yield JPEG frames of one rendered roadside camera, 640 x 384 pixels.

    Args:
        num_frames: 0: without end.
        camera: number of the camera; each sees another road and has its own source id,
            `camera-1`, `camera-2` ...
        seed: of the clip; `models.detection.scenes.render_clip(seed + camera, ...)` gives the
            same frames together with their boxes.
    """
    import simplejpeg

    from models.detection.scenes import render_clip

    clip = render_clip(seed + camera, num_frames or 2**31)
    for index, scene in enumerate(clip):
        image = simplejpeg.encode_jpeg(scene.image, quality=JPEG_QUALITY, colorspace="RGB")
        yield VideoFrame(source_id=f"camera-{camera}", image=image, frame_index=index)


def phrases(num_keys: int = 8, *, seed: int = PHRASES_SEED) -> Iterator[TextMessage]:
    """Yield customer-service messages without end, distributed over `num_keys` conversations.

    The intents are known: `models.nlu.phrases.generate(seed, "test")` gives the same texts.
    """
    from models.nlu.phrases import generate

    texts = itertools.cycle(text for text, _ in generate(seed, "test"))
    messages = (TextMessage(text=text, language="en") for text in texts)
    yield from spread(messages, "conversation", num_keys)


def shop() -> Iterator[Interaction]:
    """Yield interactions of users with tastes; half way, other items begin to follow each other."""
    from models.recommendation.drifting_tastes import Shop, interactions

    yield from interactions(
        Shop(
            users=60, genres=6, items_per_genre=30, num_interactions=4000, at_once=12,
            seed=SHOP_SEED,
        )
    )  # fmt: skip


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
    Source(
        "shop",
        "interaction",
        "users with tastes, by models.recommendation.drifting_tastes",
        False,
        partial(repeat, shop),
    ),
)
"""None of them ends: the reader must stop."""


def demo_source(name: str) -> Source | None:
    """Return the demo source with a name; None if there is none."""
    return next((source for source in DEMO_SOURCES if source.name == name), None)
