"""Differentiable augmentation: each part by what it must do, written out for single examples."""

from __future__ import annotations

import pytest
import torch

from translate.errors import ComponentError
from translate_plugins.operations.augment import Augment


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def only(**choices):
    return Augment(**{"color": False, "translation": 0.0, "cutout": 0.0, **choices})


def shifts_of(before, after, most, fill):
    """All shifts by which `after` is `before`."""
    found = []
    _, height, width = before.shape
    for dy in range(-most, most + 1):
        for dx in range(-most, most + 1):
            expected = torch.full_like(before, fill)
            rows, columns = slice(max(dy, 0), height + min(dy, 0)), slice(max(dx, 0), width + min(dx, 0))
            old = before[:, max(-dy, 0) : height + min(-dy, 0), max(-dx, 0) : width + min(-dx, 0)]
            expected[:, rows, columns] = old
            if torch.equal(expected, after):
                found.append((dy, dx))
    return found


@pytest.mark.parametrize(("translation", "most"), [(0.125, 2), (0.2, 3), (0.05, 1)])
@pytest.mark.parametrize("fill", [None, -1.0])
def test_translation_moves_whole_pixels_and_fills_the_rest(translation, most, fill):
    image = torch.randn(64, 2, 16, 16)
    result = only(translation=translation, fill=fill)(image)
    shifts = [shifts_of(*pair, most, 0.0 if fill is None else fill) for pair in zip(image, result, strict=True)]
    assert all(len(found) == 1 for found in shifts)
    for side in (0, 1):
        assert {found[0][side] for found in shifts} == set(range(-most, most + 1))


def test_every_shift_is_equally_likely():
    image = torch.arange(17.0).view(1, 1, 17, 1).expand(6000, 1, 17, 1)
    rows = only(translation=0.125)(image)[:, 0, 8, 0]  # the shift along the height is 8 minus what lies there
    counts = torch.bincount((8 - rows + 2).long(), minlength=5)
    assert counts.shape == (5,)
    assert (counts.float() / 6000 - 0.2).abs().max() < 0.02


@pytest.mark.parametrize(("cutout", "side"), [(0.5, 8), (0.3, 5), (1.0, 16)])
def test_cutout_empties_one_square_that_may_lie_partly_outside(cutout, side):
    image = torch.rand(256, 3, 16, 16) + 1
    result = only(cutout=cutout)(image)
    gone = result == 0
    assert torch.equal(result[~gone], image[~gone])
    sizes, at_top, at_bottom = set(), set(), set()
    for one in gone:
        assert (one == one[:1]).all()  # the same in every channel
        rows, columns = one[0].any(1), one[0].any(0)
        assert torch.equal(one[0], rows[:, None] & columns)
        sizes |= {int(rows.sum()), int(columns.sum())}
        at_top |= {int(rows.sum())} if rows[0] else set()
        at_bottom |= {int(rows.sum())} if rows[-1] else set()
    assert max(sizes) == side
    assert min(at_top) == min(at_bottom) == min(sizes) == (side + 1) // 2  # at most half lies outside, on any side


def recoloured(image):
    """The parts of `a * (image - grey) + b * (grey - middle) + c` of one example, by least squares."""
    result = only(color=True)(image[None])[0]
    grey = image.mean(0, keepdim=True)
    middle = image.mean()
    parts = [(image - grey).flatten(), (grey - middle).expand_as(image).flatten(), torch.ones(image.numel())]
    solved = torch.linalg.lstsq(torch.stack(parts, dim=1), result.flatten()[:, None])
    assert (torch.stack(parts, dim=1) @ solved.solution - result.flatten()[:, None]).abs().max() < 1e-4
    saturated, contrast, level = solved.solution.flatten().tolist()
    return saturated / contrast, contrast, level - middle.item()


@pytest.mark.parametrize("channels", [3, 6])
def test_colour_changes_brightness_saturation_and_contrast_in_their_ranges(channels):
    found = torch.tensor([recoloured(torch.randn(channels, 6, 6)) for _ in range(400)])
    for values, low, high in zip(found.T, (0.0, 0.5, -0.5), (2.0, 1.5, 0.5), strict=True):
        width = high - low
        assert low - 1e-3 <= values.min() < low + 0.05 * width
        assert high - 0.05 * width < values.max() <= high + 1e-3
        assert values.mean().item() == pytest.approx((low + high) / 2, abs=0.06 * width)


def test_brightness_follows_the_value_range():
    image = torch.full((2000, 1, 2, 2), 0.5)
    moved = only(color=True, low=0.0)(image)[:, 0, 0, 0] - 0.5
    assert moved.abs().max().item() == pytest.approx(0.25, rel=0.02)
    assert only(cutout=1.0, low=0.0)(torch.zeros(1, 1, 4, 4)).max() == 0.5


def test_each_example_and_call_has_its_own_and_the_seed_decides():
    image = torch.randn(1, 3, 16, 16).expand(4, -1, -1, -1)
    augment = Augment()
    torch.manual_seed(3)
    first, second = augment(image), augment(image)
    assert not torch.equal(first, second)
    assert len({one.sum().item() for one in first}) == 4
    torch.manual_seed(3)
    assert torch.equal(Augment()(image), first)


def test_a_joined_pair_is_treated_alike():
    pair = torch.randn(4, 1, 16, 16).repeat(1, 2, 1, 1)
    first, second = Augment()(pair).chunk(2, dim=1)
    torch.testing.assert_close(first, second)


def test_outside_of_training_it_changes_nothing_and_draws_nothing():
    image = torch.randn(2, 3, 8, 8)
    before = torch.get_rng_state()
    assert Augment().eval()(image) is image
    assert torch.equal(before, torch.get_rng_state())


def test_the_gradient_is_right():
    image = torch.randn(2, 2, 5, 4, dtype=torch.float64, requires_grad=True)

    def seeded(value):
        torch.manual_seed(7)
        return Augment()(value)

    assert torch.autograd.gradcheck(seeded, (image,))


def test_a_gradient_moves_with_the_picture():
    image = torch.randn(1, 1, 16, 16, requires_grad=True)
    augment = only(translation=0.25)
    result = augment(image)
    weights = torch.randn_like(result)
    (result * weights).sum().backward()
    (dy, dx), *more = shifts_of(image.detach()[0], result.detach()[0], 4, 0.0)
    assert not more
    assert shifts_of(weights[0], image.grad[0], 4, 0.0) == [(-dy, -dx)]


def test_what_does_not_fit_is_refused():
    with pytest.raises(ComponentError, match="augment takes images"):
        Augment()(torch.zeros(2, 3))
    with pytest.raises(ComponentError, match="augment: low must be below high"):
        Augment(low=1.0)
