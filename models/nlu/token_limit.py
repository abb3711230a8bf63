"""How many tokens a transformers model can read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Names of the number of positions, as model families call it in config.json.
_NAMES = (
    "max_position_embeddings",
    "n_positions",  # GPT-2, GPT-J
    "max_seq_len",  # MPT
    "max_sequence_length",
    "seq_length",
    "n_ctx",
)
#: Families that number the positions of tokens from `pad_token_id + 1`, as RoBERTa does: that many
#: positions can't be used.
_OFFSET_FAMILIES = {
    "camembert",
    "data2vec-text",
    "esm",
    "ibert",
    "layoutlmv3",
    "lilt",
    "longformer",
    "luke",
    "markuplm",
    "mpnet",
    "roberta",
    "roberta-prelayernorm",
    "xlm-roberta",
    "xlm-roberta-xl",
    "xmod",
}
NO_LIMIT = 2**31


def token_limit(config: Mapping[str, Any]) -> int:
    """Return the longest input, in tokens, that a model with this config has positions for.

    Args:
        config: of a loaded model, or the content of its config.json.

    Returns:
        The limit, or `NO_LIMIT` if the config names none (relative positions).
    """
    positions = [config[name] for name in _NAMES if _is_count(config.get(name))]
    return int(positions[0]) - first_position(config) if positions else NO_LIMIT


def first_position(config: Mapping[str, Any]) -> int:
    """Return the number of the position that a text's first token has: 0 in most families."""
    if config.get("model_type") not in _OFFSET_FAMILIES:
        return 0
    padding = config.get("pad_token_id")
    # MPNet ignores pad_token_id: its padding position is always 1.
    return 2 if config["model_type"] == "mpnet" or padding is None else int(padding) + 1


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
