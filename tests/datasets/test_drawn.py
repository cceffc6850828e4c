"""The embedded data set: determinism, alignment, classes, and what the labels leave open."""

from __future__ import annotations

import dataclasses
import hashlib
import pickle
import subprocess
import sys

import numpy as np
import pytest

from translate.data.request import DataRequest, Dataset
from translate.signatures import read_schema
from translate.specs import Image
from translate_datasets._drawing.classes import COLOURS, INDEX
from translate_datasets._drawing.layout import compose
from translate_datasets._drawing.render import draw_pair, paint
from translate_datasets.drawn import CLASSES, PALETTE, drawn
from translate_datasets.made import UNLIMITED


def make(split="train", size=(64, 64), seed=3, **choices):
    return drawn(DataRequest(split=split, image_size=size, seed=seed), **choices)


def pair(index, size=(64, 64), material=None):
    return draw_pair(
        np.random.default_rng([5, index, 0]),
        np.random.default_rng([5, index if material is None else material, 1]),
        size,
    )


def indices(labels):
    """Class index of each pixel; fails where a colour is not in the palette."""
    same = (labels[:, :, None] == COLOURS).all(axis=3)
    assert same.any(axis=2).all()
    return same.argmax(axis=2)


def digest(dataset, positions):
    found = hashlib.sha256()
    for position in positions:
        example = dataset.example(position, np.random.default_rng(0))
        found.update(example["source"].tobytes() + example["target"].tobytes())
    return found.hexdigest()


def test_is_a_dataset_with_specs_of_the_request():
    dataset = drawn(DataRequest(split="train", image_size=(48, 80), seed=0, value_range=(0.0, 1.0)))
    assert isinstance(dataset, Dataset)
    assert dataset.fields == {"source": Image(3, 48, 80, 0.0, 1.0), "target": Image(3, 48, 80, 0.0, 1.0)}
    assert dataset.interpolation == {"source": "nearest", "target": "area"}
    assert make(size=None).fields["source"] == Image(3, 64, 64)
    assert dataset.name(7) == "train_000007"


def test_schema_offers_the_choices():
    schema = read_schema("dataset", drawn)
    assert [choice.name for choice in schema.choices] == ["count", "val_count", "test_count", "direction", "seed"]
    assert all(choice.description for choice in schema.choices)
    assert schema.validate({"count": None, "direction": "photo_to_labels"})[1] == []
    assert [path for path, _ in schema.validate({"count": 0})[1]] == [("count",)]


def test_is_registered():
    from translate_datasets import translate_components

    assert "translate_datasets.drawn:drawn" in {component.target for component in translate_components()}


