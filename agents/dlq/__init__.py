"""Dead letters: read, put back, settled."""

from agents.dlq.deleting import delete_settled
from agents.dlq.dropping import drop
from agents.dlq.letters import Letter, State, read_letters
from agents.dlq.listing import Group, summarise
from agents.dlq.replaying import Replayed, replay
from agents.dlq.selection import Selection

__all__ = [
    "Group",
    "Letter",
    "Replayed",
    "Selection",
    "State",
    "delete_settled",
    "drop",
    "read_letters",
    "replay",
    "summarise",
]
