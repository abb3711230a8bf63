"""Folders of small transducers of transformers, with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

NUM_SYMBOLS, BLANK = 12, 11
_ENCODER = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32,
    "subsampling_conv_channels": 8, "num_mel_bins": 80, "subsampling_factor": 8,
}  # fmt: skip


def make(kind: str) -> Any:
    import transformers

    names = {
        "parakeet_rnnt": ("ParakeetForRNNT", "ParakeetRNNTConfig"),
        "parakeet_tdt": ("ParakeetForTDT", "ParakeetTDTConfig"),
        "nemotron_asr_streaming": ("NemotronAsrStreamingForRNNT", "NemotronAsrStreamingConfig"),
    }
    cls, config_cls = (getattr(transformers, name) for name in names[kind])
    # Without duration 0: transformers does not limit the symbols of one frame then, and we do.
    more = {"durations": [1, 2, 3]} if kind == "parakeet_tdt" else {}
    config = config_cls(
        vocab_size=NUM_SYMBOLS, blank_token_id=BLANK, pad_token_id=2, decoder_hidden_size=16,
        num_decoder_layers=2, max_symbols_per_step=3, encoder_config=dict(_ENCODER), **more,
    )  # fmt: skip
    torch.manual_seed(1)
    model = cls(config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.copy_(torch.randn_like(weight) / weight[0].numel() ** 0.5)
        model.joint.head.weight.mul_(6)
    model.generation_config.bos_token_id = BLANK
    model.generation_config.decoder_start_token_id = BLANK
    return model


def write_folder(folder: Path, kind: str) -> Any:
    """Write config.json, safetensors and tokenizer.json; return the model."""
    from tokenizers import Tokenizer, models

    model = make(kind)
    model.save_pretrained(folder)
    pieces = {"<unk>": 0, "\u2581a": 1, "<pad>": 2, "b": 3, "\u2581cd": 4, "e": 5, "\u2581f": 6}
    tokenizer = Tokenizer(models.WordLevel(pieces, unk_token="<unk>"))
    tokenizer.save(str(folder / "tokenizer.json"))
    return model
