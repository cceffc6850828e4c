"""Transforms: what a pipeline may write, shared geometry, label maps, and randomness that never repeats itself."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from typing import Any

import numpy as np
import pytest

from translate.data.transforms import Transforms, check_transforms, decides_size, transform_names

PICTURE = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)


def seed(position: int) -> np.random.SeedSequence:
    return np.random.SeedSequence([0, position])


@pytest.mark.parametrize(
    "transforms",
    [
        [],
        ["HorizontalFlip"],
        [{"HorizontalFlip": None}],
        [{"HorizontalFlip": 0.3}],
        [{"Resize": 286}, {"RandomCrop": [200, 256]}, {"RandomResizedCrop": 64}],
        [{"RandomResizedCrop": {"size": [64, 48], "scale": [0.5, 1.0]}}],
        [{"Affine": {"rotate": [-10, 10], "interpolation": "bicubic", "border_mode": "reflect"}}],
        [{"ColorJitter": {"brightness": [0.9, 1.1], "p": 1}}],
    ],
)
def test_good_transforms(transforms: list[Any]) -> None:
    assert check_transforms(transforms) == []


@pytest.mark.parametrize(
    ("transforms", "path", "text"),
    [
        ("HorizontalFlip", (), "must be a list"),
        ([3], (0,), "must be a name"),
        ([{"Resize": 1, "Blur": 3}], (0,), "must be a name"),
        (["Blur", "HorizontalFlop"], (1,), "Did you mean 'HorizontalFlip'?"),
        ([{"RandomCrop": {"heigth": 3, "width": 3}}], (0, "RandomCrop", "heigth"), "Did you mean 'height'?"),
        ([{"RandomCrop": {"height": 3}}], (0, "RandomCrop"), "requires 'width'"),
        (["RandomCrop"], (0,), "requires 'height'"),
        ([{"Resize": {"height": -1, "width": 3}}], (0, "Resize", "height"), "greater than or equal to 1 (got -1)"),
        ([{"Resize": [1, 2, 3]}], (0, "Resize"), "one size or [height, width]"),
        ([{"Rotate": {"interpolation": "bicubik"}}], (0, "Rotate", "interpolation"), "Did you mean 'bicubic'?"),
        (["Normalize"], (0,), "brings pictures to the pipeline's value range"),
        ([{"Lambda": {"image": "os.system"}}], (0, "Lambda"), "code"),
        (["BasicTransform"], (0,), "is not a transform"),
        (["Compose"], (0,), "is not a transform"),
        (["os"], (0,), "is not a transform"),
        ([{"HorizontalFlip": {"p": 2}}], (0, "HorizontalFlip", "p"), "less than or equal to 1"),
        ([{"SmallestMaxSize": -5}], (0, "SmallestMaxSize", "max_size"), "must be 1 or more (got -5)"),
        (
            [{"LongestMaxSize": {"max_size_hw": [64, 0]}}],
            (0, "LongestMaxSize", "max_size_hw"),
            "1 or more (got [64, 0])",
        ),
    ],
)
def test_problems_have_a_path_and_a_hint(transforms: Any, path: tuple[Any, ...], text: str) -> None:
    problems = check_transforms(transforms)
    assert problems[0][0] == path
    assert text in problems[0][1]


def test_all_problems_are_found() -> None:
    assert [path[0] for path, _ in check_transforms(["Nope", "HorizontalFlip", {"Blur": {"x": 1}}])] == [0, 2]


def test_every_name_that_is_offered_can_be_used_on_a_pair() -> None:
    """With its defaults where it has them: no transform asks for what examples do not have."""
    needs = {"Resize": 8, "RandomCrop": 8, "CenterCrop": 8, "RandomResizedCrop": 8, "Crop": {"x_max": 8, "y_max": 8}}
    needs |= {
        "RandomSizedCrop": {"min_max_height": [4, 8], "size": [8, 8]},
        "LongestMaxSize": 8,
        "CropAndPad": 2,
        "GridElasticDeform": {"num_grid_xy": [4, 4], "magnitude": 3},
        "SmallestMaxSize": 8,
    }
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    failed = {}
    for name in transform_names():
        entry = {name: needs[name]} if name in needs else name
        problems = check_transforms([entry])
        try:
            out = Transforms([entry], {"a": "bicubic", "b": "nearest"})({"a": picture, "b": picture}, seed(0))
            assert out["a"].shape[:2] == out["b"].shape[:2]
            assert out["a"].dtype == np.uint8
        except Exception as exc:
            failed[name] = f"{problems} {exc!r}"
    assert not failed


def test_all_fields_get_the_same_geometry() -> None:
    apply = Transforms(
        ["HorizontalFlip", "VerticalFlip", {"RandomCrop": 8}], {"a": "bicubic", "b": "nearest", "c": "area"}
    )
    for position in range(20):
        out = apply({"a": PICTURE, "b": PICTURE, "c": PICTURE}, seed(position))
        assert np.array_equal(out["a"], out["b"])
        assert np.array_equal(out["a"], out["c"])


def test_fields_that_are_not_aligned_are_independent() -> None:
    apply = Transforms(["HorizontalFlip"], {"a": "bicubic", "b": "bicubic"}, aligned=False)
    outs = [apply({"a": PICTURE, "b": PICTURE}, seed(position)) for position in range(30)]
    assert {np.array_equal(out["a"], out["b"]) for out in outs} == {True, False}


def test_flips_do_not_always_agree() -> None:
    """albumentations' own seeding gives every transform the same numbers: two flips would flip together, always."""
    apply = Transforms(["HorizontalFlip", "VerticalFlip"], {"a": "bicubic"})
    counts = Counter(apply({"a": PICTURE}, seed(position))["a"].tobytes() for position in range(200))
    assert len(counts) == 4
    assert min(counts.values()) > 25


