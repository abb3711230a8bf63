from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from agents.commands.demo.cluster_plot import (
    ClusterLog,
    ClusterStory,
    Projection,
    plot_clusters,
)
from schemas import BehaviorEvent, Cluster, ClusterAssignment, ClusterUpdate, Origin


def assign(log: ClusterLog, event_id: str, partition: int, cluster: int, **f: float) -> None:
    event = BehaviorEvent(source_id="u", event_id=event_id, action="see", features=f)
    origin = Origin("behavior.events", partition, 0)
    log.add(
        event,
        ClusterAssignment(event_id=event_id, origin=origin, cluster_id=cluster, distance=0.0),
    )


def update(log: ClusterLog, sequence: int, *clusters: Cluster, partition: int = 1) -> None:
    log.add_update(
        ClusterUpdate(agent="a", partition=partition, sequence=sequence, clusters=[*clusters])
    )


@pytest.fixture
def story() -> ClusterStory:
    log, rng = ClusterLog(), np.random.default_rng(1)
    for number, (x, y) in enumerate(rng.normal(size=(60, 2)).tolist()):
        assign(log, str(number), 1, number % 2, x=x, y=y)
    assign(log, "other-features", 1, 0, z=1.0)
    assign(log, "other-partition", 0, 5, x=9.0, y=9.0)
    update(log, 1, Cluster(0, {"x": 1.0, "y": 0.5}, 20.0), Cluster(1, {"x": -1.0, "y": 0.0}, 9.0))
    update(log, 0, Cluster(0, {"x": 0.0, "y": 0.0}, 10.0), Cluster(7, {"x": 5.0, "y": 5.0}, 1.0))
    update(log, 0, Cluster(0, {"x": 8.0, "y": 8.0}, 10.0), partition=0)
    story = log.story()
    assert story is not None
    return story


def test_the_story_is_that_of_the_busiest_partition(story: ClusterStory) -> None:
    assert (story.partition, story.features) == (1, ("x", "y"))
    assert story.points.shape == (60, 2)
    assert set(story.cluster_ids.tolist()) == {0, 1}


def test_trails_follow_the_learning_steps(story: ClusterStory) -> None:
    moved, young, gone = story.trails
    assert moved.centers.tolist() == [[0.0, 0.0], [1.0, 0.5]]
    assert (moved.weight, moved.is_alive) == (20.0, True)
    assert (young.cluster_id, young.is_alive) == (1, True)
    assert (gone.cluster_id, gone.is_alive) == (7, False)


def test_without_events_there_is_no_story() -> None:
    assert ClusterLog().story() is None


def test_the_plot_is_a_picture_with_many_colors(story: ClusterStory, tmp_path: Path) -> None:
    plot_clusters(story, tmp_path / "c.png")
    with Image.open(tmp_path / "c.png") as image:
        assert image.width > 900
        assert len(image.convert("RGB").getcolors(maxcolors=10**6) or []) > 50


def test_the_projection_finds_the_direction_of_most_variance() -> None:
    rng = np.random.default_rng(2)
    along = rng.normal(size=500)
    points = np.stack([along, 3 * along + 0.1 * rng.normal(size=500), np.full(500, 7.0)], axis=1)
    project = Projection(points)
    assert project.explained[0] > 0.99
    first = project(points)[:, 0]
    assert abs(np.corrcoef(first, along)[0, 1]) > 0.99
    assert np.isfinite(project(points)).all()


def test_one_event_can_be_projected() -> None:
    project = Projection(np.ones((1, 3)))
    assert project(np.ones((1, 3))).tolist() == [[0.0, 0.0]]
