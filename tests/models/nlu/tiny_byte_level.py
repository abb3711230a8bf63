"""Build and save tiny models with a byte-level BPE tokenizer, as GPT-2 and RoBERTa have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

WORDS = "where is my order please cancel it now thank you very much for the good service"
END = "<|endoftext|>"


def write_byte_level(
    folder: Path, model: str, special: dict[str, str] | None = None, **config: Any
) -> Path:
    """Save a random one-layer model.

    Args:
        folder: existing and empty.
        model: name of the family and of the class, such as `GPT2` + `ForSequenceClassification`.
        special: the tokenizer's control tokens; None: only an end-of-text token.
        config: for the model's config; ids of control tokens as their text, such as `"<pad>"`.
    """
    import torch
    import transformers
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    special = {"eos_token": END} if special is None else special
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=320, initial_alphabet=alphabet, special_tokens=[], show_progress=False
    )
    bpe.train_from_iterator([WORDS] * 5, trainer)
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=bpe, **special)
    tokenizer.save_pretrained(folder)
    for name, value in config.items():
        if name.endswith("_token_id") and isinstance(value, str):
            config[name] = tokenizer.convert_tokens_to_ids(value)
    family, task = model.split("For")
    torch.manual_seed(0)
    settings = getattr(transformers, f"{family}Config")(vocab_size=len(tokenizer), **config)
    network = getattr(transformers, f"{family}For{task}")(settings)
    with torch.no_grad():
        for weights in network.parameters():
            weights.mul_(4)  # the usual 0.02 leaves all answers nearly alike
    network.save_pretrained(folder)
    return folder
