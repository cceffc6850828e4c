from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from PIL import Image

from translate.errors import DataError, ModelFileError, UsageError
from translate.inference import Translator, translate_files
from translate.pictures import write_picture


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_folders_keep_their_relative_names_and_broken_pictures_do_not_stop_the_rest(invert, picture, saved, tmp_path):
    source, out = tmp_path / "in", tmp_path / "out"
    saved(source / "b.png", picture)
    saved(source / "deep/er/a.bmp", picture[:5])
    (source / "deep/broken.png").write_bytes(b"nothing")
    (source / "notes.txt").write_text("no picture")
    seen = []
    result = translate_files(Translator(invert), [source], out, progress=lambda *event: seen.append(event))
    assert names(out) == ["b.png", "deep/er/a.png"]
    assert np.array_equal(np.asarray(Image.open(out / "deep/er/a.png")), 255 - picture[:5])
    assert [path.name for path, _ in result.failed] == ["broken.png"]
    assert len(seen) == 3
    assert (source / "deep/broken.png").read_bytes() == b"nothing"


def test_inputs_that_would_become_one_file_keep_their_suffix(invert, picture, saved, tmp_path):
    first = saved(tmp_path / "one/a.bmp", picture)
    second = saved(tmp_path / "two/A.png", picture)
    third = saved(tmp_path / "three/a.bmp", picture)
    out = tmp_path / "out"
    result = translate_files(Translator(invert), [first, second, third, first], out)
    assert names(out) == ["A.png.png", "a.bmp-2.png", "a.bmp.png"]
    assert len(result.written) == 3


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("tile", [None, 8])
def test_16_bits_are_written_as_png_that_others_read(invert_deep, tmp_path, channels, tile):
    deep = np.random.default_rng(0).integers(0, 65536, (20, 30, channels), dtype=np.uint16)
    (tmp_path / "in").mkdir()
    write_picture(tmp_path / "in/a.png", deep)
    translator = Translator(invert_deep(channels=channels))
    translate_files(translator, [tmp_path / "in"], tmp_path / "out", tile=tile, overlap=2)
    found = cv2.imread(str(tmp_path / "out/a.png"), cv2.IMREAD_UNCHANGED).reshape(20, 30, channels)
    order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[channels]
    assert found.dtype == np.uint16
    assert np.array_equal(found[:, :, order], 65535 - deep)


