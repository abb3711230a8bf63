"""The relay writes the records of the picture again, unchanged."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from models.clustering.picture_relay import PictureRelay
from schemas import GlobalClusterRecord
from tests.models.contract import events_for


def test_a_copy_is_read_as_the_record_that_it_is_of() -> None:
    records = [e for e in events_for(GlobalClusterRecord, 6) if isinstance(e, GlobalClusterRecord)]
    for record, copy in zip(records, PictureRelay().predict_batch(records), strict=True):
        again = msgspec.json.decode(msgspec.json.encode(copy), type=GlobalClusterRecord)
        # The engine stamps these.
        stamps = {"source_id": record.source_id, "event_time_ms": record.event_time_ms}
        assert replace(again, **stamps) == record
