"""The image pool."""

from __future__ import annotations

import pytest
import torch

from translate_plugins.operations.pool import Pool


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def numbered(start, count, shape=(1, 2, 2)):
    """Examples whose every value is their number."""
    numbers = torch.arange(start, start + count, dtype=torch.float32)
    return numbers.view(-1, *[1] * len(shape)).expand(-1, *shape).clone()


def numbers_in(images):
    return [int(value) for value in images.flatten(1)[:, 0]]


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


def test_results_and_history_are_detached_and_share_no_memory():
    pool = Pool(size=4)
    for start in range(0, 24, 3):
        fake = numbered(start, 3).requires_grad_()
        result = pool(fake * 1.0)
        assert not result.requires_grad
        assert not pool.history.requires_grad
        before = pool.history.clone()
        result.fill_(-1)
        with torch.no_grad():
            fake.fill_(-2)
        assert torch.equal(pool.history, before)


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


def test_live_returns_the_input_itself():
    pool = Pool(size=2)
    pool(numbered(0, 2))
    fake = numbered(2, 2).requires_grad_()
    assert pool.live(fake) is fake
    assert numbers_in(pool.history) == [0, 1]


@pytest.mark.parametrize("stored", [0, 3, 9])
def test_the_state_goes_on_in_a_new_pool(stored):
    first = Pool(size=5)
    for start in range(stored):
        first(numbered(start, 1))
    second = Pool(size=5)
    second.load_state_dict({key: value.clone() for key, value in first.state_dict().items()})
    assert torch.equal(first.history, second.history)
    results = []
    for pool in (first, second):
        torch.manual_seed(1)
        results.append([numbers_in(pool(numbered(start, 2))) for start in range(100, 120, 2)])
    assert results[0] == results[1]
    assert torch.equal(first.history, second.history)


def test_a_loaded_state_is_a_copy():
    first, second = Pool(size=2), Pool(size=2)
    first(numbered(0, 2))
    second.load_state_dict(first.state_dict())
    second.history.fill_(-1)
    assert numbers_in(first.history) == [0, 1]


def test_a_smaller_pool_takes_what_fits():
    first, second = Pool(size=5), Pool(size=2)
    first(numbered(0, 5))
    second.load_state_dict(first.state_dict())
    assert numbers_in(second.history) == [0, 1]
    second(numbered(5, 4))
    assert len(second.history) == 2


def test_another_shape_starts_anew():
    pool = Pool(size=4)
    pool(numbered(0, 4))
    assert numbers_in(pool(numbered(4, 2, (1, 4, 4)))) == [4, 5]
    assert pool.history.shape == (2, 1, 4, 4)


def test_the_type_of_the_result_is_the_inputs():
    pool = Pool(size=2)
    pool(numbered(0, 2))
    for start in range(2, 12):
        assert pool(numbered(start, 1).bfloat16()).dtype == torch.bfloat16
    assert pool.history.dtype == torch.float32


def test_a_check_without_memory_leaves_no_trace():
    pool = Pool(size=2)
    assert pool(torch.empty(2, 3, 4, 4, device="meta")).shape == (2, 3, 4, 4)
    assert pool.history.device.type == "cpu"
    assert numbers_in(pool(numbered(0, 1))) == [0]
