from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from models.base import ModelError
from models.nlu.encoder import SentenceEncoder
from models.nlu.packed_bert import PackedBert, pack_bert

SMALL: dict[str, Any] = {
    "vocab_size": 40,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 40,
    "initializer_range": 0.5,
}
#: Lengths out of order, with runs of equal ones.
LENGTHS = [3, 3, 9, 1, 9, 9, 2]


def random_model(family: str, **config: Any) -> Any:
    torch.manual_seed(0)
    settings = getattr(transformers, f"{family}Config")(**{**SMALL, **config})
    return getattr(transformers, f"{family}Model")(settings).eval()


def padded(pad_id: int, lengths: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    ids = torch.randint(5, 40, (len(lengths), max(lengths)))
    mask = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()
    return ids.where(mask.bool(), pad_id), mask


@pytest.mark.parametrize("family", ["Bert", "Roberta", "XLMRoberta"])
@pytest.mark.parametrize("lengths", [LENGTHS, [7] * 4, [1]], ids=str)
def test_all_hidden_states_are_those_of_transformers(family: str, lengths: list[int]) -> None:
    model = random_model(family)
    packed = pack_bert(model)
    assert packed is not None
    ids, mask = padded(model.config.pad_token_id, lengths)
    with torch.inference_mode():
        expected = model(input_ids=ids, attention_mask=mask, output_hidden_states=True)
        states = packed.hidden_states(ids, mask)
        last = packed(ids, mask)
    assert len(states) == len(expected.hidden_states) == 4
    for actual, wanted in zip(states, expected.hidden_states, strict=True):
        assert actual.shape == wanted.shape
        torch.testing.assert_close(actual[mask.bool()], wanted[mask.bool()], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(last, states[-1])
    assert not last[~mask.bool()].any()


@pytest.mark.parametrize(
    ("family", "config"),
    [("Bert", {"hidden_act": "relu"}), ("Bert", {"is_decoder": True}), ("MPNet", {})],
)
def test_other_encoders_are_left_to_transformers(family: str, config: dict[str, Any]) -> None:
    assert pack_bert(random_model(family, **config)) is None


def test_a_model_that_computes_something_else_is_left_to_transformers() -> None:
    model = random_model("Bert")
    assert pack_bert(model) is not None
    model.encoder.layer[1].register_forward_hook(lambda module, inputs, output: output * 1.01)
    assert pack_bert(model) is None


def test_a_head_of_a_deeper_encoder_is_refused() -> None:
    packed = PackedBert(random_model("Bert"))
    packed.check_layers([0, 3])
    with pytest.raises(ModelError, match="has 3 layers: the head reads layer 4"):
        packed.check_layers([4])


def test_encoders_on_the_cpu_are_packed(tiny_bert: Path) -> None:
    encoder = SentenceEncoder(str(tiny_bert))
    encoder.load()
    assert isinstance(encoder._network, PackedBert)
    shipped = SentenceEncoder("roberta")
    shipped.load()
    assert isinstance(shipped._network, PackedBert)
