"""A simulated stream of interactions whose truth is known: users with tastes that drift.

Items belong to genres. A user has a taste, a distribution over genres, and a session goes through
one of them: each item is likely followed by its successor within the genre, or else by any of the
genre's items, popular ones more often. Tastes change by and by, and at the middle of the stream the
succession within all genres changes at once, so that what was learned of it is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from schemas import Interaction

_START_MS = 1_700_000_000_000


@dataclass(frozen=True)
class Shop:
    """What is simulated."""

    users: int = 500
    genres: int = 12
    items_per_genre: int = 60
    num_interactions: int = 20_000
    session: int = 12
    """Mean number of interactions in a session."""
    follow: float = 0.5
    """Probability that an item's successor comes next."""
    drift: float = 0.02
    """Probability of a new taste at the begin of a session."""
    at_once: int = 20
    """Sessions that run at the same time."""
    seed: int = 1


def interactions(shop: Shop) -> Iterator[Interaction]:
    """Yield the interactions in order; the same for the same shop."""
    rng = np.random.default_rng(shop.seed)
    tastes = rng.dirichlet(np.full(shop.genres, 0.3), shop.users)
    popularity = 1.0 / np.arange(1, shop.items_per_genre + 1) ** 0.8
    popularity /= popularity.sum()
    order = _successors(rng, shop)
    running: list[list[int]] = []  # user, genre, item, interactions left
    for number in range(shop.num_interactions):
        if number == shop.num_interactions // 2:
            order = _successors(rng, shop)
        if len(running) < shop.at_once:
            running.append(_begin(rng, shop, tastes))
        session = running[int(rng.integers(len(running)))]
        user, genre, item, left = session
        if item >= 0 and rng.random() < shop.follow:
            item = int(order[genre, item])
        else:
            item = int(rng.choice(shop.items_per_genre, p=popularity))
        session[2], session[3] = item, left - 1
        if left <= 1:
            running.remove(session)
        yield Interaction(
            source_id=f"user-{user}",
            event_time_ms=_START_MS + 1000 * number,
            item=f"genre{genre}-item{item}",
            action="view",
        )


def _successors(rng: np.random.Generator, shop: Shop) -> np.typing.NDArray[np.int64]:
    """Return (genres, items_per_genre) the item that follows each."""
    return np.array([rng.permutation(shop.items_per_genre) for _ in range(shop.genres)])


def _begin(
    rng: np.random.Generator, shop: Shop, tastes: np.typing.NDArray[np.float64]
) -> list[int]:
    user = int(rng.integers(shop.users))
    if rng.random() < shop.drift:
        tastes[user] = rng.dirichlet(np.full(shop.genres, 0.3))
    genre = int(rng.choice(shop.genres, p=tastes[user]))
    return [user, genre, -1, int(rng.geometric(1 / shop.session))]
