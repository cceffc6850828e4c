"""Trees come back exactly, and what cannot is refused."""

import json
import math
import random
import struct
from collections import OrderedDict

import numpy as np
import pytest
import torch

from translate.training.trees import MAX_DEPTH, TreeError, decode_tree, encode_tree

DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.int64, torch.uint8, torch.bool, torch.complex64]


def round_trip(tree):
    value, tensors = encode_tree(tree)
    return decode_tree(json.loads(json.dumps(value, allow_nan=False)), tensors)


def same(a, b):
    """Equality that tells 1 from 1.0 from True, -0.0 from 0.0, and takes nan as equal to itself."""
    if type(a) is not type(b):
        return False
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and a.shape == b.shape and a.numpy().tobytes() == b.numpy().tobytes()
    if isinstance(a, float):
        return struct.pack("d", a) == struct.pack("d", b)
    if isinstance(a, dict):
        mine, other = list(a.items()), list(b.items())
        return len(mine) == len(other) and all(
            same(k, m) and same(v, w) for (k, v), (m, w) in zip(mine, other, strict=True)
        )
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


def random_tree(rng, depth=0):
    kind = rng.randrange(12 if depth < 4 else 9)
    leaves = [
        lambda: None,
        lambda: rng.random() < 0.5,
        lambda: rng.choice([0, 1, -1, 2**31, 2**63, 2**64, -(2**128), rng.getrandbits(100)]),
        lambda: struct.unpack("d", rng.randbytes(8))[0],
        lambda: rng.choice([math.inf, -math.inf, math.nan, 0.0, -0.0, 1.0, 5e-324, 0.1]),
        lambda: "".join(
            chr(rng.choice([0, 34, 36, 47, 92, 97, 233, 0x1F600, 0xD800])) for _ in range(rng.randrange(4))
        ),
        lambda: rng.randbytes(rng.randrange(5)),
        lambda: torch.tensor(rng.random()),
        lambda: torch.randint(0, 2, (rng.randrange(3), 2)).bool(),
    ]
    if kind < len(leaves):
        return leaves[kind]()
    items = [random_tree(rng, depth + 1) for _ in range(rng.randrange(4))]
    if kind == 9:
        return items
    if kind == 10:
        return tuple(items)
    return {rng.choice([i, str(i), f"${i}", "$tuple", f"a/{i}", f"b{i}"]): item for i, item in enumerate(items)}


def test_random_trees_come_back_exactly():
    for seed in range(400):
        tree = random_tree(random.Random(seed))
        assert same(tree, round_trip(tree)), f"seed {seed}"


def test_the_comparison_of_these_tests_sees_differences():
    for a, b in [(1, 1.0), (1, True), ((1,), [1]), (0.0, -0.0), ({1: 2}, {"1": 2}), ({1: 1, 2: 2}, {2: 2, 1: 1})]:
        assert not same(a, b)


@pytest.mark.parametrize("dtype", DTYPES)
def test_tensors_keep_dtype_shape_and_bits(dtype):
    value, tensors = encode_tree({"a": [torch.ones(2, 3).to(dtype)]})
    assert value == {"a": [{"$tensor": "/a/0"}]}
    assert tensors["/a/0"].dtype == dtype


def test_an_int_key_and_a_text_key_of_the_same_digits_are_two():
    tree = {1: torch.zeros(1), "1": torch.ones(1), "a/b": torch.zeros(2), "a": {"b": torch.ones(2)}}
    assert same(tree, round_trip(tree))


def test_mappings_that_look_like_marks_stay_mappings():
    for tree in [{"$tuple": [1]}, {"$tensor": "/x"}, {"$dict": [[1, 2]]}, {"$float": "00"}, {"$x": {"$y": 1}}]:
        assert same(tree, round_trip(tree))


def test_a_real_optimizer_state_comes_back():
    network = torch.nn.Linear(2, 2)
    optimizer = torch.optim.Adam(network.parameters(), betas=(0.5, 0.999))
    network(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    again = round_trip(optimizer.state_dict())
    assert list(again["state"]) == [0, 1]  # ints, as torch wants them
    assert again["param_groups"][0]["betas"] == (0.5, 0.999)
    optimizer.load_state_dict(again)


def test_an_ordered_dict_and_a_parameter_become_plain():
    again = round_trip(OrderedDict(w=torch.nn.Parameter(torch.ones(1))))
    assert type(again) is dict
    assert type(again["w"]) is torch.Tensor


@pytest.mark.parametrize(
    "value",
    [{1.5: 0}, {True: 0}, {None: 0}, {1, 2}, np.float64(1.0), np.ones(2), object(), 1 << 5000, torch.float32],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_come_back_exactly_is_refused_with_its_place(value):
    with pytest.raises(TreeError, match=r"^/state/0: "):
        encode_tree({"state": [value]})


def test_depth_is_limited_on_both_ways():
    tree, text = 0, 0
    for _ in range(MAX_DEPTH + 2):
        tree, text = [tree], [text]
    with pytest.raises(TreeError, match="nested deeper"):
        encode_tree(tree)
    with pytest.raises(TreeError, match="nested deeper"):
        decode_tree(text, {})


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"$tensor": "/gone"}, "'/gone' is not there"),
        ({"$tensor": 3}, "unknown mark"),
        ({"$float": "zz"}, "malformed"),
        ({"$float": "00"}, "malformed"),
        ({"$bytes": "???"}, "malformed"),
        ({"$dict": [[1]]}, "malformed"),
        ({"$dict": [[1.5, 2]]}, "neither str nor int"),
        ({"$eval": "1"}, "unknown mark"),
        ({"$tuple": [], "b": 1}, "beside other keys"),
    ],
)
def test_malformed_content_is_refused_with_its_place(value, says):
    with pytest.raises(TreeError, match=says) as caught:
        decode_tree({"a": value}, {})
    assert str(caught.value).startswith("/a")
