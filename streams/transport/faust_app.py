"""The parts of `faust.App` that Penstock changes, apart from the transport."""

from __future__ import annotations

from typing import Any

import faust
from faust.tables.manager import TableManager
from mode.utils.times import Seconds


class Tables(TableManager):  # type: ignore[misc]
    """Faust's tables, without a wait where there are none.

    Before it joins the group, Faust gives agents a second to declare tables. Tables that are
    declared later are still taken up at the next rebalance.
    """

    async def sleep(self, n: Seconds, **kwargs: Any) -> None:
        """Sleep, if there are tables."""
        if self:
            await super().sleep(n, **kwargs)


class FaustApp(faust.App):  # type: ignore[misc]
    """A `faust.App` that creates no needless folder and keeps its queues."""

    def _create_directories(self) -> None:
        """Create Faust's data folder only for a table that is stored on disk.

        Faust would leave an empty folder wherever a worker starts.
        """
        stores = {str(table._store or self.conf.store) for table in self.tables.values()}
        if any(not store.startswith("memory") for store in stores):
            super()._create_directories()

    def FlowControlQueue(self, maxsize: int | None = None, *, clear_on_resume: bool = False) -> Any:
        """Make a stream's queue, never cleared when the flow resumes.

        Faust may resume twice after one rebalance: records handed out in between would be lost.
        Stale records of an earlier generation are recognized and skipped.
        """
        return super().FlowControlQueue(maxsize, clear_on_resume=False)
