"""The input of workload `c`: texts of common English words."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from benchmarks.harness.cycled import TOLERANCE, CycledInput, workload_module

_NUM_TEXTS, _SEED = 128, 4
_WORDS = (
    "please tell me how the account card payment order flight booking balance rate hotel of to "
    "change cancel find my your weather music timer meeting in on for tomorrow tonight next week "
    "is was not why when where could would should you i we they a an and but new last first"
).split()


def random_texts() -> list[str]:
    """Return texts of 5 to 25 common words in random order."""
    rng = np.random.default_rng(_SEED)
    return [" ".join(rng.choice(_WORDS, rng.integers(5, 26))) for _ in range(_NUM_TEXTS)]


def texts_input(num_records: int, partitions: int) -> CycledInput:
    """Return the input: texts, whose vectors are computed here."""
    texts = random_texts()
    module = workload_module("texts")
    encoder = module.Encoder("cpu")
    answers = np.concatenate([encoder.encode(encoder.tokenize([text])) for text in texts])
    decoder = msgspec.json.Decoder(module.Vector)
    encode = msgspec.json.Encoder().encode

    def value(source: CycledInput, index: int) -> bytes:
        fields = {
            "source_id": source.key(index).decode(),
            "event_time_ms": source.event_time_ms(index),
            "event_id": source.event_id(index),
            "text": texts[index % len(texts)],
        }
        return encode(fields)

    def fault(expected: Any, value: bytes) -> str:
        vector = np.array(decoder.decode(value).vector)
        is_right = vector.shape == expected.shape and np.allclose(vector, expected, atol=TOLERANCE)
        return "" if is_right else f"the vector is {vector[:3]}...: expected {expected[:3]}..."

    return CycledInput(
        num_records, partitions, kind="penstock.vector.v1", answers=list(answers), value=value,
        fault=fault, has_ids=True,
    )  # fmt: skip
