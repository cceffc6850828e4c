"""What a file says of itself is data of a stranger too: damaged, it is an error that names the file (exit 4)."""

from __future__ import annotations

import json
import tracemalloc

import numpy as np
import onnx
import pytest

from translate.cli import main
from translate.errors import ModelFileError
from translate.inference import InputInfo, Translator
from translate.inference.latents import draw, law_problem

Z = {"name": "z", "kind": "vector"}
LABEL = """
<ir_version: 8, opset_import: ["" : 18]>
g (float[batch, 3] z, int64[batch] label) => (float[batch, 3] out) {
  l = Cast<to = 1>(label)
  axes = Constant<value = int64[1] {1}>()
  y = Unsqueeze(l, axes)
  out = Add(z, y)
}
"""


def saying(path, inputs, model=None):
    """The file with other words on its inputs: a list, or the text of one that is no JSON of ours."""
    model = model or onnx.load(str(path))
    text = inputs if isinstance(inputs, str) else json.dumps(inputs)
    onnx.helper.set_model_props(model, {"format_version": "1", "size_divisor": "1", "inputs": text})
    onnx.save(model, str(path))
    return path


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ([1], r"its inputs are \[1\]"),
        ({"name": "z"}, "its inputs are {"),
        ([{"name": ["z"]}], r"its inputs are \[{.*\[.z.\]"),
        ([{"kind": "vector"}], "its inputs are"),
        ([{**Z, "law": "normal"}], "'z': the law is .normal"),
        ([{**Z, "law": [1]}], r"'z': the law is \[1\]"),
        ([{**Z, "law": {"name": "normal", "std": "x"}}], r"'z': `std` must be a finite number \(got .x.\)"),
        ([{**Z, "law": {"name": "normal", "std": float("nan")}}], r"`std` must be a finite number \(got NaN\)"),
        ([{**Z, "law": {"name": "normal", "std": True}}], r"`std` must be a finite number \(got true\)"),
        ([{**Z, "law": {"name": "normal", "std": 10**400}}], r"`std` must be a finite number \(got 1000"),
        ([{**Z, "law": {"name": "hypersphere", "radius": float("inf")}}], "`radius` must be a finite number"),
        ([{**Z, "law": {"name": "uniform", "low": 2, "high": 1}}], r"`low` is above `high` \(2 and 1\)"),
        ([{**Z, "law": {"name": "uniform", "low": {}}}], "`low` must be a finite number"),
        ([{**Z, "law": {"name": "categorical", "classes": 0}}], "`classes` must be a whole number from 1"),
        ([{**Z, "law": {"name": "categorical", "classes": -3}}], "`classes` must be a whole number from 1"),
        ([{**Z, "law": {"name": "categorical", "classes": 1e9}}], "`classes` must be a whole number from 1"),
        ([{**Z, "law": {"name": "categorical", "classes": 10**9}}], "a one-hot code of 1000000000 classes has not"),
        ([{**Z, "law": {"name": "categorical", "classes": 10**30}}], "`classes` must be a whole number from 1"),
        ([{**Z, "law": {"name": "categorical", "classes": 3, "one_hot": 0}}], "`one_hot` must be true or false"),
        ([{**Z, "law": {"name": "categorical", "classes": 3, "one_hot": False}}], "a label of 3 classes has not"),
        ([{**Z, "law": {"name": "constant", "value": "0.7"}}], "`value` must be a finite number"),
        ([{**Z, "classes": 0}], "'z': `classes` must be a whole number from 1"),
        ([{**Z, "classes": "ten"}], "'z': `classes` must be a whole number from 1"),
        ([{**Z, "classes": "\x1b[31m" + "x" * 999}], r"got .{80}\)\)"),
        ("[", "JSONDecodeError"),
    ],
)
def test_damaged_words_on_the_inputs_are_named(shift, tmp_path, picture, capsys, inputs, says):
    file = saying(shift, inputs)
    with pytest.raises(ModelFileError, match=rf"the file's metadata is damaged \(.*{says}") as caught:
        Translator(file)
    assert caught.value.where == str(file)
    assert "export it again" in caught.value.fix
    assert caught.value.what.isprintable()
    assert len(caught.value.what) < 300
    assert main(["sample", str(file), "--output", str(tmp_path / "x.png")]) == 4
    assert capsys.readouterr().err.startswith("error: the file's metadata is damaged")


