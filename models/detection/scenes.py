"""Render traffic scenes with ground truth, for training, measuring and the demo.

A roadside camera looks across a road: sidewalks at the far and near edge, lanes between them.
Everything is a function of the seed; in a clip, positions are functions of the frame's index.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from models.detection.backdrop import Backdrop, make_backdrop
from models.detection.index_draw import IndexDraw
from models.detection.sprites import KINDS, Kind, Pen

LABELS: tuple[str, ...] = tuple(kind.label for kind in KINDS)

FRAMES_PER_SECOND = 10.0
#: Objects are in the truth only if this share of their box is inside the picture, and this share
#: of the visible box is not covered by other objects.
MIN_INSIDE_SHARE, MIN_UNCOVERED_SHARE = 0.25, 0.3
_MIN_SIDE_PIXELS = 4.0
_KIND_SHARES = np.array([0.3, 0.15, 0.12, 0.25, 0.18])


@dataclass(frozen=True)
class Scene:
    """One picture and its objects."""

    image: npt.NDArray[np.uint8]
    """(H, W, 3) RGB."""
    boxes: npt.NDArray[np.float32]
    """(n, 4) x1, y1, x2, y2 in pixels, clipped to the picture."""
    class_ids: npt.NDArray[np.int64]
    """(n,) into `LABELS`."""
    object_ids: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    """(n,) the same in every frame of a clip; an object that re-enters the road has a new one."""


@dataclass(frozen=True)
class _Actor:
    """One object of the scene; lengths in pixels of the picture."""

    kind_id: int
    ground_y: float
    width: float
    height: float
    start_x: float
    speed: float
    """Pixels a frame; negative moves left."""
    style_seed: int

    def box_at(self, frame_index: int, road_length: float) -> tuple[float, float, float, float]:
        """Return x1, y1, x2, y2; an object that leaves the road re-enters at the other end."""
        margin = road_length / 4
        x = (self.start_x + self.speed * frame_index) % (road_length + 2 * margin) - margin
        return x, self.ground_y - self.height, x + self.width, self.ground_y

    def rounds_at(self, frame_index: int, road_length: float) -> int:
        """Return how often it has left the road and re-entered: negative if it moves left."""
        return int((self.start_x + self.speed * frame_index) // (1.5 * road_length))


@dataclass(frozen=True)
class _Light:
    """How the camera sees the scene."""

    gain: npt.NDArray[np.float32]
    """(3,), one for each color channel."""
    slope: float
    """How much brighter the right edge is than the left, as a share."""
    noise: float
    """Standard deviation of the sensor's noise, in gray levels of 255."""
    blur: float
    """Radius in pixels."""


def render_scene(rng: np.random.Generator, width: int = 640, height: int = 384) -> Scene:
    """Render one scene.

    Args:
        rng: the only source of randomness.
        width: width of the picture in pixels, >= 64.
        height: height of the picture in pixels, >= 64.
    """
    world = _World(rng, width, height)
    return world.render(0, rng)


def render_scene_with_classes(
    rng: np.random.Generator, width: int = 640, height: int = 384
) -> tuple[Scene, npt.NDArray[np.uint8]]:
    """Render a scene as `render_scene` does, and the class of each of its pixels.

    Returns:
        The scene, and (H, W): 0 for the background, else 1 + the index into `LABELS`. Shadows are
        background; an object behind another one or behind a pole has only its visible pixels.
    """
    world = _World(rng, width, height)
    return world.render(0, rng), world.render_classes(0)


def render_clip(seed: int, num_frames: int, width: int = 640, height: int = 384) -> Iterator[Scene]:
    """Render one camera's frames at `FRAMES_PER_SECOND`; the same seed gives the same clip."""
    rng = np.random.default_rng(seed)
    world = _World(rng, width, height)
    for frame_index in range(num_frames):
        yield world.render(frame_index, rng)


class _World:
    """One place with its light and its objects."""

    def __init__(self, rng: np.random.Generator, width: int, height: int) -> None:
        self._backdrop = make_backdrop(rng, width, height)
        count = 1 + int(rng.poisson(5.5))
        actors = [_make_actor(rng, self._backdrop) for _ in range(count)]
        self._actors = sorted(actors, key=lambda actor: actor.ground_y)
        self._light = _make_light(rng)

    def render(self, frame_index: int, rng: np.random.Generator) -> Scene:
        image = self._backdrop.image.copy()
        canvas = ImageDraw.Draw(image)
        boxes = [actor.box_at(frame_index, float(image.width)) for actor in self._actors]
        for actor, box in zip(self._actors, boxes, strict=True):
            _draw_actor(canvas, actor, box)
        self._backdrop.draw_foreground(canvas)
        truth = np.array(boxes, np.float32).reshape(-1, 4)
        kept, clipped = _visible(truth, image.width, image.height)
        class_ids = np.array([actor.kind_id for actor in self._actors], np.int64)[kept]
        rounds = [abs(actor.rounds_at(frame_index, float(image.width))) for actor in self._actors]
        ids = np.array(rounds, np.int64) * len(self._actors) + np.arange(len(self._actors))
        exposed = _expose(image, self._light, rng)
        return Scene(exposed, clipped[kept], class_ids, ids[kept])

    def render_classes(self, frame_index: int) -> npt.NDArray[np.uint8]:
        """Draw the same objects in the same order, each in its class id plus one."""
        image = Image.new("L", self._backdrop.image.size)
        canvas = IndexDraw(image)
        for actor in self._actors:
            canvas.index = 1 + actor.kind_id
            _draw_sprite(canvas, actor, actor.box_at(frame_index, float(image.width)))
        canvas.index = 0
        self._backdrop.draw_foreground(canvas)
        return np.array(image)


