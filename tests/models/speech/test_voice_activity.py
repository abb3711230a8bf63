import numpy as np
import pytest

from models.speech.voice_activity import BLOCK_SAMPLES, Activity, CutRules, Verdict, watch

RULES = CutRules(silent_blocks=3, max_blocks=12)


def block(level: float, seed: int = 0) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    noise = np.random.default_rng(seed).standard_normal(BLOCK_SAMPLES)
    return (level * noise).astype(np.float32)


def watched(levels: list[float]) -> list[Verdict]:
    activity, verdicts = Activity(), list[Verdict]()
    for number, level in enumerate(levels):
        verdicts.append(watch(activity, block(level, number), RULES, lead=2))
        activity = verdicts[-1].activity
    return verdicts


def test_speech_starts_and_silence_ends_an_utterance() -> None:
    verdicts = watched([0.0, 0.001, 0.1, 0.1, 0.001, 0.1, 0.001, 0.001, 0.001, 0.001])
    assert [v.starts for v in verdicts].index(True) == 2
    assert [v.ends for v in verdicts].index(True) == 8  # the third silent block in a row
    assert [v.is_fed for v in verdicts] == [False] * 2 + [True] * 7 + [False]
    assert sum(v.starts for v in verdicts) == sum(v.ends for v in verdicts) == 1


def test_an_utterance_is_cut_at_its_longest() -> None:
    verdicts = watched([0.1, 0.0001] * 20)
    lengths = np.diff([n for n, v in enumerate(verdicts) if v.is_cut])
    assert (lengths == 10).all()  # the lead of two blocks counts
    assert len(lengths) == 3


@pytest.mark.parametrize("level", [0.0, 1e-5, 1e-3])
def test_silence_and_quiet_noise_are_no_speech(level: float) -> None:
    assert not any(v.is_fed for v in watched([level] * 40))


def test_steady_loud_noise_becomes_the_floor() -> None:
    verdicts = watched([0.03] * 300)
    assert not any(v.is_fed for v in verdicts[200:])
    louder = watch(verdicts[-1].activity, block(0.3), RULES, lead=2)
    assert louder.starts


def test_a_click_is_no_speech() -> None:
    click = np.zeros(BLOCK_SAMPLES, np.float32)
    click[1000:1010] = 0.9
    assert not watch(Activity(), click, RULES, lead=0).is_fed
