"""Use a Hugging Face sequence-classification folder as a model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.base import ModelError, PreparedModel
from models.nlu.answers import put_back_errors, rank_intents
from models.nlu.model_files import find_model
from models.nlu.padded import PreparedTexts, prepare_texts, run_passes
from models.nlu.padding import check_padding, choose_padding
from models.nlu.text_network import open_network
from models.nlu.token_limit import token_limit
from models.nlu.tokenizer import Tokenizer, check_max_tokens
from models.transfer import make_transfer
from schemas import InputError, NluResult, TextMessage

if TYPE_CHECKING:
    import torch


class HuggingFaceClassifier(PreparedModel[TextMessage, NluResult]):
    """The model for `model: ./folder` with texts. Its labels are the config's `id2label`.

    Scores are a softmax over the labels, or a sigmoid for each label if the config says
    `multi_label_classification`.
    """

    name = "huggingface_classifier"
    event_type = TextMessage
    result_type = NluResult
    uses_gpu = True

    def __init__(
        self, path: str, top_k: int = 3, min_score: float = 0.0, max_tokens: int = 256
    ) -> None:
        """Check the options; nothing is loaded yet.

        Args:
            path: the folder (config.json, *.safetensors or model.onnx, tokenizer), an ONNX file
                in such a folder, or a hub id.
            top_k: number of alternatives in a result, 0 to 1000.
            min_score: a label with a lower score becomes `oos`, 0 to 1.
            max_tokens: longer texts are cut, 8 to 4096; the model's limit holds as well.
        """
        check_max_tokens(max_tokens)
        if not 0 <= top_k <= 1000:
            raise ValueError(f"top_k is {top_k}: expected 0 to 1000")
        if not 0 <= min_score <= 1:
            raise ValueError(f"min_score is {min_score}: expected 0 to 1")
        self._path = path
        self._top_k = top_k
        self._min_score = min_score
        self._max_tokens = max_tokens

    def load(self, device: str = "cpu") -> None:
        """Read config, tokenizer and weights; `version` becomes their short SHA-256.

        Raises:
            ModelError: the folder is absent, a pickle, or not a sequence classifier.
        """
        files = find_model(self._path)
        folder = files.folder
        _check_kind(folder, files.config())
        self._network = open_network(files, "sequence", device)
        config = self._network.config
        limit = token_limit(config.to_dict())
        self._tokenizer = Tokenizer(folder, min(self._max_tokens, limit))
        self._labels = [str(config.id2label[k]) for k in range(config.num_labels)]
        self._is_multi_label = config.problem_type == "multi_label_classification"
        self._transfer = make_transfer(device)
        self._pad_id = choose_padding(folder, config, self._tokenizer)
        check_padding(
            folder,
            self._tokenizer,
            self._pad_id,
            self._transfer,
            lambda passes: run_passes(passes, self._forward),
        )
        self.version = files.fingerprint()[:12]

    def warm_up(self) -> None:
        """Classify one short and one long text."""
        self.predict_batch([TextMessage(text="hello"), TextMessage(text="hello " * 1000)])

    def prepare_batch(self, batch: Sequence[TextMessage]) -> PreparedTexts:
        """Tokenize B texts and upload them to the device. Thread-safe."""
        slots = self._tokenizer([message.text for message in batch])
        return prepare_texts(slots, self._pad_id, self._transfer)

    def predict_prepared(self, prepared: PreparedTexts) -> list[NluResult | InputError]:
        """Classify B texts: results in input order, each independent of the other texts."""
        if not prepared.passes:
            return put_back_errors(prepared.slots, [])
        results = rank_intents(
            self._labels,
            run_passes(prepared.passes, self._forward),
            top_k=self._top_k,
            min_score=self._min_score,
        )
        return put_back_errors(prepared.slots, results)

    def _forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        logits = self._network(ids, mask)
        return logits.sigmoid() if self._is_multi_label else logits.softmax(dim=1)

    def close(self) -> None:
        """Free the weights and their memory on the device."""
        del self._network


def _check_kind(folder: Path, config: dict[str, Any]) -> None:
    """Refuse folders that transformers would load with a random head or as a regression."""
    architectures = config.get("architectures") or ["none named"]
    if not any(str(name).endswith("ForSequenceClassification") for name in architectures):
        if any(str(name).endswith("ForTokenClassification") for name in architectures):
            raise ModelError(
                f"{folder} is a token classifier ({architectures[0]}): to find entities, write "
                "`model: huggingface_entities` with the folder as option `path`"
            )
        raise ModelError(
            f"{folder} is no sequence classifier (its config says {architectures[0]}): for an "
            "encoder, write `model: intent_classifier` with the folder as option `encoder`"
        )
    labels = config.get("id2label", {0: "LABEL_0", 1: "LABEL_1"})
    if len(labels) < 2:
        raise ModelError(f"{folder} has {len(labels)} label: expected at least two to choose from")
