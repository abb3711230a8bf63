"""Models of the fuzzed pipeline: light, but they read events the way real models do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from models.base import Model
from models.images import ImageLimits, decode_image
from schemas import Event, InputError, TextMessage, VideoFrame


class Anything(Event, frozen=True, kw_only=True):
    """An event that may hold any JSON."""

    body: Any


class Measure(Model[Any, Any]):
    """Returns the shape of a picture, or an event's text or body."""

    def predict_batch(self, batch: Sequence[Any]) -> list[Any]:
        return [_measured(event) for event in batch]


class Pictures(Measure):
    name, event_type = "pictures", VideoFrame


class Texts(Measure):
    name, event_type = "texts", TextMessage


class Bodies(Measure):
    name, event_type = "bodies", Anything


def _measured(event: Event) -> Any:
    try:
        if isinstance(event, VideoFrame):
            return {"height_width_channels": decode_image(event.image, ImageLimits()).pixels.shape}
    except InputError as error:
        return error
    return {"echo": event.text if isinstance(event, TextMessage) else event.body}  # type: ignore[attr-defined]
