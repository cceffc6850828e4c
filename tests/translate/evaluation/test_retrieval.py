"""Retrieval against brute force."""

from __future__ import annotations

import pytest
import torch

from translate.evaluation import retrieval
from translate.evaluation.retrieval import Nearest, keys_of


def nearest(queries, candidates, *, step=7, **choices):
    search = Nearest(queries, **choices)
    for first in range(0, len(candidates), step):
        search.add(first, candidates[first : first + step])
    return search.indices()


@pytest.mark.parametrize("chunk", [2, 5, 100])
def test_nearest_is_brute_force(monkeypatch, chunk):
    monkeypatch.setattr(retrieval, "_CHUNK", chunk)
    generator = torch.Generator().manual_seed(0)
    queries, candidates = torch.rand(11, 6, generator=generator), torch.rand(40, 6, generator=generator)
    expected = [int((candidates - query).square().sum(1).argmin()) for query in queries]
    assert len(set(expected)) > 3
    assert nearest(queries, candidates) == expected


@pytest.mark.parametrize("step", [1, 3, 10])
def test_ties_go_to_the_first(step):
    candidate = torch.rand(1, 3072, generator=torch.Generator().manual_seed(1))
    candidates = torch.cat([candidate + 0.5, *[candidate] * 9])
    assert nearest(candidate + 0.01, candidates, step=step) == [1]


def test_nobody_is_his_own_neighbour():
    points = torch.tensor([[0.0], [1.0], [1.5], [9.0]])
    assert nearest(points, points) == [0, 1, 2, 3]
    assert nearest(points, points, step=2, leave_out_self=True) == [1, 2, 1, 2]


def test_no_candidate_is_an_error():
    with pytest.raises(ValueError, match="no training example"):
        Nearest(torch.zeros(2, 3)).indices()


def test_keys_are_area_averages_of_at_most_32():
    images = torch.rand(2, 3, 64, 20, generator=torch.Generator().manual_seed(2))
    keys = keys_of(images)
    assert keys.shape == (2, 3 * 32 * 20)
    expected = images.reshape(2, 3, 32, 2, 20).mean(3).flatten(1)
    torch.testing.assert_close(keys, expected)
