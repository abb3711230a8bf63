"""Folders of small transducers of transformers, with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from models.transducer_folder.transformers_folder import CLASSES

NUM_SYMBOLS, BLANK = 12, 11
#: Of the streaming encoder, in its frames of 80 ms.
LOOKAHEAD = 3
_ENCODER = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32,
    "subsampling_conv_channels": 8, "num_mel_bins": 80, "subsampling_factor": 8,
}  # fmt: skip


def make(kind: str) -> Any:
    """Return a model that says something every few frames."""
    import transformers

    cls = getattr(transformers, CLASSES[kind])
    more: dict[str, Any] = {"blank_token_id": BLANK, "pad_token_id": 2, "max_symbols_per_step": 3}
    encoder = dict(_ENCODER)
    if kind == "parakeet_ctc":
        more = {"pad_token_id": BLANK}
    elif kind == "parakeet_tdt":
        more |= {"durations": [0, 1, 2, 3]}
    elif kind == "nemotron_asr_streaming":
        # A window that is soon full.
        encoder |= {"sliding_window": 13, "default_num_lookahead_tokens": LOOKAHEAD}
    if kind != "parakeet_ctc":
        more |= {"decoder_hidden_size": 16, "num_decoder_layers": 2}
    config = cls.config_class(vocab_size=NUM_SYMBOLS, encoder_config=encoder, **more)
    torch.manual_seed(2)
    model = cls(config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.copy_(torch.randn_like(weight) / weight[0].numel() ** 0.5)
        head = model.ctc_head if kind == "parakeet_ctc" else model.joint.head
        head.weight.mul_(6)
        head.bias[BLANK] += 5.0
        if kind == "parakeet_tdt":
            head.bias[NUM_SYMBOLS] -= 6.0  # duration 0: rarely, so that symbols of a frame end
    return model


def write_folder(folder: Path, kind: str) -> Any:
    """Write config.json, safetensors, preprocessor and tokenizer; return the model."""
    import json

    from tokenizers import Tokenizer, models

    model = make(kind)
    model.save_pretrained(folder)
    pieces = {"<unk>": 0, "\u2581a": 1, "<pad>": 2, "b": 3, "\u2581cd": 4, "e": 5, "\u2581f": 6}
    tokenizer = Tokenizer(models.WordLevel(pieces, unk_token="<unk>"))
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR))
    return model


PREPROCESSOR = {
    "feature_size": 80, "sampling_rate": 16_000, "hop_length": 160, "n_fft": 512,
    "win_length": 400, "preemphasis": 0.97, "padding_value": 0.0,
}  # fmt: skip
