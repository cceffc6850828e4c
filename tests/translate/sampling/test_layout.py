"""What every input is at each place of a grid."""

from __future__ import annotations

import numpy as np
import pytest

from translate import sample
from translate.errors import DataError, ModelFileError, UsageError
from translate.inference import InputInfo
from translate.inference.latents import draw
from translate.sampling.paths import slerp


def test_a_plain_grid_is_one_draw_for_each_picture(tools, z, c):
    echo = tools["echo"]([z, c])
    made = sample(echo, seed=5)
    assert made.pictures.shape == (64, 1, 4, 6, 1)
    assert (made.rows, made.columns, made.files) == (None, None, ())
    assert echo.batches == [16, 16, 16, 16]
    assert np.array_equal(made.pictures[:, 0, 0, 0, 0], np.arange(64)), "in order, whatever the batches"
    assert np.array_equal(echo.seen("z", 64)[:, 0], draw(z.law, (3,), "float32", range(64), 5, name="z"))
    assert (echo.seen("c", 64).sum(axis=-1) == 1).all()
    assert made.description[0] == "64 pictures of 4x6x1, uint8 of export 'echo' at step 7"
    assert made.description[1] == "drawn with seed 5: z (vector of 3, normal), c (5 classes)"


def test_draws_depend_on_seed_number_and_name_alone(tools, z):
    other = tools["latent"]("y", 3)
    few, many = tools["echo"]([z, other]), tools["echo"]([other, z])
    sample(few, count=3, batch=1)
    sample(many, count=10, batch=7)
    assert np.array_equal(few.seen("z", 3), many.seen("z", 10)[:3])
    assert not np.isclose(few.seen("z", 3), few.seen("y", 3)).any(), "two latents of one law are independent"
    again = tools["echo"]([z])
    sample(again, count=3, seed=1)
    assert not np.isclose(few.seen("z", 3), again.seen("z", 3)).any()


def test_the_laws_have_their_moments(tools):
    def values(size, **law):
        info = tools["latent"]("z", size, **law)
        echo = tools["echo"]([info])
        sample(echo, count=400, batch=400)
        return echo.seen("z", 400)[:, 0]

    normal, wide = values(50), values(50, std=5)
    assert (normal.mean(), normal.std()) == pytest.approx((0, 1), abs=0.03)
    assert wide.std() == pytest.approx(5, abs=0.1)
    uniform = values(50, name="uniform", low=-1.0, high=3.0)
    assert (uniform.mean(), uniform.var()) == pytest.approx((1, 16 / 12), abs=0.05)
    assert -1 <= uniform.min() < uniform.max() < 3
    classes = values(4, name="categorical", classes=4)
    assert classes.mean(axis=0) == pytest.approx([0.25] * 4, abs=0.08)
    assert (values(2, name="constant", value=0.7) == np.float32(0.7)).all()
    assert np.linalg.norm(values(9, name="hypersphere", radius=3.0), axis=1) == pytest.approx([3.0] * 400, rel=1e-5)


def test_a_sweep_over_a_categorical_code_has_every_class_as_a_column(tools, z, c):
    echo = tools["echo"]([z, c])
    made = sample(echo, sweep="c")
    assert made.pictures.shape[:2] == (8, 5)
    assert np.array_equal(echo.seen("c", 8), np.broadcast_to(np.eye(5), (8, 5, 5)))
    rows = echo.seen("z", 8)
    assert (rows == rows[:, :1]).all(), "a row keeps its other latents"
    assert len(np.unique(rows[:, 0, 0])) == 8
    assert made.columns.titles == ("0", "1", "2", "3", "4")
    chosen = tools["echo"]([z, c])
    sample(chosen, sweep="c=4,1", count=2)
    assert chosen.seen("c", 2).argmax(axis=-1).tolist() == [[4, 1], [4, 1]]


def test_a_sweep_over_an_element_leaves_the_others(tools, z, style):
    echo = tools["echo"]([z, style])
    sample(echo, sweep="style[1]=-2:2:5", count=3)
    seen = echo.seen("style", 3)
    assert seen.shape == (3, 5, 2)
    assert np.array_equal(seen[0, :, 1], [-2, -1, 0, 1, 2])
    assert np.array_equal(seen[2, :, 1], [-2, -1, 0, 1, 2])
    assert (seen[:, :, 0] == seen[:, :1, 0]).all()
    assert len(np.unique(seen[:, 0, 0])) == 3


