import numpy as np
import pytest

from models.audio.resample import Floats, Resampling, resample

RATES = (8000, 11_025, 22_050, 24_000, 44_100, 48_000, 96_000)


def tone(rate: int, hertz: float = 440.0) -> Floats:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(rate // 2) / rate)).astype(np.float32)


@pytest.mark.parametrize("rate", RATES)
def test_pieces_give_the_same_bits_as_the_whole(rate: int) -> None:
    sound, chance = tone(rate), np.random.default_rng(rate)
    whole, _ = resample(Resampling.start(rate, 16_000), sound, 16_000)
    state, parts, at = Resampling.start(rate, 16_000), list[Floats](), 0
    while at < len(sound):
        size = int(chance.integers(0, 900))
        made, state = resample(state, sound[at : at + size], 16_000)
        parts.append(made)
        at += size
    assert np.array_equal(np.concatenate(parts), whole)
    assert len(state.tail) < 1000


@pytest.mark.parametrize("rate", RATES)
def test_a_tone_stays_the_tone(rate: int) -> None:
    made, _ = resample(Resampling.start(rate, 16_000), tone(rate), 16_000)
    assert 8000 - 60 < len(made) <= 8000
    assert np.abs(made - tone(16_000)[: len(made)])[60:].max() < 1e-3


def test_what_16_khz_can_not_hold_is_removed() -> None:
    high = tone(48_000, 11_000)
    made, _ = resample(Resampling.start(48_000, 16_000), high, 16_000)
    assert np.abs(made)[60:].max() < 1e-3


def test_the_same_rate_changes_nothing() -> None:
    sound = tone(16_000)
    made, state = resample(Resampling.start(16_000, 16_000), sound, 16_000)
    assert made is sound
    assert len(state.tail) == 0
