"""Each class of transformers: what we stream or hear at the end is what its `generate` says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.base import ModelError
from models.speech.blocks import BLOCK_VECTORS, Said
from models.transducer_folder.streaming_network import Floats, StreamingNetwork
from models.transducer_folder.transformers_folder import open_folder
from models.transducer_folder.utterance_network import UtteranceNetwork, generated
from tests.models.transducer_folder.nemo_reference import reference_frames
from tests.models.transducer_folder.tiny_transformers import (
    BLANK,
    LOOKAHEAD,
    NUM_SYMBOLS,
    PREPROCESSOR,
    write_folder,
)

STREAMING = "nemotron_asr_streaming"


def sound(seed: int = 0, num_blocks: int = 30) -> Floats:
    chance = np.random.default_rng(seed)
    loudness = np.repeat(chance.random(num_blocks * 4), 640)
    return (loudness * chance.standard_normal(len(loudness)) * 0.3).astype(np.float32)


def windows(samples: Floats) -> list[Floats]:
    padded = np.pad(samples, (0, 240))
    return [padded[at : at + 2800] for at in range(0, len(samples), 2560)]


def symbols_of(sequences: Any) -> tuple[int, ...]:
    return tuple(symbol for symbol in sequences[0].tolist() if symbol != BLANK)


@pytest.mark.parametrize("kind", ["parakeet_ctc", "parakeet_rnnt", "parakeet_tdt"])
def test_an_utterance_is_what_transformers_generates(kind: str, tmp_path: Path) -> None:
    model = write_folder(tmp_path, kind)
    network = UtteranceNetwork(open_folder(tmp_path, "cpu"))
    samples = sound()
    steps = network.step(
        network.spectrograms(windows(samples)), [network.start] * (len(samples) // 2560)
    )
    assert not any(step.said.symbols for step in steps)
    said = network.reread([step.vectors for step in steps], 1)

    frames = reference_frames(samples, PREPROCESSOR, streaming=False)
    if kind == "parakeet_ctc":
        path = [int(symbol) for symbol in model.generate(frames[None])[0]]
        expected = tuple(
            symbol
            for at, symbol in enumerate(path)
            if symbol != BLANK and (at == 0 or path[at - 1] != symbol)
        )
    else:
        options: dict[str, Any] = {"decoder_start_token_id": BLANK, "max_new_tokens": 900}
        if kind == "parakeet_tdt":  # logits of durations are no symbols
            options["suppress_tokens"] = list(range(NUM_SYMBOLS, NUM_SYMBOLS + 4))
        expected = symbols_of(model.generate(frames[None], **options).sequences)
    assert said.symbols == expected
    assert len(set(said.symbols)) > 2
    assert list(said.frames) == sorted(said.frames)
    assert 0 <= said.frames[0]
    assert said.frames[-1] < 30 * BLOCK_VECTORS


def streamed(network: StreamingNetwork, samples: Floats) -> Said:
    """Hear block by block, with the state as it is saved between any two."""
    state, said = network.start, Said()
    for number, block in enumerate(network.spectrograms(windows(samples))):
        (step,) = network.step([block], [state])
        state = step.state
        said = joined(said, step.said, number * BLOCK_VECTORS)
    return joined(said, network.finish(state), len(samples) // 2560 * BLOCK_VECTORS)


def joined(said: Said, more: Said, start: int) -> Said:
    frames = tuple(start + frame for frame in more.frames)
    return Said(said.symbols + more.symbols, said.frames + frames, said.log_probs + more.log_probs)


@pytest.mark.parametrize("num_blocks", [1, 2, 7, 30])
def test_a_stream_is_what_transformers_generates_of_the_whole(
    num_blocks: int, tmp_path: Path
) -> None:
    model = write_folder(tmp_path, STREAMING)
    network = StreamingNetwork(open_folder(tmp_path, "cpu"))
    samples = sound(1, num_blocks)
    said = streamed(network, samples)
    frames = reference_frames(samples, PREPROCESSOR, streaming=True)
    symbols, at = generated(model, frames[None], BLANK, num_lookahead_tokens=LOOKAHEAD)
    assert said.symbols == symbols
    assert said.frames == tuple(frame * 2 for frame in at)  # 80 ms, and 40 ms
    assert len(set(symbols)) > 2 or num_blocks < 30


def test_a_stream_is_what_transformers_generates_of_chunks(tmp_path: Path) -> None:
    """The same sound through transformers' own streaming, of whole chunks."""
    model = write_folder(tmp_path, STREAMING)
    network = StreamingNetwork(open_folder(tmp_path, "cpu"))
    samples = sound(2, 30)
    frames = reference_frames(samples, PREPROCESSOR, streaming=True)
    first, size = 1 + 8 * LOOKAHEAD, 8 * (LOOKAHEAD + 1)

    def chunks() -> Iterator[torch.Tensor]:
        yield frames[None, :first]
        for at in range(first, len(frames) - size, size):
            yield frames[None, at : at + size]

    made = model.generate(
        chunks(),
        num_lookahead_tokens=LOOKAHEAD,
        decoder_start_token_id=BLANK,
        max_new_tokens=900,
    )
    symbols = symbols_of(made.sequences)
    assert len(symbols) > 10
    assert streamed(network, samples).symbols[: len(symbols)] == symbols


def test_the_encoders_frames_are_those_of_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = write_folder(tmp_path, STREAMING)
    network = StreamingNetwork(open_folder(tmp_path, "cpu"))
    samples, made = sound(3, 20), list[torch.Tensor]()
    encode = network._encode

    def noted(*args: Any) -> Any:
        outputs = encode(*args)
        made.append(outputs.pooler_output[0])
        return outputs

    monkeypatch.setattr(network, "_encode", noted)
    streamed(network, samples)
    frames = reference_frames(samples, PREPROCESSOR, streaming=True)
    with torch.inference_mode():
        whole = model.get_audio_features(frames[None], num_lookahead_tokens=LOOKAHEAD).pooler_output
    torch.testing.assert_close(torch.cat(made), whole[0], atol=1e-3, rtol=1e-3)


def test_streams_do_not_depend_on_their_neighbors(tmp_path: Path) -> None:
    write_folder(tmp_path, STREAMING)
    network = StreamingNetwork(open_folder(tmp_path, "cpu"))
    one, other = (network.spectrograms(windows(sound(seed, 6))) for seed in (4, 5))
    alone, both = network.start, [network.start, network.start]
    for pair in zip(one, other, strict=True):
        (step,) = network.step(pair[:1], [alone])
        alone = step.state
        both = [step.state for step in network.step(pair, both)]
    np.testing.assert_array_equal(both[0], alone)
    assert not np.array_equal(both[1], alone)


def test_pieces_are_those_of_the_tokenizer(tmp_path: Path) -> None:
    write_folder(tmp_path, "parakeet_rnnt")
    texts = open_folder(tmp_path, "cpu").pieces.texts
    assert texts == ("", " a", "", "b", " cd", "e", " f", "", "", "", "", "")


def test_a_folder_without_weights_or_tokenizer_is_refused(tmp_path: Path) -> None:
    write_folder(tmp_path, "parakeet_rnnt")
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match=r"tokenizer\.json: expected the model's tokenizer"):
        open_folder(tmp_path, "cpu")
    for path in tmp_path.glob("*.safetensors"):
        path.unlink()
    with pytest.raises(ModelError, match="safetensors"):
        open_folder(tmp_path, "cpu")


def test_a_folder_of_another_class_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "whisper"}')
    with pytest.raises(ModelError, match=r"'whisper'.*parakeet_rnnt"):
        open_folder(tmp_path, "cpu")
