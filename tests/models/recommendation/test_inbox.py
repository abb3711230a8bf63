"""Partitions that share items: what each learns of the others, once, in the order of its log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pytest

from models.base import ModelError
from models.recommendation.drifting_tastes import Shop, interactions
from models.recommendation.evaluate import judge, lists_of_model
from models.recommendation.evaluate_shared import as_record, lists_of_partitions
from models.recommendation.item_relay import ItemRelay
from models.recommendation.recommender import Recommender
from schemas import ItemSummaryRecord
from streams.joint_calls import answer_each, learn_each
from tests.models.recommendation.test_recommender import act, ask, make, two_camps


def sharing(partition: int, name: str = "recommender", **options: Any) -> Recommender:
    model = make(name, share_every=8, **options)
    model.note_offsets(("in", partition), [])
    return model


def run(model: Recommender, log: Sequence[Any], partition: int = 0) -> list[ItemSummaryRecord]:
    """Learn a log event by event; return what the model published."""
    records = []
    for sequence, event in enumerate(log):
        model.learn_batch([event])
        summary = model.update()
        if summary is not None:
            records.append(as_record(summary, partition, sequence))
    return records


def counts_of(model: Recommender) -> dict[str, float]:
    """Return how often each item occurred, without the units of the clock."""
    partition = model._partition
    items, unit = partition.items, partition.clock.unit(partition.step)
    rows = items.rows_of(np.array(items.keys.slots, np.int64))
    return dict(
        zip(items.keys.keys, (partition.item_table.counts[rows] / unit).tolist(), strict=True)
    )


def test_counts_of_all_partitions_add_up_to_those_of_one() -> None:
    log, one, parts = two_camps(400), make(), [sharing(p) for p in range(3)]
    for number, event in enumerate(log):
        one.learn_batch([event])
        own = parts[int(event.source_id[1:]) % 3]
        own.learn_batch([event])
        summary = own.update()
        if summary is not None:
            record = as_record(summary, parts.index(own), number)
            for part in parts:
                part.learn_batch([record])
    expected = counts_of(one)
    for part in parts:
        counts = counts_of(part)
        assert sum(counts.values()) == pytest.approx(sum(expected.values()), rel=0.08)
        known = [item for item in expected if item in counts]
        assert len(known) >= 0.98 * len(expected)


def test_a_partition_recommends_what_only_others_have_seen() -> None:
    teacher, student, alone = sharing(0), sharing(1), sharing(1)
    for record in run(teacher, [act(f"u{i}", item) for i in range(40) for item in ("tea", "cup")]):
        student.learn_batch([record])
    assert ask(student, "new", "tea")[0] == "cup"
    assert ask(alone, "new", "tea") == []


def test_a_summary_names_no_user() -> None:
    summaries = run(sharing(0), [act(f"secret-{i}", f"i{i % 5}") for i in range(64)])
    assert len(summaries) == 8
    assert b"secret" not in msgspec.json.encode(summaries)
    for summary in summaries:
        summary.validate()


def test_a_copy_that_is_written_twice_and_the_own_one_are_learned_once() -> None:
    teacher, student = sharing(0), sharing(1)
    (record,) = run(teacher, [act(f"u{i}", f"i{i % 3}") for i in range(8)])
    student.learn_batch([record])
    state = student.snapshot()
    student.learn_batch([record])
    assert student.snapshot() == state
    assert student.take_incidents()["stale_summary"] == 1
    state = teacher.snapshot()
    before = counts_of(teacher)
    teacher.learn_batch([record])
    assert counts_of(teacher) == before
    assert len(state) > 0


@pytest.mark.parametrize(
    "name", ["recommender", "item_cooccurrence", "online_matrix_factorization"]
)
def test_a_restored_partition_continues_to_the_last_bit(name: str) -> None:
    """Whether it stops with interactions that are not published, or just before it publishes."""
    foreign = run(sharing(1, name), two_camps(100, seed=2), partition=1)
    log: list[Any] = list(two_camps(200))
    for place, record in enumerate(foreign):
        log.insert(13 * place, record)
    steady = sharing(0, name)
    expected = run(steady, log)
    for cut in (37, 104, 105, 106, 107, 108, 109, 110, 111, 112, 113):
        stopped, resumed = sharing(0, name), sharing(0, name)
        published = run(stopped, log[:cut])
        resumed.restore(stopped.snapshot())
        assert resumed.snapshot() == stopped.snapshot()
        rest = [
            msgspec.structs.replace(r, sequence=r.sequence + cut) for r in run(resumed, log[cut:])
        ]
        assert published + rest == expected
        assert resumed.snapshot() == steady.snapshot()


def test_asking_for_the_update_changes_nothing() -> None:
    """Without a topic for updates the engine never asks."""
    asked, silent, log = sharing(0), sharing(0), two_camps(100)
    run(asked, log)
    for event in log:
        silent.learn_batch([event])
    assert asked.snapshot() == silent.snapshot()


def test_joined_partitions_learn_and_publish_what_single_ones_do() -> None:
    foreign = run(sharing(2), two_camps(60, seed=5), partition=2)
    logs = [[*two_camps(60, seed=s), *foreign, *two_camps(30, seed=s + 9)] for s in (1, 2)]
    alone = [sharing(p) for p in range(2)]
    published = [run(model, log, p) for p, (model, log) in enumerate(zip(alone, logs, strict=True))]
    joined = [sharing(p) for p in range(2)]
    joined[1].join(joined[0])
    found: list[list[ItemSummaryRecord]] = [[], []]
    for sequence, pair in enumerate(zip(*logs, strict=True)):
        answer_each(joined, [[event] for event in pair])
        assert all(learn_each(joined, [[event] for event in pair]))
        for partition, model in enumerate(joined):
            summary = model.update()
            if summary is not None:
                found[partition].append(as_record(summary, partition, sequence))
    assert found == published
    assert [m.snapshot() for m in joined] == [m.snapshot() for m in alone]


def test_a_removed_item_is_removed_in_every_partition_until_it_is_restored() -> None:
    teacher, student = sharing(0), sharing(1)
    log = [act(f"u{i}", item) for i in range(16) for item in ("tea", "cup")]
    for record in run(teacher, log):
        student.learn_batch([record])
    for number, action in enumerate(("remove_item", "restore_item")):
        teacher.learn_batch([act("", "cup", action)])
        summary = teacher.update()
        assert summary is not None
        student.learn_batch([as_record(summary, 0, 1000 + number)])
        assert ("cup" in ask(student, "new", "tea")) == (action == "restore_item")


def test_a_summary_that_does_not_fit_is_counted_and_changes_nothing() -> None:
    student = sharing(1)
    state = student.snapshot()
    student.learn_batch([ItemSummaryRecord.example()])  # windows of another length
    (other,) = run(sharing(0, dimensions=8), [act(f"u{i}", "tea") for i in range(8)])
    student.learn_batch([other])
    assert student.take_incidents()["refused_summary"] == 2
    assert student.snapshot() == state


def test_a_partition_that_does_not_share_ignores_summaries() -> None:
    model = make()
    state = model.snapshot()
    assert model.predict_batch([ItemSummaryRecord.example()]) == [None]
    model.learn_batch([ItemSummaryRecord.example()])
    assert model.snapshot() == state


def test_forgotten_items_are_left_out_of_the_summary() -> None:
    model = make(share_every=1000, max_items=256)
    for i in range(900):
        model.learn_batch([act(f"u{i % 7}", f"i{i}")])
    for i in range(100):
        model.learn_batch([act(f"u{i % 7}", f"i{800 + i % 50}")])
    assert model._partition.outbox is not None
    assert len(model._partition.outbox.weights) == 1000
    summary = model.update()
    assert summary is not None
    record = as_record(summary, 0, 1)
    record.validate()
    assert len(record.items) <= 256
    assert set(record.items) <= set(model._partition.items.keys.keys)
    restored = make(share_every=1000, max_items=256)
    restored.restore(model.snapshot())
    assert restored.snapshot() == model.snapshot()


def test_merged_states_do_not_count_what_was_shared_twice() -> None:
    first, second = sharing(0), sharing(1)
    log = [event for event in two_camps(200)]
    for number, event in enumerate(log):
        own, other = (first, second) if int(event.source_id[1:]) % 2 else (second, first)
        own.learn_batch([event])
        summary = own.update()
        if summary is not None:
            other.learn_batch([as_record(summary, int(own is second), number)])
    merged = sharing(0)
    merged.restore(merged.merge_sources([first.snapshot(), second.snapshot()]))
    assert sum(counts_of(merged).values()) == pytest.approx(
        max(sum(counts_of(m).values()) for m in (first, second)), rel=0.02
    )
    users = merged.learned_values(merged.snapshot())
    assert len(users) == len({event.source_id for event in log})


def test_damaged_shared_items_are_refused() -> None:
    model = sharing(0)
    run(model, two_camps(20))
    saved = model._unpacked(model.snapshot())
    assert saved.shared is not None
    saved.shared.windows[0, 0] = 10_000
    with pytest.raises(ModelError, match="do not fit"):
        sharing(0).restore(model._packed(saved))


def test_the_relay_copies_every_field() -> None:
    (record,) = run(sharing(0), [act(f"u{i}", f"i{i % 3}") for i in range(8)])
    (copy,) = ItemRelay().predict_batch([record])
    assert as_record(copy, record.partition, record.sequence) == record


def test_sharing_partitions_come_near_to_one_partition() -> None:
    """On simulated tastes; alone they are far behind, because each sees an eighth."""
    shop = Shop(users=200, genres=6, items_per_genre=30, num_interactions=3000, seed=4)
    events = list(interactions(shop))
    part = range(1000, 1500)
    one = judge(events, lists_of_model("recommender", events), part)[0]
    shared = judge(events, lists_of_partitions("recommender", events, 32), part)[0]
    alone = judge(events, lists_of_partitions("recommender", events, 0), part)[0]
    assert shared > 0.85 * one
    assert alone < 0.8 * one
