"""Stock Faust in micro-batches: `take_events`."""

from __future__ import annotations

import asyncio

from stock import Stock, now, send
from workloads.job import Job

stock = Stock(Job.from_command_line())


@stock.app.agent(stock.input)
async def score(stream) -> None:
    """Answer batches."""
    workload = stock.work.workload
    async for events in stream.take_events(
        workload.max_batch_size, within=workload.max_wait_seconds
    ):
        if workload.is_slow:
            outputs = await asyncio.to_thread(stock.outputs_of, events, now())
        else:
            outputs = stock.outputs_of(events, now())
        for event, (value, headers) in zip(events, outputs, strict=True):
            await send(stock.output, event.key, value, headers)


if __name__ == "__main__":
    stock.run()
