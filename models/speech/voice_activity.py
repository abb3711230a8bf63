"""Tell speech from silence by loudness, block by block, and cut streams into utterances."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from models.speech.features import HOP

#: Frames of 10 ms in a block: the unit in which sound reaches the network.
BLOCK_FRAMES = 16
BLOCK_SAMPLES = BLOCK_FRAMES * HOP
BLOCK_SECONDS = 0.16
#: A frame is loud this far above the noise floor, and never below the absolute limit (dBFS).
_ABOVE_FLOOR_DB, _NEVER_BELOW_DB = 9.0, -58.0
#: Loud frames that make a block speech: a click has fewer.
_LOUD_FRAMES = 2
#: The floor follows the quietest frame down at once, and rises slowly: speech has pauses.
_RISE_DB, _LOWEST_DB, _START_DB = 0.3, -80.0, -67.0


@dataclass(frozen=True)
class Activity:
    """Where the watching of one stream stands."""

    floor_db: float = _START_DB
    """Estimated loudness of the noise, dBFS."""
    is_speaking: bool = False
    """Whether an utterance is open."""
    num_silent: int = 0
    """Silent blocks since the last speech, in an open utterance."""
    num_fed: int = 0
    """Blocks of the open utterance, its lead included."""


@dataclass(frozen=True)
class CutRules:
    """When an utterance ends."""

    silent_blocks: int
    """After so many silent blocks in a row."""
    max_blocks: int
    """At this length, even in the middle of a word."""


@dataclass(frozen=True)
class Verdict:
    """What to do with a block."""

    activity: Activity
    """After the block."""
    starts: bool = False
    """Whether an utterance starts with it; what was held back before it belongs to it too."""
    is_fed: bool = False
    """Whether the block belongs to an utterance."""
    ends: bool = False
    """Whether the utterance ends after it."""
    is_cut: bool = False
    """Whether it ends because it is too long."""


def watch(
    activity: Activity, block: npt.NDArray[np.float32], rules: CutRules, lead: int
) -> Verdict:
    """Judge the next block of a stream.

    Args:
        activity: of the stream so far; not changed.
        block: (2560,) float32 in [-1, 1].
        rules: when an utterance ends.
        lead: blocks that were held back before this one, and come with the start of an utterance.
    """
    loudness = frame_loudness_db(block)
    threshold = max(activity.floor_db + _ABOVE_FLOOR_DB, _NEVER_BELOW_DB)
    is_loud = int(np.count_nonzero(loudness > threshold)) >= _LOUD_FRAMES
    floor = min(float(loudness.min()), activity.floor_db + _RISE_DB)
    after = replace(activity, floor_db=max(floor, _LOWEST_DB))
    starts = is_loud and not activity.is_speaking
    if not (starts or activity.is_speaking):
        return Verdict(after)
    num_fed = lead + 1 if starts else activity.num_fed + 1
    num_silent = 0 if is_loud else activity.num_silent + 1
    is_cut = num_fed >= rules.max_blocks
    ends = is_cut or num_silent >= rules.silent_blocks
    if ends:
        return Verdict(Activity(after.floor_db), starts, True, True, is_cut)
    return Verdict(Activity(after.floor_db, True, num_silent, num_fed), starts, True)


def frame_loudness_db(block: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Return the loudness (16,) of each 10 ms, dBFS: 0 is a square wave at full scale."""
    power = np.square(block.astype(np.float64)).reshape(BLOCK_FRAMES, HOP).mean(axis=1)
    decibels: npt.NDArray[np.float64] = 10 * np.log10(power + 1e-10)
    return decibels
