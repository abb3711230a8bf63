"""Run a network on made-up pictures at load, to see what its outputs look like.

Two pictures are run alone and together. If the answers differ, or the network fails on two, it
can't take a batch, whatever its file declares: a batch of one may be written into its graph.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.detection.boxes import Floats
from models.detection.networks import Network

_GRAY = 114
#: Sums of other orders differ in the last digits, more so in half precision.
_TOLERANCE = 2e-2


@dataclass(frozen=True)
class Probe:
    """What a network gave for the made-up pictures."""

    samples: list[list[Floats]]
    """For each picture run alone, the outputs."""
    one_by_one: str
    """Why it is to be run picture by picture; empty if it takes batches."""


def probe(network: Network, height: int, width: int) -> Probe:
    """Run a gray and a noisy picture alone, and both together if the file allows it.

    Raises:
        Exception: the network fails on one picture; what its runtime raises.
    """
    pictures = _pictures(height, width, network.signature.takes_bytes)
    samples = [_run(network, pictures[i : i + 1]) for i in range(len(pictures))]
    # A file with a fixed batch size returns its padding as well.
    samples = [_first(outputs, network.signature.batch_size) for outputs in samples]
    return Probe(samples, _why_one_by_one(network, pictures, samples))


def _pictures(height: int, width: int, takes_bytes: bool) -> Floats:
    noise = np.random.default_rng(0).integers(0, 256, (3, height, width))
    pictures = np.stack([np.full_like(noise, _GRAY), noise]).astype(np.float32)
    return pictures if takes_bytes else pictures / np.float32(255)


def _run(network: Network, pictures: Floats) -> list[Floats]:
    (part,) = network.run(network.upload(pictures))
    return part.outputs


def _first(outputs: list[Floats], batch_size: int | None) -> list[Floats]:
    if batch_size in (None, 1):
        return outputs
    return [o[:1] if o.ndim and len(o) == batch_size else o for o in outputs]


def _why_one_by_one(network: Network, pictures: Floats, samples: list[list[Floats]]) -> str:
    if network.signature.batch_size == 1:
        return "its file fixes the batch size at 1"
    try:
        together = _run(network, pictures)
    except Exception as error:  # ONNX Runtime's exceptions have no other common base
        reason = str(error).strip().splitlines() or [type(error).__name__]
        return f"its graph holds a batch of one, and fails on two pictures ({reason[0][:120]})"
    for output, alone in zip(together, zip(*samples, strict=True), strict=True):
        rows = output[: len(pictures)]
        if any(part.ndim != output.ndim or len(part) != 1 for part in alone):
            return "its outputs have no batch axis"
        if len(rows) != len(pictures) or any(p.shape[1:] != rows.shape[1:] for p in alone):
            return "for a batch of two, its outputs do not have two rows"
        if not _are_alike(rows, np.concatenate(alone)):
            return "in a batch, its outputs for a picture depend on the other pictures"
    return ""


def _are_alike(actual: Floats, expected: Floats) -> bool:
    """Compare outputs by the size of the largest value: small values may be sums of large ones.

    Networks that choose the best boxes may order equal ones otherwise: order is no difference.
    """
    largest = np.abs(expected, where=np.isfinite(expected), out=np.zeros_like(expected))
    atol = _TOLERANCE * float(largest.max(initial=1e-6))
    pairs = [(actual, expected)]
    if actual.ndim > 1:
        pairs.append((np.sort(actual, axis=1), np.sort(expected, axis=1)))
    return any(np.allclose(a, e, rtol=0, atol=atol, equal_nan=True) for a, e in pairs)
