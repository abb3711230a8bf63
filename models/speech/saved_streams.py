"""Streams as arrays, for snapshots: what is known of each, and when it was heard last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from models.audio.resample import HIGHEST_HZ, Resampling
from models.base import ModelError
from models.snapshots import Snapshot
from models.speech.blocks import BLOCK_VECTORS, BLOCK_WINDOW, Said
from models.speech.stream_network import StreamNetwork
from models.speech.stream_state import Ear, Mind, StreamState
from models.speech.voice_activity import BLOCK_FRAMES, Activity

_LAYOUT = (
    "last_heard", "num_chunks", "next_sequence", "rate", "first", "next_output", "num_tail",
    "num_pending", "num_blocks", "is_speaking", "num_silent", "num_fed", "num_lead", "utterance",
    "first_block", "num_vectors", "num_said", "num_kept",
)  # fmt: skip
#: Columns that may be below 0.
_SIGNED = ("next_sequence", "first")
_FLOAT, _INT = np.zeros(0, np.float32), np.zeros(0, np.int64)


class SavedStream(NamedTuple):
    """One stream of a snapshot."""

    source_id: str
    last_heard: int
    """The number of the learning step that heard it last."""
    state: StreamState


def to_arrays(
    streams: Sequence[SavedStream], network: StreamNetwork
) -> dict[str, npt.NDArray[Any]]:
    """Return streams as arrays.

    Args:
        streams: n of them, the one heard least recently first.
        network: that hears them.
    """
    states = [stream.state for stream in streams]
    minds = [state.mind for state in states]
    blocks = [frames for mind in minds for frames in mind.lead]
    vectors = [part for mind in minds for part in mind.vectors]
    sounds = [part for state in states for part in _sounds(state.ear)]
    return {
        "streams": np.array([_row(s) for s in streams], np.int64).reshape(-1, len(_LAYOUT)),
        "floors": np.array([mind.activity.floor_db for mind in minds], np.float64),
        "network": np.array([mind.network for mind in minds], np.float32).reshape(
            -1, network.width
        ),
        "sounds": np.concatenate([_FLOAT, *sounds]),
        "leads": np.array(blocks, np.float32).reshape(-1, BLOCK_FRAMES, network.frame_width),
        "vectors": np.array(vectors, np.float32).reshape(-1, BLOCK_VECTORS, network.joint_width),
        "symbols": np.array([s for mind in minds for s in mind.said.symbols], np.int64),
        "frames": np.array([f for mind in minds for f in mind.said.frames], np.int64),
        "log_probs": np.array([p for mind in minds for p in mind.said.log_probs], np.float64),
    }


def from_snapshot(snapshot: Snapshot, network: StreamNetwork) -> list[SavedStream]:
    """Return the streams of a snapshot.

    Raises:
        ModelError: it is damaged.
    """
    names = snapshot.list_of("streams")
    table = snapshot.array("streams", _INT, len(names), len(_LAYOUT))
    columns = dict(zip(_LAYOUT, table.T, strict=True))
    _check(names, columns, snapshot.kind)
    total = {name: int(columns[name].sum()) for name in columns}
    num_sounds = total["num_tail"] + total["num_pending"]
    sounds = _Reader(snapshot.array("sounds", _FLOAT, num_sounds))
    frames_of_lead = (BLOCK_FRAMES, network.frame_width)
    leads = _Reader(snapshot.array("leads", _FLOAT, total["num_lead"], *frames_of_lead))
    vectors_of_block = (BLOCK_VECTORS, network.joint_width)
    vectors = _Reader(snapshot.array("vectors", _FLOAT, total["num_kept"], *vectors_of_block))
    symbols = snapshot.array("symbols", _INT, total["num_said"])
    if ((symbols < 0) | (symbols >= len(network.symbols))).any():
        raise ModelError(f"the snapshot of {snapshot.kind} is damaged: an unknown symbol")
    frames = snapshot.array("frames", _INT, total["num_said"])
    log_probs = snapshot.array("log_probs", np.zeros(0), total["num_said"])
    letters = [_Reader(part) for part in (symbols, frames, log_probs)]
    floors = snapshot.array("floors", np.zeros(0), len(names)).tolist()
    networks = snapshot.array("network", _FLOAT, len(names), network.width)
    streams = []
    for index, name in enumerate(names):
        row = {column: int(values[index]) for column, values in columns.items()}
        said = Said(*(tuple(part.take(row["num_said"]).tolist()) for part in letters))
        mind = Mind(
            networks[index], row["num_blocks"], _activity(row, floors[index]),
            tuple(leads.take(row["num_lead"])), row["utterance"], row["first_block"],
            row["num_vectors"], said, tuple(vectors.take(row["num_kept"])),
        )  # fmt: skip
        streams.append(SavedStream(name, row["last_heard"], StreamState(_ear(row, sounds), mind)))
    return streams


class _Reader:
    """Takes rows off the front of an array."""

    def __init__(self, array: npt.NDArray[Any]) -> None:
        self._array, self._at = array, 0

    def take(self, count: int) -> npt.NDArray[Any]:
        self._at += count
        return self._array[self._at - count : self._at]


def _sounds(ear: Ear) -> list[npt.NDArray[np.float32]]:
    tail = [] if ear.resampling is None else [ear.resampling.tail]
    return [*tail, ear.pending]


def _row(stream: SavedStream) -> list[int]:
    ear, mind = stream.state.ear, stream.state.mind
    rate = ear.resampling or Resampling(0)
    activity = mind.activity
    return [
        stream.last_heard, ear.num_chunks, ear.next_sequence, rate.rate_hz, rate.first,
        rate.next_output, len(rate.tail), len(ear.pending), mind.num_blocks, activity.is_speaking,
        activity.num_silent, activity.num_fed, len(mind.lead), mind.utterance, mind.first_block,
        mind.num_vectors, len(mind.said.symbols), len(mind.vectors),
    ]  # fmt: skip


def _ear(row: dict[str, int], sounds: _Reader) -> Ear:
    tail, pending = sounds.take(row["num_tail"]), sounds.take(row["num_pending"])
    resampling = None
    if row["rate"]:
        resampling = Resampling(row["rate"], tail, row["first"], row["next_output"])
    return Ear(row["num_chunks"], row["next_sequence"], resampling, pending)


def _activity(row: dict[str, int], floor_db: float) -> Activity:
    return Activity(floor_db, bool(row["is_speaking"]), row["num_silent"], row["num_fed"])


def _check(names: list[str], columns: dict[str, npt.NDArray[np.int64]], kind: str) -> None:
    """Check that names are distinct and numbers possible.

    Raises:
        ModelError: they are not.
    """
    limits = {"rate": HIGHEST_HZ, "num_pending": BLOCK_WINDOW, "num_lead": 16}
    wrong = [
        name
        for name, values in columns.items()
        if (name not in _SIGNED and (values < 0).any())
        or (name in limits and (values > limits[name]).any())
    ]
    if wrong or len(set(names)) != len(names):
        raise ModelError(f"the snapshot of {kind} is damaged: {', '.join(wrong) or 'names'}")
