"""What one partition of a recommender has learned of items lately, for the other partitions."""

from __future__ import annotations

import base64
import binascii
import math
import struct
from typing import Annotated, Self

import msgspec
from msgspec import Meta

from schemas.errors import SchemaError
from schemas.event import Event, FiniteFloat, Label, Result

#: In `windows`: no item.
NO_ITEM = 65_535
_Index = Annotated[int, Meta(ge=0, lt=NO_ITEM)]
_Text = Annotated[str, Meta(max_length=4_000_000)]


class ItemSummary(Result, kw_only=True):
    """What one partition learned of items since its summary before; it answers no single record.

    It names no user. `origin` names the record that completed the learning step.
    """

    agent: str = ""
    partition: int = -1
    sequence: int = -1
    """Ascending for each partition, with gaps."""
    items: list[str]
    """The items that the numbers below stand for."""
    windows: str = ""
    """Base64 of little-endian unsigned 16-bit numbers: for each interaction its item and those that
    its user had before, the latest first; 65535 for none. All windows are of one length."""
    weights: list[float] = msgspec.field(default_factory=list)
    """Weight of each interaction."""
    factors: str = ""
    """Base64 of little-endian float16 numbers: how the vectors of the first items have moved."""
    dimensions: int = 0
    """Numbers of a vector; 0: there are none."""
    removed: list[int] = msgspec.field(default_factory=list)
    """Numbers of the items that must not be recommended any more."""
    restored: list[int] = msgspec.field(default_factory=list)
    """Numbers of the items that may be recommended again."""


class ItemSummaryRecord(Event, frozen=True, kw_only=True):
    """The value of an `ItemSummary`, read as an event: a summary in a recommender's own input."""

    agent: Label = ""
    partition: Annotated[int, Meta(ge=-1, lt=2**31)] = -1
    sequence: Annotated[int, Meta(ge=-1, lt=2**53)] = -1
    items: Annotated[list[str], Meta(max_length=NO_ITEM)]
    windows: _Text = ""
    weights: Annotated[list[FiniteFloat], Meta(max_length=NO_ITEM)] = msgspec.field(
        default_factory=list
    )
    factors: _Text = ""
    dimensions: Annotated[int, Meta(ge=0, le=4096)] = 0
    removed: Annotated[list[_Index], Meta(max_length=NO_ITEM)] = msgspec.field(default_factory=list)
    restored: Annotated[list[_Index], Meta(max_length=NO_ITEM)] = msgspec.field(
        default_factory=list
    )

    def validate(self) -> None:
        """Check that the numbers fit the items.

        Raises:
            SchemaError: they do not; the message names the field.
        """
        windows, factors = _decoded("windows", self.windows), _decoded("factors", self.factors)
        count, items = len(self.weights), len(self.items)
        if len(set(self.items)) != items or "" in self.items:
            raise SchemaError("items: expected distinct names that are not empty")
        if len(windows) % (2 * max(count, 1)) or (count > 0) != (len(windows) > 0):
            raise SchemaError(f"windows: {len(windows)} bytes do not fit {count} weights")
        if any(not 0 <= weight <= 1e6 for weight in self.weights):
            raise SchemaError("weights: expected numbers from 0 to 1e6")
        if len(factors) % (2 * max(self.dimensions, 1)) or (factors and not self.dimensions):
            raise SchemaError(
                f"factors: {len(factors)} bytes do not fit {self.dimensions} dimensions"
            )
        if len(factors) > 2 * self.dimensions * items:
            raise SchemaError(f"factors: more vectors than the {items} items")
        if not all(
            math.isfinite(number) for number in struct.unpack(f"<{len(factors) // 2}e", factors)
        ):
            raise SchemaError("factors: expected finite numbers")
        numbers = struct.unpack(f"<{len(windows) // 2}H", windows)
        used = {*self.removed, *self.restored, *numbers} - {NO_ITEM}
        if max(used, default=-1) >= items:
            raise SchemaError(f"item number {max(used)}: there are {items} items")

    @classmethod
    def example(cls) -> Self:
        """Return the summary of two interactions of one user, with a vector and two changes."""
        windows = [0, 1, 1, NO_ITEM]
        raw = b"".join(number.to_bytes(2, "little") for number in windows)
        return cls(
            source_id="recommend_items:3",
            event_time_ms=1_700_000_000_000,
            event_id="recommend_items:3:256",
            agent="recommend_items",
            partition=3,
            sequence=256,
            items=["tea-7", "cup-2"],
            windows=base64.b64encode(raw).decode(),
            weights=[3.0, 1.0],
            factors=base64.b64encode(struct.pack("<2e", 0.5, -0.25)).decode(),
            dimensions=2,
            removed=[1],
            restored=[0],
        )


def _decoded(field: str, text: str) -> bytes:
    """Return the bytes of base64 text.

    Raises:
        SchemaError: it is none, or of an odd number of bytes.
    """
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise SchemaError(f"{field}: expected base64: {error}") from error
    if len(raw) % 2:
        raise SchemaError(f"{field}: {len(raw)} bytes: expected numbers of two bytes each")
    return raw
