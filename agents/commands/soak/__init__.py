"""`penstock soak`: cause faults on purpose under load, then audit every record."""

from agents.commands.soak.report import (
    FaultRow,
    rebalances_as_text,
    rows_as_markdown,
    rows_as_text,
)
from agents.commands.soak.testbed import Setup, Testbed

__all__ = [
    "FaultRow",
    "Setup",
    "Testbed",
    "rebalances_as_text",
    "rows_as_markdown",
    "rows_as_text",
]
