"""COCO's run-length encoding of masks, for all regions of a frame at once.

Source: `maskApi.c` of pycocotools (Lin and Dollar, 2014): runs of 0 and 1 by turns, column by
column; from the third run on, the difference from the run two before; five bits a character.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class EncodedRegion:
    """One value of a map of regions."""

    value: int
    counts: str
    """COCO's compressed run lengths."""
    area: int
    box: tuple[float, float, float, float]
    """x1, y1, x2, y2; x2 and y2 are one past the last pixel."""


def encode_regions(regions: npt.NDArray[np.integer]) -> list[EncodedRegion]:
    """Encode each value of a map (H, W) of non-negative values as a mask, by value."""
    height, width = regions.shape
    flat = regions.T.ravel()  # column by column
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])
    ends = np.append(starts[1:], flat.size)
    values = flat[starts]
    order = np.argsort(values, kind="stable")
    cuts = np.flatnonzero(np.diff(values[order])) + 1
    return [
        _encode(int(values[runs[0]]), starts[runs], ends[runs], height, width)
        for runs in np.split(order, cuts)
    ]


def _encode(
    value: int,
    starts: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    height: int,
    width: int,
) -> EncodedRegion:
    lengths = np.empty(2 * len(starts), np.int64)
    lengths[0::2] = starts - np.concatenate([[0], ends[:-1]])
    lengths[1::2] = ends - starts
    if rest := height * width - int(ends[-1]):
        lengths = np.append(lengths, rest)
    counts = compress(lengths)
    return EncodedRegion(value, counts, int((ends - starts).sum()), _box(starts, ends, height))


def _box(
    starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64], height: int
) -> tuple[float, float, float, float]:
    first, last = starts // height, (ends - 1) // height
    top, bottom = int((starts % height).min()), int(((ends - 1) % height).max()) + 1
    if (first != last).any():  # such a run has a column's last pixel and the next one's first
        top, bottom = 0, height
    return float(first.min()), float(top), float(last.max() + 1), float(bottom)


def compress(lengths: npt.NDArray[np.int64]) -> str:
    """Return run lengths as COCO's text."""
    values = lengths.copy()
    values[3:] -= lengths[1:-2]
    rows = np.empty((len(values), 7), np.uint8)
    used = np.zeros((len(values), 7), np.bool_)
    is_open = np.ones(len(values), np.bool_)
    for place in range(rows.shape[1]):  # 35 bits are enough for any picture
        digit = values & 0x1F
        values >>= 5
        # The sign bit of the last digit stands for all bits above it.
        more = np.where(digit & 0x10, values != -1, values != 0)
        rows[:, place] = (digit | (more << 5)) + 48
        used[:, place] = is_open
        is_open &= more
    return rows[used].tobytes().decode("ascii")


def decode(counts: str, height: int, width: int) -> npt.NDArray[np.bool_]:
    """Return the mask (H, W) of COCO's compressed run lengths, as pycocotools does."""
    lengths: list[int] = []
    value = shift = 0
    for character in counts.encode("ascii"):
        digit = character - 48
        value |= (digit & 0x1F) << shift
        shift += 5
        if digit & 0x20:
            continue
        value -= (1 << shift) if digit & 0x10 else 0
        lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
        value = shift = 0
    flat = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    return flat.reshape(width, height).T
