"""The product of values, and the class that stands last."""

from __future__ import annotations

import pytest
import torch

from translate.errors import ComponentError
from translate_plugins.losses.cross_entropy import cross_entropy
from translate_plugins.operations.last_class import last_class
from translate_plugins.operations.multiply import multiply


def test_a_product_is_taken_element_by_element():
    a, b, c = (torch.randn(2, 3) for _ in range(3))
    assert torch.equal(multiply(a, b, c), a * b * c)
    assert torch.equal(multiply(a), a)


@pytest.mark.parametrize(
    "values", [(), (torch.zeros(2, 3), torch.zeros(2, 1)), (torch.zeros(2, 3), torch.zeros(2, 3, 1, 1))]
)
def test_values_that_would_be_stretched_are_refused(values):
    with pytest.raises(ComponentError, match="multiply takes values of one shape") as caught:
        multiply(*values)
    assert "makes: z" in caught.value.fix


def test_the_last_class_is_that_of_the_logits():
    logits = torch.randn(3, 11, requires_grad=True)
    assert last_class(logits).tolist() == [10, 10, 10]
    expected = -logits.log_softmax(1)[:, 10].mean()
    torch.testing.assert_close(cross_entropy(logits, last_class(logits)), expected)


def test_what_are_no_logits_has_no_last_class():
    with pytest.raises(ComponentError, match=r"one row for each example \(got \(2, 3, 4, 4\)\)"):
        last_class(torch.zeros(2, 3, 4, 4))
