"""Pictures for the classifier and the segmenter of the demo, drawn by `models.detection.scenes`."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator
from functools import partial

from agents.commands.produce.sources.demo import TRAFFIC_SEED, traffic
from agents.commands.produce.sources.source import Source
from schemas import VideoFrame

#: Smaller objects are hard to recognize for people, too.
_MIN_SIDE_PIXELS = 24
#: Share of an object's sides that is shown around it.
_MARGIN = 0.08
#: Every so many frames of the clip: at a picture a second, something happens between two.
_SCENE_EVERY = 5


def vehicles(seed: int = TRAFFIC_SEED) -> Iterator[VideoFrame]:
    """Yield one picture of each object in rendered scenes, without end."""
    import numpy as np
    from PIL import Image

    from models.detection.scenes import render_scene

    for index in itertools.count():
        scene = render_scene(np.random.default_rng((seed, index)))
        image = Image.fromarray(scene.image)
        for x1, y1, x2, y2 in scene.boxes.tolist():
            if min(x2 - x1, y2 - y1) < _MIN_SIDE_PIXELS:
                continue
            dx, dy = _MARGIN * (x2 - x1), _MARGIN * (y2 - y1)
            corners = max(x1 - dx, 0), max(y1 - dy, 0), x2 + dx, y2 + dy
            right, bottom = min(corners[2], image.width), min(corners[3], image.height)
            file = io.BytesIO()
            image.crop((round(corners[0]), round(corners[1]), round(right), round(bottom))).save(
                file, "png"
            )
            yield VideoFrame(source_id="vehicles", image=file.getvalue(), frame_index=index)


def scenes(camera: int = 3) -> Iterator[VideoFrame]:
    """Yield every fifth frame of a further roadside camera, without end."""
    yield from itertools.islice(traffic(camera=camera), 0, None, _SCENE_EVERY)


VEHICLES = Source(
    "vehicles", "video", "vehicles and people cut out of drawn scenes", False, vehicles
)
SCENES = Source("traffic-3", "video", "a third roadside camera", False, partial(scenes, 3))
