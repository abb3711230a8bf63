"""What became of a pipeline's input records: checks that the tests of faults share."""

from __future__ import annotations

import json
from collections import defaultdict

from tests.integration.pipelines import Pipeline


def assert_nothing_is_lost(pipeline: Pipeline, count: int) -> int:
    """Each of `count` input records is answered, repeats are equal, first answers are in order.

    Returns:
        How many results are repeats.
    """
    answered = pipeline.answered()
    assert len(answered) == count, f"{len(answered)} of {count} input records have a result"
    different = {origin: ys for origin, ys in answered.items() if len(set(ys)) > 1}
    assert not different, f"records (partition, offset) with different answers: {different}"
    latest: dict[bytes | None, float] = defaultdict(float)
    result_ids: set[str] = set()
    repeats = 0
    for message in pipeline.read(pipeline.output):
        result_id = dict(message.headers() or [])["ce_id"].decode()
        if result_id in result_ids:
            repeats += 1
            continue
        result_ids.add(result_id)
        answer = json.loads(message.value() or b"")["y"]
        key = message.key()
        assert answer > latest[key], f"key {key!r}: result {answer} came after {latest[key]}"
        latest[key] = answer
    return repeats


def assert_answered_once(pipeline: Pipeline) -> None:
    """No input record has two results."""
    repeated = {origin: ys for origin, ys in pipeline.answered().items() if len(ys) > 1}
    assert not repeated, f"records (partition, offset) with more than one result: {repeated}"


def assert_no_repeats(pipeline: Pipeline, count: int) -> None:
    """Each of `count` input records is answered once, in order per key."""
    repeats = assert_nothing_is_lost(pipeline, count)
    assert repeats == 0, f"{repeats} results are repeats, expected none"


def line_with(log: str, words: str) -> str:
    """Return the one line of a log that holds these words.

    Raises:
        AssertionError: no line holds them, or several do.
    """
    lines = [line for line in log.splitlines() if words in line]
    assert len(lines) == 1, f"{len(lines)} lines of the log hold {words!r}, expected one:\n{log}"
    return lines[0]
