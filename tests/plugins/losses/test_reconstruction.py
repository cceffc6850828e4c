"""L1 and L2."""

from __future__ import annotations

import pytest
import torch

from translate.errors import ComponentError
from translate_plugins.losses.l1 import l1
from translate_plugins.losses.l2 import l2

A = torch.tensor([[1.0, -2.0], [0.5, 3.0]])
B = torch.tensor([[0.0, 2.0], [0.5, 1.0]])


@pytest.mark.parametrize(("loss", "value"), [(l1, (1 + 4 + 0 + 2) / 4), (l2, (1 + 16 + 0 + 4) / 4)])
def test_by_hand(loss, value):
    assert loss(A, B).item() == pytest.approx(value)
    assert loss(B, A).item() == pytest.approx(value)
    assert loss(A, A).item() == 0
    assert loss(A, B).shape == ()


@pytest.mark.parametrize("loss", [l1, l2])
def test_gradients_are_right_and_flow_to_both(loss):
    of, to = (value.double().requires_grad_() for value in (A, B + 0.1))
    assert torch.autograd.gradcheck(loss, (of, to))


@pytest.mark.parametrize("loss", [l1, l2])
def test_nested_values_are_summed(loss):
    torch.testing.assert_close(loss([A, {"x": B}], [B, {"x": B + 1}]), loss(A, B) + 1)


@pytest.mark.parametrize("loss", [l1, l2])
def test_half_precision_is_reduced_in_single(loss):
    of, to = torch.full((1, 3, 512, 512), 1.0).half(), torch.full((1, 3, 512, 512), 0.5).half()
    assert loss(of, to).item() == (0.5 if loss is l1 else 0.25)


@pytest.mark.parametrize("loss", [l1, l2])
def test_different_shapes_are_refused(loss):
    with pytest.raises(ComponentError, match="differ in shape: 2x2 and 2x1"):
        loss(A, B[:, :1])
    with pytest.raises(ComponentError, match="differ in shape"):
        loss([A, A], [A])


IMAGE = torch.arange(48.0).view(2, 3, 2, 4) / 10
OTHER = IMAGE.flip(0) + 0.3


@pytest.mark.parametrize("loss", [l1, l2])
def test_equal_weights_change_nothing(loss):
    expected = loss(IMAGE, OTHER)
    for weights in (torch.ones_like(IMAGE), torch.full((2, 1, 2, 4), 3.0)):
        torch.testing.assert_close(loss(IMAGE, OTHER, weights), expected)


@pytest.mark.parametrize(("loss", "power"), [(l1, 1), (l2, 2)])
def test_weights_by_hand(loss, power):
    weights = torch.tensor([[0.5, 2.0], [0.0, 1.0]])
    found = loss(A, B, weights).item()
    assert found == pytest.approx((0.5 * 1**power + 2 * 4**power + 1 * 2**power) / 3.5)


@pytest.mark.parametrize("loss", [l1, l2])
def test_a_mask_leaves_out_what_is_masked(loss):
    mask = torch.zeros(2, 1, 2, 4)
    mask[0, 0, 0, 1] = mask[1, 0, 1, 3] = 1
    of = IMAGE.clone().requires_grad_()
    value = loss(of, OTHER, mask)
    chosen = mask.expand_as(IMAGE) > 0
    torch.testing.assert_close(value, loss(IMAGE[chosen], OTHER[chosen]))
    value.backward()
    assert (of.grad[~chosen] == 0).all()
    assert (of.grad[chosen] != 0).all()


@pytest.mark.parametrize("loss", [l1, l2])
def test_where_nothing_is_left_the_loss_is_zero_with_its_gradient(loss):
    of = IMAGE.clone().requires_grad_()
    value = loss(of, OTHER, torch.zeros(2, 1, 2, 4))
    value.backward()
    assert value.item() == 0
    assert (of.grad == 0).all()


@pytest.mark.parametrize("loss", [l1, l2])
def test_nested_values_have_nested_weights(loss):
    weights = [torch.zeros_like(A), {"x": torch.ones(2, 2)}]
    torch.testing.assert_close(loss([A, {"x": B}], [B, {"x": B + 1}], weights), torch.tensor(1.0))


@pytest.mark.parametrize("loss", [l1, l2])
def test_gradients_with_weights_are_right(loss):
    of, to = (value.double().requires_grad_() for value in (A, B + 0.1))
    weights = torch.tensor([[0.5, 2.0], [0.3, 1.0]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(loss, (of, to, weights))


@pytest.mark.parametrize("loss", [l1, l2])
@pytest.mark.parametrize("shape", [(2, 3, 2, 1), (1, 1, 2, 4), (2, 2, 2, 4), (2, 4)])
def test_weights_that_do_not_fit_are_refused(loss, shape):
    with pytest.raises(ComponentError, match=r"weights do not fit: .* beside 2x3x2x4; .*N x 1 x height x width"):
        loss(IMAGE, OTHER, torch.ones(shape))
    with pytest.raises(ComponentError, match="weights do not fit"):
        loss([A, A], [B, B], A)
