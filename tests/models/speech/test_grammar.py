import re

from models.speech.alphabet import decode_text, encode_text
from models.speech.grammar import (
    RULES,
    as_jsgf,
    held_out_sentences,
    is_held_out,
    training_sentences,
    words,
)


def test_the_same_seed_gives_the_same_sentences_and_another_others() -> None:
    assert training_sentences(3, 50) == training_sentences(3, 50)
    assert training_sentences(3, 50) != training_sentences(4, 50)


def test_no_sentence_is_both_trained_on_and_held_out() -> None:
    trained, judged = training_sentences(0, 4000), held_out_sentences(1, 400)
    assert len(set(trained)) == 4000
    assert len(set(judged)) == 400
    assert not set(trained) & set(judged)
    assert all(map(is_held_out, judged))


def test_every_rule_that_is_named_exists_and_every_word_can_be_spelled() -> None:
    named = {
        name for some in RULES.values() for one in some for name in re.findall(r"<(\w+)>", one)
    }
    assert named == RULES.keys() - {"sentence"}
    assert 250 < len(words()) < 400
    for word in words():
        assert decode_text(encode_text(word)) == word


def test_the_jsgf_form_has_every_rule_once() -> None:
    lines = as_jsgf().splitlines()
    assert lines[0] == "#JSGF V1.0;"
    names = re.findall(r"^(?:public )?<(\w+)> = ", as_jsgf(), re.MULTILINE)
    assert sorted(names) == sorted(RULES)
    assert as_jsgf().count("public ") == 1
