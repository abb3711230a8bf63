"""Faults on purpose: real workers under load, an audit at the end, a report of what it found."""

from agents.commands.soak.arena import Arena, Setup
from agents.commands.soak.report import FaultRow, rows_as_markdown, rows_as_text

__all__ = ["Arena", "FaultRow", "Setup", "rows_as_markdown", "rows_as_text"]
