import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from models.base import ModelError
from models.speech.network import load_network
from models.speech.recognizer import SpeechRecognizer
from schemas import AudioChunk, InputError, TooLargeError, Transcript
from tests.models.speech.small_recognizer import write_small_recognizer

Options = dict[str, Any]
RATE = 16_000


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Options]:
    yield write_small_recognizer(tmp_path_factory.mktemp("recognizer"))
    load_network.cache_clear()


def loaded(options: Options, **more: Any) -> SpeechRecognizer:
    model = SpeechRecognizer(**options, **more)
    model.load("cpu")
    return model


def speech(seed: int, seconds: float = 2.2) -> np.ndarray[Any, np.dtype[np.int16]]:
    """Return two bursts of noise with a pause of a second between them, and one after them."""
    chance = np.random.default_rng(seed)
    sound = chance.normal(0, 4000, int(seconds * RATE))
    pause = int(RATE)
    middle = len(sound) // 2
    sound[middle - pause // 2 : middle + pause // 2] = 0
    return np.clip(np.pad(sound, (0, pause)), -32768, 32767).astype("<i2")


def stream(name: str, samples: Any, size: int, rate: int = RATE) -> list[AudioChunk]:
    starts = range(0, len(samples), size)
    return [
        AudioChunk(
            source_id=name, audio=samples[at : at + size].tobytes(), encoding="s16le",
            sample_rate_hz=rate, sequence=number, is_end=at + size >= len(samples),
        )
        for number, at in enumerate(starts)
    ]  # fmt: skip


def answered(model: SpeechRecognizer, chunks: Sequence[AudioChunk]) -> list[list[Transcript]]:
    answers = []
    for chunk in chunks:
        (answer,) = model.predict_batch([chunk])
        assert isinstance(answer, list)
        model.learn_batch([chunk])
        answers.append(answer)
    return answers


def finals(answers: Sequence[Sequence[Transcript]]) -> list[Transcript]:
    return [result for answer in answers for result in answer if result.is_final]


@pytest.mark.parametrize("rate", [RATE, 22_050])
def test_streamed_in_any_chunks_the_text_and_its_times_equal_the_offline_ones(
    options: Options, rate: int
) -> None:
    model, sound = loaded(options), speech(1)
    whole = finals(answered(model, stream("s", sound, len(sound), rate)))
    assert [result.utterance for result in whole] == [0, 1]
    assert all(len(result.text) > 3 for result in whole)
    for size in (5120, 1117, 16_001):
        cut = finals(answered(model, stream("s", sound, size, rate)))
        assert [(r.text, r.words, r.score) for r in cut] == [
            (r.text, r.words, r.score) for r in whole
        ]


def test_partial_texts_grow_into_the_final_one(options: Options) -> None:
    answers = answered(loaded(options), stream("s", speech(2), 5120))
    texts: dict[int, list[str]] = {}
    for answer in answers:
        assert answer  # each chunk is answered
        for result in answer:
            texts.setdefault(result.utterance, []).append(result.text)
    assert len(texts[0]) > 3
    for some in texts.values():
        assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(some))
    heard = [answer[-1].heard_ms for answer in answers[:-1]]
    assert heard == sorted(heard)
    assert heard[3] == 4 * 320


def test_words_have_times_in_the_stream(options: Options) -> None:
    sound = np.concatenate([np.zeros(2 * RATE, "<i2"), speech(3)])
    for result in finals(answered(loaded(options), stream("s", sound, 5120))):
        assert result.text == " ".join(word.word for word in result.words)
        for word in result.words:
            assert 2000 - 320 <= word.start_ms < word.end_ms <= 1000 * len(sound) / RATE + 480
        assert result.score is not None
        assert 0 < result.score <= 1


def test_what_is_foreseen_changes_nothing(options: Options) -> None:
    """Chunks of many streams over two partitions, heard at once or one by one."""
    sounds = [stream(f"s{number}", speech(number, 1.5), 3000) for number in range(10)]
    turns = [chunk for turn in zip(*sounds, strict=True) for chunk in turn]
    logs = [turns[::2], turns[1::2]]
    plain, ahead = ([loaded(options) for _ in logs] for _ in range(2))
    for start in range(0, len(logs[0]), 17):
        parts = [log[start : start + 17] for log in logs]
        ahead[0].foresee(ahead, parts)
        for part, one, other in zip(parts, plain, ahead, strict=True):
            for chunk in part:
                assert other.predict_batch([chunk]) == one.predict_batch([chunk])
                one.learn_batch([chunk])
                other.learn_batch([chunk])
    assert [m.snapshot() for m in ahead] == [m.snapshot() for m in plain]