def test_label_maps_are_never_blended_or_recoloured() -> None:
    labels = np.random.default_rng(1).choice(np.array([0, 100, 255], np.uint8), (20, 20, 1))
    rotate = {"Affine": {"rotate": [10, 40], "scale": [0.7, 1.4], "p": 1}}
    chain = [{"Resize": 33}, rotate, {"RandomBrightnessContrast": {"p": 1}}, {"GaussNoise": {"p": 1}}]
    picture = np.repeat(labels, 3, axis=2)
    for position in range(10):
        out = Transforms(chain, {"a": "bicubic", "b": "nearest"})({"a": picture, "b": labels}, seed(position))
        assert set(np.unique(out["b"])) <= {0, 100, 255}
        assert len(np.unique(out["a"])) > 10


def test_label_maps_alone() -> None:
    out = Transforms([{"RandomCrop": 8}], {"b": "nearest"})({"b": PICTURE}, seed(0))
    assert out["b"].shape == (8, 8, 3)


def test_the_seed_decides() -> None:
    apply = Transforms([{"RandomCrop": 5}, {"ColorJitter": {"p": 1}}], {"a": "bicubic"})
    first = [apply({"a": PICTURE}, seed(position))["a"] for position in range(8)]
    again = [apply({"a": PICTURE}, seed(position))["a"] for position in reversed(range(8))][::-1]
    assert all(np.array_equal(one, two) for one, two in zip(first, again, strict=True))
    assert len({one.tobytes() for one in first}) == 8


def test_types_and_resolutions_are_brought_together() -> None:
    deep = np.full((6, 8, 1), 65535, np.uint16)
    out = Transforms([{"RandomCrop": 10}], {"a": "bicubic", "b": "nearest"})({"a": PICTURE, "b": deep}, seed(0))
    assert out["a"].dtype == out["b"].dtype == np.float32
    assert out["a"].shape == (10, 10, 3)
    assert out["b"].shape == (10, 10, 1)
    assert out["a"].max() <= 1
    assert out["b"].min() == 1


def test_read_only_pictures_are_not_touched() -> None:
    fixed = PICTURE.copy()
    fixed.flags.writeable = False
    out = Transforms([{"CoarseDropout": {"p": 1}}], {"a": "bicubic"})({"a": fixed}, seed(0))
    assert not np.array_equal(out["a"], fixed)
    assert np.array_equal(fixed, PICTURE)


def test_shrinking_is_antialiased() -> None:
    checks = np.indices((64, 64)).sum(0, dtype=np.uint8)[:, :, None] % 2 * 255
    small = Transforms([{"Resize": 16}], {"a": "bicubic"})({"a": checks}, seed(0))["a"]
    assert np.abs(small.astype(int) - 128).max() <= 2


def test_which_transforms_decide_the_size() -> None:
    assert decides_size([{"Resize": 8}])
    assert decides_size(["HorizontalFlip", {"RandomResizedCrop": 8}])
    assert not decides_size(["HorizontalFlip", {"Affine": {"rotate": 5}}])


def test_albumentations_is_imported_late_and_does_not_call_home() -> None:
    code = (
        "import os, sys; os.environ.pop('NO_ALBUMENTATIONS_UPDATE', None)\n"
        "import translate.data.transforms as t\n"
        "assert not {'albumentations', 'torch', 'cv2'} & set(sys.modules)\n"
        "import socket; socket.socket.connect = lambda *a: sys.exit('connected')\n"
        "t.transform_names(); assert os.environ['NO_ALBUMENTATIONS_UPDATE'] == '1'"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
