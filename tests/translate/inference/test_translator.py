from __future__ import annotations

import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx_files import external
from PIL import Image

from translate.errors import DataError, ModelFileError, UsageError
from translate.inference import Translator
from translate.pictures import write_picture


def test_arrays_paths_and_pillow_images_give_the_same(invert, picture, saved, tmp_path):
    translator = Translator(str(invert))
    expected = 255 - picture
    path = saved(tmp_path / "a.png", picture)
    for source in (picture, path, str(path), Image.fromarray(picture)):
        found = translator(source)
        assert found.dtype == np.uint8
        assert np.array_equal(found, expected)
    assert np.array_equal(translator(np.stack([picture, picture])), np.stack([expected, expected]))
    assert translator(picture[None]).shape == (1, 9, 7, 3)


def test_a_foreign_file_has_inputs_and_no_metadata(invert):
    translator = Translator(invert, threads=1)
    assert translator.metadata == {}
    assert [(info.name, info.kind, info.dtype, info.shape) for info in translator.inputs] == [
        ("image", "image", "uint8", (None, None, None, 3))
    ]
    assert translator.makes_pictures


def test_channels_are_converted_by_the_rule_of_pictures(invert, invert_grey, picture):
    colour, grey = Translator(invert), Translator(invert_grey)
    plane = picture[:, :, 0]
    repeated = np.repeat(255 - plane[:, :, None], 3, axis=2)
    assert np.array_equal(colour(plane), repeated)
    assert np.array_equal(colour(Image.fromarray(plane)), repeated)
    luma = np.asarray(Image.fromarray(picture).convert("L"))
    assert np.array_equal(grey(picture)[:, :, 0], 255 - luma)
    alpha = np.concatenate([picture, np.zeros((9, 7, 1), np.uint8)], axis=2)
    for source in (alpha, Image.fromarray(alpha)):
        assert np.array_equal(colour(source), np.zeros_like(picture)), "clear is white, and white becomes black"
    assert np.array_equal(colour(Image.fromarray(plane).convert("LA")), repeated)
    assert np.array_equal(grey(Image.fromarray(plane > 127))[:, :, 0], np.where(plane > 127, 0, 255))
    deep = plane.astype(np.uint16) * 257
    assert np.array_equal(grey(deep)[:, :, 0], 255 - plane)
    assert np.array_equal(grey(Image.fromarray(deep))[:, :, 0], 255 - plane)


def test_either_depth_is_taken_and_converted_exactly(invert_deep, saved, tmp_path):
    deep = np.random.default_rng(0).integers(0, 65536, (9, 7, 3), dtype=np.uint16)
    shallow = np.random.default_rng(1).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    wide, narrow = Translator(invert_deep(16, 16)), Translator(invert_deep(8, 8))
    assert [(info.kind, info.dtype) for info in wide.inputs] == [("image", "uint16")]
    assert wide.makes_pictures
    assert wide.output_channels == 3
    assert wide(deep).dtype == np.uint16
    assert np.array_equal(wide(deep), 65535 - deep)
    up = shallow.astype(np.uint16) * 257
    assert np.array_equal(wide(shallow), 65535 - up)
    assert np.array_equal(wide(saved(tmp_path / "a.png", shallow)), 65535 - up)
    assert np.array_equal(wide(Image.fromarray(shallow)), 65535 - up)
    assert narrow(deep).dtype == np.uint8
    assert np.array_equal(narrow(deep), 255 - np.rint(deep / 257).astype(np.uint8))
    assert np.array_equal(narrow(up), narrow(shallow))
    assert np.array_equal(Translator(invert_deep(8, 16))(shallow), 65535 - up)
    assert np.array_equal(Translator(invert_deep(16, 8))(up), 255 - shallow)


def test_files_of_16_bits_are_read_in_full_depth(invert_deep, tmp_path):
    deep = np.random.default_rng(0).integers(0, 65536, (9, 7, 3), dtype=np.uint16)
    for name, array in (("a.png", deep), ("a.npy", deep), ("b.png", deep[:, :, :1])):
        write_picture(tmp_path / name, array)
        translator = Translator(invert_deep(channels=array.shape[2]))
        assert np.array_equal(translator(tmp_path / name), 65535 - array)
    grey = Image.fromarray(deep[:, :, 0])
    assert np.array_equal(Translator(invert_deep(channels=1))(grey), 65535 - deep[:, :, :1])


def test_floats_from_0_to_1_are_pictures_too(invert_deep, tmp_path):
    unit = np.random.default_rng(0).random((9, 7, 2), dtype=np.float32)
    translator = Translator(invert_deep(channels=2))
    expected = 65535 - np.rint(unit.astype(np.float64) * 65535).astype(np.uint16)
    assert np.array_equal(translator(unit), expected)
    np.save(tmp_path / "a.npy", unit)
    assert np.array_equal(translator(tmp_path / "a.npy"), expected)
    for wrong in (unit + 1, unit * np.float32(np.nan), -unit):
        with pytest.raises(DataError, match=r"must lie in \[0, 1\]"):
            translator(wrong)


def test_other_numbers_of_channels_must_be_there(invert_deep, picture, saved, tmp_path):
    translator = Translator(invert_deep(8, 8, channels=5))
    five = np.random.default_rng(0).integers(0, 256, (2, 4, 6, 5), dtype=np.uint8)
    assert np.array_equal(translator(five), 255 - five)
    np.save(tmp_path / "five.npy", five[0])
    assert np.array_equal(translator(tmp_path / "five.npy"), 255 - five[0])
    path = saved(tmp_path / "a.png", picture)
    for source in (picture, path, five[..., :2]):
        with pytest.raises(DataError, match="and 5 are wanted; only 1, 3 and 4") as caught:
            translator(source)
        assert caught.value.where == (str(path) if source is path else None)


