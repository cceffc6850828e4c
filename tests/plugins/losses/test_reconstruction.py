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
