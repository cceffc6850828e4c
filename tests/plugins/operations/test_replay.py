"""Experience replay, and the share of the image pool."""

from __future__ import annotations

import pytest
import torch
from numbered import numbered, numbers_in

from translate_plugins.operations.pool import Pool
from translate_plugins.operations.replay import Replay


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


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
