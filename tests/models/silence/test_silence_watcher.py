from __future__ import annotations

from typing import Any

import pytest

from models.silence.silence_watcher import SilenceWatcher
from schemas import Event, SensorReading, SourceEvent, TextMessage

NOON = 1_700_000_000_000


def play(watcher: SilenceWatcher, log: list[tuple[str, float]]) -> list[tuple[float, SourceEvent]]:
    """Send events at seconds after noon; return each report with the second of its event."""
    found = []
    for source, second in log:
        event = Event(source_id=source, event_time_ms=NOON + round(1000 * second))
        found += [(second, report) for report in watcher.predict_batch([event])[0]]
        watcher.learn_batch([event])
    return found


def brief(found: list[tuple[float, SourceEvent]]) -> list[Any]:
    return [(second, report.kind, report.subject) for second, report in found]


def steady(*sources: str, start: int, stop: int, every: int = 10) -> list[tuple[str, float]]:
    return [(source, float(at)) for at in range(start, stop, every) for source in sources]


def test_a_source_that_stops_is_reported_once_and_so_is_its_return() -> None:
    log = [
        *steady("a", "b", "c", start=0, stop=300),
        *steady("a", "c", start=300, stop=600),
        *steady("a", "b", "c", start=600, stop=700),
    ]
    found = play(SilenceWatcher(), log)
    assert brief(found) == [(330.0, "silent", "b"), (600.0, "back", "b")]
    silent, back = (report for _, report in found)
    assert silent.seconds == pytest.approx(40)
    assert silent.allowed_seconds == pytest.approx(30)
    assert silent.last_event_time_ms == NOON + 290_000
    assert back.seconds == pytest.approx(310)


def test_several_that_stop_are_all_reported_and_the_sender_is_not() -> None:
    log = [*steady("a", "b", "c", start=0, stop=300), *steady("a", start=300, stop=400)]
    assert brief(play(SilenceWatcher(), log)) == [(330.0, "silent", "b"), (330.0, "silent", "c")]


def test_a_source_alone_is_reported_when_it_is_back() -> None:
    log = [*steady("a", start=0, stop=300), ("a", 600.0)]
    assert brief(play(SilenceWatcher(), log)) == [(600.0, "back", "a")]


def test_one_wrong_clock_makes_no_other_source_silent() -> None:
    watcher = SilenceWatcher()
    log = [
        (source, at + (1e7 if source == "wrong" else 0))
        for source, at in steady("a", "wrong", "b", start=0, stop=3000)
    ]
    found = brief(play(watcher, [("a", 0.0), *log]))
    assert [kind for _, kind, subject in found if subject != "wrong"] == []


def test_a_clock_that_is_a_little_wrong_does_no_harm() -> None:
    log = [
        (source, at - (900 if source == "slow" else 0))
        for source, at in steady("a", "slow", "b", start=0, stop=3000)
    ]
    assert play(SilenceWatcher(), log) == []


def test_late_events_are_reported_and_counted() -> None:
    watcher = SilenceWatcher()
    found = play(watcher, [*steady("a", "b", start=0, stop=100), ("b", 60.0), ("a", 100.0)])
    assert brief(found) == [(60.0, "late", "b")]
    assert found[0][1].seconds == pytest.approx(30)
    assert watcher.take_incidents()["late_event"] == 1
    assert watcher.take_incidents()["late_event"] == 0


def test_silences_are_counted() -> None:
    watcher = SilenceWatcher()
    play(watcher, [*steady("a", "b", start=0, stop=300), *steady("a", start=300, stop=500)])
    assert watcher.take_incidents()["silent_source"] == 1


def test_events_without_a_time_do_no_harm() -> None:
    watcher = SilenceWatcher()
    for _ in range(100):
        event = Event(source_id="a")
        assert watcher.predict_batch([event]) == [[]]
        watcher.learn_batch([event])


def test_memory_is_bounded_and_sources_without_room_are_counted() -> None:
    watcher = SilenceWatcher(max_sources=5)
    play(watcher, [(f"s{i % 12}", float(i)) for i in range(600)])
    assert watcher.take_incidents()["refused_key"] > 0
    other = SilenceWatcher(max_sources=5)
    other.restore(watcher.snapshot())
    assert other.snapshot() == watcher.snapshot()


def test_a_restored_watcher_reports_the_same() -> None:
    log = [
        *steady("a", "b", "c", "d", start=0, stop=300),
        *steady("a", "c", start=300, stop=600),
        *steady("a", "b", "c", "d", start=600, stop=700),
    ]
    whole = play(SilenceWatcher(), log)
    for cut in range(0, len(log), 7):
        first, second = SilenceWatcher(), SilenceWatcher()
        reports = play(first, log[:cut])
        second.restore(first.snapshot())
        assert reports + play(second, log[cut:]) == whole


def test_any_event_can_be_watched() -> None:
    assert SilenceWatcher().predict_batch([TextMessage.example()]) == [[]]