def _make_actor(rng: np.random.Generator, backdrop: Backdrop) -> _Actor:
    kind_id = int(rng.choice(len(KINDS), p=_KIND_SHARES))
    kind: Kind = KINDS[kind_id]
    ground_y = backdrop.lane_y(rng) if kind.is_vehicle else backdrop.edge_y(rng)
    pixels_per_meter = backdrop.pixels_per_meter(ground_y)
    speed = rng.uniform(*kind.speed_m_s) * pixels_per_meter / FRAMES_PER_SECOND
    return _Actor(
        kind_id=kind_id,
        ground_y=ground_y,
        width=rng.uniform(*kind.length_m) * pixels_per_meter,
        height=rng.uniform(*kind.height_m) * pixels_per_meter,
        start_x=rng.uniform(0.0, 1.5 * backdrop.image.width),
        speed=speed * (1 if rng.random() < 0.5 else -1),
        style_seed=int(rng.integers(2**32)),
    )


def _draw_actor(
    canvas: ImageDraw.ImageDraw, actor: _Actor, box: tuple[float, float, float, float]
) -> None:
    x1, _, x2, y2 = box
    shadow = actor.height * 0.05
    canvas.ellipse((x1, y2 - shadow, x2, y2 + shadow), fill=(40, 40, 44))
    _draw_sprite(canvas, actor, box)


def _draw_sprite(
    canvas: ImageDraw.ImageDraw, actor: _Actor, box: tuple[float, float, float, float]
) -> None:
    x1 = box[0]
    # A stride is about as long as the walker is high, so the phase follows the distance.
    phase = actor.style_seed % 7 + 2 * np.pi * x1 / max(actor.height, 1.0)
    style = np.random.default_rng(actor.style_seed)
    KINDS[actor.kind_id].draw(Pen(canvas, box, actor.speed < 0), style, phase)


def _visible(
    boxes: npt.NDArray[np.float32], width: int, height: int
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float32]]:
    """Return which boxes, ordered from far to near, are visible, and all boxes clipped."""
    clipped = np.clip(boxes, 0, np.array([width, height, width, height], np.float32))
    owner = np.full((height, width), -1, np.int32)
    whole = np.rint(clipped).astype(np.int64)
    for index, (x1, y1, x2, y2) in enumerate(whole.tolist()):
        owner[y1:y2, x1:x2] = index
    sides, full = clipped[:, 2:] - clipped[:, :2], boxes[:, 2:] - boxes[:, :2]
    uncovered = np.bincount(owner[owner >= 0].ravel(), minlength=len(boxes))
    area = np.maximum(sides.prod(axis=1), 1.0)
    kept = (sides.prod(axis=1) >= MIN_INSIDE_SHARE * full.prod(axis=1)) & (
        uncovered >= MIN_UNCOVERED_SHARE * area
    )
    return kept & (sides >= _MIN_SIDE_PIXELS).all(axis=1), clipped


def _make_light(rng: np.random.Generator) -> _Light:
    brightness = rng.uniform(0.35, 1.2)
    return _Light(
        gain=(brightness * rng.uniform(0.88, 1.12, 3)).astype(np.float32),
        slope=float(rng.uniform(-0.3, 0.3)),
        noise=float(rng.uniform(1.0, 9.0)),
        blur=float(rng.choice([0.0, 0.0, rng.uniform(0.4, 1.3)])),
    )


def _expose(image: Image.Image, light: _Light, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    if light.blur:
        image = image.filter(ImageFilter.GaussianBlur(light.blur))
    pixels = np.asarray(image, np.float32)
    height, width = pixels.shape[:2]
    ramp = 1 + light.slope * np.linspace(-0.5, 0.5, width, dtype=np.float32)
    noise = rng.standard_normal((height, width, 1), np.float32) * np.float32(light.noise)
    lit = pixels * light.gain * ramp[:, None] + noise
    exposed: npt.NDArray[np.uint8] = np.clip(lit, 0, 255).astype(np.uint8)
    return exposed
