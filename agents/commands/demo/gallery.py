"""The frames worth showing: for each camera and stretch of the run, the best one."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

from schemas import Detections, Event, Result, VideoFrame

#: Frames kept until their result comes; older ones are not shown, whatever is on them.
MAX_PENDING = 64
MAX_PICTURES = 12
#: Stretches of the run; each camera shows the best frame of each.
_NUM_STRETCHES = 4
#: A frame may hold more objects than this, but is not the better picture for it.
_NUM_COUNTED = 6


@dataclass(frozen=True)
class Shot:
    """A frame and what was found on it."""

    frame: VideoFrame
    found: Detections

    @property
    def merit(self) -> float:
        """How much there is to see: the sum of the best scores."""
        scores = sorted((d.score for d in self.found.detections), reverse=True)
        return sum(scores[:_NUM_COUNTED])


class Gallery:
    """Keeps at most `MAX_PENDING` frames and one shot a camera and stretch."""

    def __init__(self, seconds: float) -> None:
        self._stretch_seconds = seconds / _NUM_STRETCHES
        self._started: float | None = None
        self._pending: OrderedDict[str, VideoFrame] = OrderedDict()
        self._best: dict[tuple[str, int], Shot] = {}
        self._lock = threading.Lock()

    def sent(self, event: Event) -> None:
        """Keep a frame until its result comes."""
        if not isinstance(event, VideoFrame):
            return
        with self._lock:
            if self._started is None:
                self._started = time.monotonic()
            self._pending[event.event_id] = event
            if len(self._pending) > MAX_PENDING:
                self._pending.popitem(last=False)

    def answered(self, result: Result) -> None:
        """Keep a frame that shows more than the one before of its camera and stretch."""
        if not isinstance(result, Detections):
            return
        with self._lock:
            frame = self._pending.pop(result.event_id, None)
            if frame is None or not result.detections:
                return
            place, shot = (frame.source_id, self._stretch()), Shot(frame, result)
            if place not in self._best or self._best[place].merit < shot.merit:
                self._keep(place, shot)

    def _keep(self, place: tuple[str, int], shot: Shot) -> None:
        for other, kept in self._best.items():
            # A short set of photos comes round again: it need not be shown twice.
            if other != place and other[0] == place[0] and kept.frame.image == shot.frame.image:
                return
        self._best[place] = shot

    def _stretch(self) -> int:
        elapsed = time.monotonic() - self._started if self._started is not None else 0.0
        return min(int(elapsed / self._stretch_seconds), _NUM_STRETCHES - 1)

    def shots(self) -> list[Shot]:
        """Return at most `MAX_PICTURES`, by camera and time, each camera having its share."""
        with self._lock:
            by_stretch = sorted(self._best.items(), key=lambda item: (item[0][1], item[0][0]))
            chosen = sorted(by_stretch[:MAX_PICTURES], key=lambda item: item[0])
            return [shot for _, shot in chosen]
