import pytest

from models.speech.word_errors import word_distance, word_error_rate


@pytest.mark.parametrize(
    ("heard", "distance"),
    [
        ("a b c", 0), ("", 3), ("a c", 1), ("a b b c", 1), ("a x c", 1), ("x y z w", 4),
        ("b c a", 2),
    ],
)  # fmt: skip
def test_the_distance_counts_words_to_change(heard: str, distance: int) -> None:
    assert word_distance("a b c".split(), heard.split()) == distance


def test_the_rate_weighs_sentences_by_their_words() -> None:
    assert word_error_rate([("a b c", "a b c"), ("d", "")]) == 0.25
    with pytest.raises(ValueError, match="no true word"):
        word_error_rate([("", "a")])
