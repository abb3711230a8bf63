from pathlib import Path

import numpy as np
from PIL import Image

from agents.commands.demo.recommendation_plot import (
    MAX_USERS,
    RecommendationLog,
    plot_recommendations,
)
from agents.commands.produce.sources.demo import shop
from models.evaluation import answer_stream
from models.recommendation.recommender import Recommender
from schemas import Interaction, Recommendation, RecommendedItem


def act(user: str, item: str) -> Interaction:
    return Interaction(source_id=user, item=item, action="view")


def shown(*items: str) -> Recommendation:
    return Recommendation(
        items=[RecommendedItem(item, 1.0, "popular") for item in items], is_cold=False
    )


def test_an_interaction_is_judged_by_what_its_user_was_shown_before() -> None:
    log = RecommendationLog()
    log.add(act("u", "a"), shown("b"))
    log.add(act("other", "b"), shown("a"))
    log.add(act("u", "b"), shown("c"))
    log.add(act("u", "d"), shown("e"))
    assert [model for model, _ in log.hits] == [True, False]
    assert log.shares() == (0.5, 0.0)


def test_the_rival_is_what_is_popular_and_was_not_had() -> None:
    log = RecommendationLog()
    for user in ("v", "w"):
        log.add(act(user, "hit"), shown())
    log.add(act("u", "a"), shown("x"))
    log.add(act("u", "hit"), shown("x"))  # the most popular item
    log.add(act("u", "hit"), shown("x"))  # had before: it is not shown again
    assert [popular for _, popular in log.hits] == [True, False]


def test_requests_are_not_judged_and_users_are_bounded() -> None:
    log = RecommendationLog()
    for number in range(MAX_USERS + 10):
        log.add(act(f"u{number}", "a"), shown("a"))
    log.add(act("u0", "a"), shown("a"))  # it was left out
    log.add(act(f"u{MAX_USERS}", ""), shown("a"))
    assert log.hits == []
    assert not log.has_story


def test_the_demos_shop_shows_a_gain_over_what_is_popular(tmp_path: Path) -> None:
    events = list(shop())[:1500]
    log = RecommendationLog()
    for event, answer in zip(events, answer_stream(Recommender(), events), strict=True):
        assert isinstance(answer, Recommendation)
        log.add(event, answer)
    model, popular = log.shares()
    assert model > popular + 0.05
    assert log.has_story
    plot_recommendations(log, tmp_path / "r.png")
    with Image.open(tmp_path / "r.png") as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    assert pixels.shape[1] > 900
    assert (np.abs(pixels - (0x00, 0x72, 0xB2)).sum(axis=2) < 30).sum() > 300
