"""Draw the objects of a rendered traffic scene: side views on a Pillow canvas.

A sprite fills its box exactly, so the box is the ground truth. Its look depends on `style` alone,
so that an object keeps its colors from frame to frame.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from PIL import ImageDraw

Color: TypeAlias = tuple[int, int, int]


@dataclass(frozen=True)
class Pen:
    """Draws in fractions of a sprite's box: x from the tail (0) to the nose (1), y downwards."""

    canvas: ImageDraw.ImageDraw
    box: tuple[float, float, float, float]
    """x1, y1, x2, y2 in pixels of the canvas."""
    faces_left: bool

    def point(self, x: float, y: float) -> tuple[float, float]:
        """Return the canvas pixel of a fraction of the box."""
        x1, y1, x2, y2 = self.box
        x = 1.0 - x if self.faces_left else x
        return x1 + x * (x2 - x1), y1 + y * (y2 - y1)

    def polygon(self, color: Color, *points: tuple[float, float]) -> None:
        """Fill a polygon."""
        self.canvas.polygon([self.point(x, y) for x, y in points], fill=color)

    def rectangle(self, color: Color, x1: float, y1: float, x2: float, y2: float) -> None:
        """Fill a rectangle."""
        (left, top), (right, bottom) = self.point(x1, y1), self.point(x2, y2)
        self.canvas.rectangle((min(left, right), top, max(left, right), bottom), fill=color)

    def line(self, color: Color, width: float, *points: tuple[float, float]) -> None:
        """Draw a line; width in fractions of the box's height, at least a pixel."""
        pixels = max(1, round(width * (self.box[3] - self.box[1])))
        self.canvas.line([self.point(x, y) for x, y in points], fill=color, width=pixels)

    def disc(self, color: Color, x: float, y: float, radius: float, rim: float = 0.0) -> None:
        """Fill a round disc, or draw only its rim; radius and rim in fractions of the height."""
        height = self.box[3] - self.box[1]
        (cx, cy), r = self.point(x, y), radius * height
        where = (cx - r, cy - r, cx + r, cy + r)
        if rim:
            self.canvas.ellipse(where, outline=color, width=max(1, round(rim * height)))
        else:
            self.canvas.ellipse(where, fill=color)


_TIRE: Color = (25, 25, 28)
_HUB: Color = (150, 150, 155)
_LAMP: Color = (250, 240, 190)
_TAIL_LAMP: Color = (200, 30, 30)


def _color(style: np.random.Generator, low: int = 20, high: int = 240) -> Color:
    r, g, b = (int(v) for v in style.integers(low, high, 3))
    return r, g, b


def _glass(style: np.random.Generator) -> Color:
    shade = int(style.integers(40, 190))
    return shade, min(255, shade + 15), min(255, shade + 30)


def _darker(color: Color, share: float = 0.7) -> Color:
    return int(color[0] * share), int(color[1] * share), int(color[2] * share)


def _wheels(pen: Pen, radius: float, *places: float) -> None:
    for x in places:
        pen.disc(_TIRE, x, 1.0 - radius, radius)
        pen.disc(_HUB, x, 1.0 - radius, radius * 0.5)


def draw_car(pen: Pen, style: np.random.Generator, phase: float) -> None:
    """Draw a sedan, hatchback or van-like car."""
    body, glass = _color(style), _glass(style)
    tail, nose = style.uniform(0.04, 0.2), style.uniform(0.55, 0.68)
    hood = style.uniform(0.45, 0.55)
    pen.polygon(body, (tail, hood), (tail + 0.1, 0.0), (nose - 0.1, 0.0), (nose + 0.12, hood))
    pen.polygon(
        body,
        (0.0, 0.5),
        (0.02, hood - 0.03),
        (0.9, hood),
        (1.0, 0.62),
        (1.0, 0.86),
        (0.0, 0.86),
    )
    middle = (tail + nose) / 2
    pen.polygon(
        glass,
        (tail + 0.06, 0.43),
        (tail + 0.12, 0.09),
        (middle - 0.01, 0.09),
        (middle - 0.01, 0.43),
    )
    pen.polygon(
        glass, (middle + 0.02, 0.43), (middle + 0.02, 0.09), (nose - 0.1, 0.09), (nose + 0.06, 0.43)
    )
    pen.line(_darker(body), 0.02, (middle, 0.45), (middle, 0.82))
    pen.rectangle(_LAMP, 0.96, 0.6, 1.0, 0.7)
    pen.rectangle(_TAIL_LAMP, 0.0, 0.55, 0.03, 0.68)
    _wheels(pen, style.uniform(0.19, 0.23), 0.2, 0.8)


def draw_truck(pen: Pen, style: np.random.Generator, phase: float) -> None:
    """Draw a truck: a cab and a closed box, or an open bed with a load."""
    cab, cargo, glass = _color(style), _color(style, 90, 250), _glass(style)
    joint, roof = style.uniform(0.7, 0.78), style.uniform(0.1, 0.35)
    top = 0.0 if style.random() < 0.75 else 0.3
    pen.rectangle((45, 45, 48), 0.02, 0.78, 0.98, 0.88)
    pen.rectangle(cargo, 0.0, top, joint - 0.02, 0.8)
    for x in np.linspace(0.1, joint - 0.12, int(style.integers(1, 6))):
        pen.line(_darker(cargo, 0.85), 0.012, (float(x), top + 0.03), (float(x), 0.78))
    low = 0.0 if top else roof
    pen.polygon(cab, (joint, 0.86), (joint, low), (0.93, low), (1.0, 0.5), (1.0, 0.86))
    pen.polygon(
        glass, (joint + 0.06, 0.5), (joint + 0.06, low + 0.1), (0.91, low + 0.1), (0.97, 0.5)
    )
    pen.rectangle(_LAMP, 0.97, 0.7, 1.0, 0.76)
    _wheels(pen, style.uniform(0.12, 0.15), 0.14, 0.3, 0.86)


