"""The image pool."""

from __future__ import annotations

import pytest
import torch
from numbered import numbered, numbers_in

from translate_plugins.operations.pool import Pool


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.mark.parametrize(("size", "batch"), [(50, 1), (50, 4), (8, 8)])
def test_half_of_the_queries_return_an_old_example(size, batch):
    pool = Pool(size=size)
    pool(numbered(0, size))
    old = 0
    for start in range(size, size + 2000, batch):
        fake = numbered(start, batch)
        old += sum(number < start for number in numbers_in(pool(fake)))
    assert old / 2000 == pytest.approx(0.5, abs=0.05)


def test_in_a_batch_larger_than_the_pool_half_are_exchanged():
    pool = Pool(size=8)
    pool(numbered(0, 8))
    exchanged = total = 0
    for start in range(8, 8 + 2000, 20):
        fake = numbered(start, 20)
        exchanged += sum(a != b for a, b in zip(numbers_in(pool(fake)), numbers_in(fake), strict=True))
        total += 20
    assert exchanged / total == pytest.approx(0.5, abs=0.05)


def test_examples_of_one_batch_are_exchanged_independently():
    pool = Pool(size=50)
    pool(numbered(0, 50))
    counts = {sum(number < start for number in numbers_in(pool(numbered(start, 4)))) for start in range(50, 450, 4)}
    assert {1, 2, 3} <= counts


def test_until_it_is_full_it_returns_what_it_stores():
    pool = Pool(size=5)
    for start in (0, 2):
        assert numbers_in(pool(numbered(start, 2))) == [start, start + 1]
    assert numbers_in(pool.history) == [0, 1, 2, 3]
    result = numbers_in(pool(numbered(4, 3)))
    assert result[0] == 4  # the last free place
    assert len(pool.history) == 5


@pytest.mark.parametrize(("size", "batch"), [(7, 3), (3, 7), (1, 1)])
def test_nothing_is_lost_and_nothing_is_doubled(size, batch):
    pool = Pool(size=size)
    returned = []
    for start in range(0, 30 * batch, batch):
        returned += numbers_in(pool(numbered(start, batch)))
    # The first are stored and returned; after that each example is in exactly one place.
    assert sorted(returned + numbers_in(pool.history)) == sorted([*range(30 * batch), *range(size)])


def test_every_slot_is_exchanged_in_time():
    pool = Pool(size=10)
    for start in range(400):
        pool(numbered(start, 1))
    assert min(numbers_in(pool.history)) > 10


def test_the_input_is_left_as_it_was():
    pool = Pool(size=2)
    pool(numbered(0, 2))
    fake = numbered(2, 2)
    pool(fake)
    assert numbers_in(fake) == [2, 3]


def test_size_zero_is_no_pool():
    pool = Pool(size=0)
    fake = numbered(0, 3)
    for _ in range(3):
        assert torch.equal(pool(fake), fake)
    assert pool.history.numel() == 0
