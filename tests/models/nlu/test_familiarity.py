from __future__ import annotations

import numpy as np

from models.nlu.familiarity import Familiarity, calibrate, evidence, find_prototypes


def test_scores_are_the_curve_of_probability_and_nearest_prototype() -> None:
    prototypes = np.eye(3, dtype=np.float32)[:2]
    familiarity = Familiarity(prototypes, weight=10.0, slope=0.5, offset=-4.0)
    vectors = np.array([[2.0, 0, 0], [0, 0, 3.0]], dtype=np.float32)  # near one, far from all
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1]], dtype=np.float32)
    near, far = (
        [1 / (1 + np.exp(-(0.5 * (np.log(p) + 10 * cosine) - 4))) for p in (0.9, 0.1)]
        for cosine in (1.0, 0.0)
    )
    np.testing.assert_allclose(familiarity.scores(vectors, probabilities), [near, far], rtol=1e-5)


def test_the_order_of_intents_is_that_of_their_probabilities() -> None:
    chance = np.random.default_rng(0)
    probabilities = chance.dirichlet(np.ones(6), 50).astype(np.float32)
    vectors = chance.standard_normal((50, 4)).astype(np.float32)
    familiarity = Familiarity(np.eye(4, dtype=np.float32), 10.0, 0.7, -3.0)
    scores = familiarity.scores(vectors, probabilities)
    assert (scores.argsort(axis=1) == probabilities.argsort(axis=1)).all()


def test_a_text_of_zeros_and_extreme_numbers_have_scores() -> None:
    familiarity = Familiarity(np.eye(2, dtype=np.float32), 10.0, 1e6, 0.0)
    vectors = np.zeros((1, 2), dtype=np.float32)
    scores = familiarity.scores(vectors, np.array([[0.0, 1.0]], dtype=np.float32))
    assert np.isfinite(scores).all()
    assert ((scores >= 0) & (scores <= 1)).all()


def test_prototypes_find_the_groups_of_an_intent() -> None:
    groups = np.eye(6, dtype=np.float32)[[0, 1, 2]].repeat(5, axis=0)
    found = find_prototypes(np.concatenate([groups, groups[:1]]), ["a"] * 15 + ["b"])
    assert found.shape == (4, 6)  # three of a; b has one text
    np.testing.assert_allclose(sorted(found[:3].argmax(axis=1)), [0, 1, 2])
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)


def test_a_perfect_record_of_few_texts_is_no_certainty() -> None:
    best = np.array([5.0, 6.0, 7.0], dtype=np.float32)
    familiarity = calibrate(np.eye(2, dtype=np.float32), best, np.array([True, True, True]))
    scores = familiarity.curve(np.array([0.0, 6.0], dtype=np.float32))
    assert scores[0] < 0.5 < scores[1] < 1


def test_the_curve_rises_even_if_the_texts_say_otherwise() -> None:
    best = np.arange(40, dtype=np.float32)
    familiarity = calibrate(np.eye(2, dtype=np.float32), best, best < 20)
    assert familiarity.slope > 0


def test_evidence_does_not_depend_on_the_length_of_a_vector() -> None:
    prototypes = np.eye(3, dtype=np.float32)
    vectors = np.array([[1.0, 2.0, 3.0]], dtype=np.float32)
    probabilities = np.array([[0.5, 0.5]], dtype=np.float32)
    np.testing.assert_allclose(
        evidence(vectors, probabilities, prototypes),
        evidence(7 * vectors, probabilities, prototypes),
        rtol=1e-6,
    )