def test_usual_ranges_come_from_the_law(tools, z, style):
    sphere = tools["latent"]("s", 16, name="hypersphere", radius=4.0)
    wide = tools["latent"]("w", 2, std=5)
    echo = tools["echo"]([z, style, sphere, wide])
    for name, low, high in (("z", -2, 2), ("style", 0, 0.5), ("s", -2, 2), ("w", -10, 10)):
        made = sample(echo, sweep=f"{name}[0]", count=1)
        values = [float(value) for value in made.columns.values]
        assert (values[0], values[-1], len(values)) == (pytest.approx(low), pytest.approx(high), 10)


def test_an_element_of_a_map(tools):
    echo = tools["echo"]([tools["latent"]("map", (2, 3, 4))])
    sample(echo, sweep="map[1,2,3]=7,8", count=2)
    assert np.array_equal(echo.seen("map", 2)[:, :, 1, 2, 3], [[7, 8], [7, 8]])
    assert (echo.seen("map", 2)[:, 0, 0] == echo.seen("map", 2)[:, 1, 0]).all()
    with pytest.raises(UsageError, match=r"no element map\[1\] \(its shape is 2x3x4\)"):
        sample(echo, sweep="map[1]")


def test_one_input_along_the_rows_and_one_along_the_columns(tools):
    one, two, rest = (tools["latent"](name, 3) for name in ("z1", "z2", "z3"))
    echo = tools["echo"]([one, two, rest])
    made = sample(echo, rows="z1", columns="z2", count=4)
    assert made.pictures.shape[:2] == (4, 4)
    first, second, third = (echo.seen(name, 4) for name in ("z1", "z2", "z3"))
    assert (first == first[:, :1]).all()
    assert (second == second[:1]).all()
    assert (third == third[0, 0]).all(), "all others stay"
    assert len(np.unique(first[:, 0, 0])) == len(np.unique(second[0, :, 0])) == 4
    assert np.array_equal(first[:, 0], draw(one.law, (3,), "float32", range(4), 0, name="z1"))


def test_rows_alone_leave_the_draws_to_the_columns(tools, z, psi):
    echo = tools["echo"]([z, psi])
    made = sample(echo, rows="psi=0:1:3", count=5)
    assert made.pictures.shape[:2] == (3, 5)
    assert np.array_equal(echo.seen("psi", 3)[:, :, 0], np.repeat([[0.0], [0.5], [1.0]], 5, axis=1))
    assert (echo.seen("z", 3) == echo.seen("z", 3)[:1]).all()


def test_two_elements_of_one_code(tools, style):
    echo = tools["echo"]([style])
    sample(echo, rows="style[0]=0,1", columns="style[1]=5,6,7")
    assert echo.seen("style", 2).tolist() == [[[0, 5], [0, 6], [0, 7]], [[1, 5], [1, 6], [1, 7]]]
    sample(echo := tools["echo"]([style]), rows="style", columns="style[1]=5,6", count=3)
    assert np.array_equal(echo.seen("style", 3)[:, :, 1], [[5, 6]] * 3)
    assert len(np.unique(echo.seen("style", 3)[:, :, 0])) == 3


def test_a_truncation_sweep_and_its_usual_value(tools, z, psi):
    echo = tools["echo"]([z, psi])
    sample(echo, sweep="psi=0:1:3")
    assert np.array_equal(echo.seen("psi", 8)[0, :, 0], [0, 0.5, 1])
    usual = tools["echo"]([z, psi])
    sample(usual)
    assert (usual.seen("psi", 64) == np.float32(0.7)).all()
    with pytest.raises(UsageError, match="which values should 'psi' take"):
        sample(echo, sweep="psi")
    with pytest.raises(UsageError, match="from where to where"):
        sample(echo, sweep="psi[0]")


@pytest.mark.parametrize(("law", "chosen"), [(None, "slerp"), ("linear", "linear"), ("slerp", "slerp")])
def test_an_interpolation_goes_from_each_draw_to_the_next(tools, z, c, law, chosen):
    echo = tools["echo"]([z, c])
    made = sample(echo, interpolate="z", law=law, frames=5, count=3)
    assert made.columns.law == chosen
    assert made.columns.smooth
    seen, draws = echo.seen("z", 3), draw(z.law, (3,), "float32", range(4), 0, name="z")
    assert np.array_equal(seen[:, 0], draws[:3])
    assert np.array_equal(seen[:, -1], draws[1:]), "a row ends where the next begins"
    middle = slerp(draws[0], draws[1], 0.5) if chosen == "slerp" else (draws[0] + draws[1]) / 2
    assert seen[0, 2] == pytest.approx(middle, rel=1e-5)
    assert (echo.seen("c", 3) == echo.seen("c", 3)[:, :1]).all()


