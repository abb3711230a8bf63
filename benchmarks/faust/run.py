"""Stock Faust, one record at a time: `async for`."""

from __future__ import annotations

from stock import Stock, now, send
from workloads.job import Job

stock = Stock(Job.from_command_line())


@stock.app.agent(stock.input)
async def score(stream) -> None:
    """Answer each record."""
    async for event in stream.events():
        ((value, headers),) = stock.outputs_of([event], now())
        await send(stock.output, event.key, value, headers)


if __name__ == "__main__":
    stock.run()
