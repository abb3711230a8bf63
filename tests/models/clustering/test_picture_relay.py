"""The relay writes the records of the picture again, unchanged."""

from __future__ import annotations

import msgspec

from models.clustering.picture_relay import PictureRelay
from schemas import GlobalClusterRecord, make_codec
from tests.models.contract import events_for


def test_a_copy_is_read_as_the_record_that_it_is_of() -> None:
    records = events_for(GlobalClusterRecord, 6)
    codec = make_codec("json", GlobalClusterRecord)
    for record, copy in zip(records, PictureRelay().predict_batch(records), strict=True):  # type: ignore[arg-type]
        again = codec.decode(codec.encode(copy), {})
        plain, expected = msgspec.to_builtins(again), msgspec.to_builtins(record)
        for stamped in ("source_id", "event_time_ms"):  # by the engine
            plain.pop(stamped, None)
            expected.pop(stamped, None)
        assert plain == expected
