"""Interactions of users with items in; what to show each user next out."""

from streams.settings import AgentSettings, BatchSettings

RECOMMEND_ITEMS = AgentSettings(
    input="shop.interactions",
    output="shop.recommendations",
    event="Interaction",
    model="recommender",
    batch=BatchSettings(max_batch_size=1024, max_wait_seconds=0.02),
)