@pytest.mark.parametrize(
    "wrong", [np.zeros((4, 4, 3)), np.zeros((4, 4, 2), np.uint8), np.zeros((0, 4, 3), np.uint8), "none.png"]
)
def test_what_is_no_picture_is_refused(invert, wrong):
    with pytest.raises(DataError):
        Translator(invert)(wrong)


def test_a_file_of_fixed_size_says_its_size_and_takes_any_number(invert_fixed, picture):
    translator = Translator(invert_fixed)
    three = np.random.default_rng(1).integers(0, 256, (3, 8, 6, 3), dtype=np.uint8)
    assert np.array_equal(translator(three), 255 - three)
    assert np.array_equal(translator(three[0]), 255 - three[0])
    with pytest.raises(ModelFileError, match=r"takes pictures of 8x6 .* but this one has 9x7") as caught:
        translator(picture)
    assert caught.value.exit_code == 4


def test_latents_that_are_not_given_follow_the_law_and_the_seed(shift, picture):
    translator = Translator(shift)
    grey = np.full((4, 5, 3), 128, np.uint8)
    first = translator(grey)
    assert np.array_equal(first, translator(grey))
    assert not np.array_equal(first, translator(grey, seed=1))
    assert np.array_equal(translator(grey, z=[1, 0, -1])[0, 0], [138, 128, 118])
    several = translator(np.stack([grey] * 3), seed=4)
    assert not np.array_equal(several[0], several[1])
    assert np.array_equal(several[2], translator(grey, seed=4, indices=[2])), "it does not depend on the batch"
    drawn = (translator(np.full((400, 1, 1, 3), 128, np.uint8), seed=2).astype(float) - 127.5) / 10
    assert abs(drawn.mean()) < 0.1
    assert abs(drawn.std() - 1) < 0.1
    with pytest.raises(UsageError, match="'z' takes 3 for each"):
        translator(grey, z=[1, 2])
    with pytest.raises(UsageError, match=r"no input 'y'"):
        translator(grey, y=1)
    with pytest.raises(UsageError, match="'image' is not given"):
        translator()


def test_a_float_file_is_refused_with_the_way_out(floats):
    with pytest.raises(ModelFileError, match="float32") as caught:
        Translator(floats)
    assert "--float" in str(caught.value.fix)


def test_missing_files_and_what_is_no_onnx_file(tmp_path):
    (tmp_path / "empty.onnx").write_bytes(b"")
    (tmp_path / "text.onnx").write_text("hello, this is a text and no model at all")
    for path in (tmp_path / "none.onnx", tmp_path, tmp_path / "empty.onnx", tmp_path / "text.onnx", tmp_path / "a\0b"):
        with pytest.raises(ModelFileError) as caught:
            Translator(path)
        assert caught.value.where


def test_damaged_files_raise_typed_errors_and_print_nothing(invert, tmp_path, picture, capfd):
    content = invert.read_bytes()
    generator = np.random.default_rng(0)
    refused = 0
    for number in range(300):
        mutant = bytearray(content)
        if number % 3 == 0:
            del mutant[int(generator.integers(len(mutant))) :]
        else:
            for _ in range(int(generator.integers(1, 4))):
                mutant[int(generator.integers(len(mutant)))] ^= 1 << int(generator.integers(8))
        path = tmp_path / "mutant.onnx"
        path.write_bytes(mutant)
        try:
            Translator(path, threads=1)(picture)
        except (ModelFileError, UsageError):
            refused += 1
    assert refused > 100
    assert capfd.readouterr() == ("", "")


def test_external_data_is_refused_and_contained_where_allowed(tmp_path, picture):
    inner = tmp_path / "inner"
    inner.mkdir()
    value = np.array([255.0], np.float32).tobytes()
    (tmp_path / "outside").write_bytes(value)
    (inner / "weights").write_bytes(value)
    (inner / "link").symlink_to(tmp_path / "outside")
    with pytest.raises(ModelFileError, match="reads its weights from other files"):
        Translator(external(inner, "weights"))
    assert np.array_equal(Translator(external(inner, "weights"), external_data=True)(picture), 255 - picture)
    for location in (
        "../outside",
        str(tmp_path / "outside"),
        "link",
        "missing",
        "",
        ".",
        "x/../weights",
        "..\\outside",
    ):
        with pytest.raises(ModelFileError):
            Translator(external(inner, location), external_data=True)


def test_a_newer_format_says_what_to_install(tmp_path, invert):
    model = onnx.load(str(invert))
    onnx.helper.set_model_props(model, {"format_version": "2", "size_divisor": "1"})
    onnx.save(model, str(invert))
    with pytest.raises(ModelFileError, match="format 2") as caught:
        Translator(invert)
    assert "pip install --upgrade" in str(caught.value.fix)


def test_unknown_providers_are_named(invert):
    with pytest.raises(UsageError, match=r"no provider 'CPUExecutionprovider'\. Did you mean 'CPUExecutionProvider'"):
        Translator(invert, providers=["CPUExecutionprovider"])


def test_torch_is_never_imported(invert, saved, picture, tmp_path):
    source = saved(tmp_path / "in" / "a.png", picture)
    code = (
        "import sys, translate\n"
        "t = translate.Translator(sys.argv[1]); t(sys.argv[2])\n"
        "from translate.inference import translate_files\n"
        "assert len(translate_files(t, [sys.argv[2]], sys.argv[3], tile=5, overlap=1).written) == 1\n"
        "import translate.cli.run\n"
        "heavy = {'torch', 'torchvision', 'albumentations', 'onnx'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code, str(invert), str(source), str(tmp_path / "out")], check=True)
