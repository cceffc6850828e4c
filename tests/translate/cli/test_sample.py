"""`translate sample`: from a run and from its exported file, what it prints, and how it fails."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import sampled_run
from PIL import Image

from translate.cli import main
from translate.pictures import read_picture, write_picture

POINTS = """
<ir_version: 8, opset_import: ["" : 18]>
g (float[batch, 2] z) => (float[batch, 2] out) { out = Neg(z) }
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    return sampled_run.train(tmp_path_factory.mktemp("sampled"))


@pytest.fixture(scope="module")
def files(run) -> Path:
    """The folder of the exported files."""
    assert main(["export", str(run)]) == 0
    return run / "exports"


@pytest.fixture
def points(tmp_path) -> Path:
    """A file of ours whose output is points in the plane."""
    model = onnx.parser.parse_model(POINTS)
    inputs = [{"name": "z", "kind": "vector", "law": {"name": "normal", "size": 2}}]
    metadata = {"format_version": "1", "size_divisor": "1", "inputs": json.dumps(inputs), "export": "points"}
    onnx.helper.set_model_props(model, metadata)
    onnx.save(model, str(tmp_path / "points.onnx"))
    return tmp_path / "points.onnx"


def picture(file: Path) -> np.ndarray:
    return read_picture(file, channels=3).astype(int)


def test_a_run_and_its_file_make_the_same_grid(run, files, tmp_path, capsys):
    from_run, from_file = tmp_path / "run.png", tmp_path / "file.png"
    words = ["--sweep", "c", "--label", "2", "--set", "psi=0.5", "--seed", "3", "--count", "4"]
    assert main(["sample", str(run), "--export", "make", "--output", str(from_run), *words]) == 0
    first = capsys.readouterr().out
    assert main(["sample", str(files / "make.onnx"), "--output", str(from_file), *words]) == 0
    second = capsys.readouterr().out
    assert first.replace("run.png", "file.png") == second
    assert second.splitlines() == [
        "12 pictures of 28x28x1, uint8 of export 'make' at step 1",
        "drawn with seed 3: z (vector of 4, normal), wide (vector of 4, normal), style (vector of 2, uniform)",
        "psi = 0.5",
        "label = 2",
        "along the columns: c = 0, 1, 2",
        f"wrote {from_file}",
    ]
    assert np.abs(picture(from_run) - picture(from_file)).max() <= 1


def test_without_an_output_the_picture_lies_beside_what_it_came_from(run, files, capsys):
    assert main(["sample", str(run), "--count", "1"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"wrote {run / 'sample-make-1.png'}"
    assert main(["sample", str(run / "checkpoints" / "000001"), "--label", "1", "--count", "2"]) == 0
    assert main(["sample", str(files / "make.onnx"), "--count", "1"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"wrote {files / 'make-sample.png'}"
    assert picture(files / "make-sample.png").ndim == 3


def test_a_film_and_a_folder(files, tmp_path, capsys):
    file = str(files / "make.onnx")
    film, folder = tmp_path / "film.gif", tmp_path / "folder"
    words = ["--interpolate", "z", "--law", "linear", "--frames", "6", "--count", "4", "--fps", "10"]
    assert main(["sample", file, *words, "--output", str(film)]) == 0
    with Image.open(film) as opened:
        assert (opened.n_frames, opened.info["duration"]) == (10, 100)
    assert main(["sample", file, "--rows", "style[0]=0,1", "--columns", "label", "--output", str(folder)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"wrote 20 files in {folder}"
    assert len(list(folder.glob("row00?-column00?.png"))) == 20


def test_a_picture_that_the_export_takes(run, files, tmp_path, capsys):
    photo = tmp_path / "photo.png"
    write_picture(photo, np.random.default_rng(0).integers(0, 256, (28, 28, 1), dtype=np.uint8))
    for source in (["sample", str(run), "--export", "edit"], ["sample", str(files / "edit.onnx")]):
        assert main([*source, "--output", str(tmp_path / "x.png"), "--count", "3"]) == 2
        assert "--input image=FILE" in capsys.readouterr().err
        for given in (str(photo), f"image={photo}"):
            assert main([*source, "--input", given, "--output", str(tmp_path / "x.png"), "--count", "3"]) == 0
        (tmp_path / "small.png").write_bytes(photo.read_bytes()[:40])
        assert main([*source, "--input", str(tmp_path / "small.png"), "--output", str(tmp_path / "x.png")]) == 3
        capsys.readouterr()


def test_points_are_no_pictures(points, tmp_path, capsys):
    assert main(["sample", str(points), "--output", str(tmp_path / "points.png")]) == 2
    captured = capsys.readouterr()
    assert "error: the export's output is no picture" in captured.err
    assert "fix: --output points.npy" in captured.err
    assert main(["sample", str(points), "--count", "5"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "5 outputs of 2, float32 of export 'points'",
        "drawn with seed 0: z (vector of 2, normal)",
        f"wrote {tmp_path / 'points-sample.npy'}",
    ]
    assert np.load(tmp_path / "points-sample.npy").shape == (5, 2)


def test_wrong_uses_have_their_exit_codes_and_list_the_inputs(run, files, tmp_path, capsys):
    out = ["--output", str(tmp_path / "x.png")]
    file = str(files / "make.onnx")
    (tmp_path / "damaged.onnx").write_bytes(b"damaged")
    (tmp_path / "file").write_text("x")
    for code, words in [
        (2, [str(tmp_path / "none")]),
        (4, [str(tmp_path / "none.onnx")]),
        (4, [str(tmp_path / "damaged.onnx")]),
        (2, [file, "--sweep", "q"]),
        (2, [file, "--set", "c=3"]),
        (2, [file, "--export", "edit"]),
        (2, [str(run), "--export", "mak"]),
        (2, [file, "--count", "0"]),
        (2, [file, "--interpolate", "z", "--law", "cubic"]),
        (2, [file, "--fps", "3"]),
        (2, [file, "--frames", "8"]),
        (2, [file, "--sweep", "c", "--rows", "label", "--count", "2"]),
    ]:
        assert main(["sample", *words, *out]) == code, words
        captured = capsys.readouterr()
        assert captured.err.startswith("error: ")
        assert "Traceback" not in captured.err
        assert len(captured.err.splitlines()) <= 4
    assert not (tmp_path / "x.png").exists()
    assert main(["sample", file, "--sweep", "q", *out]) == 2
    listed = (
        "Inputs: z (vector of 4, normal), wide (vector of 4, normal), c (3 classes), style (vector of 2, uniform), "
        "psi (vector of 1, 0.7), label (10 classes)."
    )
    assert listed in capsys.readouterr().err
    assert main(["sample", file, "--count", "1", "--output", str(tmp_path / "file" / "x.png")]) == 6


def test_a_file_is_sampled_without_torch(files, tmp_path):
    words = ["sample", str(files / "make.onnx"), "--count", "2", "--output", str(tmp_path / "x.png")]
    code = (
        "import sys; from translate.cli import main; assert main(sys.argv[1:]) == 0;"
        "print([name for name in ('torch', 'torchvision', 'albumentations', 'onnx') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert result.stdout.splitlines()[-1] == "[]", result.stdout + result.stderr


def test_help_imports_nothing_heavy():
    code = (
        "import sys, translate.cli.sample, translate; translate.sample;"
        "assert not {'torch', 'onnxruntime', 'onnx'} & set(sys.modules), set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parent)
