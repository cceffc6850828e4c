"""Experience replay, and the share of the image pool."""

from __future__ import annotations

import pytest
import torch

from translate_plugins.operations.pool import Pool
from translate_plugins.operations.replay import Replay


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def numbered(start, count, shape=(1, 2, 2)):
    """Examples whose every value is their number."""
    numbers = torch.arange(start, start + count, dtype=torch.float32)
    return numbers.view(-1, *[1] * len(shape)).expand(-1, *shape).clone()


def numbers_in(images):
    return [int(value) for value in images.flatten(1)[:, 0]]


@pytest.mark.parametrize("batch", [1, 2, 5, 16])
@pytest.mark.parametrize("share", [1.0, 0.5, 0.2])
def test_the_share_of_old_examples_is_the_one_asked_for(share, batch):
    replay = Replay(size=50, share=share)
    replay(numbered(0, 50))
    old = 0
    for start in range(50, 50 + 2000, batch):
        old += sum(number < start for number in numbers_in(replay(numbered(start, batch))))
    total = len(range(50, 2050, batch)) * batch
    assert old / total == pytest.approx(share, abs=0.05 if batch == 1 else 0.02)


def test_half_and_half_is_half_of_every_batch():
    replay = Replay(size=50, share=0.5)
    replay(numbered(0, 50))
    for start in range(50, 450, 8):
        result = numbers_in(replay(numbered(start, 8)))
        assert sum(number < start for number in result) == 4
        assert result[4:] == [start + 4, start + 5, start + 6, start + 7]


def test_a_share_of_one_never_shows_a_new_example():
    replay = Replay(size=20)
    replay(numbered(0, 4))
    for start in range(4, 400, 4):
        assert max(numbers_in(replay(numbered(start, 4)))) < start


@pytest.mark.parametrize("kind", [Pool, Replay])
def test_a_share_of_zero_is_as_if_it_were_not_there(kind):
    memory = kind(size=5, share=0.0)
    before = torch.get_rng_state()
    for start in range(0, 40, 4):
        fake = numbered(start, 4)
        assert torch.equal(memory(fake), fake)
    assert memory.history.numel() == 0
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_the_share_of_the_pool(share):
    pool = Pool(size=50, share=share)
    pool(numbered(0, 50))
    old = 0
    for start in range(50, 2050, 4):
        old += sum(number < start for number in numbers_in(pool(numbered(start, 4))))
    assert old / 2000 == pytest.approx(share, abs=0.05)


@pytest.mark.parametrize(("size", "batch"), [(7, 3), (8, 4), (3, 7), (1, 1), (5, 5)])
def test_the_buffer_holds_the_newest_examples(size, batch):
    replay = Replay(size=size)
    for start in range(0, 20 * batch, batch):
        replay(numbered(start, batch))
        seen = start + batch
        assert sorted(numbers_in(replay.history)) == list(range(max(0, seen - size), seen))


def test_old_examples_are_drawn_with_equal_probability():
    replay = Replay(size=10)
    counts = torch.zeros(10)
    for _ in range(500):
        replay.history, replay.oldest = numbered(0, 10), torch.zeros((), dtype=torch.int64)
        counts += torch.tensor(numbers_in(replay(numbered(0, 10)))).bincount(minlength=10)
    assert (counts / 5000).tolist() == pytest.approx([0.1] * 10, abs=0.02)


def test_the_first_batch_is_returned_as_it_is():
    replay = Replay(size=5)
    assert numbers_in(replay(numbered(0, 3))) == [0, 1, 2]
    assert numbers_in(replay.history) == [0, 1, 2]


def test_results_and_history_are_detached_and_share_no_memory():
    for share in (1.0, 0.5):
        replay = Replay(size=4, share=share)
        for start in range(0, 24, 3):
            fake = numbered(start, 3).requires_grad_()
            result = replay(fake * 1.0)
            assert not result.requires_grad
            assert not replay.history.requires_grad
            before = replay.history.clone()
            result.fill_(-1)
            with torch.no_grad():
                fake.fill_(-2)
            assert torch.equal(replay.history, before)


def test_live_returns_the_input_itself():
    replay = Replay(size=2)
    replay(numbered(0, 2))
    fake = numbered(2, 2).requires_grad_()
    assert replay.live(fake) is fake
    assert numbers_in(replay.history) == [0, 1]


@pytest.mark.parametrize("stored", [0, 3, 5, 9, 12])
def test_the_state_goes_on_in_a_new_buffer(stored):
    first = Replay(size=5, share=0.5)
    for start in range(stored):
        first(numbered(start, 1))
    second = Replay(size=5, share=0.5)
    second.load_state_dict({key: value.clone() for key, value in first.state_dict().items()})
    results = []
    for replay in (first, second):
        torch.manual_seed(1)
        results.append([numbers_in(replay(numbered(start, 2))) for start in range(100, 120, 2)])
    assert results[0] == results[1]
    assert torch.equal(first.history, second.history)
    assert torch.equal(first.oldest, second.oldest)


def test_a_smaller_buffer_takes_what_fits():
    first, second = Replay(size=5), Replay(size=2)
    for start in range(9):
        first(numbered(start, 1))
    second.load_state_dict(first.state_dict())
    assert len(second.history) == 2
    second(numbered(9, 4))
    assert sorted(numbers_in(second.history)) == [11, 12]


def test_another_shape_starts_anew():
    replay = Replay(size=3)
    for start in range(5):
        replay(numbered(start, 1))
    assert numbers_in(replay(numbered(5, 2, (1, 4, 4)))) == [5, 6]
    for start in range(7, 12):
        replay(numbered(start, 1, (1, 4, 4)))
    assert sorted(numbers_in(replay.history)) == [9, 10, 11]


def test_the_type_of_the_result_is_the_inputs():
    replay = Replay(size=2)
    replay(numbered(0, 2))
    assert replay(numbered(2, 1).bfloat16()).dtype == torch.bfloat16
    assert replay.history.dtype == torch.float32


def test_a_check_without_memory_leaves_no_trace():
    replay = Replay(size=2)
    assert replay(torch.empty(2, 3, 4, 4, device="meta")).shape == (2, 3, 4, 4)
    assert numbers_in(replay(numbered(0, 1))) == [0]