def test_interpolation_with_rows_of_classes_and_a_set_element(tools, z):
    echo, free = (tools["echo"]([z, tools["label"]()]) for _ in range(2))
    made = sample(echo, interpolate="z", rows="label", frames=5, settings=["z[2]=9"])
    assert made.pictures.shape[:2] == (4, 5)
    assert echo.seen("label", 4).tolist() == [[k] * 5 for k in range(4)]
    assert (echo.seen("z", 4)[:, :, 2] == 9).all(), "all along, though the way is a curve"
    assert (echo.seen("z", 4) == echo.seen("z", 4)[:1]).all()
    sample(free, interpolate="z", rows="label", frames=5)
    assert np.array_equal(echo.seen("z", 4)[:, :, :2], free.seen("z", 4)[:, :, :2]), "the others go as without it"


def test_an_element_that_varies_across_a_way_has_its_values_too(tools, z):
    echo = tools["echo"]([z])
    sample(echo, interpolate="z", rows="z[0]=-1,5", frames=4)
    assert np.array_equal(echo.seen("z", 2)[:, :, 0], [[-1] * 4, [5] * 4])
    draws = draw(z.law, (3,), "float32", range(2), 0, name="z")
    assert np.array_equal(echo.seen("z", 2)[0, [0, -1], 1:], draws[:, 1:])


def test_straight_is_usual_for_what_is_not_normal(tools, style):
    assert sample(tools["echo"]([style]), interpolate="style").columns.law == "linear"


def test_a_label_becomes_columns_by_itself(tools, z):
    echo = tools["echo"]([z, tools["label"]()])
    made = sample(echo)
    assert made.pictures.shape[:2] == (8, 4)
    assert echo.seen("label", 8).tolist() == [[0, 1, 2, 3]] * 8
    assert echo.seen("label", 8).dtype == np.int64
    one = tools["echo"]([z, tools["label"]()])
    assert sample(one, label=3).pictures.shape[:2] == (64, 1)
    assert (one.seen("label", 64) == 3).all()
    by_name = tools["echo"]([z, tools["label"]()])
    assert sample(by_name, settings={"label": 3}, count=2).description[-1] == "label = 3"
    swept = tools["echo"]([z, tools["label"]()])
    sample(swept, sweep="z[0]", count=6)
    assert swept.seen("label", 6)[:, 0].tolist() == [0, 1, 2, 3, 0, 1], "classes in a circle where columns are taken"
    counted = tools["echo"]([z, tools["label"]()])
    assert sample(counted, rows="z[0]=1,2", count=5).pictures.shape[:2] == (2, 5)
    assert counted.seen("label", 2).tolist() == [[0, 1, 2, 3, 0]] * 2, "beside rows of values a count is of draws"
    drawn = tools["echo"]([z, tools["label"]()])
    assert sample(drawn, rows="z", count=5).pictures.shape[:2] == (5, 4)


def test_very_many_classes_are_no_columns(tools, z):
    echo = tools["echo"]([z, tools["label"](classes=1000)])
    assert sample(echo).columns is None
    assert echo.seen("label", 64)[:, 0].tolist() == list(range(64))


def test_a_label_that_is_a_latent_is_drawn(tools, z):
    grain = InputInfo(
        name="grain",
        kind="label",
        dtype="int64",
        shape=(None,),
        law={"name": "categorical", "classes": 100, "one_hot": False},
    )
    echo = tools["echo"]([z, grain])
    assert sample(echo).columns is None
    assert len(np.unique(echo.seen("grain", 64))) > 30
    assert (sample(tools["echo"]([z, grain]), label=3, count=2).description[-1]) == "grain = 3"


def test_settings(tools, z, c, style, psi):
    echo = tools["echo"]([z, c, style, psi])
    made = sample(echo, count=2, settings=["c=2", "psi=0.5", "style=1,2", "z[1]=4"])
    assert echo.seen("c", 2)[1, 0].tolist() == [0, 0, 1, 0, 0]
    assert echo.seen("psi", 2).ravel().tolist() == [0.5, 0.5]
    assert echo.seen("style", 2)[0, 0].tolist() == [1, 2]
    drawn = draw(z.law, (3,), "float32", range(2), 0, name="z")
    drawn[:, 1] = 4
    assert np.array_equal(echo.seen("z", 2)[:, 0], drawn)
    assert "c = class 2" in made.description
    assert "drawn with seed 0: z (vector of 3, normal)" in made.description
    zero = tools["echo"]([z])
    sample(zero, settings={"z": 0.0}, count=1)
    assert not zero.seen("z", 1).any(), "one number for all elements"
    soft = tools["echo"]([c])
    sample(soft, settings={"c": [0.5, 0.5, 0, 0, 0]}, count=1)
    assert soft.seen("c", 1)[0, 0].tolist() == [0.5, 0.5, 0, 0, 0]
    assert sample(soft, settings={"c": [0, 1, 1, 0, 0]}, count=1).description[-1] == "c = 0, 1, 1, 0, 0", "no class"
    both = tools["echo"]([z])
    sample(both, settings=["z[0]=9", "z=1"], count=1)
    assert both.seen("z", 1)[0, 0].tolist() == [9, 1, 1], "whole values first, in any order"