def test_what_is_known_to_a_component_alone_or_not_said_is_no_damage(shift, picture):
    for inputs in ([], [{**Z, "law": None}], [{**Z, "law": {"name": "spiral", "std": "x"}}], [{**Z, "law": {}}]):
        translator = Translator(saying(shift, inputs))
        assert translator(picture, z=[0, 0, 0]).shape == picture.shape


def test_no_number_of_a_file_takes_memory():
    law = {"name": "categorical", "classes": 10**9, "one_hot": False}
    tracemalloc.start()
    assert draw(law, (), "int64", range(3), 0, name="c").shape == (3,)
    with pytest.raises(ModelFileError, match="has not the shape 4"):
        draw({"name": "categorical", "classes": 10**9}, (4,), "float32", range(3), 0, name="c")
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()
    assert "more than" in law_problem({"name": "normal"}, (2**40,), "float32")
    assert "is of type tensor(bool), not float32 or int64" in law_problem({"name": "normal"}, (4,), "tensor(bool)")


def test_a_one_hot_code_has_one_one(shift):
    drawn = draw({"name": "categorical", "classes": 5}, (5,), "float32", range(200), 0, name="c")
    assert drawn.dtype == np.float32
    assert (drawn.sum(axis=1) == 1).all()
    assert np.array_equal(drawn.max(axis=0), np.ones(5)), "every class comes"


def test_an_input_draws_itself_by_its_law():
    law = {"name": "normal", "std": 2}
    info = InputInfo(name="map", kind="tensor", dtype="float32", shape=(None, 2, None, 3), law=law)
    assert info.example_shape == (2, 1, 3)
    assert np.array_equal(info.draw([4, 5], 7), draw(law, (2, 1, 3), "float32", [4, 5], 7, name="map"))
    with pytest.raises(ModelFileError, match=r"the law \{\} cannot be drawn here"):
        InputInfo(name="x", kind="vector", dtype="float32", shape=(None, 2)).draw([0], 0)


def test_a_thousand_million_classes_of_a_label_are_no_columns(tmp_path, capsys):
    model = onnx.parser.parse_model(LABEL)
    inputs = [{**Z, "law": {"name": "normal"}}, {"name": "label", "kind": "label", "classes": 10**9}]
    file = saying(tmp_path / "label.onnx", inputs, model)
    out = ["--output", str(tmp_path / "x.npy")]
    assert main(["sample", str(file), "--sweep", "label", *out]) == 2
    assert "'label' has 1000000000 classes, and an axis takes 1000 of them at most" in capsys.readouterr().err
    assert main(["sample", str(file), "--count", "2", *out]) == 0


def test_names_that_a_terminal_would_obey_are_refused_or_shown_as_marks(tmp_path, shift, capsys):
    model = onnx.load(str(shift))
    for node in model.graph.node:
        node.input[:] = ["\x1b[2Jimage" if name == "image" else name for name in node.input]
    model.graph.input[0].name = "\x1b[2Jimage"
    onnx.save(model, str(tmp_path / "named.onnx"))
    with pytest.raises(ModelFileError, match=r"an input of the name .\\u001b\[2Jimage., which cannot be shown"):
        Translator(tmp_path / "named.onnx")

    model = onnx.parser.parse_model(LABEL)
    onnx.helper.set_model_props(
        model, {"format_version": "1", "size_divisor": "1", "export": "\x1b[2Jmake", "inputs": json.dumps([Z])}
    )
    onnx.save(model, str(tmp_path / "export.onnx"))
    assert main(["sample", str(tmp_path / "export.onnx"), "--export", "make"]) == 2
    assert "the file is the export '?[2Jmake', not 'make'" in capsys.readouterr().err
