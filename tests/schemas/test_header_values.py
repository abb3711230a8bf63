import pytest

from schemas import SchemaError
from schemas.header_values import int_header


def test_whole_numbers_are_read_and_absent_ones_have_a_default() -> None:
    assert int_header({"n": b"-12"}, "n", 3) == -12
    assert int_header({}, "n", 3) == 3


@pytest.mark.parametrize("raw", [b"", b"1.0", b"0x1", b"9" * 19, b" 1"])
def test_anything_else_is_refused(raw: bytes) -> None:
    with pytest.raises(SchemaError, match="header n is"):
        int_header({"n": raw}, "n", 3)
