"""The small RoBERTa that learns from MiniLM: its tokenizer, its network and its losses.

Sources: Liu et al., 2019, "RoBERTa", arXiv:1907.11692 (byte-level BPE, dynamic masking); Sennrich
et al., 2016, arXiv:1508.07909 (BPE); Reimers and Gurevych, 2020, "Making Monolingual Sentence
Embeddings Multilingual using Knowledge Distillation", arXiv:2004.09813 (a student that learns
sentence vectors).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.nlu.encoder import SentenceEncoder

Vectors = NDArray[np.float32]

#: RoBERTa's special tokens; a token's place is its id.
_SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
_BOS, PAD, _EOS, _UNKNOWN, MASK = range(5)
_NOT_MASKED = -100


@dataclass(frozen=True)
class StudentShape:
    """The size of the network."""

    vocabulary: int = 8000
    width: int = 192
    layers: int = 4
    heads: int = 6
    inner: int = 512
    """Width between the two matrices of a feed-forward block."""
    max_tokens: int = 128


def train_tokenizer(texts: Sequence[str], shape: StudentShape, folder: Path) -> Any:
    """Train a lower-casing byte-level BPE, save it for transformers, and return it."""
    from tokenizers import ByteLevelBPETokenizer
    from tokenizers.processors import TemplateProcessing

    trainer = ByteLevelBPETokenizer(
        add_prefix_space=True, lowercase=True, unicode_normalizer="nfkc"
    )
    trainer.train_from_iterator(
        texts, shape.vocabulary, min_frequency=2, show_progress=False, special_tokens=list(_SPECIAL)
    )
    trainer.post_processor = TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", _BOS), ("</s>", _EOS)],
    )
    folder.mkdir(parents=True, exist_ok=True)
    trainer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": shape.max_tokens,
        "bos_token": "<s>",
        "cls_token": "<s>",
        "eos_token": "</s>",
        "sep_token": "</s>",
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        "mask_token": "<mask>",
    }
    text = json.dumps(settings, indent=2) + "\n"
    (folder / "tokenizer_config.json").write_text(text, encoding="utf-8")
    trainer.enable_truncation(shape.max_tokens)
    return trainer


def make_network(shape: StudentShape, vocabulary: int) -> Any:
    """Return a `RobertaForMaskedLM` with random weights (torch's seed decides them)."""
    from transformers import RobertaConfig, RobertaForMaskedLM

    config = RobertaConfig(
        vocab_size=vocabulary,
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.inner,
        # RoBERTa numbers positions from 2.
        max_position_embeddings=shape.max_tokens + 2,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
        bos_token_id=_BOS,
        pad_token_id=PAD,
        eos_token_id=_EOS,
    )
    return RobertaForMaskedLM(config)


def principal_axes(vectors: Vectors, width: int) -> Vectors:
    """Return the (D, width) axes that keep most of vectors (N, D), not centered."""
    _, _, rows = np.linalg.svd(vectors.T @ vectors)
    axes: Vectors = np.ascontiguousarray(rows[:width].T, dtype=np.float32)
    return axes


def project(vectors: Vectors, axes: Vectors) -> Vectors:
    """Return unit vectors (N, width): what the student should say of texts with these vectors."""
    reduced = vectors @ axes
    result: Vectors = reduced / np.maximum(np.linalg.norm(reduced, axis=1, keepdims=True), 1e-6)
    return result


def teach_words(network: Any, tokenizer: Any, teacher: SentenceEncoder, axes: Vectors) -> None:
    """Start each token's embedding at the teacher's vector of its letters.

    So the untrained network's sentence vector is near the average of its words' vectors, which is
    a far better start than a random one.
    """
    import torch

    size = tokenizer.get_vocab_size()
    words = [tokenizer.decode([token]).strip() for token in range(size)]
    known = [
        i for i, word in enumerate(words) if word.isprintable() and any(map(str.isalnum, word))
    ]
    vectors = project(teacher.encode([words[i] for i in known]), axes)
    embeddings = network.roberta.embeddings.word_embeddings.weight
    with torch.no_grad():
        embeddings[known] = torch.from_numpy(vectors)


def mask_tokens(
    ids: NDArray[np.int64], chance: np.random.Generator, vocabulary: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Hide 15 % of the tokens in every second row, as BERT does; the other rows stay whole.

    Args:
        ids: (B, T) token ids, padded.
        chance: decides which.
        vocabulary: number of tokens.

    Returns:
        The ids to read (B, T), and the ids to guess (B, T), -100 where nothing is to be guessed.
    """
    hidden = (ids >= len(_SPECIAL)) & (chance.random(ids.shape) < 0.15)
    hidden[::2] = False
    guess = np.where(hidden, ids, _NOT_MASKED)
    kind = chance.random(ids.shape)
    read = np.where(hidden & (kind < 0.8), MASK, ids)
    other = chance.integers(len(_SPECIAL), vocabulary, ids.shape)
    return np.where(hidden & (kind >= 0.9), other, read), guess


def losses(network: Any, ids: Any, mask: Any, guess: Any, targets: Any) -> tuple[Any, Any]:
    """Return the loss of the sentence vectors and that of the hidden tokens, two scalars.

    Args:
        network: a `RobertaForMaskedLM`.
        ids: (B, T) int64 token ids, some hidden.
        mask: (B, T) int64, 1 on real tokens.
        guess: (B, T) int64, see `mask_tokens`.
        targets: (B, width) float32, unit length.

    The first is one minus the cosine with the target, plus the squared differences of all pairs'
    cosines in the batch: a head needs the texts' places relative to each other.
    """
    import torch.nn.functional as F

    states = network.roberta(input_ids=ids, attention_mask=mask).last_hidden_state
    weights = mask.unsqueeze(-1).to(states.dtype)
    vectors = F.normalize((states * weights).sum(1) / weights.sum(1), dim=1)
    apart = 1 - (vectors * targets).sum(1).mean()
    pairs = F.mse_loss(vectors @ vectors.T, targets @ targets.T)
    hidden = guess != _NOT_MASKED
    logits = network.lm_head(states[hidden])
    words = F.cross_entropy(logits, guess[hidden]) if len(logits) else logits.sum()
    return apart + 5 * pairs, words
