"""Dead letters: read, show, replay, drop and delete them."""

from agents.commands.dlq.letters import Letter, Selection, State, read_letters, select_letters
from agents.commands.dlq.replaying import ReplayResult, replay
from agents.commands.dlq.settling import delete_settled, drop
from agents.commands.dlq.showing import Group, summarize

__all__ = [
    "Group",
    "Letter",
    "ReplayResult",
    "Selection",
    "State",
    "delete_settled",
    "drop",
    "read_letters",
    "replay",
    "select_letters",
    "summarize",
]
