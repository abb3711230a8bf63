"""Texts of public data sets. They belong to no conversation, so they are dealt out to some."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from agents.commands.produce.sources.rows import read_rows
from agents.commands.produce.sources.source import spread
from schemas import TextMessage

NUM_CONVERSATIONS = 8


def assistant_queries(folder: Path, split: str = "test") -> Iterator[TextMessage]:
    """Yield CLINC150's queries of one split (train, val, test) in the file's order."""
    rows = read_rows(folder / "clinc150.jsonl.gz")
    texts = (
        TextMessage(text=row["text"], event_id=row["id"], language="en")
        for _, row in rows
        if row["split"] == split
    )
    yield from spread(texts, "conversation", NUM_CONVERSATIONS)


def short_messages(folder: Path) -> Iterator[TextMessage]:
    """Yield the SMS Spam Collection's messages; a heading that slipped in as a row is left out."""
    rows = read_rows(folder / "sms_spam.jsonl.gz")
    texts = (
        TextMessage(text=row["text"], language="en")
        for _, row in rows
        if row["label"] in ("ham", "spam")
    )
    yield from spread(texts, "phone", NUM_CONVERSATIONS)
