"""Toy mixtures: the definitions of the papers, moments, splits, and batches in one call."""

from __future__ import annotations

import math
import pickle
import re

import numpy as np
import pytest

from translate import Vector
from translate.data import DataRequest
from translate.data.examples import UNLIMITED as NEVER_PERMUTED
from translate.data.examples import Examples, StreamSettings
from translate.data.stream import Stream
from translate.errors import DataError
from translate_datasets.mixture import LAWS, centres, mixture

MANY = 20_000


def data(split="train", request_seed=0, **choices):
    return mixture(DataRequest(split=split, image_size=None, seed=request_seed), **choices)


def points(count=MANY, **choices):
    return {name: values.astype(np.float64) for name, values in data(**choices).batch(range(count)).items()}


@pytest.mark.parametrize("law", LAWS)
def test_fields(law):
    size = 1 if law in {"two_point", "gaussian"} else 2
    assert data(law=law).fields == {"point": Vector(size), "centre": Vector(size), "sigma": Vector(1)}


def test_ring_is_eight_modes_on_the_unit_circle():
    expected = {(round(math.cos(k * math.pi / 4), 6), round(math.sin(k * math.pi / 4), 6)) for k in range(8)}
    assert {tuple(c) for c in (np.round(centres("ring", 8, 1.0), 6) + 0.0).tolist()} == expected
    assert (data().centres == centres("ring", 8, 1.0)).all()


def test_grid_is_twenty_five_modes_at_even_numbers():
    expected = {(x, y) for x in (-4, -2, 0, 2, 4) for y in (-4, -2, 0, 2, 4)}
    assert {tuple(c) for c in data(law="grid").centres.tolist()} == expected


@pytest.mark.parametrize(("law", "sigma"), [("ring", 0.01), ("grid", 0.05), ("gaussian", 0.5), ("two_point", 0.0)])
def test_noise_has_the_deviation_that_is_stated(law, sigma):
    found = points(law=law)
    assert found["sigma"].ravel().tolist() == pytest.approx([sigma] * MANY)
    rest = found["point"] - found["centre"]
    assert np.sqrt((rest**2).mean(axis=0)) == pytest.approx(sigma, rel=0.02, abs=1e-6)
    assert rest.mean(axis=0) == pytest.approx(0, abs=0.03 * sigma + 1e-6)


@pytest.mark.parametrize(("law", "modes"), [("ring", 8), ("grid", 25), ("ring", 3), ("grid", 4)])
def test_modes_are_equally_likely(law, modes):
    _, counts = np.unique(points(law=law, modes=modes)["centre"], axis=0, return_counts=True)
    assert len(counts) == modes
    assert counts / MANY == pytest.approx(np.full(modes, 1 / modes), abs=4 / math.sqrt(modes * MANY))


def test_the_centre_of_a_point_is_its_own_and_nearest():
    found = points(law="grid")
    distance = np.linalg.norm(found["point"][:, None] - centres("grid", 25, 2.0), axis=2)
    np.testing.assert_allclose(centres("grid", 25, 2.0)[distance.argmin(1)], found["centre"], atol=1e-6)


def test_scale_and_sigma_of_the_toy_script_of_wgan_gp():
    found = points(law="grid", scale=2 / 2.828, sigma=0.05 / 2.828)
    assert np.abs(found["centre"]).max() == pytest.approx(4 / 2.828)
    assert (found["point"] - found["centre"]).std() == pytest.approx(0.05 / 2.828, rel=0.02)


def test_the_roll_is_the_one_of_the_toy_script_of_wgan_gp():
    """scikit-learn's roll without its height, divided by 7.5: t cos t and t sin t for t from 1.5 pi to 4.5 pi."""
    found = points(law="swiss_roll")
    radius = np.linalg.norm(found["centre"], axis=1) * 7.5
    assert radius.min() == pytest.approx(1.5 * math.pi, rel=0.01)
    assert radius.max() == pytest.approx(4.5 * math.pi, rel=0.01)
    assert radius.mean() == pytest.approx(3 * math.pi, rel=0.01)  # the angle is uniform
    curve = np.stack([radius * np.cos(radius), radius * np.sin(radius)], axis=1)
    np.testing.assert_allclose(found["centre"] * 7.5, curve, atol=1e-4)
    assert (found["point"] - found["centre"]).std() == pytest.approx(0.25 / 7.5, rel=0.02)


