"""The patchwise contrastive loss: against a loop over patches, closed forms, gradients, refusals."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from translate.errors import ComponentError
from translate_plugins.losses.patch_nce import PatchContrast


def features(seed, count=2, patches=6, size=5):
    torch.manual_seed(seed)
    return F.normalize(torch.randn(count, patches, size), dim=2)


def one_by_one(of, to, temperature, *, over_batch):
    """For each patch: minus the log of the share of its own place among the exponentials."""
    terms = []
    for n in range(of.shape[0]):
        images = range(to.shape[0]) if over_batch else [n]
        for s in range(of.shape[1]):
            every = [math.exp(float(of[n, s] @ to[m, j]) / temperature) for m in images for j in range(to.shape[1])]
            own = math.exp(float(of[n, s] @ to[n, s]) / temperature)
            terms.append(-math.log(own / sum(every)))
    return sum(terms) / len(terms)


@pytest.mark.parametrize("negatives", ["image", "batch"])
@pytest.mark.parametrize("temperature", [0.07, 1.0])
def test_patch_by_patch(negatives, temperature):
    of, to = features(0), features(1)
    found = PatchContrast(temperature=temperature, negatives=negatives).generator(of, to)
    assert found.item() == pytest.approx(one_by_one(of, to, temperature, over_batch=negatives == "batch"), rel=1e-4)


@pytest.mark.parametrize(("negatives", "others"), [("image", 5), ("batch", 11)])
def test_where_nothing_can_be_told_apart_it_is_the_log_of_the_number_of_patches(negatives, others):
    same = F.normalize(torch.ones(2, 6, 5), dim=2)
    assert PatchContrast(negatives=negatives).generator(same, same).item() == pytest.approx(
        math.log(1 + others), rel=1e-5
    )


def test_orthogonal_patches_by_hand():
    basis = torch.eye(4, dtype=torch.float64)[None]  # similarity 1 to itself, 0 to the three others
    expected = math.log(1 + 3 * math.exp(-1 / 0.07))
    assert PatchContrast().generator(basis, basis).item() == pytest.approx(expected, rel=1e-3)
    swapped = basis[:, [1, 0, 3, 2]]  # its own place has similarity 0, another one 1
    expected = math.log(3 + math.exp(1 / 0.07))
    assert PatchContrast().generator(basis, swapped).item() == pytest.approx(expected, rel=1e-5)


def test_layers_are_averaged_whatever_their_sizes():
    first, second = (features(0), features(1)), (features(2, patches=3, size=8), features(3, patches=3, size=8))
    loss = PatchContrast()
    expected = (loss.generator(*first) + loss.generator(*second)) / 2
    torch.testing.assert_close(loss.generator([first[0], second[0]], [first[1], second[1]]), expected)


@pytest.mark.parametrize("negatives", ["image", "batch"])
def test_the_gradient_is_right_and_reaches_the_queries_alone(negatives):
    of, to = features(0).double().requires_grad_(), features(1).double().requires_grad_()
    loss = PatchContrast(negatives=negatives)
    assert torch.autograd.gradcheck(lambda of: loss.generator(of, to.detach()), (of,))
    loss.generator(of, to).backward()
    assert to.grad is None


def test_it_does_not_overflow_and_is_computed_in_single():
    basis = torch.eye(4)[None]
    assert torch.isfinite(PatchContrast(temperature=1e-3).generator(basis, -basis))
    assert PatchContrast().generator(basis.half(), basis.half()).dtype == torch.float32


def test_it_works_without_memory():
    on_meta = torch.empty(2, 6, 5, device="meta")
    assert PatchContrast().generator([on_meta], [on_meta]).shape == ()


@pytest.mark.parametrize(
    ("of", "to", "found"),
    [
        (torch.zeros(2, 6, 5), torch.zeros(2, 7, 5), "2x6x5 and 2x7x5"),
        (torch.zeros(2, 6, 4, 4), torch.zeros(2, 6, 4, 4), "2x6x4x4 and"),
        ([], [], "nothing and nothing"),
    ],
)
def test_what_does_not_fit_is_refused(of, to, found):
    with pytest.raises(ComponentError, match=rf"N x patches x size \(got {found}.*sample_patches"):
        PatchContrast().generator(of, to)
