"""Lines and zones in a camera's picture, as the pipeline file gives them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

Point: TypeAlias = tuple[float, float]

_MAX_PLACES, _MAX_POINTS = 100, 100


@dataclass(frozen=True)
class Place:
    """A line (two points) or a zone (three or more)."""

    name: str
    points: tuple[Point, ...]
    """x, y: shares of width and height if all are from 0 to 1, else pixels."""

    @property
    def is_relative(self) -> bool:
        """Whether the points are shares of the picture's width and height."""
        return all(0 <= value <= 1 for point in self.points for value in point)

    def in_pixels(self, width: int, height: int) -> list[Point]:
        """Return the points in pixels of a picture of that size."""
        if not self.is_relative:
            return list(self.points)
        return [(x * width, y * height) for x, y in self.points]


def read_lines(option: Mapping[str, Any] | None) -> list[Place]:
    """Return the lines of an option: name to two points.

    Raises:
        ValueError: an entry is none; the message names it.
    """
    lines = _read("lines", option, 2, 2)
    for line in lines:
        if line.points[0] == line.points[1]:
            raise ValueError(f"lines: {line.name}: both points are {list(line.points[0])}")
    return lines


def read_zones(option: Mapping[str, Any] | None) -> list[Place]:
    """Return the zones of an option: name to three or more points, in order around the zone.

    Raises:
        ValueError: an entry is none; the message names it.
    """
    zones = _read("zones", option, 3, _MAX_POINTS)
    for zone in zones:
        if _area(zone.points) == 0:
            raise ValueError(f"zones: {zone.name}: its points enclose no area")
    return zones


def side(point: Point, line: Sequence[Point]) -> int:
    """Return on which side of a line's straight a point is: -1 left, 1 right or on it.

    Left and right for a viewer who looks from the first to the second point. A point on the line
    has a side too: else an object that stops there would cross twice.
    """
    (x1, y1), (x2, y2) = line
    cross = (x2 - x1) * (point[1] - y1) - (y2 - y1) * (point[0] - x1)
    return 1 if cross >= 0 else -1


def crosses(start: Point, end: Point, line: Sequence[Point]) -> bool:
    """Return whether the way from start to end meets the line between its points."""
    way = (start, end)
    return side(line[0], way) != side(line[1], way) and side(start, line) != side(end, line)


def is_inside(point: Point, zone: Sequence[Point]) -> bool:
    """Return whether a point is in a zone: a ray from it meets an odd number of sides."""
    x, y = point
    inside = False
    for (x1, y1), (x2, y2) in zip(zone, [*zone[1:], zone[0]], strict=True):
        if (y1 > y) != (y2 > y) and x < x1 + (y - y1) / (y2 - y1) * (x2 - x1):
            inside = not inside
    return inside


def _read(option_name: str, option: Any, least: int, most: int) -> list[Place]:
    if option is None:
        return []
    if not isinstance(option, Mapping) or len(option) > _MAX_PLACES:
        raise ValueError(
            f"{option_name} is {option!r}: expected names with their points, at most {_MAX_PLACES}"
        )
    return [
        Place(str(name), _points(f"{option_name}: {name}", points, least, most))
        for name, points in option.items()
    ]


def _points(name: str, points: Any, least: int, most: int) -> tuple[Point, ...]:
    count = f"{least}" if least == most else f"{least} to {most}"
    expected = f"expected {count} points [x, y], in pixels or all from 0 to 1"
    if not isinstance(points, list | tuple) or not least <= len(points) <= most:
        raise ValueError(f"{name} is {points!r}: {expected}")
    for point in points:
        if not isinstance(point, list | tuple) or len(point) != 2 or not all(map(_is_place, point)):
            raise ValueError(f"{name}: point {point!r}: {expected}")
    return tuple((float(x), float(y)) for x, y in points)


def _is_place(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and 0 <= value <= 1e6


def _area(points: Sequence[Point]) -> float:
    pairs = zip(points, [*points[1:], points[0]], strict=True)
    return abs(sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in pairs)) / 2
