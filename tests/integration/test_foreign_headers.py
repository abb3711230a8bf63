"""Header names that are not UTF-8, which brokers accept: only records that read them fail."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.integration.outcomes import assert_answered_once
from tests.integration.pipelines import Pipeline, number
from tests.raw_records import send_raw

FOREIGN = [(b"\xff\xfe", b"x"), (b"ce_id", b"mine")]


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_header_names_of_any_bytes_stop_no_record(
    tmp_path: Path, bootstrap: str, compression: str | None
) -> None:
    pipeline = Pipeline(tmp_path, bootstrap)
    records = [
        (b"k", number(1), []),
        (b"k", number(2), FOREIGN),
        (b"k", b"{bad", FOREIGN),
        (b"k", number(3), []),
    ]
    pipeline.produce(number(100 + i) for i in range(400))
    starts = [
        asyncio.run(send_raw(bootstrap, pipeline.input, 0, records, compression)) for _ in range(3)
    ]
    pipeline.produce(number(100 + i) for i in range(400))
    with pipeline.worker() as worker:
        pipeline.await_finished(812)
        worker.await_drained()
        assert worker.accounts()["answered"] == 809
        assert worker.accounts()["dead_lettered"] == 3
        worker.stop()
    assert pipeline.refused() == {(0, start + 2): ["decode_error"] for start in starts}
    answered = pipeline.answered()
    assert len(answered) == 809
    assert_answered_once(pipeline)
    for start in starts:
        assert [answered[0, start + index] for index in (0, 1, 3)] == [[2.0], [4.0], [6.0]]
    (letter, *_) = pipeline.read(pipeline.dead_letters)
    assert ("\\xff\\xfe", b"x") in letter.headers()
