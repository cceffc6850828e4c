"""How gradients are grouped for an exchange (the exchange itself: test_engine.py and test_loop.py, two processes)."""

from __future__ import annotations

import torch

from translate.training.collectives import buckets


def test_buckets_keep_order_and_size_and_type():
    tensors = [torch.zeros(4), torch.zeros(4), torch.zeros(4), torch.zeros(2, dtype=torch.float64), torch.zeros(100)]
    groups = buckets(tensors, size=32)
    assert [len(group) for group in groups] == [2, 1, 1, 1]
    assert [id(t) for group in groups for t in group] == [id(t) for t in tensors]
    assert buckets([]) == []
