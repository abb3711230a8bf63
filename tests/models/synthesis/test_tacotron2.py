from __future__ import annotations

import pytest
import torch

from models.synthesis.tacotron2 import (
    Tacotron2,
    Tacotron2Config,
    positions_within,
    published_names,
)
from tests.models.synthesis.tiny_tacotron2 import tiny_network, tiny_sizes


def published_shapes() -> dict[str, tuple[int, ...]]:
    """The names and shapes of torchaudio.models.Tacotron2 with 148 symbols."""
    shapes: dict[str, tuple[int, ...]] = {"embedding.weight": (148, 512)}
    for layer in range(3):
        shapes |= _convolution(f"encoder.convolutions.{layer}", 512, 512)
    for direction in ("", "_reverse"):
        shapes |= {
            f"encoder.lstm.weight_ih_l0{direction}": (1024, 512),
            f"encoder.lstm.weight_hh_l0{direction}": (1024, 256),
            f"encoder.lstm.bias_ih_l0{direction}": (1024,),
            f"encoder.lstm.bias_hh_l0{direction}": (1024,),
        }
    shapes |= {
        "decoder.prenet.layers.0.weight": (256, 80),
        "decoder.prenet.layers.1.weight": (256, 256),
        "decoder.attention_layer.query_layer.weight": (128, 1024),
        "decoder.attention_layer.memory_layer.weight": (128, 512),
        "decoder.attention_layer.v.weight": (1, 128),
        "decoder.attention_layer.location_layer.location_conv.weight": (32, 2, 31),
        "decoder.attention_layer.location_layer.location_dense.weight": (128, 32),
        "decoder.linear_projection.weight": (80, 1536),
        "decoder.linear_projection.bias": (80,),
        "decoder.gate_layer.weight": (1, 1536),
        "decoder.gate_layer.bias": (1,),
    }
    for name, inputs in (("attention_rnn", 256 + 512), ("decoder_rnn", 1024 + 512)):
        shapes |= {
            f"decoder.{name}.weight_ih": (4096, inputs),
            f"decoder.{name}.weight_hh": (4096, 1024),
            f"decoder.{name}.bias_ih": (4096,),
            f"decoder.{name}.bias_hh": (4096,),
        }
    sizes = [80, 512, 512, 512, 512, 80]
    for layer in range(5):
        shapes |= _convolution(f"postnet.convolutions.{layer}", sizes[layer], sizes[layer + 1])
    return shapes


def _convolution(name: str, inputs: int, outputs: int) -> dict[str, tuple[int, ...]]:
    statistics = ("weight", "bias", "running_mean", "running_var")
    return {
        f"{name}.0.weight": (outputs, inputs, 5),
        f"{name}.0.bias": (outputs,),
        **{f"{name}.1.{key}": (outputs,) for key in statistics},
        f"{name}.1.num_batches_tracked": (),
    }


def test_names_and_shapes_are_the_published_ones() -> None:
    with torch.device("meta"):
        network = Tacotron2(Tacotron2Config())
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    assert shapes == published_shapes()
    assert sum(p.numel() for p in network.parameters()) == 28_193_153


def test_names_of_the_other_publisher_are_translated() -> None:
    names = {
        "module.embedding.weight": "embedding.weight",
        "encoder.convolutions.0.0.conv.weight": "encoder.convolutions.0.0.weight",
        "decoder.prenet.layers.1.linear_layer.weight": "decoder.prenet.layers.1.weight",
        "decoder.attention_layer.location_layer.location_conv.conv.weight": (
            "decoder.attention_layer.location_layer.location_conv.weight"
        ),
        "decoder.linear_projection.linear_layer.bias": "decoder.linear_projection.bias",
        "decoder.attention_rnn.weight_ih": "decoder.attention_rnn.weight_ih",
    }
    zero = torch.zeros(1)
    assert list(published_names(dict.fromkeys(names, zero))) == list(names.values())
    assert set(names.values()) <= set(published_shapes())


def test_shapes_of_what_it_predicts() -> None:
    network = tiny_network()
    forced = network(
        torch.tensor([[1, 2, 3], [4, 5, 0]]),
        torch.tensor([3, 2]),
        torch.zeros(2, 8, 6),
        torch.tensor([6, 4]),
    )
    assert forced.before.shape == forced.after.shape == (2, 8, 6)
    assert forced.stop_logits.shape == (2, 3)
    assert forced.alignments.shape == (2, 3, 3)
    torch.testing.assert_close(forced.alignments.sum(2), torch.ones(2, 3))
    assert (forced.alignments[1, :, 2] == 0).all()


def test_padding_is_not_read() -> None:
    network = tiny_network(dropout=0.0)
    symbols, frames = torch.tensor([[1, 2, 3, 9], [4, 5, 7, 8]]), torch.randn(2, 8, 6)
    forced = network(symbols, torch.tensor([4, 2]), frames, torch.tensor([6, 4]))
    alone = network(symbols[1:, :2], torch.tensor([2]), frames[1:, :, :4], torch.tensor([4]))
    torch.testing.assert_close(forced.after[1, :, :4], alone.after[0])
    torch.testing.assert_close(forced.alignments[1, :2, :2], alone.alignments[0])


def test_one_text_is_encoded_as_in_a_batch() -> None:
    network = tiny_network()
    symbols = torch.tensor([[1, 2, 3, 4], [5, 6, 0, 0]])
    lengths = torch.tensor([4, 2])
    encoded = network.encoder(network.embedding(symbols).transpose(1, 2), lengths)
    torch.testing.assert_close(network.encode(symbols[1, :2]), encoded[1, :2])


def test_the_post_net_sees_one_text_as_in_a_batch() -> None:
    network = tiny_network()
    frames = torch.randn(2, 8, 5)
    exists = positions_within(torch.tensor([5, 3]), 5).unsqueeze(1)
    together = frames + network.postnet(frames, exists)
    torch.testing.assert_close(network.finish(frames[1, :, :3]), together[1, :, :3])


def test_sizes_are_options() -> None:
    small = Tacotron2(tiny_sizes(frames_per_step=3))
    assert small.decoder.linear_projection.weight.shape == (24, 28)
    assert small.decoder.prenet.layers[0].weight.shape == (8, 24)


@pytest.mark.parametrize(("share", "is_random"), [(0.0, False), (0.5, True)])
def test_convolutions_have_a_dropout_of_their_own(share: float, is_random: bool) -> None:
    encoder = tiny_network(convolution_dropout=share).encoder.train()
    text, length = torch.randn(1, encoder.lstm.input_size, 5), torch.tensor([5])
    encoder.convolutions.eval()  # of the batch's statistics nothing is asked here
    assert torch.equal(encoder(text, length), encoder(text, length)) != is_random
