"""A text model as a source: a transformers folder in safetensors becomes ONNX.

The written folder is laid out as Optimum does: model.onnx, config.json and the tokenizer.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.base import ModelError
from models.export.source import ONNX_NAME, Feed
from models.export.speed import run_all
from models.nlu.model_files import find_model
from models.nlu.onnx_export import export_onnx
from models.nlu.phrases import generate
from models.nlu.pretrained import find_folder, load_weights, read_config
from models.nlu.text_network import CLASSES, Task
from models.nlu.token_limit import token_limit
from models.nlu.tokenizer import Tokenizer
from models.training.split import split_by_class
from models.training.texts import Pairs, read_labeled
from schemas import InputError

_BATCH, _MAX_TOKENS = 16, 256
_MAX_TEXTS = {"calibration": 128, "comparison": 256}
_INPUTS = ("input_ids", "attention_mask")
Vectors = npt.NDArray[np.float32]


def text_task(config: Mapping[str, Any]) -> Task:
    """Return what a transformers config's network answers, by its class."""
    names = " ".join(map(str, config.get("architectures") or []))
    if "ForSequenceClassification" in names:
        return "sequence"
    return "tokens" if "ForTokenClassification" in names else "encoder"


class TextSource:
    """A BERT-like network that reads token ids and a mask."""

    def __init__(
        self, source: str, data: Path | None = None, calibration: Path | None = None
    ) -> None:
        """Read texts and tokenizer.

        Args:
            source: `minilm`, `roberta`, a folder, or a hub id.
            data: texts with labels to compare with, see `read_labeled`; None: composed phrases.
            calibration: the same to calibrate with; None: other composed phrases.

        Raises:
            ModelError: something is absent.
        """
        self.folder = find_folder(source)
        config = read_config(self.folder)
        self.task = text_task(config)
        self._tokenizer = Tokenizer(self.folder, min(_MAX_TOKENS, token_limit(config)))
        self._pad = int(config.get("pad_token_id") or 0)
        self._has_labels = data is not None or self.task == "encoder"
        self._pairs: dict[str, Pairs] = {
            "comparison": read_labeled(data) if data else generate(0, "test"),
            "calibration": read_labeled(calibration) if calibration else generate(1, "train"),
        }

    def write_float(self, out: Path) -> Path:
        """Write the network, its config and its tokenizer."""
        try:
            export_onnx(find_model(str(self.folder)), out, self.task)
        except ModuleNotFoundError as error:
            raise ModelError(
                f"writing ONNX needs {error.name}: install the extra penstock[train]"
            ) from error
        for file in self.folder.glob("*.md"):
            shutil.copyfile(file, out / file.name)
        return out / ONNX_NAME

    def parity(self, onnx: Path) -> float:
        """Compare with torch on real tokens; padding has no meaning."""
        import torch

        network, worst = _Named(self._network(), self.task), 0.0
        feeds = self.feeds(onnx, "comparison")[:4]
        for feed, (found,) in zip(feeds, run_all(onnx, feeds), strict=True):
            with torch.inference_mode():
                values = (torch.from_numpy(feed[name]) for name in _INPUTS)
                expected = network(*values).numpy()
            worst = max(worst, float(np.abs(self._real(found - expected, feed)).max()))
        return worst

    def feeds(self, onnx: Path, part: str) -> list[Feed]:
        """Return batches of texts of similar length."""
        texts = [text for text, _ in self._pairs[part]]
        if part == "calibration":
            texts = texts[: _MAX_TEXTS[part]]
        return self._padded(self._tokens(texts))

    def _tokens(self, texts: Sequence[str]) -> list[list[int]]:
        found = []
        for text, tokens in zip(texts, self._tokenizer(texts), strict=True):
            if isinstance(tokens, InputError):
                raise ModelError(f"{text[:40]!r}: {tokens}: remove it from the data")
            found.append(list(tokens))
        return found

    def _padded(self, tokens: Sequence[list[int]]) -> list[Feed]:
        feeds = []
        for rows in self._batches(tokens):
            longest = max(len(tokens[row]) for row in rows)
            ids = np.full((len(rows), longest), self._pad, np.int64)
            mask = np.zeros_like(ids)
            for place, row in enumerate(rows):
                ids[place, : len(tokens[row])], mask[place, : len(tokens[row])] = tokens[row], 1
            feeds.append({"input_ids": ids, "attention_mask": mask})
        return feeds

    def _batches(self, tokens: Sequence[list[int]]) -> list[npt.NDArray[np.int64]]:
        order = np.argsort([len(ids) for ids in tokens], kind="stable")
        return [order[start : start + _BATCH] for start in range(0, len(order), _BATCH)]

    def agreement(self, one: Path, other: Path) -> dict[str, float]:
        """Compare vectors by their cosines, classes by how often they are the same."""
        feeds = self.feeds(one, "comparison")[: _MAX_TEXTS["comparison"] // _BATCH]
        pairs = list(zip(run_all(one, feeds), run_all(other, feeds), feeds, strict=True))
        if self.task == "encoder":
            cosines = np.concatenate(
                [(_pooled(a, f) * _pooled(b, f)).sum(axis=1) for (a,), (b,), f in pairs]
            )
            return {
                "mean cosine of vectors": float(cosines.mean()),
                "least cosine of vectors": float(cosines.min()),
            }
        same = np.concatenate(
            [self._real(a.argmax(-1) == b.argmax(-1), f).ravel() for (a,), (b,), f in pairs]
        )
        what = "tokens with the same tag" if self.task == "tokens" else "texts with the same class"
        return {what: float(same.mean())}

    def quality(self, onnx: Path) -> dict[str, float]:
        """Return the accuracy on the labels; for an encoder that of a head on its vectors.

        The head is trained on half of the texts and rated on the other half.
        """
        pairs = self._pairs["comparison"]
        labels = [label for _, label in pairs]
        if not self._has_labels or self.task == "tokens":
            return {}
        tokens = self._tokens([text for text, _ in pairs])
        outputs = run_all(onnx, feeds := self._padded(tokens))
        order = np.concatenate(self._batches(tokens))
        if self.task == "sequence":
            names = self._class_names()
            found = np.concatenate([output.argmax(-1) for (output,) in outputs])
            right = [names[int(k)] == labels[row] for k, row in zip(found, order, strict=True)]
            return {"accuracy": float(np.mean(right))}
        vectors = np.empty((len(pairs), outputs[0][0].shape[-1]), np.float32)
        vectors[order] = np.concatenate(
            [_pooled(output, feed) for (output,), feed in zip(outputs, feeds, strict=True)]
        )
        return {"accuracy of a head on the vectors": _head_accuracy(vectors, labels)}

    def _class_names(self) -> dict[int, str]:
        by_id = read_config(self.folder).get("id2label") or {}
        return {int(key): str(name) for key, name in by_id.items()}

    def _network(self) -> Any:
        import transformers

        network = load_weights(getattr(transformers, CLASSES[self.task]), self.folder, "cpu")
        network.set_attn_implementation("eager")
        return network

    def _real(self, values: npt.NDArray[Any], feed: Feed) -> npt.NDArray[Any]:
        """Return the values of real tokens, or of all texts."""
        real: npt.NDArray[Any] = (
            values if self.task == "sequence" else values[feed["attention_mask"] > 0]
        )
        return real


def _pooled(states: npt.NDArray[Any], feed: Feed) -> Vectors:
    """Return unit vectors (B, D): the mean over real tokens."""
    mask = feed["attention_mask"][..., np.newaxis].astype(np.float32)
    vectors: Vectors = (states * mask).sum(axis=1) / mask.sum(axis=1)
    unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def _head_accuracy(vectors: Vectors, labels: Sequence[str]) -> float:
    """Return the accuracy of a logistic head, trained on one half and rated on the other."""
    from models.nlu.encoder import EncoderSettings
    from models.nlu.head_training import fit_head

    train, test = split_by_class(labels, 0.5, 0)
    head = fit_head(vectors[train], [labels[i] for i in train], EncoderSettings("", "mean", True))
    found = head.probabilities(vectors[test]).argmax(axis=1)
    right = [head.labels[k] == labels[row] for k, row in zip(found, test, strict=True)]
    return float(np.mean(right))


def _Named(network: Any, task: Task) -> Any:
    """Return a module that takes ids and mask by position and returns one output."""
    import torch

    output = "last_hidden_state" if task == "encoder" else "logits"

    class Named(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, *values: torch.Tensor) -> Any:
            result = self.network(**dict(zip(_INPUTS, values, strict=True)))
            return getattr(result, output)

    return Named().eval()
