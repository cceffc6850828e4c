"""Generators go on where they were."""

import json
import random
import struct

import numpy as np
import pytest
import torch

from translate.generators import seed_all
from translate.training.randomness import rng_state, set_rng_state
from translate.training.trees import decode_tree, encode_tree


def draw():
    old = np.random.rand(), np.random.randn()  # noqa: NPY002
    return random.random(), random.gauss(0, 1), *old, torch.rand(3).tolist()


@pytest.fixture(autouse=True)
def _keep_generators():
    state = rng_state()
    yield
    set_rng_state(state)


def test_the_state_goes_through_a_checkpoint_and_back():
    seed_all(1)
    draw()  # leaves half-used pairs of normal numbers in Python's and numpy's generators
    value, tensors = encode_tree(rng_state())
    first = [draw(), draw()]
    seed_all(2)
    set_rng_state(decode_tree(json.loads(json.dumps(value)), tensors))
    assert [draw(), draw()] == first


def test_seeds_repeat_and_differ():
    seed_all(3)
    first = draw()
    seed_all(3)
    assert draw() == first
    seed_all(4)
    other = draw()
    assert all(a != b for a, b in zip(first, other, strict=True))


def test_processes_draw_different_numbers_and_the_first_one_those_of_a_single_process():
    drawn = []
    for rank in (None, 0, 1, 2):
        seed_all(3) if rank is None else seed_all(3, rank)
        drawn.append(draw())
    assert drawn[0] == drawn[1]
    assert all(len({a[i] if i < 4 else tuple(a[i]) for a in drawn}) == 3 for i in range(5))
    seed_all(4, 0)
    assert draw() != drawn[2]  # rank 1 of seed 3 is not seed 4


def with_place(left, following):
    """Torch's state with these numbers of words that are left, and of the next one."""
    words = bytearray(torch.get_rng_state().numpy().tobytes())
    struct.pack_into("<i", words, 8, left)
    struct.pack_into("<Q", words, 16, following)
    return torch.frombuffer(words, dtype=torch.uint8)


FORGED = [
    ("torch", lambda: with_place(624, 624)),  # it passes torch's own look, and reads behind the words
    ("torch", lambda: with_place(0, 0)),
    ("torch", lambda: with_place(1, 2**63)),
    ("torch", lambda: [1, 2]),
    ("numpy", lambda: {**rng_state()["numpy"], "pos": 10**9}),
    ("numpy", lambda: {**rng_state()["numpy"], "key": torch.full((624,), 2**32)}),
    ("numpy", lambda: {**rng_state()["numpy"], "key": torch.zeros(623, dtype=torch.int64)}),
    ("python", lambda: {**rng_state()["python"], "words": torch.full((625,), -1)}),
    ("cuda", lambda: ["x"]),
    ("mps", lambda: 3),
]


@pytest.mark.parametrize(("name", "forged"), FORGED, ids=[f"{name}-{i}" for i, (name, _) in enumerate(FORGED)])
def test_a_state_that_is_none_is_refused_and_changes_nothing(name, forged):
    state = {**rng_state(), name: forged()}
    before = encode_tree(rng_state())
    with pytest.raises(ValueError, match=f"the state of a random generator is none: {name}"):
        set_rng_state(state)
    after = encode_tree(rng_state())
    assert after[0] == before[0]
    assert all(torch.equal(after[1][key], value) for key, value in before[1].items())


@pytest.mark.parametrize("drawn", [0, 1, 2, 623, 624, 625])
def test_every_state_that_torch_gives_is_taken_back(drawn):
    seed_all(1)
    for _ in range(drawn):
        torch.randint(2, ())
    state = rng_state()
    first = draw()
    set_rng_state(state)
    assert draw() == first
