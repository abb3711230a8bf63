"""A small head that tags words from the hidden states of a frozen encoder.

A word's hidden states are averaged over its tokens, joined with its shape, and projected; a
convolution over five words adds its neighbors; the best sequence of BIO tags is found by Viterbi's
algorithm. All arithmetic after the projection is NumPy's.

Sources: Collobert et al., 2011, "Natural Language Processing (Almost) from Scratch", JMLR; Viterbi,
1967, "Error Bounds for Convolutional Codes", IEEE Transactions on Information Theory.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.base import ModelError
from models.nlu.entity_features import NUM_FEATURES
from models.weights import refuse_pickle

Floats = NDArray[np.float32]

WIDTH = 5
"""Words that the convolution sees at once."""
_FORMAT = 1
_FILES = ("entities.json", "entities.safetensors")
_FORBIDDEN = np.float32(-1e4)
_ARRAYS = (
    "token_weights",
    "shape_weights",
    "bias",
    "neighbor_weights",
    "neighbor_bias",
    "tag_weights",
    "tag_bias",
)


@dataclass(frozen=True)
class EntityHead:
    """Immutable and thread-safe. H is the width of the head."""

    labels: tuple[str, ...]
    """(K,) BIO tags; the first is `O`."""
    layers: tuple[int, ...]
    """The L hidden states that it reads, 0 being the embeddings."""
    encoder: str
    """Fingerprint of the encoder's folder; it can't be used with another."""
    token_weights: Floats
    """(L * D, H), for the hidden states in the order of `layers`."""
    shape_weights: Floats
    """(`NUM_FEATURES`, H)."""
    bias: Floats
    """(H,)."""
    neighbor_weights: Floats
    """(`WIDTH`, H, H)."""
    neighbor_bias: Floats
    """(H,)."""
    tag_weights: Floats
    """(H, K)."""
    tag_bias: Floats
    """(K,)."""

    def probabilities(self, projected: Floats, shapes: Floats) -> Floats:
        """Return (W, K) float32, rows summing to 1.

        Args:
            projected: (W, H), the words' hidden states times `token_weights`.
            shapes: (W, `NUM_FEATURES`) of `word_shapes`.
        """
        hidden = np.maximum(projected + shapes @ self.shape_weights + self.bias, 0)
        padded = np.pad(hidden, ((WIDTH // 2, WIDTH // 2), (0, 0)))
        around = sum(
            padded[offset : offset + len(hidden)] @ self.neighbor_weights[offset]
            for offset in range(WIDTH)
        )
        hidden = hidden + np.maximum(around + self.neighbor_bias, 0)
        logits = hidden @ self.tag_weights + self.tag_bias
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        result: Floats = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
        return result

    def best_tags(self, probabilities: Floats) -> list[int]:
        """Return the likeliest sequence of W tags in which every `I-` follows its kind."""
        emissions = np.log(np.maximum(probabilities, 1e-12))
        allowed = self._transitions()
        scores = emissions[0] + allowed[0]
        back = []
        for emission in emissions[1:]:
            paths = scores[:, np.newaxis] + allowed
            back.append(paths.argmax(axis=0))
            scores = paths.max(axis=0) + emission
        tags = [int(scores.argmax())]
        for previous in reversed(back):
            tags.append(int(previous[tags[-1]]))
        return tags[::-1]

    def _transitions(self) -> Floats:
        """Return (K, K): 0 where the tag of a column may follow that of a row."""
        kinds = [label[2:] for label in self.labels]
        return np.array(
            [
                [_FORBIDDEN if b.startswith("I-") and b[2:] != kind else 0 for b in self.labels]
                for kind in kinds
            ],
            dtype=np.float32,
        )

    def fingerprint(self) -> str:
        """Return the SHA-256 (hex) of everything that the answers depend on."""
        digest = hashlib.sha256(self._description().encode())
        for name in _ARRAYS:
            digest.update(np.ascontiguousarray(getattr(self, name)).tobytes())
        return digest.hexdigest()

    def save(self, folder: Path) -> None:
        """Write entities.safetensors and entities.json to `folder`, created if absent."""
        from safetensors.numpy import save_file

        folder.mkdir(parents=True, exist_ok=True)
        description, weights = _FILES
        arrays = {name: np.ascontiguousarray(getattr(self, name)) for name in _ARRAYS}
        save_file(arrays, folder / weights)
        (folder / description).write_text(self._description() + "\n", encoding="utf-8")

    def _description(self) -> str:
        description = {
            "format": _FORMAT,
            "labels": self.labels,
            "layers": self.layers,
            "encoder": self.encoder,
        }
        return json.dumps(description, indent=2)


def load_entity_head(folder: Path) -> EntityHead:
    """Read what `EntityHead.save` wrote.

    Raises:
        ModelError: a file is absent, has another format or is a pickle, or they don't fit together.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    refuse_pickle(folder)
    advice = "expected a folder made by `python -m models.nlu.train_entities`"
    try:
        description = json.loads((folder / _FILES[0]).read_text(encoding="utf-8"))
        if description["format"] != _FORMAT:
            raise ModelError(
                f"{folder}: entity head format {description['format']}: this build reads {_FORMAT}"
            )
        arrays = load_file(folder / _FILES[1])
        head = EntityHead(
            tuple(map(str, description["labels"])),
            tuple(map(int, description["layers"])),
            str(description["encoder"]),
            **{name: arrays[name].astype(np.float32) for name in _ARRAYS},
        )
    except OSError as error:
        raise ModelError(f"no entity head in {folder} ({error.strerror}): {advice}") from error
    except (ValueError, KeyError, TypeError, SafetensorError) as error:
        raise ModelError(f"{folder} contains no entity head ({error!r}): {advice}") from error
    _check_shapes(head, folder, advice)
    return head


def _check_shapes(head: EntityHead, folder: Path, advice: str) -> None:
    width, num_tags = head.bias.shape[0], len(head.labels)
    expected = {
        "shape_weights": (NUM_FEATURES, width),
        "neighbor_weights": (WIDTH, width, width),
        "neighbor_bias": (width,),
        "tag_weights": (width, num_tags),
        "tag_bias": (num_tags,),
    }
    for name, shape in expected.items():
        if getattr(head, name).shape != shape:
            raise ModelError(f"{folder}: {name} has another shape than {shape}: {advice}")
    if head.token_weights.ndim != 2 or head.token_weights.shape[1] != width or not head.layers:
        raise ModelError(f"{folder}: token_weights do not fit the others: {advice}")