def draw_bus(pen: Pen, style: np.random.Generator, phase: float) -> None:
    """Draw a bus: one long body with a row of windows and doors."""
    body, stripe, glass = _color(style, 60, 250), _color(style), _glass(style)
    pen.rectangle(body, 0.0, 0.0, 1.0, 0.9)
    pen.rectangle(stripe, 0.0, 0.62, 1.0, 0.7)
    count, gap = int(style.integers(5, 9)), 0.012
    edges = np.linspace(0.03, 0.86, count + 1)
    for left, right in itertools.pairwise(edges):
        pen.rectangle(glass, float(left) + gap, 0.14, float(right) - gap, 0.5)
    pen.rectangle(_darker(glass, 0.8), 0.88, 0.14, 0.93, 0.88)
    pen.rectangle(glass, 0.95, 0.1, 1.0, 0.56)
    pen.rectangle(_LAMP, 0.97, 0.74, 1.0, 0.8)
    pen.rectangle(_TAIL_LAMP, 0.0, 0.72, 0.015, 0.82)
    _wheels(pen, style.uniform(0.13, 0.16), 0.2, 0.8)


_SKINS: tuple[Color, ...] = ((236, 200, 170), (200, 150, 115), (140, 95, 65), (85, 55, 40))


def draw_person(pen: Pen, style: np.random.Generator, phase: float) -> None:
    """Draw a walking person; `phase` in radians swings arms and legs."""
    coat, legs = _color(style), _color(style, 10, 160)
    skin = _SKINS[int(style.integers(len(_SKINS)))]
    swing = 0.38 * float(np.sin(phase))
    for side in (swing, -swing):
        pen.line(legs, 0.08, (0.5, 0.52), (0.5 + side * 0.6, 0.76), (0.5 + side, 0.99))
    pen.polygon(coat, (0.28, 0.2), (0.72, 0.2), (0.68, 0.56), (0.32, 0.56))
    for side in (swing, -swing):
        pen.line(_darker(coat), 0.05, (0.5, 0.22), (0.5 + side * 0.9, 0.5))
    pen.disc(skin, 0.5, 0.09, 0.085)
    pen.polygon(_color(style, 10, 120), (0.28, 0.07), (0.36, 0.0), (0.64, 0.0), (0.7, 0.07))


def draw_bicycle(pen: Pen, style: np.random.Generator, phase: float) -> None:
    """Draw a bicycle with its rider, as one object."""
    frame, coat, legs = _color(style), _color(style), _color(style, 10, 160)
    skin = _SKINS[int(style.integers(len(_SKINS)))]
    for x in (0.2, 0.8):
        pen.disc(_TIRE, x, 0.8, 0.195, rim=0.03)
    pen.line(frame, 0.025, (0.2, 0.8), (0.36, 0.56), (0.7, 0.56), (0.46, 0.8), (0.36, 0.56))
    pen.line(frame, 0.025, (0.2, 0.8), (0.46, 0.8))
    pen.line(frame, 0.025, (0.8, 0.8), (0.7, 0.5), (0.78, 0.47))
    pedal = 0.08 * float(np.sin(phase)), 0.06 * float(np.cos(phase))
    for sign in (1, -1):
        foot = (0.46 + sign * pedal[0], 0.82 + sign * pedal[1])
        pen.line(legs, 0.055, (0.38, 0.5), (0.58, 0.62 + sign * pedal[1] / 2), foot)
    pen.polygon(coat, (0.3, 0.5), (0.46, 0.52), (0.68, 0.24), (0.5, 0.18))
    pen.line(_darker(coat), 0.045, (0.6, 0.26), (0.74, 0.46))
    pen.disc(skin, 0.64, 0.1, 0.085)
    if style.random() < 0.6:
        pen.polygon(_color(style), (0.5, 0.07), (0.57, 0.0), (0.71, 0.0), (0.78, 0.07))


Draw: TypeAlias = Callable[[Pen, np.random.Generator, float], None]


@dataclass(frozen=True)
class Kind:
    """One class of object: its name, how to draw it, its size and speed."""

    label: str
    draw: Draw
    length_m: tuple[float, float]
    """Least and greatest length, meters."""
    height_m: tuple[float, float]
    """Least and greatest height, meters."""
    speed_m_s: tuple[float, float]
    """Lowest and highest speed, meters a second."""
    is_vehicle: bool
    """Whether it drives in the lanes; if not, it stays near the sidewalks and road edges."""


#: All kinds, in the order of class ids.
KINDS: tuple[Kind, ...] = (
    Kind("car", draw_car, (3.8, 4.9), (1.35, 1.75), (6.0, 14.0), True),
    Kind("truck", draw_truck, (6.0, 9.5), (2.6, 3.6), (5.0, 11.0), True),
    Kind("bus", draw_bus, (9.0, 12.0), (2.8, 3.3), (5.0, 10.0), True),
    Kind("person", draw_person, (0.55, 0.8), (1.5, 1.95), (0.8, 1.8), False),
    Kind("bicycle", draw_bicycle, (1.6, 1.85), (1.6, 1.85), (3.0, 6.0), False),
)
