"""What a probe answers."""

from __future__ import annotations

import msgspec


class ProbeResult(msgspec.Struct, frozen=True, kw_only=True):
    """Whether all is well, and if not, why."""

    ok: bool
    reasons: list[str] = []
    """Empty if all is well; each a sentence for people."""
    facts: dict[str, float | int | bool | str | None] = {}
    """What it was decided by."""

    @classmethod
    def of(
        cls, reasons: list[str], facts: dict[str, float | int | bool | str | None]
    ) -> ProbeResult:
        """Return the verdict that the reasons make: all is well if there are none."""
        return cls(ok=not reasons, reasons=reasons, facts=facts)
