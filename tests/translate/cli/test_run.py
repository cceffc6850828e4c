from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx_files import external
from PIL import Image

from translate.cli import main

INVERT = """
<ir_version: 8, opset_import: ["" : 18]>
g (uint8[batch, height, width, 3] image) => (uint8[batch, height, width, 3] out) {
  f = Cast<to = 1>(image)
  c = Constant<value = float {255.0}>()
  d = Sub(c, f)
  out = Cast<to = 2>(d)
}
"""


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "invert.onnx"
    onnx.save(onnx.parser.parse_model(INVERT), str(path))
    return path


@pytest.fixture
def folder(tmp_path):
    inner = tmp_path / "in"
    inner.mkdir()
    for index in range(3):
        Image.fromarray(np.full((20, 30, 3), 10 * index, np.uint8)).save(inner / f"{index}.png")
    return inner


def test_a_folder_in_plain_lines(model, folder, tmp_path, capsys):
    out = tmp_path / "out"
    words = ["run", str(model), str(folder), "--output", str(out), "--tile", "16", "--overlap", "4", "--batch", "2"]
    assert main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [f"{folder / f'{i}.png'} -> {out / f'{i}.png'}" for i in range(3)]
    assert lines[3] == f"3 of 3 pictures in {out}"
    for index in range(3):
        assert (np.asarray(Image.open(out / f"{index}.png")) == 255 - 10 * index).all()


def test_weights_in_files_beside_it_are_read_where_that_is_asked_for(folder, tmp_path, capsys):
    inner = tmp_path / "model"
    inner.mkdir()
    (inner / "weights").write_bytes(np.array([255.0], np.float32).tobytes())
    words = ["run", str(external(inner, "weights")), str(folder), "--output", str(tmp_path / "out")]
    assert main(words) == 4
    assert "add --external-data" in capsys.readouterr().err
    assert main([*words, "--external-data"]) == 0
    assert (np.asarray(Image.open(tmp_path / "out" / "1.png")) == 245).all()
    words[1] = str(external(inner, "../outside"))
    assert main([*words, "--external-data"]) == 4


def test_a_broken_picture_is_named_and_the_exit_code_is_3(model, folder, tmp_path, capsys):
    (folder / "1.png").write_bytes(b"broken")
    assert main(["run", str(model), str(folder), "--output", str(tmp_path / "out")]) == 3
    captured = capsys.readouterr()
    assert "2 of 3 pictures" in captured.out
    assert "1.png" in captured.err
    assert "E-DATA" in captured.err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["0.png", "2.png"]


def test_wrong_uses_have_their_exit_codes(model, folder, tmp_path, capsys):
    out = ["--output", str(tmp_path / "out")]
    assert main(["run", str(tmp_path / "none.onnx"), str(folder), *out]) == 4
    assert main(["run", str(model), str(tmp_path / "none"), *out]) == 2
    assert main(["run", str(model), str(folder), "--output", str(folder)]) == 2
    assert main(["run", str(model), str(folder)]) == 2
    assert main(["run", str(model), str(folder), *out, "--tile", "8", "--overlap", "4"]) == 2
    assert not (tmp_path / "out").exists()
    assert "Traceback" not in capsys.readouterr().err


def test_a_terminal_gets_a_bar(model, folder, tmp_path):
    main_end, terminal = pty.openpty()
    words = [sys.executable, "-m", "translate", "run", str(model), str(folder), "--output", str(tmp_path / "out")]
    process = subprocess.Popen(words, stdout=terminal, stderr=terminal, env={**os.environ, "TERM": "xterm"})
    os.close(terminal)
    shown = b""
    while True:
        try:
            part = os.read(main_end, 4096)
        except OSError:  # the terminal is gone: the program has ended
            break
        if not part:
            break
        shown += part
    os.close(main_end)
    assert process.wait() == 0
    assert b"translating" in shown
    assert b"100%" in shown
    assert b" -> " not in shown


def test_help_does_not_import_onnxruntime():
    code = "import sys, translate.cli.run, translate.cli.export; assert not {'torch', 'onnxruntime'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parent)
