import io

from rich.console import Console

from agents.commands.demo.live_view import LiveView
from agents.commands.demo.metrics import AgentRow
from agents.commands.demo.views import (
    INTERVAL_SECONDS,
    PlainView,
    Snapshot,
    milliseconds,
    number,
)

ROW = AgentRow("detect_objects", 9.0, 8.5, 1.5, 0.0512, 0.0061, 0.09, 1.4, 12, 3)


def snapshot(phase: str = "running", seconds: float = 0.0) -> Snapshot:
    return Snapshot(phase, seconds, [ROW], {"detect_objects": ["old", "camera-1  [b]2 cars[/b]"]})


def test_numbers_have_few_digits() -> None:
    assert [milliseconds(x) for x in (None, 0.0061, 0.0512, 1.4)] == ["-", "6.1", "51", "1400"]
    assert [number(x) for x in (None, 1.0, 1234.56)] == ["-", "1.0", "1,234.6"]


def test_plain_lines_come_every_few_seconds() -> None:
    lines: list[str] = []
    view = PlainView(lines.append)
    for tenth in range(101):
        view.show(snapshot(seconds=tenth / 10))
    assert lines.count("running ...") == 1
    assert sum("in 9.0/s" in line for line in lines) == int(10 / INTERVAL_SECONDS)
    assert sum("2 cars" in line for line in lines) == int(10 / INTERVAL_SECONDS)
    assert all(line.isprintable() for line in lines)


def test_a_plain_line_shows_every_number() -> None:
    lines: list[str] = []
    view = PlainView(lines.append)
    view.show(snapshot(seconds=0.0))
    view.show(snapshot(seconds=6.0))
    (line,) = [line for line in lines if "detect_objects" in line]
    for part in ("out 8.5/s", "batch 1.5", "queue 51 ms", "model 6.1 ms", "p50 90 p99 1400 ms",
                 "lag 12", "dead letters 3"):  # fmt: skip
        assert part in line


def drawn(width: int) -> str:
    console = Console(file=io.StringIO(), width=width, height=50, force_terminal=True)
    view = LiveView(["traffic: rendered"], 60.0, console)
    with console.capture() as capture:
        console.print(view.picture(snapshot(seconds=12.0)))
    return capture.get()


def test_the_live_picture_fits_wide_and_narrow_terminals() -> None:
    for width in (100, 200):
        picture = drawn(width)
        for part in ("running", "12 of 60 s", "traffic: rendered", "8.5", "1400"):
            assert part in picture
        assert "[b]2 cars[/b]" in picture, "text from outside is not markup"


def test_results_are_beside_the_table_only_on_a_wide_terminal() -> None:
    def table_line(picture: str) -> int:
        return next(n for n, line in enumerate(picture.splitlines()) if "in/s" in line)

    def results_line(picture: str) -> int:
        return next(n for n, line in enumerate(picture.splitlines()) if "2 cars" in line)

    wide, narrow = drawn(200), drawn(100)
    assert results_line(wide) - table_line(wide) < 4
    assert results_line(narrow) - table_line(narrow) > 4
