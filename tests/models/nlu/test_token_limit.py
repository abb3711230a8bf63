from __future__ import annotations

from typing import Any

import pytest

from models.nlu.token_limit import NO_LIMIT, token_limit


@pytest.mark.parametrize(
    ("config", "limit"),
    [
        ({"model_type": "bert", "max_position_embeddings": 512, "pad_token_id": 0}, 512),
        ({"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1}, 512),
        ({"model_type": "roberta", "max_position_embeddings": 65, "pad_token_id": 0}, 64),
        ({"model_type": "camembert", "max_position_embeddings": 514}, 512),
        ({"model_type": "mpnet", "max_position_embeddings": 514, "pad_token_id": 0}, 512),
        # BART has two more rows than positions, so it loses none to its padding token.
        ({"model_type": "bart", "max_position_embeddings": 1024, "pad_token_id": 1}, 1024),
        ({"model_type": "gpt2", "n_positions": 64, "n_ctx": 32}, 64),
        ({"model_type": "mpt", "max_seq_len": 2048}, 2048),
        ({"model_type": "xlnet", "max_position_embeddings": None}, NO_LIMIT),
        ({"max_position_embeddings": -1}, NO_LIMIT),
        ({}, NO_LIMIT),
    ],
)
def test_the_limit_is_the_number_of_positions_that_texts_can_use(
    config: dict[str, Any], limit: int
) -> None:
    assert token_limit(config) == limit
