"""Schedules: values at every kind of step."""

from __future__ import annotations

import math

import pytest

from translate.errors import ComponentError
from translate_plugins.schedules.bursts import Bursts
from translate_plugins.schedules.constant import Constant
from translate_plugins.schedules.cosine import Cosine
from translate_plugins.schedules.cycle import Cycle
from translate_plugins.schedules.linear import Linear
from translate_plugins.schedules.steps import Steps


def at(schedule, *steps):
    return [schedule(step) for step in steps]


def test_constant():
    assert at(Constant(value=0.3), 0, 10**9) == [0.3, 0.3]


def test_linear_is_clamped_at_both_ends():
    schedule = Linear(initial=2.0, final=1.0, start=100, end=200)
    assert at(schedule, 0, 100, 150, 175, 200, 10**9) == [2.0, 2.0, 1.5, 1.25, 1.0, 1.0]
    assert at(Linear(initial=0.0, final=1.0, end=4), 0, 1, 2, 3, 4) == [0.0, 0.25, 0.5, 0.75, 1.0]


def test_cosine_is_clamped_and_smooth():
    schedule = Cosine(initial=1.0, final=0.0, start=10, end=20)
    assert at(schedule, 0, 10, 15, 20, 30) == pytest.approx([1.0, 1.0, 0.5, 0.0, 0.0])
    assert schedule(12) == pytest.approx((1 + math.cos(math.pi * 0.2)) / 2)


def test_the_ends_are_exact():
    for kind in (Linear, Cosine):
        schedule = kind(initial=2e-4, final=1e-7, start=3, end=10)
        assert at(schedule, 3, 10) == [2e-4, 1e-7]


def test_steps_change_at_their_boundaries():
    schedule = Steps(values=[1.0, 0.1, 0.01], boundaries=[10, 20])
    assert at(schedule, 0, 9, 10, 19, 20, 1000) == [1.0, 1.0, 0.1, 0.1, 0.01, 0.01]
    assert Steps(values=[5.0], boundaries=[])(7) == 5.0


def test_cycle_repeats():
    assert at(Cycle(values=[1, 0, 0]), *range(7)) == [1, 0, 0, 1, 0, 0, 1]


@pytest.mark.parametrize("kind", [Linear, Cosine])
@pytest.mark.parametrize("end", [5, 10])
def test_an_empty_span_is_refused(kind, end):
    with pytest.raises(ComponentError, match=f"end must be after start .got start 10, end {end}"):
        kind(initial=1.0, final=0.0, start=10, end=end)


@pytest.mark.parametrize(
    ("values", "boundaries", "message"),
    [([1.0, 2.0], [], "one value more"), ([1.0, 2.0, 3.0], [5, 5], "ascend"), ([1.0, 2.0, 3.0], [6, 5], "ascend")],
)
def test_steps_that_do_not_fit_are_refused(values, boundaries, message):
    with pytest.raises(ComponentError, match=message):
        Steps(values=values, boundaries=boundaries)


def test_the_schedules_of_discogan():
    """r is 0.01 for 10,000 iterations, then 0.5; D learns at every third iteration, G at the other two."""
    rate = Steps(values=[0.01, 0.5], boundaries=[10_000])
    assert at(rate, 0, 9_999, 10_000, 50_000) == [0.01, 0.01, 0.5, 0.5]
    discriminators, generators = Cycle(values=[1, 0, 0]), Cycle(values=[0, 1, 1])
    assert [step for step in range(9) if discriminators(step)] == [0, 3, 6]
    assert all(discriminators(step) + generators(step) == 1 for step in range(9))


def test_bursts_come_first_and_at_regular_steps():
    schedule = Bursts(value=1, burst=7, first=2, every=5)
    assert at(schedule, *range(11)) == [7, 7, 1, 1, 1, 7, 1, 1, 1, 1, 7]
    assert at(Bursts(value=1, burst=7, first=2), *range(5)) == [7, 7, 1, 1, 1]
    assert at(Bursts(value=1, burst=7, every=3), *range(5)) == [7, 1, 1, 7, 1]
    assert at(Bursts(value=1, burst=7), 0, 1, 500) == [1, 1, 1]


def test_the_schedule_of_wgans_authors():
    """`100 if gen_iterations < 25 or gen_iterations % 500 == 0 else 5`, over 1,000 iterations."""
    schedule = Bursts(value=5, burst=100, first=25, every=500)
    steps = [schedule(step) for step in range(1000)]
    assert [step for step, count in enumerate(steps) if count == 100] == [*range(25), 500]
    assert sum(steps) == 26 * 100 + 974 * 5