def test_an_input_without_a_law_is_enough_when_it_is_set_or_swept(tools, z):
    bare = InputInfo(name="traits", kind="vector", dtype="float32", shape=(None, 2))
    echo = tools["echo"]([bare, z])
    with pytest.raises(UsageError, match=r"needs 'traits' \(vector of 2\), which has no law"):
        sample(echo)
    with pytest.raises(UsageError, match="has no law"):
        sample(echo, sweep="traits[0]=0:1:3")
    assert sample(tools["echo"]([bare, z]), sweep="traits=0,1").pictures.shape[:2] == (8, 2)
    assert sample(tools["echo"]([bare]), settings=["traits=1"]).pictures.shape[:2] == (1, 1), "nothing is drawn"


def test_a_law_that_only_its_component_knows(tools):
    odd = tools["latent"]("odd", 2, name="spiral")
    with pytest.raises(ModelFileError, match="spiral"):
        sample(tools["echo"]([odd]))
    assert sample(tools["echo"]([odd]), settings=["odd=1"]).pictures.shape[:2] == (1, 1)


def test_pictures_are_repeated_for_each_draw(tools, z, tmp_path):
    image = InputInfo(name="photo", kind="image", dtype="uint8", shape=(None, None, None, 3))
    photo = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    echo = tools["echo"]([image, z])
    sample(echo, pictures={"photo": photo}, count=20)
    assert np.array_equal(np.concatenate(echo.given["photo"]), np.stack([photo] * 20))
    with pytest.raises(UsageError, match="needs a picture 'photo'") as caught:
        sample(echo)
    assert caught.value.fix == "--input photo=FILE"
    with pytest.raises(UsageError, match="no file"):
        sample(echo, pictures=[str(tmp_path / "none.png")])
    (tmp_path / "broken.png").write_bytes(b"broken")
    with pytest.raises(DataError):
        sample(echo, pictures=[str(tmp_path / "broken.png")])
    with pytest.raises(UsageError, match="given twice"):
        sample(echo, pictures=[str(_saved(tmp_path, photo))] * 2)
    with pytest.raises(UsageError, match="takes one picture"):
        sample(echo, pictures={"photo": np.stack([photo] * 2)})
    fixed = InputInfo(name="photo", kind="image", dtype="uint8", shape=(None, 8, 8, 3))
    with pytest.raises(ModelFileError, match="8x8"):
        sample(tools["echo"]([fixed, z]), pictures={"photo": photo})
    with pytest.raises(UsageError, match="there is nothing to draw") as caught:
        sample(tools["echo"]([image]), pictures={"photo": photo})
    assert "translate run" in caught.value.fix


def _saved(folder, photo):
    from translate.pictures import write_picture

    write_picture(folder / "photo.png", photo)
    return folder / "photo.png"


