"""Header names that are no UTF-8, which brokers take: neither the worker nor a neighbour stops."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.integration.running import Pipeline, number, until
from tests.raw_records import send_raw

FOREIGN = [(b"\xff\xfe", b"x"), (b"ce_id", b"mine")]


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_a_header_name_of_any_bytes(
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
        until(lambda: worker.accounts()["in_flight"] == 0)
        assert worker.accounts()["answered"] == 809
        assert worker.accounts()["dead_lettered"] == 3
        assert worker.stop() == 0, worker.log.read_text()
    assert pipeline.refused() == {(0, start + 2): ["decode_error"] for start in starts}
    answered = pipeline.answered()
    assert len(answered) == 809
    assert all(len(answers) == 1 for answers in answered.values())
    for start in starts:
        assert [answered[0, start + at] for at in (0, 1, 3)] == [[2.0], [4.0], [6.0]]
    (letter, *_) = pipeline.read(pipeline.dead_letters)
    assert ("\\xff\\xfe", b"x") in letter.headers()
