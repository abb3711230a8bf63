"""What objects of a scene do: they cross lines, enter zones and leave them."""

from __future__ import annotations

from typing import Literal

from schemas.event import Result


class SceneEvent(Result, kw_only=True):
    """One event of one tracked object at one camera."""

    kind: Literal["line_crossed", "zone_entered", "zone_left"]
    place: str
    """Name of the line or zone."""
    track_id: int
    """Number of the object at its camera."""
    label: str
    """The object's class, as last seen."""
    direction: Literal["", "left_to_right", "right_to_left"] = ""
    """Of a crossing, for a viewer who looks along the line from its first to its second point."""
    dwell_ms: int = 0
    """Of `zone_left`: time from the first to the last frame in the zone, by event times, >= 0."""
    counts: dict[str, int]
    """Per class. `line_crossed`: crossings so far in this direction. Else: objects in the zone."""