@pytest.mark.parametrize(
    "options",
    [
        {"intervals": 1.0},
        {"min_gaps": 1},
        {"min_silence_seconds": -1.0},
        {"interval_seconds": 0.0},
        {"max_step_seconds": 0.0},
        {"max_sources": 0},
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected"):
        SilenceWatcher(**options)


def readings(log: list[tuple[str, float]], *channels: str) -> list[tuple[SensorReading, float]]:
    return [
        (
            SensorReading(
                source_id=source,
                event_time_ms=NOON + round(1000 * second),
                values=dict.fromkeys(channels, 1.0),
            ),
            second,
        )
        for source, second in log
    ]


def play_readings(watcher: SilenceWatcher, log: list[tuple[SensorReading, float]]) -> list[Any]:
    found = []
    for reading, second in log:
        for report in watcher.predict_batch([reading])[0]:
            found.append((second, report.kind, report.subject, report.channel))
        watcher.learn_batch([reading])
    return found


def test_a_channel_that_stops_is_reported_although_its_source_is_alone() -> None:
    watcher = SilenceWatcher()
    log = [
        *readings(steady("a", start=0, stop=300), "bar", "rpm"),
        *readings(steady("a", start=300, stop=600), "rpm"),
        *readings(steady("a", start=600, stop=700), "bar", "rpm"),
    ]
    found = play_readings(watcher, log)
    assert found == [(330.0, "silent", "a", "bar"), (600.0, "back", "a", "bar")]
    assert watcher.take_incidents()["silent_source"] == 1


def test_a_source_that_stops_says_nothing_about_its_channels() -> None:
    log = [
        *readings(steady("a", "b", start=0, stop=300), "bar", "rpm"),
        *readings(steady("b", start=300, stop=600), "bar", "rpm"),
        *readings(steady("a", "b", start=600, stop=700), "bar", "rpm"),
    ]
    found = play_readings(SilenceWatcher(), log)
    assert found == [(330.0, "silent", "a", ""), (600.0, "back", "a", "")]


def test_a_channel_that_comes_every_minute_is_not_silent_in_between() -> None:
    log = []
    for reading, second in readings(steady("a", start=0, stop=6000), "bar"):
        if second % 60 == 0:
            reading.values["slow"] = 1.0
        log.append((reading, second))
    assert play_readings(SilenceWatcher(), log) == []


def test_channels_survive_a_restart() -> None:
    before, after = SilenceWatcher(), SilenceWatcher()
    assert not play_readings(before, readings(steady("a", start=0, stop=300), "bar", "rpm"))
    after.restore(before.snapshot())
    rest = readings(steady("a", start=300, stop=600), "rpm")
    assert play_readings(after, rest) == [(330.0, "silent", "a", "bar")]
    assert after.snapshot() != before.snapshot()
    assert play_readings(before, rest) == [(330.0, "silent", "a", "bar")]
    assert after.snapshot() == before.snapshot()


def test_rows_that_change_hands_between_sources_and_channels() -> None:
    watcher = SilenceWatcher(max_sources=6)
    log = []
    for turn in range(400):
        source = f"s{turn // 100}"
        log += readings([(source, 10.0 * turn)], "x", "y" if turn % 2 else "z")
    for report in play_readings(watcher, log):
        assert report[1] in ("silent", "back")
    incidents = watcher.take_incidents()
    assert incidents["evicted_key"] > 0
    again = SilenceWatcher(max_sources=6)
    again.restore(watcher.snapshot())
    assert again.snapshot() == watcher.snapshot()
    for source in ("s0", "s1", "s2", "s3"):
        assert again._table.channels(source) == watcher._table.channels(source)


def test_a_row_that_a_channel_takes_over_is_not_due_as_its_source_was() -> None:
    watcher = SilenceWatcher(interval_seconds=1000.0, max_sources=4)
    log = readings([("old", 0.0)], "x")
    log += readings(steady("a", start=1, stop=300, every=1), "x")
    log += readings(steady("a", start=300, stop=600, every=1), "x", "y")
    assert play_readings(watcher, log) == []
    assert watcher._table.find("a", "y") == 0, "the row of the old source"
    watcher.learn_batch([reading for reading, _ in readings([("b", 601.0)], "x")])
    late = readings([("b", float(at)) for at in range(1000, 4500, 1500)], "x")
    assert [found[2:] for found in play_readings(watcher, late)] == [("a", "")]


def test_a_source_that_begins_to_send_more_often_is_reported_in_time() -> None:
    """And so it is by a worker that starts with the state of another."""
    slow, often = range(300, 3601, 300), range(3602, 4000, 2)
    log = sorted([*(("b", float(at)) for at in range(5000)),
                  *(("a", float(at)) for at in (*slow, *often))],
                 key=lambda sent: sent[1])  # fmt: skip
    expected = [(4005.0, "silent", "a")]
    assert brief(play(SilenceWatcher(), log)) == expected
    stopped, resumed = SilenceWatcher(), SilenceWatcher()
    assert not play(stopped, [sent for sent in log if sent[1] < 4003])
    resumed.restore(stopped.snapshot())
    assert brief(play(resumed, [sent for sent in log if sent[1] >= 4003])) == expected


def test_channels_are_reported_in_one_order_also_after_a_restart() -> None:
    """Rows change hands, so channels do not come in the order of their rows."""
    watcher, again = SilenceWatcher(max_sources=4), SilenceWatcher(max_sources=4)
    log = readings(steady("old", start=0, stop=1000), "x")
    log += readings(steady("a", start=1000, stop=2000), "z")
    log += readings(steady("a", start=2000, stop=3000), "y", "z")
    play_readings(watcher, log)
    again.restore(watcher.snapshot())
    rest = readings(steady("a", start=3000, stop=3100), "w")
    expected = [(3030.0, "silent", "a", "y"), (3030.0, "silent", "a", "z")]
    assert play_readings(watcher, rest) == expected
    assert play_readings(again, rest) == expected


def test_the_event_type_decides_whether_channels_are_watched() -> None:
    """A heartbeat is a reading whose values are not read."""
    log = [*steady("a", start=0, stop=300), *steady("a", start=300, stop=600)]
    watcher = SilenceWatcher()
    assert play(watcher, log) == []
    assert watcher._table.channels("a") == []
