from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.pipeline.yaml_lines import (
    DocumentError,
    Place,
    read_document,
    read_scalar,
    write_document,
)

#: JSON writes what is above as two escapes of UTF-16, which YAML does not know.
texts = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]))
scalars = st.none() | st.booleans() | st.integers(-(10**15), 10**15) | texts
#: YAML takes at most 1,024 characters as a key of one line, escapes included.
keys = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=100)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner) | st.dictionaries(keys, inner),
    max_leaves=20,
)


@given(values)
@settings(max_examples=100)
def test_json_is_yaml(value: Any) -> None:
    assert read_document(json.dumps(value)).value == value


@given(
    st.dictionaries(
        st.text("ab_.-", min_size=1, max_size=5),
        st.sampled_from(["no", "on", "0123", "1e3", "12:30:45", "2024-01-01", "0o17", "~", "null",
                         "1_000", "true", "- a", "a: b", "#", "", "é\n x", "'", "<<", "=", "%"])
        | scalars | st.text("0123456789.eE+-_:xobTyYnN", max_size=8),
    )
)  # fmt: skip
@settings(max_examples=200)
def test_a_written_document_is_read_back_by_any_reader(value: dict[str, Any]) -> None:
    text = write_document(value)
    assert read_document(text).value == value
    assert yaml.safe_load(text) == value  # YAML 1.1


@given(st.text(alphabet="ab:-?[]{}&*!|>'\"#%@`, \n\t0.~<=", max_size=40) | st.text(max_size=40))
@settings(max_examples=300)
def test_any_text_is_read_or_refused_with_its_place(text: str) -> None:
    refused = None
    try:
        document = read_document(text)
    except DocumentError as error:
        refused = error
    if refused:
        assert refused.place.line <= 1 + len(text.splitlines())
        assert str(refused)
    else:
        assert document.places[()].line >= 1


@given(st.text(alphabet="0123456789.eE+-_", max_size=50))
@settings(max_examples=300)
def test_a_scalar_is_always_something(text: str) -> None:
    assert read_scalar(text) is None or isinstance(read_scalar(text), bool | int | float | str)


def test_places_of_keys_and_values() -> None:
    document = read_document("a:\n  - x\n  - b: 1\n")
    assert document.place(("a",)) == Place(2, 3)
    assert document.place(("a",), is_about_key=True) == Place(1, 1)
    assert document.place(("a", 1, "b")) == Place(3, 8)
    # A value that is absent has its parent's place.
    assert document.place(("a", 1, "c")) == Place(3, 5)
    assert document.place(("no", "such")) == Place(1, 1)


def test_a_character_that_yaml_forbids_is_refused_with_its_line() -> None:
    with pytest.raises(DocumentError, match="special characters are not allowed") as caught:
        read_document("a: 1\nb: \x00\n")
    assert caught.value.place.line == 2


@pytest.mark.parametrize("text", ["007", "1_", "1__0", "0x10", "1:30", "1.2.3", "9" * 5000])
def test_a_text_that_is_only_partly_a_number_stays_a_text(text: str) -> None:
    assert read_scalar(text) == text