def test_what_png_cannot_hold_is_written_as_arrays(invert_deep, tmp_path):
    deep = np.random.default_rng(0).integers(0, 65536, (4, 5, 2), dtype=np.uint16)
    for name in ("in/a.npy", "in/deep/b.npy", "in/deep/b.x.npy", "other/a.npy"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        np.save(tmp_path / name, deep)
    Image.new("RGB", (5, 4)).save(tmp_path / "in/c.png")
    result = translate_files(
        Translator(invert_deep(channels=2)), [tmp_path / "in", tmp_path / "other"], tmp_path / "out"
    )
    assert names(tmp_path / "out") == ["a.npy-2.npy", "a.npy.npy", "deep/b.npy", "deep/b.x.npy"]
    assert np.array_equal(np.load(tmp_path / "out/deep/b.npy"), 65535 - deep)
    assert [(path.name, reason) for path, reason in result.failed] == [
        ("c.png", "the picture has 3 channels, and 2 are wanted")
    ]
    with pytest.raises(UsageError, match="overwrite an input"):
        translate_files(Translator(invert_deep(channels=2)), [tmp_path / "other/a.npy"], tmp_path / "other")


def test_a_model_that_does_not_say_its_channels_makes_png_or_a_named_failure(tmp_path):
    text = """<ir_version: 8, opset_import: ["" : 18]>
    g (uint8[n, h, w, c] image) => (uint8[n, h, w, d] out) {
      start = Constant<value = int64[1] {0}>()
      end = Constant<value = int64[1] {2}>()
      axis = Constant<value = int64[1] {3}>()
      out = Slice(image, start, end, axis)
    }"""
    onnx.save(onnx.parser.parse_model(text), str(tmp_path / "f.onnx"))
    translator = Translator(tmp_path / "f.onnx")
    assert translator.output_channels is None
    Image.new("RGB", (5, 4)).save(tmp_path / "a.png")
    result = translate_files(translator, [tmp_path / "a.png"], tmp_path / "out")
    assert [reason for _, reason in result.failed] == ["PNG cannot hold 2 channels"]


def test_an_input_is_never_overwritten(invert, picture, saved, tmp_path):
    source = saved(tmp_path / "in/a.png", picture)
    before = source.read_bytes()
    for inputs, out in (([source], source.parent), ([source.parent], source.parent)):
        with pytest.raises(UsageError, match=r"overwrite an input|also an input"):
            translate_files(Translator(invert), inputs, out)
    (tmp_path / "link").symlink_to(source.parent)
    with pytest.raises(UsageError, match="overwrite an input"):
        translate_files(Translator(invert), [source], tmp_path / "link")
    assert source.read_bytes() == before
    assert names(source.parent) == ["a.png"]


def test_an_output_folder_inside_the_input_is_not_read(invert, picture, saved, tmp_path):
    saved(tmp_path / "in/a.png", picture)
    out = tmp_path / "in/out"
    for _ in range(2):
        result = translate_files(Translator(invert), [tmp_path / "in"], out)
        assert [place.name for _, place in result.written] == ["a.png"]
    assert names(out) == ["a.png"]


def test_batches_hold_pictures_of_one_size(invert, picture, saved, tmp_path, monkeypatch):
    for index, shape in enumerate([(9, 7), (9, 7), (9, 7), (5, 7), (9, 7)]):
        saved(tmp_path / f"in/{index}.png", picture[: shape[0]] // (index + 1))
    translator = Translator(invert)
    counts = []
    real = translator._run_once
    monkeypatch.setattr(translator, "_run_once", lambda values: counts.append(len(values["image"])) or real(values))
    result = translate_files(translator, [tmp_path / "in"], tmp_path / "out", batch=2)
    assert counts == [2, 1, 1, 1]
    for index, (_, place) in enumerate(result.written):
        expected = 255 - picture[: 5 if index == 3 else 9] // (index + 1)
        assert np.array_equal(np.asarray(Image.open(place)), expected)


def test_latents_do_not_depend_on_the_batch(shift, saved, tmp_path):
    for index in range(3):
        saved(tmp_path / f"in/{index}.png", np.full((4, 4, 3), 128, np.uint8))
    translator = Translator(shift)
    for batch in (1, 3):
        translate_files(translator, [tmp_path / "in"], tmp_path / f"out{batch}", batch=batch, seed=5)
    for index in range(3):
        assert (tmp_path / f"out1/{index}.png").read_bytes() == (tmp_path / f"out3/{index}.png").read_bytes()


def test_a_size_that_the_file_does_not_take_is_named_and_the_rest_goes_on(invert_fixed, picture, saved, tmp_path):
    saved(tmp_path / "in/a.png", picture)
    saved(tmp_path / "in/b.png", picture[:8, :6])
    result = translate_files(Translator(invert_fixed), [tmp_path / "in"], tmp_path / "out")
    assert [path.name for path, _ in result.written] == ["b.png"]
    assert "8x6" in result.failed[0][1]


def test_nothing_to_do_is_an_error(invert, tmp_path):
    (tmp_path / "in").mkdir()
    with pytest.raises(DataError, match="no pictures"):
        translate_files(Translator(invert), [tmp_path / "in"], tmp_path / "out")
    with pytest.raises(UsageError, match="no file or folder"):
        translate_files(Translator(invert), [tmp_path / "none"], tmp_path / "out")


def test_a_file_that_makes_no_pictures_is_refused(invert, tmp_path):
    text = """<ir_version: 8, opset_import: ["" : 18]>
    g (uint8[n, h, w, 3] image) => (float[n, h, w, 3] out) { out = Cast<to = 1>(image) }"""
    onnx.save(onnx.parser.parse_model(text), str(tmp_path / "f.onnx"))
    with pytest.raises(ModelFileError, match="no picture"):
        translate_files(Translator(tmp_path / "f.onnx"), [tmp_path], tmp_path / "out")


# -- files that take more than a picture -------------------------------------------------------------------------------


@pytest.fixture
def mixed(tmp_path):
    """out = image + 10 * label + mask, the mask in one channel, the label one of three."""
    text = """<ir_version: 8, opset_import: ["" : 18]>
    g (uint8[n, h, w, 3] image, uint8[n, h, w, 1] mask, int64[n] label) => (uint8[n, h, w, 3] out) {
      f = Cast<to = 1>(image)
      m = Cast<to = 1>(mask)
      l = Cast<to = 1>(label)
      axes = Constant<value = int64[3] {1, 2, 3}>()
      y = Unsqueeze(l, axes)
      ten = Constant<value = float {10.0}>()
      s = Mul(y, ten)
      a = Add(f, m)
      b = Add(a, s)
      out = Cast<to = 2>(b)
    }"""
    inputs = [
        {"name": "image", "kind": "image"},
        {"name": "mask", "kind": "image"},
        {"name": "label", "kind": "label", "classes": 3},
    ]
    model = onnx.parser.parse_model(text)
    onnx.helper.set_model_props(model, {"format_version": "1", "size_divisor": "1", "inputs": json.dumps(inputs)})
    onnx.save(model, str(tmp_path / "mixed.onnx"))
    return tmp_path / "mixed.onnx"


def grey(value: int, side: int = 4) -> np.ndarray:
    return np.full((side, side, 3), value, np.uint8)


def value_of(place: Path) -> int:
    (value,) = set(np.asarray(Image.open(place)).ravel().tolist())
    return value


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("tile", [None, 2])
def test_other_pictures_are_found_by_name_and_a_label_is_one_for_all(mixed, saved, tmp_path, batch, tile):
    for index, name in enumerate(["a.png", "deep/b.png", "c.png"]):
        saved(tmp_path / "in" / name, grey(20 * index))
        saved(tmp_path / "masks" / name.replace("png", "bmp"), grey(index + 1))
    others = {"mask": tmp_path / "masks", "label": 2}
    result = translate_files(
        Translator(mixed), [tmp_path / "in"], tmp_path / "out", batch=batch, others=others, tile=tile, overlap=0
    )
    assert not result.failed
    assert {place.name: value_of(place) for _, place in result.written} == {"a.png": 21, "b.png": 42, "c.png": 63}


def test_one_file_is_for_all_and_a_missing_partner_stops_no_other(mixed, saved, tmp_path):
    for name in ("a.png", "b.png"):
        saved(tmp_path / "in" / name, grey(50))
    saved(tmp_path / "masks/b.png", grey(5))
    others = {"mask": tmp_path / "masks/b.png", "label": 0}
    result = translate_files(Translator(mixed), [tmp_path / "in"], tmp_path / "out", others=others)
    assert [value_of(place) for _, place in result.written] == [55, 55]
    result = translate_files(
        Translator(mixed), [tmp_path / "in"], tmp_path / "two", others={**others, "mask": tmp_path / "masks"}
    )
    assert [path.name for path, _ in result.written] == ["b.png"]
    assert [(path.name, reason) for path, reason in result.failed] == [
        ("a.png", f"there is no picture 'a' in '{tmp_path / 'masks'}'")
    ]


def test_two_partners_of_one_name_are_a_choice_that_is_not_made(mixed, saved, tmp_path):
    saved(tmp_path / "in/a.png", grey(50))
    for suffix in ("webp", "bmp"):
        saved(tmp_path / f"masks/a.{suffix}", grey(5))
    others = {"mask": tmp_path / "masks", "label": 0}
    result = translate_files(Translator(mixed), [tmp_path / "in"], tmp_path / "out", others=others)
    ((_, reason),) = result.failed
    assert reason == f"there are 2 pictures 'a' in '{tmp_path / 'masks'}' (a.bmp, a.webp)"
    saved(tmp_path / "masks/a.png", grey(5))  # the very name
    assert not translate_files(Translator(mixed), [tmp_path / "in"], tmp_path / "out", others=others).failed


@pytest.mark.parametrize(
    ("others", "what", "fix"),
    [
        ({"label": 0}, "the input 'mask' .image, uint8. is not given", "--input mask=FOLDER"),
        ({"mask": "."}, "the input 'label' .label, int64. is not given", "--label CLASS"),
        ({"mask": ".", "lable": 1}, "'lable'. Did you mean 'label'. Other inputs: mask, label.", None),
        ({"mask": ".", "label": 1, "image": "."}, "no other input 'image'", None),
        ({"mask": "nowhere", "label": 1}, "no file or folder 'nowhere'", "give a picture"),
    ],
)
def test_what_is_missing_or_unknown_is_said_before_the_first_picture(mixed, saved, tmp_path, others, what, fix):
    saved(tmp_path / "in/a.png", grey(1))
    with pytest.raises(UsageError, match=what) as caught:
        translate_files(Translator(mixed), [tmp_path / "in"], tmp_path / "out", others=others)
    assert fix is None or fix in str(caught.value.fix)
    assert not (tmp_path / "out").exists()


def test_the_command_takes_them(mixed, saved, tmp_path, capsys):
    from translate.cli import main

    saved(tmp_path / "in/a.png", grey(1))
    saved(tmp_path / "masks/a.png", grey(2))
    command = ["run", str(mixed), str(tmp_path / "in"), "--output", str(tmp_path / "out")]
    masks = ["--input", f"mask={tmp_path / 'masks'}"]
    assert main([*command, *masks, "--label", "1"]) == 0
    assert value_of(tmp_path / "out/a.png") == 13
    assert main([*command, *masks, "--set", "label=2"]) == 0
    assert value_of(tmp_path / "out/a.png") == 23
    capsys.readouterr()
    for more, says in (
        (["--label", "1"], "--input mask=FOLDER"),
        ([*masks, "--label", "3"], "takes the classes 0 to 2"),
        (["--input", str(tmp_path / "masks"), "--label", "1"], "--input NAME="),
        ([*masks, "--set", "mask=1"], "'mask' is a picture"),
    ):
        assert main([*command, *more]) == 2
        found = capsys.readouterr().err
        assert says in found
        assert len(found.splitlines()) <= 4
