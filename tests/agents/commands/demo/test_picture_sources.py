import io
import itertools

from PIL import Image

from agents.commands.demo.picture_sources import scenes, vehicles


def test_vehicles_are_pictures_of_many_sizes_and_the_same_each_time() -> None:
    first, second = (list(itertools.islice(vehicles(), 12)) for _ in range(2))
    assert [frame.image for frame in first] == [frame.image for frame in second]
    sizes = {Image.open(io.BytesIO(frame.image)).size for frame in first}
    assert len(sizes) > 6
    assert all(min(size) >= 24 for size in sizes)


def test_scenes_leave_frames_out() -> None:
    assert [frame.frame_index for frame in itertools.islice(scenes(), 3)] == [0, 5, 10]
