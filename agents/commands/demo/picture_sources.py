"""Pictures for the classifier and the segmenter of the demo: real digits, and drawn scenes."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator
from functools import partial

from agents.commands.produce.sources.demo import traffic
from agents.commands.produce.sources.source import Source, repeat
from schemas import VideoFrame

#: A digit's side and its picture's, pixels: as in MNIST, which the classifier was trained on.
_DIGIT_SIDE, _PICTURE_SIDE = 20, 28
#: The gray levels of the data set are 0 to 16.
_LEVELS = 16
#: Every so many frames of the clip: at a picture a second, something happens between two.
_SCENE_EVERY = 5


def digits() -> Iterator[VideoFrame]:
    """Yield the 1,797 handwritten digits of the UCI repository that scikit-learn carries.

    They are of other writers and of another scanner than those that the classifier learned from.
    """
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_digits

    for index, levels in enumerate(load_digits().images):
        small = Image.fromarray((levels * (255 / _LEVELS)).astype(np.uint8))
        digit = small.resize((_DIGIT_SIDE, _DIGIT_SIDE), Image.Resampling.BICUBIC)
        picture, margin = (
            Image.new("L", (_PICTURE_SIDE, _PICTURE_SIDE)),
            _PICTURE_SIDE - _DIGIT_SIDE,
        )
        picture.paste(digit, (margin // 2, margin // 2))
        file = io.BytesIO()
        picture.save(file, "png")
        yield VideoFrame(source_id="digits", image=file.getvalue(), frame_index=index)


def scenes(camera: int) -> Iterator[VideoFrame]:
    """Yield every fifth frame of a further roadside camera, without end."""
    yield from itertools.islice(traffic(camera=camera), 0, None, _SCENE_EVERY)


DIGITS = Source(
    "digits", "video", "handwritten digits from scikit-learn (UCI)", True, partial(repeat, digits)
)
SCENES = Source("traffic-3", "video", "a third roadside camera", False, partial(scenes, 3))
