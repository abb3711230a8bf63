"""Draw the background of a traffic scene: sky, houses, trees, sidewalks, road, poles."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageDraw

from models.detection.sprites import Color


@dataclass(frozen=True)
class Backdrop:
    """A place: its picture, where objects stand and how large they look there."""

    image: Image.Image
    horizon_y: float
    road_top_y: float
    road_bottom_y: float
    num_lanes: int
    near_pixels_per_meter: float
    """Scale at the picture's bottom edge; it falls linearly to zero at the horizon."""
    poles: list[tuple[float, float, Color]] = field(default_factory=list)
    """x, width in pixels, color. Poles are in front of everything else."""

    def pixels_per_meter(self, ground_y: float) -> float:
        """Return the scale of objects that stand at that height of the picture."""
        depth = (ground_y - self.horizon_y) / (self.image.height - self.horizon_y)
        return self.near_pixels_per_meter * depth

    def lane_y(self, rng: np.random.Generator) -> float:
        """Return the y where the wheels of a vehicle in a random lane touch the ground."""
        lane = int(rng.integers(self.num_lanes)) + rng.uniform(0.55, 0.9)
        return self.road_top_y + (self.road_bottom_y - self.road_top_y) * lane / self.num_lanes

    def edge_y(self, rng: np.random.Generator) -> float:
        """Return the y where a person stands: on a sidewalk, sometimes on the road."""
        place, height = rng.random(), self.image.height
        if place < 0.45:
            return self.road_top_y - rng.uniform(0.0, 0.03) * height
        if place < 0.85:
            return self.road_bottom_y + rng.uniform(0.02, 0.08) * height
        return float(rng.uniform(self.road_top_y, self.road_bottom_y))

    def draw_foreground(self, canvas: ImageDraw.ImageDraw) -> None:
        """Draw the objects between the camera and the traffic."""
        for x, width, color in self.poles:
            canvas.rectangle((x, 0, x + width, self.image.height), fill=color)


def make_backdrop(rng: np.random.Generator, width: int, height: int) -> Backdrop:
    """Draw a place of `width` by `height` pixels."""
    horizon = height * rng.uniform(0.08, 0.24)
    top = height * rng.uniform(0.42, 0.55)
    bottom = height * rng.uniform(0.82, 0.93)
    image = Image.new("RGB", (width, height), _tone(rng, 120, 235))
    canvas = ImageDraw.Draw(image)
    _draw_houses(canvas, rng, width, top)
    _draw_trees(canvas, rng, width, top)
    curb = height * rng.uniform(0.04, 0.08)
    canvas.rectangle((0, top - curb, width, height), fill=_tone(rng, 110, 190))
    canvas.rectangle((0, top, width, bottom), fill=_tone(rng, 55, 120, tint=8))
    num_lanes = int(rng.integers(2, 4))
    _draw_lane_marks(canvas, rng, width, top, (bottom - top) / num_lanes, num_lanes)
    scale = height / 384 * rng.uniform(38.0, 66.0)
    poles = [
        (float(rng.uniform(0, width)), width * rng.uniform(0.006, 0.018), _tone(rng, 30, 130))
        for _ in range(int(rng.integers(0, 3)))
    ]
    return Backdrop(image, horizon, top, bottom, num_lanes, scale, poles)


def _tone(rng: np.random.Generator, low: int, high: int, tint: int = 30) -> Color:
    """Return a nearly gray color of random brightness between `low` and `high`."""
    base = int(rng.integers(low, high))
    r, g, b = (int(np.clip(base + shift, 0, 255)) for shift in rng.integers(-tint, tint + 1, 3))
    return r, g, b


def _draw_houses(
    canvas: ImageDraw.ImageDraw, rng: np.random.Generator, width: int, ground: float
) -> None:
    x = -rng.uniform(0.0, 0.1) * width
    while x < width:
        house_width = width * rng.uniform(0.08, 0.3)
        roof = ground * rng.uniform(0.05, 0.7)
        canvas.rectangle((x, roof, x + house_width, ground), fill=_tone(rng, 60, 220, tint=40))
        _draw_windows(canvas, rng, (x, roof, x + house_width, ground))
        x += house_width + width * max(0.0, rng.uniform(-0.05, 0.12))


def _draw_windows(
    canvas: ImageDraw.ImageDraw,
    rng: np.random.Generator,
    house: tuple[float, float, float, float],
) -> None:
    """Draw rows of windows, so that the detector learns that windows alone are no bus."""
    x1, y1, x2, y2 = house
    glass = _tone(rng, 30, 200)
    columns, rows = int(rng.integers(2, 7)), int(rng.integers(1, 5))
    step_x, step_y = (x2 - x1) / columns, (y2 - y1) / rows
    for row in range(rows):
        for column in range(columns):
            left, top = x1 + (column + 0.2) * step_x, y1 + (row + 0.25) * step_y
            canvas.rectangle((left, top, left + 0.6 * step_x, top + 0.5 * step_y), fill=glass)


def _draw_trees(
    canvas: ImageDraw.ImageDraw, rng: np.random.Generator, width: int, ground: float
) -> None:
    for _ in range(int(rng.integers(0, 6))):
        x, size = rng.uniform(0, width), ground * rng.uniform(0.15, 0.4)
        canvas.rectangle(
            (x - size * 0.07, ground - size, x + size * 0.07, ground), fill=(80, 60, 45)
        )
        green = (int(rng.integers(20, 90)), int(rng.integers(70, 150)), int(rng.integers(20, 80)))
        for _ in range(4):
            cx, cy = x + rng.uniform(-0.3, 0.3) * size, ground - size * rng.uniform(0.8, 1.4)
            r = size * rng.uniform(0.2, 0.4)
            canvas.ellipse((cx - r, cy - r, cx + r, cy + r), fill=green)


def _draw_lane_marks(
    canvas: ImageDraw.ImageDraw,
    rng: np.random.Generator,
    width: int,
    top: float,
    lane_height: float,
    num_lanes: int,
) -> None:
    paint, dash = _tone(rng, 190, 240, tint=12), width * rng.uniform(0.04, 0.09)
    for lane in range(1, num_lanes):
        y, thickness = top + lane * lane_height, 1 + lane
        for x in np.arange(rng.uniform(-dash, 0), width, 2 * dash):
            canvas.rectangle((float(x), y, float(x) + dash, y + thickness), fill=paint)
