"""Two small operations: a code in two halves, and the examples of a batch in another order."""

from __future__ import annotations

import pytest
import torch

from translate.errors import ComponentError
from translate_plugins.operations.halves import halves
from translate_plugins.operations.shuffle import Shuffle


def test_halves_put_together_are_the_code():
    code = torch.randn(2, 6, 3, 3)
    found = halves(code)
    assert torch.equal(torch.cat([found["first"], found["second"]], dim=1), code)


@pytest.mark.parametrize("code", [torch.zeros(2, 3), torch.zeros(2)])
def test_what_has_no_halves_is_refused(code):
    with pytest.raises(ComponentError, match="halves needs an even number of entries"):
        halves(code)


def test_shuffle_keeps_what_there_is_and_moves_it():
    shuffle, labels = Shuffle(), torch.arange(64)
    torch.manual_seed(0)
    first, second = shuffle(labels), shuffle(labels)
    assert first.sort().values.tolist() == labels.tolist()
    assert not torch.equal(first, labels)
    assert not torch.equal(first, second)
    assert torch.equal(shuffle.eval()(labels), labels.roll(1, 0))
