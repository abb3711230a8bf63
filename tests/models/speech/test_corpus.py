import numpy as np

from models.speech.corpus import JUDGE_SEED, Recordings, to_judge, to_train_on
from models.speech.voices import SEEN, UNSEEN


def test_the_voice_of_the_judge_is_in_no_training() -> None:
    trained = {(one.voice.program, one.voice.name) for one in to_train_on(0, 500)}
    unseen = {(one.voice.program, one.voice.name) for one in to_judge(JUDGE_SEED, 50, unseen=True)}
    assert unseen == {("flite", "rms")} == {(voice.program, voice.name) for voice in UNSEEN}
    assert trained == {(voice.program, voice.name) for some in SEEN.values() for voice in some}
    assert not trained & unseen


def test_no_sentence_is_both_heard_and_judged() -> None:
    trained = {one.text for one in to_train_on(0, 3000)}
    for unseen in (False, True):
        assert not trained & {one.text for one in to_judge(JUDGE_SEED, 200, unseen=unseen)}


def test_recordings_are_found_by_their_row() -> None:
    parts = [np.arange(n, dtype=np.int16) for n in (3, 1, 5)]
    sounds = Recordings.of(parts)
    assert len(sounds) == 3
    assert sounds.lengths.tolist() == [3, 1, 5]
    for row, part in enumerate(parts):
        assert np.array_equal(sounds[row], part)
