"""Dead letters: read, put back, settled."""

from agents.commands.dlq.deleting import delete_settled
from agents.commands.dlq.dropping import drop
from agents.commands.dlq.letters import Letter, State, read_letters
from agents.commands.dlq.listing import Group, summarise
from agents.commands.dlq.replaying import Replayed, replay
from agents.commands.dlq.selection import Selection

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
