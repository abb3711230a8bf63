"""Token ids of texts."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from models.base import ModelError
from models.nlu import tokenizer as tokenizer_module
from models.nlu.tokenizer import CutTokens, Tokenizer, check_max_tokens
from schemas import InputError
from tests.models.nlu.tiny_byte_level import END, write_byte_level


def test_words_become_ids_between_cls_and_sep(tiny_bert: Path) -> None:
    assert Tokenizer(tiny_bert, 16)(["hello money"]) == [[2, 5, 6, 3]]


def test_a_long_text_is_cut_and_keeps_its_special_tokens(tiny_bert: Path) -> None:
    (ids,) = Tokenizer(tiny_bert, 16)(["hello " * 1000])
    assert ids == [2, *[5] * 14, 3]


def test_a_text_that_was_cut_says_so(tiny_bert: Path) -> None:
    tokenizer = Tokenizer(tiny_bert, max_tokens=8)
    limit = 8 * 32
    texts = ["good", "good " * 20, "x" * (limit + 1), " " * limit + "good", "good" + " " * limit]
    is_cut = [isinstance(ids, CutTokens) for ids in tokenizer(texts)]
    assert is_cut == [False, True, True, False, False]


def test_blanks_do_not_use_up_what_is_read(tiny_bert: Path) -> None:
    tokenizer = Tokenizer(tiny_bert, max_tokens=8)
    hidden = [" " * 5000 + "good bad", "\n\t" * 2000 + "good" + " " * 5000 + "bad"]
    plain = tokenizer(["good bad"])
    assert tokenizer(hidden) == plain * 2


@pytest.mark.parametrize(
    "text", ["", " ", "\r\n", "\0", "\u200b\u200b", "\u200f", "\ufffd", "\u2028", " " * 9000]
)
def test_a_text_of_which_nothing_is_left_is_an_error_for_that_text_alone(
    tiny_bert: Path, text: str
) -> None:
    good, blank, other = Tokenizer(tiny_bert, max_tokens=8)(["good", text, "bad"])
    assert isinstance(blank, InputError)
    assert "only blanks" in str(blank)
    assert [good, other] == Tokenizer(tiny_bert, max_tokens=8)(["good", "bad"])


def test_typed_control_tokens_are_text(tiny_bert: Path) -> None:
    tokenizer = Tokenizer(tiny_bert, max_tokens=32)
    (plain,) = tokenizer(["good"])
    assert isinstance(plain, list)
    start, end = plain[0], plain[-1]
    (typed,) = tokenizer(["good [SEP] bad [CLS] [PAD]"])
    assert isinstance(typed, list)
    assert start not in typed[1:-1]
    assert end not in typed[1:-1]


def test_invalid_unicode_is_an_error_for_that_text_alone(tiny_bert: Path) -> None:
    first, bad, last = Tokenizer(tiny_bert, 16)(["hello", "\ud800", "money"])
    assert (first, last) == ([2, 5, 3], [2, 6, 3])
    assert isinstance(bad, InputError)
    assert "Unicode" in str(bad)


def test_many_threads_can_tokenize_at_once(tiny_bert: Path) -> None:
    tokenizer = Tokenizer(tiny_bert, 32)
    batches = [["hello money"] * n + ["where is my order"] for n in range(1, 60)]
    alone = [tokenizer(batch) for batch in batches]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            assert list(pool.map(tokenizer, batches)) == alone


def _with_settings(folder: Path, target: Path, **settings: object) -> Path:
    shutil.copytree(folder, target, dirs_exist_ok=True)
    path = target / "tokenizer_config.json"
    known = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**known, **settings}), encoding="utf-8")
    return target


def test_a_tokenizer_that_cuts_the_beginning_keeps_the_end(tiny_bert: Path, tmp_path: Path) -> None:
    tokenizer = Tokenizer(_with_settings(tiny_bert, tmp_path, truncation_side="left"), 8)
    short, long = tokenizer(["hello " * 20 + "money", "hello " * 9000 + "money"])
    assert short == long == [2, *[5] * 5, 6, 3]
    assert isinstance(short, CutTokens)
    assert isinstance(long, CutTokens)


@pytest.mark.parametrize(
    ("own", "asked", "limit"), [(12, 256, 12), (512, 16, 16), (10**30, 32, 32)]
)
def test_the_smaller_of_both_limits_holds(
    tiny_bert: Path, tmp_path: Path, own: int, asked: int, limit: int
) -> None:
    tokenizer = Tokenizer(_with_settings(tiny_bert, tmp_path, model_max_length=own), asked)
    (ids,) = tokenizer(["hello " * 500])
    assert isinstance(ids, CutTokens)
    assert len(ids) == limit


def test_case_follows_the_tokenizer_settings(tiny_bert: Path, tmp_path: Path) -> None:
    cased = _with_settings(tiny_bert, tmp_path, do_lower_case=False)
    (cased / "tokenizer.json").unlink(missing_ok=True)
    (ids,) = Tokenizer(cased, 16)(["HELLO money"])
    assert ids == [2, 1, 6, 3]
    assert Tokenizer(tiny_bert, 16)(["HELLO money"]) == [[2, 5, 6, 3]]


def test_the_error_names_the_package_for_sentencepiece_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "spm.model").write_bytes(b"x")
    monkeypatch.setattr(tokenizer_module, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"spm.model.*penstock\[sentencepiece\]"):
        Tokenizer(tmp_path, 16)


@pytest.mark.parametrize("text", ["<s>", "</s> order", "<pad>", "<|endoftext|>"])
def test_typed_control_tokens_of_a_byte_level_tokenizer_are_text(tmp_path: Path, text: str) -> None:
    special = {"pad_token": "<pad>", "eos_token": END, "bos_token": "<s>", "sep_token": "</s>"}
    config = {"n_positions": 64, "n_embd": 16, "n_layer": 1, "n_head": 2}
    write_byte_level(tmp_path, "GPT2ForSequenceClassification", special, **config)
    tokenizer = Tokenizer(tmp_path, 16)
    (ids,) = tokenizer([text])
    assert isinstance(ids, list)
    controls = {tokenizer.backend.token_to_id(name) for name in special.values()}
    assert None not in controls
    assert not controls & set(ids)


def test_a_folder_without_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="tokenizer"):
        Tokenizer(tmp_path, 16)


@pytest.mark.parametrize("limit", [0, 7, 4097])
def test_limits_out_of_range_are_refused(limit: int) -> None:
    with pytest.raises(ValueError, match=f"max_tokens is {limit}"):
        check_max_tokens(limit)
