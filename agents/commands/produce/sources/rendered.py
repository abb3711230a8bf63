"""Events made on the spot, for which no package carries real ones; their truth is known."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from agents.commands.produce.sources.source import spread
from agents.commands.produce.sources.video import JPEG_QUALITY
from schemas import TextMessage, VideoFrame

#: Of the demo's traffic; the shipped detector was trained on scenes of other seeds.
TRAFFIC_SEED = 20_008
#: Of the demo's messages; `test` templates were never trained on.
PHRASES_SEED = 20_001


def traffic(
    num_frames: int = 0, *, camera: int = 1, seed: int = TRAFFIC_SEED
) -> Iterator[VideoFrame]:
    """Yield frames of one rendered roadside camera, 640 x 384 pixels, as JPEG.

    Args:
        num_frames: 0: until the reader stops.
        camera: number of the camera; each sees a road of its own, `camera-1`, `camera-2` ...
        seed: of the clip; `models.detection.scenes.render_clip(seed + camera, ...)` gives the
            same frames with the boxes in them.
    """
    import simplejpeg

    from models.detection.scenes import render_clip

    clip = render_clip(seed + camera, num_frames or 2**31)
    for index, scene in enumerate(clip):
        image = simplejpeg.encode_jpeg(scene.image, quality=JPEG_QUALITY, colorspace="RGB")
        yield VideoFrame(source_id=f"camera-{camera}", image=image, frame_index=index)


def phrases(num_keys: int = 8, *, seed: int = PHRASES_SEED) -> Iterator[TextMessage]:
    """Yield customer-service messages for ever, dealt out to `num_keys` conversations.

    The intents are known: `models.nlu.phrases.generate(seed, "test")` gives the same texts.
    """
    from models.nlu.phrases import generate

    texts = itertools.cycle(text for text, _ in generate(seed, "test"))
    messages = (TextMessage(text=text, language="en") for text in texts)
    yield from spread(messages, "conversation", num_keys)
