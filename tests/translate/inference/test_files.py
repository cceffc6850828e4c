from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from translate.errors import DataError, ModelFileError, UsageError
from translate.inference import Translator, translate_files


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
