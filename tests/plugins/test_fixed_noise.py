"""Noise that is a function of a seed and a place."""

from __future__ import annotations

import pytest
import torch

from translate_plugins.fixed_noise import fixed_noise

LIKE = torch.empty(1, 5, 128, 96)


def test_it_is_standard_normal():
    values = fixed_noise(3, 0, torch.empty(1, 1, 512, 512)).flatten().double()
    assert values.mean().item() == pytest.approx(0, abs=0.01)
    assert values.var().item() == pytest.approx(1, abs=0.01)
    assert values.pow(4).mean().item() == pytest.approx(3, abs=0.06)
    assert values.abs().max() < 7
    share = (values.abs() < 1).double().mean().item()
    assert share == pytest.approx(0.6827, abs=0.004)


def test_neighbours_layers_and_seeds_are_not_alike():
    noise = fixed_noise(0, 0, LIKE)[0, 0]
    others = [
        (noise[1:], noise[:-1]),
        (noise[:, 1:], noise[:, :-1]),
        (noise, fixed_noise(0, 1, LIKE)[0, 0]),
        (noise, fixed_noise(1, 0, LIKE)[0, 0]),
        (noise[:96, :96], noise[:96, :96].T),
    ]
    for first, second in others:
        off_diagonal = first != second
        assert ((first * second)[off_diagonal]).mean().abs() < 0.04  # four deviations of 10,000 products


def test_a_larger_map_begins_like_a_smaller_one():
    small = fixed_noise(7, 2, torch.empty(1, 1, 8, 4))
    assert torch.equal(fixed_noise(7, 2, LIKE)[:, :, :8, :4], small)


def test_one_seed_serves_all_examples_and_a_tensor_gives_each_its_own():
    assert fixed_noise(7, 2, LIKE.expand(3, -1, -1, -1)).shape == (1, 1, 128, 96)
    each = fixed_noise(torch.tensor([7, 8]), 2, LIKE.expand(2, -1, -1, -1))
    assert torch.equal(each[:1], fixed_noise(7, 2, LIKE))
    assert torch.equal(each[1:], fixed_noise(8, 2, LIKE))
    assert torch.equal(fixed_noise(torch.tensor([[7.0]]), 2, LIKE), fixed_noise(7, 2, LIKE))
