from __future__ import annotations

import torch

from tests.models.synthesis.tiny_tacotron2 import tiny_network


def test_location_features_are_those_of_the_two_layers() -> None:
    layer = tiny_network().decoder.attention_layer.location_layer
    weights = torch.rand(3, 2, 9)
    expected = layer.location_dense(layer.location_conv(weights).transpose(1, 2))
    torch.testing.assert_close(layer(weights, layer.kernel()), expected)


def test_what_is_outside_of_a_text_gets_no_weight() -> None:
    attention = tiny_network().decoder.attention_layer
    encoded, outside = torch.randn(2, 5, 16), torch.zeros(2, 5, dtype=torch.bool)
    outside[1, 3:] = True
    memory = attention.memory(encoded, outside)
    context, weights = attention(torch.randn(2, 10), memory, torch.zeros(2, 2, 5))
    assert (weights[1, 3:] == 0).all()
    torch.testing.assert_close(weights.sum(1), torch.ones(2))
    torch.testing.assert_close(context[1], weights[1] @ encoded[1])
