from __future__ import annotations

from pathlib import Path

from models.recommendation.movielens import find_movielens, load_movielens

_RATINGS = """user_id:token\titem_id:token\trating:float\ttimestamp:float
196\t242\t3\t881250949
186\t302\t3\t881250940
22\t377\t1\t881250949
"""


def test_ratings_are_read_in_the_order_of_time_and_of_the_file_within_it(tmp_path: Path) -> None:
    path = tmp_path / "ml-100k" / "ml-100k.inter"
    path.parent.mkdir()
    path.write_text(_RATINGS)
    assert find_movielens(tmp_path) == path
    events = load_movielens(path)
    assert [(e.source_id, e.item) for e in events] == [
        ("186", "302"),
        ("196", "242"),
        ("22", "377"),
    ]
    assert events[0].event_time_ms == 881_250_940_000
