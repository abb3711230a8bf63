from __future__ import annotations

import itertools
import math

import pytest
import torch

from models.transducer.loss import transducer_loss


def brute_force(logits: torch.Tensor, targets: list[int], num_frames: int) -> torch.Tensor:
    """Sum over every order of `num_frames` blanks and the targets that ends with a blank."""
    log_probs, count = logits.log_softmax(-1), len(targets)
    ways = []
    for places in itertools.combinations(range(num_frames - 1 + count), count):
        frame, position, total = 0, 0, torch.zeros((), dtype=logits.dtype)
        for step in range(num_frames - 1 + count):
            if step in places:
                total = total + log_probs[frame, position, targets[position]]
                position += 1
            else:
                total = total + log_probs[frame, position, 0]
                frame += 1
        ways.append(total + log_probs[frame, position, 0])
    return -torch.stack(ways).logsumexp(0)


def example() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    logits = (3 * torch.randn(4, 6, 5, 7, dtype=torch.float64)).requires_grad_()
    targets = torch.randint(1, 7, (4, 4))
    return logits, targets, torch.tensor([6, 1, 4, 5]), torch.tensor([4, 3, 0, 2])


def test_it_is_the_sum_over_all_alignments() -> None:
    logits, targets, num_frames, num_targets = example()
    loss = transducer_loss(logits, targets, num_frames, num_targets).detach()
    for b in range(4):
        length, count = int(num_frames[b]), int(num_targets[b])
        expected = brute_force(logits[b], targets[b, :count].tolist(), length)
        assert math.isclose(float(loss[b]), float(expected.detach()), rel_tol=1e-10)


def test_its_gradient_is_that_of_the_sum() -> None:
    logits, targets, num_frames, num_targets = example()
    (ours,) = torch.autograd.grad(
        transducer_loss(logits, targets, num_frames, num_targets).sum(), logits
    )
    total = torch.stack(
        [
            brute_force(logits[b], targets[b, : int(num_targets[b])].tolist(), int(num_frames[b]))
            for b in range(4)
        ]
    ).sum()
    (expected,) = torch.autograd.grad(total, logits)
    torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-12)


def test_padding_changes_nothing() -> None:
    logits, targets, num_frames, num_targets = example()
    loss = transducer_loss(logits, targets, num_frames, num_targets).detach()
    for b in range(4):
        length, count = int(num_frames[b]), int(num_targets[b])
        alone = transducer_loss(
            logits[b : b + 1, :length, : count + 1],
            targets[b : b + 1, :count],
            num_frames[b : b + 1],
            num_targets[b : b + 1],
        )
        torch.testing.assert_close(alone[0], loss[b])


def test_unlikely_symbols_stay_finite_in_single_precision() -> None:
    logits = torch.zeros(1, 50, 21, 4)
    logits[..., 3] = -200.0
    logits.requires_grad_()
    targets = torch.full((1, 20), 3)
    loss = transducer_loss(logits, targets, torch.tensor([50]), torch.tensor([20]))
    loss.sum().backward()  # type: ignore[no-untyped-call]
    assert 3900 < float(loss.detach()) < 4200
    assert logits.grad is not None
    assert bool(logits.grad.isfinite().all())


def test_fast_emit_scales_the_gradient_of_targets_and_keeps_the_value() -> None:
    logits, targets, num_frames, num_targets = example()
    plain = transducer_loss(logits, targets, num_frames, num_targets)
    early = transducer_loss(logits, targets, num_frames, num_targets, fast_emit=0.5)
    torch.testing.assert_close(plain, early)
    (without,) = torch.autograd.grad(plain[1], logits)
    (with_it,) = torch.autograd.grad(early[1], logits)
    # One frame: every way gives all targets there, so the targets' part is a half more.
    torch.testing.assert_close(with_it[1, 0, :3], 1.5 * without[1, 0, :3])
    torch.testing.assert_close(with_it[1, 0, 3], without[1, 0, 3])


@pytest.mark.parametrize(
    ("frames", "counts", "words"),
    [
        ([7, 1, 4, 5], [4, 3, 0, 2], r"each in \[1, 6\]"),
        ([0, 1, 4, 5], [4, 3, 0, 2], r"each in \[1, 6\]"),
        ([6, 1, 4, 5], [5, 3, 0, 2], r"each in \[0, 4\]"),
        ([6, 1, 4], [4, 3, 0, 2], r"expected \(4,\)"),
    ],
)
def test_wrong_lengths_are_refused(frames: list[int], counts: list[int], words: str) -> None:
    logits, targets, _, _ = example()
    with pytest.raises(ValueError, match=words):
        transducer_loss(logits, targets, torch.tensor(frames), torch.tensor(counts))


def test_wrong_targets_are_refused() -> None:
    logits, targets, num_frames, num_targets = example()
    with pytest.raises(ValueError, match=r"in \[0, 7\)"):
        transducer_loss(logits, targets + 6, num_frames, num_targets)
    with pytest.raises(ValueError, match=r"expected targets \(4, 4\)"):
        transducer_loss(logits, targets[:, :2], num_frames, num_targets)
