"""A folder of transformers: which class it is for, its weights, and the text of its symbols."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from models.base import ModelError
from models.transducer_folder.nemo_features import NemoFeatures, read_features
from models.transducer_folder.pieces import Pieces
from models.vision.folder_config import read_json
from models.weights import require_safetensors

#: `model_type` of config.json -> transformers' class.
CLASSES = {
    "parakeet_ctc": "ParakeetForCTC",
    "parakeet_rnnt": "ParakeetForRNNT",
    "parakeet_tdt": "ParakeetForTDT",
    "nemotron_asr_streaming": "NemotronAsrStreamingForRNNT",
}
_MAX_LOOKAHEAD = 64


class Opened(NamedTuple):
    """What a folder holds."""

    model: Any
    """transformers' model, ready to answer."""
    pieces: Pieces
    features: NemoFeatures
    lookahead: int
    """Of a streaming encoder, in its frames."""
    device: str


def is_transformers_folder(folder: Path) -> bool:
    """Return whether it has a config.json and no ONNX files."""
    return (folder / "config.json").is_file() and not any(folder.glob("*.onnx"))


def open_folder(folder: Path, device: str) -> Opened:
    """Read weights from safetensors, and tokenizer.json.

    Raises:
        ModelError: a file is absent or damaged, weights are missing, or it holds something else.
    """
    config = read_json(folder / "config.json")
    name = CLASSES.get(str(config.get("model_type")))
    if name is None:
        raise ModelError(
            f"{folder} has no ONNX files, and its config.json the model_type "
            f"{config.get('model_type')!r}: expected encoder, decoder and joiner as ONNX files and "
            f"tokens.txt, or one of {', '.join(CLASSES)}"
        )
    require_safetensors(folder, config)
    model = _load(folder, name, device)
    features = read_features(folder, int(model.config.encoder_config.num_mel_bins))
    blank = blank_of(model.config)
    pieces = _read_tokenizer(folder, int(model.config.vocab_size), blank)
    return Opened(model, pieces, features, _lookahead(folder, model.config), device)


def blank_of(config: Any) -> int:
    """Return the symbol of no output; of CTC transformers calls it padding."""
    blank = getattr(config, "blank_token_id", None)
    return int(config.pad_token_id if blank is None else blank)


def _load(folder: Path, name: str, device: str) -> Any:
    import torch
    import transformers

    try:
        model, report = getattr(transformers, name).from_pretrained(
            folder,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
            dtype=torch.float32,
        )
    except Exception as error:
        raise ModelError(f"{folder}: transformers can't load it as {name}: {error}") from error
    if report["missing_keys"] or report["mismatched_keys"]:
        missing = sorted(map(str, report["missing_keys"] or report["mismatched_keys"]))
        raise ModelError(f"{folder}: weights are missing or do not fit, such as {missing[0]}")
    return model.eval().requires_grad_(False).to(device)


def _lookahead(folder: Path, config: Any) -> int:
    """Return `default_num_lookahead_tokens`: of processor_config.json, else of the encoder."""
    found = getattr(config.encoder_config, "default_num_lookahead_tokens", 0)
    if (folder / "processor_config.json").is_file():
        processor = read_json(folder / "processor_config.json")
        found = processor.get("default_num_lookahead_tokens") or found
    if not isinstance(found, int) or not 0 <= found <= _MAX_LOOKAHEAD:
        raise ModelError(
            f"{folder}: default_num_lookahead_tokens {found!r}: expected 0 to {_MAX_LOOKAHEAD}"
        )
    return found


def _read_tokenizer(folder: Path, num_symbols: int, blank: int) -> Pieces:
    """Return the pieces of tokenizer.json; symbols that it lacks add no text.

    Raises:
        ModelError: the file can't be read.
    """
    from tokenizers import Tokenizer

    path = folder / "tokenizer.json"
    try:
        numbers = Tokenizer.from_file(str(path)).get_vocab(with_added_tokens=True)
    except Exception as error:  # tokenizers raises a bare Exception
        raise ModelError(f"{path}: expected the model's tokenizer: {error}") from error
    texts = [""] * num_symbols
    for text, number in numbers.items():
        is_special = text.startswith("<") and text.endswith(">") and len(text) > 2
        if number < num_symbols and number != blank and not is_special:
            texts[number] = text.replace("\u2581", " ")
    return Pieces(tuple(texts), blank)