def test_foreseeing_for_a_state_that_comes_otherwise_is_not_used(options: Options) -> None:
    chunks = stream("s", speech(4), 5120)[:6]
    model, steady = loaded(options), loaded(options)
    expected = answered(steady, chunks[1:])
    model.foresee([model], [chunks])  # but the first chunk never comes
    assert answered(model, chunks[1:]) == expected


def test_silence_gives_empty_partials_and_no_utterance(options: Options) -> None:
    answers = answered(loaded(options), stream("s", np.zeros(4 * RATE, "<i2"), 5120))
    assert len(answers) == 13
    assert all([r.text for r in answer] == [""] for answer in answers)
    assert finals(answers) == []


def test_a_bad_chunk_is_refused_and_its_stream_goes_on(options: Options) -> None:
    model, chunks = loaded(options, max_chunk_seconds=2), stream("s", speech(5), 5120)
    bad = AudioChunk(
        source_id="s", audio=bytes(70_000), encoding="s16le", sample_rate_hz=RATE, sequence=1
    )
    answers = model.predict_batch([chunks[0], bad, stream("t", speech(6), 5120)[0]])
    assert isinstance(answers[1], TooLargeError)
    model.learn_batch([chunks[0]])
    model.learn_batch([bad])
    (after,) = model.predict_batch([chunks[2]])
    assert not isinstance(after, InputError)
    assert after is not None
    first = after[0] if isinstance(after, list) else after
    assert isinstance(first, Transcript)
    assert [(note.kind, note.count) for note in first.notes] == [("gap", 1)]


def test_an_end_forgets_the_stream_and_the_next_chunk_starts_another(options: Options) -> None:
    model, chunks = loaded(options), stream("s", speech(7), 5120)
    empty = model.snapshot()
    first = answered(model, chunks)
    assert finals(first)[-1].utterance == 1
    again = answered(model, stream("s", speech(7), 5120))
    assert again == first
    assert len(model.snapshot()) - len(empty) < 20  # the numbers of steps only


def test_a_long_utterance_is_cut_and_says_so(options: Options) -> None:
    sound = np.random.default_rng(0).normal(0, 4000, 5 * RATE).astype("<i2")
    answers = answered(loaded(options, max_utterance_seconds=1.6), stream("s", sound, 5120))
    cut = [r for r in finals(answers) if any(note.kind == "cut" for note in r.notes)]
    assert len(cut) >= 2
    assert {note.count for r in cut for note in r.notes if note.kind == "cut"} == {2}


def test_more_streams_than_allowed_are_forgotten_and_counted(options: Options) -> None:
    model = loaded(options, max_streams=3)
    for number in range(5):
        model.learn_batch(stream(f"s{number}", speech(8), 5120)[:1])
    assert model.num_dropped_streams == 2
    assert model.take_incidents() == {"evicted_key": 2}
    assert model.take_incidents() == {"evicted_key": 0}
    assert sorted(model.learned_values(model.snapshot())) == ["s2", "s3", "s4"]


def test_a_beam_reads_utterances_again_with_the_same_result_in_any_chunks(
    options: Options,
) -> None:
    model, sound = loaded(options, beam=3), speech(9)
    whole = finals(answered(model, stream("s", sound, len(sound))))
    half = loaded(options, beam=3)
    chunks = stream("s", sound, 4000)
    answers = answered(half, chunks[:9])
    resumed = loaded(options, beam=3)
    resumed.restore(half.snapshot())
    answers += answered(resumed, chunks[9:])
    assert [(r.text, r.words) for r in finals(answers)] == [(r.text, r.words) for r in whole]
    assert len(whole) == 2


def test_streams_can_be_moved_between_partitions(options: Options) -> None:
    one, other, both = loaded(options), loaded(options), loaded(options)
    chunks = {name: stream(name, speech(n), 5120) for n, name in enumerate("abc", 10)}
    answered(one, chunks["a"][:3] + chunks["b"][:4])
    answered(other, chunks["c"][:5])
    merged = one.merge_sources([one.select_sources(one.snapshot(), {"b"}), other.snapshot()])
    assert one.learned_values(merged) == {"b": 4, "c": 5}
    both.restore(merged)
    assert answered(both, chunks["b"][4:]) == answered(one, chunks["b"][4:])
    with pytest.raises(ModelError, match="the same source"):
        one.merge_sources([other.snapshot(), other.snapshot()])


def test_options_are_checked() -> None:
    for wrong in (
        {"beam": 0}, {"silence_seconds": 0.0}, {"max_utterance_seconds": 0.5},
        {"max_chunk_seconds": 0.0}, {"max_streams": 0},
    ):  # fmt: skip
        with pytest.raises(ValueError, match=f"option {next(iter(wrong))}"):
            SpeechRecognizer(**wrong)
    with pytest.raises(ModelError, match="no such folder"):
        SpeechRecognizer("/no/such/folder").load()
