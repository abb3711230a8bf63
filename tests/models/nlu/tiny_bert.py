"""Build and save a tiny BERT with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

WORDS = ["hello", "money", "where", "is", "my", "order", "thanks", "the", "balance", "##s", "a"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def write_bert(folder: Path, class_name: str = "BertModel", seed: int = 0, **config: Any) -> Path:
    """Save a random two-layer BERT of the given transformers class; config values as keywords."""
    import torch
    import transformers

    (folder / "vocab.txt").write_text("\n".join(SPECIAL + WORDS), encoding="utf-8")
    torch.manual_seed(seed)
    settings = transformers.BertConfig(
        vocab_size=len(SPECIAL + WORDS),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
        # The usual 0.02 leaves all vectors nearly alike: no test could distinguish texts.
        initializer_range=0.5,
        **config,
    )
    getattr(transformers, class_name)(settings).save_pretrained(folder)
    transformers.BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder
