"""The endless order of examples."""

from __future__ import annotations

import time

from translate.data.examples import UNLIMITED, ordered_index


def test_each_epoch_holds_every_example_once_in_its_own_order():
    epochs = [[ordered_index(3, epoch * 10 + i, 10) for i in range(10)] for epoch in range(3)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3


def test_an_unlimited_data_set_costs_no_permutation():
    begun = time.perf_counter()
    assert [ordered_index(0, q, UNLIMITED + 1) for q in (0, 1, 5)] == [0, 1, 5]
    assert time.perf_counter() - begun < 0.5
