"""The memory-saving loss equals plain cross-entropy, and its gradient is the plain one but for rounding."""

import torch
from torch.nn.functional import cosine_similarity, cross_entropy

from services.engine.training.completion_loss import ROWS_PER_CHUNK, measure_tokens


def _inputs(rows: int, vocabulary: int, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    hidden = (2 * torch.randn(rows, 32)).to(dtype).requires_grad_()
    weight = torch.randn(vocabulary, 32).to(dtype)
    return hidden, weight, torch.randint(vocabulary, (rows,))


def test_losses_and_gradient_equal_plain_cross_entropy_in_float32() -> None:
    hidden, weight, targets = _inputs(2 * ROWS_PER_CHUNK + 7, 5000, torch.float32)
    found = measure_tokens(hidden, weight, targets)
    expected = cross_entropy(hidden @ weight.T, targets, reduction="none")
    torch.testing.assert_close(-found.log_probabilities, expected, rtol=1e-4, atol=1e-4)
    (gradient,) = torch.autograd.grad(-found.log_probabilities.mean(), hidden)
    (expected_gradient,) = torch.autograd.grad(expected.mean(), hidden)
    difference = (gradient - expected_gradient).norm() / expected_gradient.norm()
    assert difference < 0.01
    assert cosine_similarity(gradient.flatten(), expected_gradient.flatten(), dim=0) > 0.9999


def test_bfloat16_keeps_the_direction_of_the_gradient() -> None:
    hidden, weight, targets = _inputs(150, 5000, torch.bfloat16)
    found = measure_tokens(hidden, weight, targets)
    (gradient,) = torch.autograd.grad(-found.log_probabilities.mean(), hidden)
    exact = hidden.detach().float().requires_grad_()
    (expected,) = torch.autograd.grad(cross_entropy(exact @ weight.float().T, targets), exact)
    assert cosine_similarity(gradient.float().flatten(), expected.flatten(), dim=0) > 0.999


def test_the_greedy_choice_is_judged() -> None:
    hidden, weight, _ = _inputs(20, 50, torch.float32)
    best = (hidden @ weight.T).argmax(dim=-1)
    assert measure_tokens(hidden, weight, best).correct.all()
    assert not measure_tokens(hidden, weight, (best + 1) % 50).correct.any()


def test_weights_of_the_rows_scale_their_gradients() -> None:
    hidden, weight, targets = _inputs(3, 50, torch.float32)
    losses = measure_tokens(hidden, weight, targets).log_probabilities
    (gradient,) = torch.autograd.grad((losses * torch.tensor([1.0, 0.0, 0.0])).sum(), hidden)
    assert gradient[0].abs().sum() > 0
    assert gradient[1:].abs().sum() == 0