def test_two_pictures_are_told_apart_by_name(tools, z, tmp_path):
    images = [InputInfo(name=name, kind="image", dtype="uint8", shape=(None, None, None, 3)) for name in ("a", "b")]
    photo = np.zeros((5, 7, 3), np.uint8)
    file = _saved(tmp_path, photo)
    echo = tools["echo"]([*images, z])
    sample(echo, pictures=[f"a={file}", f"b={file}"], count=1)
    assert set(echo.given) == {"a", "b", "z"}
    with pytest.raises(UsageError, match="which picture"):
        sample(echo, pictures=[str(file)])
    with pytest.raises(UsageError, match="takes no picture 'q'"):
        sample(echo, pictures={"q": photo})
    with pytest.raises(UsageError, match="takes no picture"):
        sample(tools["echo"]([z]), pictures=[str(file)])


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"sweep": "x"}, r"--sweep: the export has no input 'x'.* Inputs: z \(vector of 3, normal\), c \(5 classes\)"),
        ({"rows": "Z"}, "Did you mean 'z'"),
        ({"settings": ["q=1"]}, "--set: the export has no input 'q'"),
        ({"settings": ["z"]}, "--set: 'z' has no value"),
        ({"settings": ["z=1,2"]}, r"takes one number, or 3 of them \(got 2\)"),
        ({"settings": ["z[3]=1"]}, r"no element z\[3\]"),
        ({"settings": ["z[0]=1,2"]}, "takes one number"),
        ({"settings": {"z": "red"}}, "takes numbers"),
        ({"settings": {"z": float("nan")}}, "not finite"),
        ({"settings": ["c=5"]}, "takes the classes 0 to 4"),
        ({"settings": ["c=1.5"]}, r"takes the classes 0 to 4 \(got 1.5\)"),
        ({"settings": ["c=1", "c=2"]}, "'c' is set twice"),
        ({"settings": ["c=1"], "sweep": "c"}, "set and varied at once"),
        ({"settings": ["z=1"], "interpolate": "z"}, "set and varied at once"),
        ({"settings": ["z[0]=1"], "rows": "z"}, "set and varied at once"),
        ({"sweep": "c=5"}, "takes the classes 0 to 4"),
        ({"sweep": "c", "columns": "z"}, "--sweep and --columns both go along the columns"),
        ({"sweep": "c", "interpolate": "z"}, "both go along the columns"),
        ({"rows": "c", "columns": "c"}, "cannot vary along both"),
        ({"interpolate": "z[0]"}, "takes a whole latent"),
        ({"interpolate": "label"}, "nothing between two draws of 'label'"),
        ({"interpolate": "z", "law": "cubic"}, "no law 'cubic'"),
        ({"law": "slerp"}, "--law is for --interpolate"),
        ({"frames": 16}, "--frames is for --interpolate"),
        ({"frames": 5, "sweep": "z[0]"}, "--frames is for --interpolate"),
        ({"count": 3, "sweep": "c", "rows": "label"}, "--count: with both rows and columns there is one draw"),
        ({"count": 3, "sweep": "z[0]", "rows": "z[1]"}, "--count: with both rows and columns there is one draw"),
        ({"count": 3, "interpolate": "z", "rows": "c"}, "--count: with both rows and columns there is one draw"),
        ({"label": 4}, r"takes the classes 0 to 3 \(got 4\)"),
        ({"label": 1, "sweep": "label"}, "set and varied at once"),
        ({"count": 0}, "--count must be at least 1"),
        ({"frames": 1}, "--frames must be at least 2"),
        ({"seed": -1}, "--seed must be at least 0"),
    ],
)
def test_wrong_requests_name_what_is_wrong(tools, z, c, request_, message):
    with pytest.raises(UsageError, match=message) as caught:
        sample(tools["echo"]([z, c, tools["label"]()]), **request_)
    assert caught.value.exit_code == 2


def test_a_label_that_is_not_there_or_not_the_only_one(tools, z):
    with pytest.raises(UsageError, match="the export has no label"):
        sample(tools["echo"]([z]), label=1)
    with pytest.raises(UsageError, match=r"several labels \(old, new\)"):
        sample(tools["echo"]([z, tools["label"]("old"), tools["label"]("new")]), label=1)


def test_an_input_of_one_number_takes_any_and_a_type_takes_what_it_holds(tools, z):
    time = InputInfo(name="time", kind="tensor", dtype="float32", shape=(None,))
    steps = InputInfo(name="steps", kind="tensor", dtype="int64", shape=(None, 2))
    echo = tools["echo"]([time, steps, z])
    made = sample(echo, settings=["time=-0.5", "steps=3,4", "steps[1]=7"], count=2)
    assert echo.seen("time", 2).ravel().tolist() == [-0.5, -0.5]
    assert echo.seen("steps", 2)[0, 0].tolist() == [3, 7]
    assert "time = -0.5" in made.description
    for setting in ("steps=0.5,1", "steps[0]=0.5", "steps=1e300", "time=1e300"):
        with pytest.raises(UsageError, match=r"takes numbers of the type (int64|float32) \(got (0.5|1e\+300)"):
            sample(echo, settings=["time=0", "steps=0", setting])
    with pytest.raises(UsageError, match=r"'steps' takes numbers of the type int64 \(got 0.5\)"):
        sample(echo, settings=["time=0", "steps=0"], sweep="steps[0]=0:1:3")
    with pytest.raises(UsageError, match=r"needs 'time' \(one number\)"):
        sample(echo)
    unknown = tools["label"](classes=None)
    with pytest.raises(UsageError, match="takes whole numbers from 0"):
        sample(tools["echo"]([unknown, z]), settings=["label=0.5"])