def test_two_points_have_the_share_that_is_asked_for():
    found = points(law="two_point", share=0.8, scale=3.0)["point"]
    assert set(found.ravel().tolist()) == {-3.0, 3.0}
    assert (found > 0).mean() == pytest.approx(0.8, abs=0.01)


def test_gaussian_moments():
    found = points(law="gaussian", scale=2.0, sigma=0.7)["point"]
    assert found.mean() == pytest.approx(2.0, abs=0.02)
    assert found.std() == pytest.approx(0.7, rel=0.02)


def test_splits_and_seeds_are_independent():
    train, val, test = (data(split)._drawn(0)[0] for split in ("train", "val", "test"))
    other = data(request_seed=1)._drawn(0)[0]
    for one, two in ((train, val), (train, test), (val, test), (train, other)):
        assert not {tuple(row) for row in one.tolist()} & {tuple(row) for row in two.tolist()}
        assert abs(np.corrcoef(one[:, 0], two[:, 0])[0, 1]) < 0.06


def test_a_seed_of_its_own_wins():
    one = mixture(DataRequest(split="train", image_size=None, seed=1), seed=9)
    two = mixture(DataRequest(split="train", image_size=None, seed=2), seed=9)
    np.testing.assert_array_equal(one.batch(range(9))["point"], two.batch(range(9))["point"])


def test_any_order_gives_the_same_examples():
    places = [0, 4095, 4096, 9_000_000, 5, 2**31 - 2]
    dataset = data()
    together = dataset.batch(places)
    fresh = pickle.loads(pickle.dumps(dataset))  # noqa: S301
    for row, place in reversed(list(enumerate(places))):
        for name, value in fresh.example(place).items():
            np.testing.assert_array_equal(value, together[name][row])


def test_without_an_end_it_is_drawn_in_order_and_with_one_it_is_shuffled():
    assert len(data()) > NEVER_PERMUTED
    assert len(data(count=10)) == 10
    assert len(data("val")) == len(data("test")) == 2500
    with pytest.raises(IndexError, match="examples 0 to 9 in 'train'"):
        data(count=10).example(10)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("count", [None, 50])
def test_batches_of_the_stream_are_the_examples(count, workers):
    dataset = data(count=count)
    stream = Stream(dataset, StreamSettings(image_size=None, workers=workers, seed=3), batch_size=8)
    batches = stream.batches(16)
    examples = Examples(dataset, StreamSettings(image_size=None, seed=3))
    for start in (16, 24):
        batch = next(batches)
        for row in range(8):
            for name, value in examples.at(start + row).items():
                np.testing.assert_array_equal(batch[name][row].numpy(), value)
    batches.close()


def test_a_batch_that_breaks_the_rules_is_an_error_that_says_so():
    class Short:
        def __init__(self):
            self.fields = {"point": Vector(2)}

        def __len__(self):
            return 5

        def name(self, index):
            return str(index)

        def batch(self, indices):
            return {"point": np.zeros((1, 2), np.float32)}

    stream = Stream(Short(), StreamSettings(image_size=None), batch_size=2)
    with pytest.raises(DataError, match="should hold 2 examples, but it holds 1"):
        next(stream.batches())


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"law": "grid", "modes": 24}, r"a grid has a square number of modes \(got 24\).*16 or 25"),
        ({"law": "gaussian", "modes": 2}, r"the law gaussian has 1 mode \(got 2\).*leave data.modes out"),
        ({"law": "two_point", "modes": 3}, r"the law two_point has 2 modes \(got 3\).*leave data.modes out"),
        ({"law": "swiss_roll", "modes": 1}, r"the law swiss_roll has no modes \(got 1\).*leave data.modes out"),
        *(
            ({"law": law, "share": 0.5}, rf"the law {law} has no share \(got 0.5\).*leave data.share out, or choose")
            for law in LAWS
            if law != "two_point"
        ),
    ],
)
def test_what_a_law_does_not_have_is_refused(choices, message):
    with pytest.raises(DataError) as caught:
        data(**choices)
    assert re.search(message, f"{caught.value.what} {caught.value.fix}")
