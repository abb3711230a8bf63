from __future__ import annotations

from benchmarks.harness.decode import FORMS, measure_decoding, rows_of


def test_each_form_is_decoded_and_compared_with_plain_json() -> None:
    costs = measure_decoding(rounds=2)
    assert [cost.form for cost in costs] == list(FORMS)
    assert all(0 < cost.lowest <= cost.microseconds for cost in costs)
    assert rows_of(costs)[0][3] == "+0.00"
