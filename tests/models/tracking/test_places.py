"""Lines and zones: the option's forms, sides, and who is inside."""

from __future__ import annotations

from typing import Any

import pytest

from models.tracking.places import crosses, is_inside, read_lines, read_zones, side

SQUARE = [(0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (0.0, 10.0)]


def test_points_are_shares_or_pixels() -> None:
    shares, pixels = read_lines({"a": [[0, 0.5], [1, 0.5]], "b": [[0, 200], [640, 200]]})
    assert shares.in_pixels(640, 384) == [(0.0, 192.0), (640.0, 192.0)]
    assert pixels.in_pixels(640, 384) == [(0.0, 200.0), (640.0, 200.0)]


@pytest.mark.parametrize(
    "points",
    [None, [], [[1, 2]], [[1, 2], [3]], [[1, 2], [1, 2]], [[1, 2], [3, "x"]], [[1, 2], [3, True]],
     [[1, 2], [3, float("nan")]], [[1, 2], [3, -4]], [[1, 2], [3, 4], [5, 6]], "line"],
)  # fmt: skip
def test_a_bad_line_is_refused_by_its_name(points: Any) -> None:
    with pytest.raises(ValueError, match="lines: gate"):
        read_lines({"gate": points})


@pytest.mark.parametrize("points", [[[0, 0], [1, 1]], [[0, 0], [1, 1], [2, 2]], 7])
def test_a_bad_zone_is_refused_by_its_name(points: Any) -> None:
    with pytest.raises(ValueError, match="zones: yard"):
        read_zones({"yard": points})
    with pytest.raises(ValueError, match="zones is"):
        read_zones([points])  # type: ignore[arg-type]


def test_sides_are_those_of_a_viewer_who_looks_along_the_line() -> None:
    upwards = [(5.0, 10.0), (5.0, 0.0)]  # y grows downwards in a picture
    assert side((0.0, 5.0), upwards) == -1
    assert side((9.0, 5.0), upwards) == 1
    assert side((5.0, 99.0), upwards) == 1


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [((0, 5), (9, 5), True), ((9, 5), (0, 5), True), ((0, 5), (4, 5), False),
     ((0, 5), (5, 5), True), ((5, 5), (9, 5), False), ((5, 5), (0, 5), True),
     ((0, 15), (9, 15), False), ((0, 25), (9, -25), False),
     ((0, 20), (9, -10), True), ((5, 2), (5, 8), False)],
)  # fmt: skip
def test_crossings(start: Any, end: Any, expected: bool) -> None:
    assert crosses(start, end, [(5.0, 10.0), (5.0, 0.0)]) == expected


def test_inside_of_a_zone_with_a_bay() -> None:
    bay = [(0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (5.0, 4.0), (0.0, 10.0)]
    assert is_inside((5.0, 3.0), bay)
    assert not is_inside((5.0, 8.0), bay)
    assert is_inside((5.0, 8.0), SQUARE)
    assert not is_inside((11.0, 5.0), SQUARE)
