"""What the image pool and experience replay have in common: what they keep, and how they go on."""

from __future__ import annotations

import pytest
import torch
from numbered import numbered, numbers_in

from translate_plugins.operations.pool import Pool
from translate_plugins.operations.replay import Replay


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture(params=[Pool, Replay])
def memory(request) -> type:
    return request.param


def test_a_share_of_zero_is_as_if_it_were_not_there(memory):
    empty = memory(size=5, share=0.0)
    before = torch.get_rng_state()
    for start in range(0, 40, 4):
        fake = numbered(start, 4)
        assert torch.equal(empty(fake), fake)
    assert empty.history.numel() == 0
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_results_and_history_are_detached_and_share_no_memory(memory, share):
    kept = memory(size=4, share=share)
    for start in range(0, 24, 3):
        fake = numbered(start, 3).requires_grad_()
        result = kept(fake * 1.0)
        assert not result.requires_grad
        assert not kept.history.requires_grad
        before = kept.history.clone()
        result.fill_(-1)
        with torch.no_grad():
            fake.fill_(-2)
        assert torch.equal(kept.history, before)


def test_live_returns_the_input_itself(memory):
    kept = memory(size=2)
    kept(numbered(0, 2))
    fake = numbered(2, 2).requires_grad_()
    assert kept.live(fake) is fake
    assert numbers_in(kept.history) == [0, 1]


@pytest.mark.parametrize("stored", [0, 3, 5, 9, 12])
def test_the_state_goes_on_in_a_new_one(memory, stored):
    first, second = memory(size=5, share=0.5), memory(size=5, share=0.5)
    for start in range(stored):
        first(numbered(start, 1))
    second.load_state_dict({key: value.clone() for key, value in first.state_dict().items()})
    assert torch.equal(first.history, second.history)
    results = []
    for kept in (first, second):
        torch.manual_seed(1)
        results.append([numbers_in(kept(numbered(start, 2))) for start in range(100, 120, 2)])
    assert results[0] == results[1]
    assert first.state_dict().keys() == second.state_dict().keys()
    assert all(torch.equal(value, second.state_dict()[key]) for key, value in first.state_dict().items())


def test_a_loaded_state_is_a_copy(memory):
    first, second = memory(size=2), memory(size=2)
    first(numbered(0, 2))
    second.load_state_dict(first.state_dict())
    second.history.fill_(-1)
    assert numbers_in(first.history) == [0, 1]


@pytest.mark.parametrize("stored", [5, 9])
def test_a_smaller_one_takes_what_fits(memory, stored):
    first, second = memory(size=5), memory(size=2)
    for start in range(stored):
        first(numbered(start, 1))
    second.load_state_dict(first.state_dict())
    assert len(second.history) == 2
    assert set(numbers_in(second.history)) <= set(numbers_in(first.history))
    second(numbered(stored, 4))
    assert len(second.history) == 2


def test_another_shape_starts_anew(memory):
    kept = memory(size=4)
    for start in range(6):
        kept(numbered(start, 1))
    assert numbers_in(kept(numbered(6, 2, (1, 4, 4)))) == [6, 7]
    assert kept.history.shape == (2, 1, 4, 4)
    for start in range(8, 14):
        kept(numbered(start, 1, (1, 4, 4)))
    assert kept.history.shape == (4, 1, 4, 4)


def test_the_type_of_the_result_is_the_inputs(memory):
    kept = memory(size=2)
    kept(numbered(0, 2))
    for start in range(2, 12):
        assert kept(numbered(start, 1).bfloat16()).dtype == torch.bfloat16
    assert kept.history.dtype == torch.float32


def test_a_check_without_memory_leaves_no_trace(memory):
    kept = memory(size=2)
    assert kept(torch.empty(2, 3, 4, 4, device="meta")).shape == (2, 3, 4, 4)
    assert kept.history.device.type == "cpu"
    assert numbers_in(kept(numbered(0, 1))) == [0]


def test_the_parts_of_an_example_are_kept_and_given_together(memory):
    kept, alone = memory(size=5, share=0.5), memory(size=5, share=0.5)
    old = 0
    for start in range(0, 60, 3):
        torch.manual_seed(start)
        fake = [numbered(start, 3), numbered(start, 3, (2, 4, 4)), numbered(start, 3, ()).bfloat16()]
        result = kept(fake)
        assert [(part.shape, part.dtype) for part in result] == [(part.shape, part.dtype) for part in fake]
        assert all(bool((part == part.flatten(1)[:, :1].view(-1, *[1] * (part.ndim - 1))).all()) for part in result[:2])
        numbers = [numbers_in(part.view(3, -1)) for part in result]
        assert numbers[0] == numbers[1] == numbers[2]
        old += sum(number < start for number in numbers[0])
        torch.manual_seed(start)
        assert numbers_in(alone(numbered(start, 3))) == numbers[0]
    assert old
    assert kept.live(fake) is fake
    fresh = memory(size=5, share=0.5)
    fresh.load_state_dict(kept.state_dict())
    assert torch.equal(fresh.history, kept.history)


def test_a_list_without_memory_leaves_no_trace(memory):
    kept = memory(size=2)
    fake = [torch.empty(2, 3, 4, 4, device="meta"), torch.empty(2, 3, 8, 8, device="meta")]
    assert [part.shape for part in kept(fake)] == [part.shape for part in fake]
    assert not len(kept.history)
