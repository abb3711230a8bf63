import io
import itertools

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from agents.commands.demo.picture_sources import digits, scenes
from models.classification.image_classifier import ImageClassifier
from schemas import Classification


def test_the_shipped_classifier_reads_most_of_the_digits() -> None:
    frames = list(itertools.islice(digits(), 200))
    assert {Image.open(io.BytesIO(frame.image)).size for frame in frames} == {(28, 28)}
    model = ImageClassifier(path="digits")
    model.load("cpu")
    answers = [a for a in model.predict_batch(frames) if isinstance(a, Classification)]
    truth = [str(digit) for digit in load_digits().target[:200]]
    assert np.mean([a.label == t for a, t in zip(answers, truth, strict=True)]) > 0.9


def test_scenes_leave_frames_out() -> None:
    assert [frame.frame_index for frame in itertools.islice(scenes(3), 3)] == [0, 5, 10]