def test_does_not_import_torch():
    code = "import sys, translate_datasets.drawn; sys.exit('torch' in sys.modules or 'cv2' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_same_bits_in_another_instance_order_and_process():
    expected = digest(make(), [4, 9])
    again = make()
    again.example(9)
    again.example(1)
    np.random.default_rng(1).random(10)
    assert digest(again, [4, 9]) == expected
    assert digest(pickle.loads(pickle.dumps(make())), [4, 9]) == expected  # noqa: S301
    code = (
        "import hashlib; from translate.data.request import DataRequest; from translate_datasets.drawn import drawn\n"
        "dataset = drawn(DataRequest(split='train', image_size=(64, 64), seed=3)); found = hashlib.sha256()\n"
        "for i in (4, 9):\n"
        "    e = dataset.example(i); found.update(e['source'].tobytes() + e['target'].tobytes())\n"
        "print(found.hexdigest())"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == expected


def test_textures_do_not_depend_on_what_was_drawn_before():
    """The cached sheets of noise must not be changed by painting on them."""
    dataset = make(size=(32, 32))
    first = [dataset.example(index)["target"] for index in range(20)]
    second = [dataset.example(index)["target"] for index in reversed(range(20))][::-1]
    assert all((a == b).all() for a, b in zip(first, second, strict=True))


def test_splits_seeds_and_positions_are_disjoint():
    seen = [
        digest(make(split, (24, 24), seed), [index])
        for split in ("train", "val", "test")
        for seed in (0, 1)
        for index in range(15)
    ]
    assert len(set(seen)) == len(seen)


def test_explicit_seed_wins_over_the_request():
    assert digest(make(seed=1, size=(24, 24)), [0]) != digest(make(seed=2, size=(24, 24)), [0])
    fixed = [digest(drawn(DataRequest(split="train", image_size=(24, 24), seed=seed), seed=9), [0]) for seed in (1, 2)]
    assert fixed[0] == fixed[1]


def test_counts():
    assert [len(make(split)) for split in ("train", "val", "test")] == [2000, 100, 100]
    assert [len(make(split, count=7, val_count=5, test_count=4)) for split in ("train", "val", "test")] == [7, 5, 4]
    with pytest.raises(IndexError, match="0 to 6"):
        make(count=7).example(7)
    with pytest.raises(IndexError):
        make().example(-1)


def test_unlimited_has_new_examples_far_out():
    dataset = make(size=(24, 24), count=None)
    assert len(dataset) == UNLIMITED > 2_000_000_000
    assert len(make("val", count=None)) == 100
    assert len({digest(dataset, [index]) for index in (0, 2000, 123_456_789, UNLIMITED - 1)}) == 4
    assert digest(dataset, [11]) == digest(make(size=(24, 24)), [11])


def test_direction_swaps_the_fields():
    one, other = make(), make(direction="photo_to_labels")
    assert (one.example(2)["source"] == other.example(2)["target"]).all()
    assert (one.example(2)["target"] == other.example(2)["source"]).all()
    assert list(other.example(2)) == ["source", "target"]
    assert other.interpolation == {"target": "nearest", "source": "area"}
    indices(other.example(2)["target"])


@pytest.mark.parametrize("size", [(64, 64), (40, 96), (96, 40), (17, 33), (1, 1), (4, 300), (128, 16)])
def test_any_size(size):
    for index in range(4):
        labels, photo = pair(index, size)
        assert labels.shape == photo.shape == (*size, 3)
        assert labels.dtype == photo.dtype == np.uint8
        assert photo.flags.c_contiguous
        indices(labels)


def test_palette_is_well_separated():
    assert len(CLASSES) == len(PALETTE) == 13
    colours = COLOURS.astype(float)
    apart = np.linalg.norm(colours[:, None] - colours[None], axis=2) + 1e9 * np.eye(13)
    assert apart.min() >= 80


def test_every_class_occurs():
    present = np.zeros(13)
    pixels = np.zeros(13)
    for index in range(120):
        classes = np.bincount(indices(pair(index)[0]).ravel(), minlength=13)
        present += classes > 0
        pixels += classes
    share = dict(zip(CLASSES, present / 120, strict=True))
    assert all(value >= 0.1 for value in share.values()), share
    assert all(share[name] >= 0.95 for name in ("sky", "ground", "wall", "window")), share
    assert pixels[INDEX["wall"]] / pixels.sum() < 0.6


def test_layout_does_not_depend_on_the_size():
    """The label map of half the size is the label map, read at every second pixel, up to rounding at edges."""
    for index in range(10):
        fine, coarse = indices(pair(index, (128, 128))[0]), indices(pair(index, (64, 64))[0])
        blocks = fine.reshape(64, 2, 64, 2).transpose(0, 2, 1, 3).reshape(64, 64, 4)
        assert (blocks == coarse[:, :, None]).any(axis=2).mean() > 0.95


def test_layout_follows_the_aspect_ratio():
    wide, square = compose(np.random.default_rng(1), 4.0), compose(np.random.default_rng(1), 1.0)
    assert max(house.wall.x1 for house in wide.houses) > 3 > max(house.wall.x1 for house in square.houses)


def test_labels_leave_the_appearance_open():
    for index in range(6):
        labels, photo = pair(index)
        others = [pair(index, material=material) for material in range(100, 108)]
        assert all((other[0] == labels).all() for other in others)
        wall = indices(labels) == INDEX["wall"]
        looks = np.stack([photo, *(other[1] for other in others)]).astype(float)[:, wall]
        # The same pixel of the same wall: its value over pictures varies by far more than noise would.
        assert looks.std(axis=0).mean() > 20


def test_labels_and_photo_are_aligned():
    """Between neighbours the photo changes more where the label changes; moving the labels loses that."""

    def score(shift):
        found = []
        for index in range(40):
            labels, photo = pair(index)
            classes, grey = np.roll(indices(labels), shift, axis=(0, 1)), photo.astype(float).mean(axis=2)
            for axis in (0, 1):
                edge = np.diff(classes, axis=axis) != 0
                change = np.abs(np.diff(grey, axis=axis))
                found.append(change[edge].mean() / change[~edge].mean())
        return np.mean(found)

    here = score((0, 0))
    assert here > 1.5
    for shift in ((0, 1), (0, -1), (1, 0), (-1, 0), (2, 2)):
        assert here > 1.15 * score(shift), shift


def test_shadows_never_fall_on_the_sky():
    """The sky beside a house is the sky without the house, up to the pixel where the two meet."""
    for index in range(20):
        scene = dataclasses.replace(compose(np.random.default_rng([5, index, 0]), 1.0), trees=(), lamps=())
        bare = dataclasses.replace(scene, houses=())
        (labels, photo), (_, empty) = (
            paint(one, np.random.default_rng([5, index, 1]), (64, 64)) for one in (scene, bare)
        )
        sky = np.pad(indices(labels) == INDEX["sky"], 1, mode="edge")
        apart = np.all([sky[y : y + 64, x : x + 64] for y in range(3) for x in range(3)], axis=0)
        assert (photo[apart] == empty[apart]).all()


def test_the_sun_throws_shadows_on_walls():
    from translate_datasets._drawing.canvas import Canvas

    deep = []
    original = Canvas.finish
    for index in range(20):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                Canvas, "finish", lambda self, *light: deep.append((self.light < 0.5).mean()) or original(self, *light)
            )
            pair(index)
    assert 0.02 < np.mean(deep) < 0.3


def test_walls_and_roofs_are_textured():
    """Energy between neighbouring pixels inside one class: what a blurred answer lacks."""
    for name in ("wall", "roof"):
        energies = []
        for index in range(40):
            labels, photo = pair(index)
            inside, grey = indices(labels) == INDEX[name], photo.astype(float).mean(axis=2)
            both = inside[:, :-1] & inside[:, 1:]
            if both.sum() > 50:
                energies.append(np.abs(np.diff(grey, axis=1))[both].mean())
        assert np.median(energies) > 6
        assert np.min(energies) > 1.5


def test_pictures_use_the_range():
    photos = np.stack([pair(index)[1] for index in range(40)]).astype(float)
    means = photos.mean(axis=(1, 2, 3))
    assert 70 < means.mean() < 185
    assert means.std() > 8
    assert (photos == 255).mean() < 0.03
    assert (photos == 0).mean() < 0.03
