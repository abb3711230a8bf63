"""Copies late labels from a feedback topic to the input of the agent that learns from them."""

from __future__ import annotations

from collections.abc import Sequence

from models.base import Model
from schemas import Feedback, FeedbackCopy


class LabelRelay(Model[Feedback, FeedbackCopy]):
    """Writes each label again, unchanged. The agent's `route` says to which partition. Stateless.

    A copy that is written twice after a crash is learned once: the second finds no event that still
    waits for a label.
    """

    name = "label_relay"
    event_type = Feedback
    result_type = FeedbackCopy

    def predict_batch(self, batch: Sequence[Feedback]) -> list[FeedbackCopy]:
        """Return a copy of each label."""
        return [
            FeedbackCopy(label=label.label, answer=label.answer, about=label.about)
            for label in batch
        ]
