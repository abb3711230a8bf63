"""A small head over sentence vectors: multinomial logistic regression.

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
from models.weights import refuse_pickle

#: The label of what no intent covers; a head may have it as a class of its own.
OUT_OF_SCOPE = "oos"

_WEIGHTS, _LABELS = "head.safetensors", "head.json"
_FORMAT = 1


@dataclass(frozen=True)
class IntentHead:
    """`softmax(x W + b)` over K labels. Immutable and thread-safe."""

    labels: tuple[str, ...]
    weights: NDArray[np.float32]
    """W, (D, K)."""
    bias: NDArray[np.float32]
    """b, (K,)."""
    min_score: float
    """Below it, the likeliest intent is not believed and the answer is out of scope."""
    encoder: EncoderSettings
    """Whose vectors it was trained on; another encoder's mean nothing to it."""

    def probabilities(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (B, K) float32, rows summing to 1, for vectors (B, D)."""
        logits = vectors @ self.weights + self.bias
        # The largest logit is taken off first: exp can't overflow then.
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        result: NDArray[np.float32] = powers / powers.sum(axis=1, keepdims=True)
        return result

    def fingerprint(self) -> str:
        """Return the SHA-256 (hex) of all that decides its answers."""
        digest = hashlib.sha256(json.dumps(self._description()).encode())
        digest.update(self.weights.tobytes() + self.bias.tobytes())
        return digest.hexdigest()

    def save(self, folder: Path) -> None:
        """Write head.safetensors and head.json into `folder`, made if absent."""
        from safetensors.numpy import save_file

        folder.mkdir(parents=True, exist_ok=True)
        arrays = {"weights": np.ascontiguousarray(self.weights), "bias": self.bias}
        save_file(arrays, folder / _WEIGHTS)
        text = json.dumps(self._description(), indent=2)
        (folder / _LABELS).write_text(text + "\n", encoding="utf-8")

    def _description(self) -> dict[str, Any]:
        return {
            "format": _FORMAT,
            "labels": self.labels,
            "min_score": self.min_score,
            "encoder": asdict(self.encoder),
        }


def load_head(folder: Path) -> IntentHead:
    """Read what `IntentHead.save` wrote.

    Raises:
        ModelError: a file is absent, of another format or a pickle, or the two don't fit together.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    refuse_pickle(folder)
    advice = "expected a folder made by `python -m models.nlu.train`"
    try:
        about = json.loads((folder / _LABELS).read_text(encoding="utf-8"))
        arrays = load_file(folder / _WEIGHTS)
        if about["format"] != _FORMAT:
            raise ModelError(f"{folder}: head format {about['format']}: this build reads {_FORMAT}")
        head = IntentHead(
            labels=tuple(map(str, about["labels"])),
            weights=arrays["weights"].astype(np.float32),
            bias=arrays["bias"].astype(np.float32),
            min_score=float(about["min_score"]),
            encoder=EncoderSettings(**about["encoder"]),
        )
    except OSError as error:
        raise ModelError(f"no intent head in {folder} ({error.strerror}): {advice}") from error
    except (ValueError, KeyError, TypeError, SafetensorError) as error:
        raise ModelError(f"{folder} holds no intent head ({error!r}): {advice}") from error
    if not head.weights.shape[1:] == head.bias.shape == (len(head.labels),):
        raise ModelError(f"{folder}: weights and labels differ in number: {advice}")
    return head
