"""A small head on sentence vectors: multinomial logistic regression, with calibrated scores.

Trained by `models/nlu/head_training.py`, saved as safetensors and JSON, applied with NumPy alone.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.base import ModelError
from models.nlu.encoder import EncoderSettings
from models.nlu.familiarity import Familiarity
from models.weights import refuse_pickle

#: The label of texts that fit no intent; a head may have a class for them.
OUT_OF_SCOPE = "oos"

_WEIGHTS, _LABELS = "head.safetensors", "head.json"
#: Heads without calibrated scores (1) and with them (2).
_PLAIN, _CALIBRATED = 1, 2


@dataclass(frozen=True)
class IntentHead:
    """`softmax(x W + b)` over K labels. Immutable and thread-safe."""

    labels: tuple[str, ...]
    weights: NDArray[np.float32]
    """W, (D, K)."""
    bias: NDArray[np.float32]
    """b, (K,)."""
    min_score: float
    """If the likeliest intent has a lower score, the answer is out of scope."""
    encoder: EncoderSettings
    """The encoder whose vectors it was trained on; it can't be used with another."""
    familiarity: Familiarity | None = None
    """Makes calibrated scores of the probabilities; None: the probabilities are the scores."""

    def scores(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what `min_score` is compared with: (B, K) float32 in [0, 1] for vectors (B, D)."""
        probabilities = self.probabilities(vectors)
        if self.familiarity is None:
            return probabilities
        return self.familiarity.scores(vectors, probabilities)

    def probabilities(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (B, K) float32, rows summing to 1, for vectors (B, D)."""
        logits = vectors @ self.weights + self.bias
        # The largest logit is subtracted first, so that exp can't overflow.
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        result: NDArray[np.float32] = powers / powers.sum(axis=1, keepdims=True)
        return result

    def fingerprint(self) -> str:
        """Return the SHA-256 (hex) of everything that the answers depend on."""
        digest = hashlib.sha256(json.dumps(self._description()).encode())
        for array in self._arrays().values():
            digest.update(array.tobytes())
        return digest.hexdigest()

    def save(self, folder: Path) -> None:
        """Write head.safetensors and head.json to `folder`, which is created if absent."""
        from safetensors.numpy import save_file

        folder.mkdir(parents=True, exist_ok=True)
        save_file(self._arrays(), folder / _WEIGHTS)
        text = json.dumps(self._description(), indent=2)
        (folder / _LABELS).write_text(text + "\n", encoding="utf-8")

    def _arrays(self) -> dict[str, NDArray[np.float32]]:
        arrays = {"weights": np.ascontiguousarray(self.weights), "bias": self.bias}
        if self.familiarity is not None:
            arrays["prototypes"] = self.familiarity.prototypes
        return arrays

    def _description(self) -> dict[str, Any]:
        description = {
            "format": _PLAIN if self.familiarity is None else _CALIBRATED,
            "labels": self.labels,
            "min_score": self.min_score,
            "encoder": asdict(self.encoder),
        }
        if self.familiarity is not None:
            numbers = ("weight", "slope", "offset")
            description["scores"] = {name: getattr(self.familiarity, name) for name in numbers}
        return description


def load_head(folder: Path) -> IntentHead:
    """Read what `IntentHead.save` wrote.

    Raises:
        ModelError: a file is absent, has another format or is a pickle, or they don't fit together.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    refuse_pickle(folder)
    advice = "expected a folder made by `penstock train intent`"
    try:
        description = json.loads((folder / _LABELS).read_text(encoding="utf-8"))
        arrays = load_file(folder / _WEIGHTS)
        if description["format"] not in (_PLAIN, _CALIBRATED):
            raise ModelError(
                f"{folder}: head format {description['format']}: this build reads "
                f"{_PLAIN} and {_CALIBRATED}"
            )
        head = IntentHead(
            labels=tuple(map(str, description["labels"])),
            weights=arrays["weights"].astype(np.float32),
            bias=arrays["bias"].astype(np.float32),
            min_score=float(description["min_score"]),
            encoder=EncoderSettings(**description["encoder"]),
            familiarity=_read_familiarity(description, arrays),
        )
    except OSError as error:
        raise ModelError(f"no intent head in {folder} ({error.strerror}): {advice}") from error
    except (ValueError, KeyError, TypeError, SafetensorError) as error:
        raise ModelError(f"{folder} contains no intent head ({error!r}): {advice}") from error
    if not head.weights.shape[1:] == head.bias.shape == (len(head.labels),):
        raise ModelError(f"{folder}: the numbers of weights and labels differ: {advice}")
    return head


def _read_familiarity(
    description: dict[str, Any], arrays: dict[str, NDArray[np.float32]]
) -> Familiarity | None:
    if description["format"] == _PLAIN:
        return None
    prototypes = arrays["prototypes"].astype(np.float32)
    if prototypes.ndim != 2 or prototypes.shape[1] != len(arrays["weights"]):
        raise ValueError("prototypes and weights have different widths")
    return Familiarity(prototypes, **{k: float(v) for k, v in description["scores"].items()})
