"""Convert the sources of `deep_autoencoder` to the arrays of a snapshot and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.anomaly.autoencoder_source import AutoencoderSource
from models.anomaly.stacked_autoencoders import Network
from models.base import ModelError
from models.snapshots import Snapshot

Arrays = dict[str, NDArray[Any]]
_COUNTS = 3


def pack_autoencoders(sources: Sequence[AutoencoderSource]) -> Arrays:
    """Return the arrays that `unpack_autoencoders` reads, of sources whose windows are ready."""
    none = np.zeros(0)
    counts = [[s.network.steps, len(s.usual), s.num_new] for s in sources]
    return {
        "network_counts": np.array(counts, np.int64).reshape(len(sources), _COUNTS),
        "errors": np.array([s.error for s in sources], np.float64),
        "networks": np.concatenate([none, *(part for s in sources for part in s.network[:3])]),
        "usual": np.concatenate([none, *(s.usual.ravel() for s in sources)]),
    }


def unpack_autoencoders(saved: Snapshot, sources: Sequence[AutoencoderSource]) -> None:
    """Fill new sources, whose windows are filled and ready, from a snapshot.

    Raises:
        ModelError: the counts do not fit together, or not the options or the arrays.
    """
    counts = saved.array("network_counts", np.zeros(0, np.int64), len(sources), _COUNTS)
    floats = np.zeros(0)
    errors = saved.array("errors", floats, len(sources))
    steps, held, num_new = counts.T
    limits = np.array([source.plan.memory for source in sources], np.int64)
    if (counts < 0).any() or (steps < 1).any() or (held > limits).any() or (num_new > limits).any():
        raise ModelError(f"the counts in the snapshot of {saved.kind} do not fit: it is damaged")
    sizes = [source.shape for source in sources]
    parameters = saved.array("networks", floats, sum(3 * s.num_parameters for s in sizes))
    lengths = [int(n) * s.values for n, s in zip(held, sizes, strict=True)]
    usual = saved.array("usual", floats, sum(lengths))
    if not all(np.isfinite(each).all() for each in (errors, parameters, usual)):
        raise ModelError(f"the numbers in the snapshot of {saved.kind} are out of range")
    if (errors < 0).any():
        raise ModelError(f"the numbers in the snapshot of {saved.kind} are out of range")
    at_network = at_usual = 0
    for number, (source, shape) in enumerate(zip(sources, sizes, strict=True)):
        end = at_network + 3 * shape.num_parameters
        first, second, third = parameters[at_network:end].reshape(3, -1)
        source.network = Network(first, second, third, int(steps[number]))
        source.usual = usual[at_usual : at_usual + lengths[number]].reshape(-1, shape.values)
        source.num_new, source.error = int(num_new[number]), float(errors[number])
        at_network, at_usual = end, at_usual + lengths[number]
