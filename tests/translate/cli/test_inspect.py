"""`translate inspect`: what a run, a checkpoint and a file hold, also where no plugin of it is installed."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import sampled_run
import torch
from onnx_files import external
from safetensors.torch import save_file
from toy_runs import game, toy_manager

from translate.cli import main
from translate.plugin_manager import default_manager
from translate.training import inventory, train
from translate.training.checkpoint import load_checkpoint, look_into


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A run of components that are not installed: `toys` is registered for its training alone."""
    folder = tmp_path_factory.mktemp("inspected") / "run"
    training = {"steps": 4, "checkpoint_every": 2, "preview_every": 0}
    train(game(training), out=folder, manager=toy_manager())
    return folder


def inspected(capsys, *words: object) -> str:
    assert main(["inspect", *map(str, words)]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def refused(capsys, *words: object) -> str:
    assert main(["inspect", *map(str, words)]) in {2, 4}
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err


def test_a_run_says_what_it_holds_without_its_plugins(run, capsys):
    text = inspected(capsys, run)
    first, *_ = text.splitlines()
    assert first == f"{run}/checkpoints/000004: intact"
    assert re.search(r"step +4 \(others: 2\)", text)
    assert "All that a checkpoint must hold." in text
    weights = load_checkpoint(run / "checkpoints" / "000004").weights
    for name, average in (("G", "yes"), ("D", "no")):
        values = sum(tensor.numel() for tensor in weights[name].values())
        kind = "generator" if name == "G" else "discriminator"
        assert re.search(rf"{name} +{len(weights[name])} +{values:,} +{average} +{kind} toy_dense", text)
    assert re.search(r"generator toy_dense: .* +no distribution +unknown", text)
    assert re.search(r"loss l1 .* yes", text)
    assert "pip install" not in text


def test_a_checkpoint_lists_its_tensors(run, capsys):
    checkpoint = run / "checkpoints" / "000002"
    text = inspected(capsys, checkpoint, "--tensors")
    assert re.search(r"step +2 \(others: 4\)", text)
    for network, tensors in load_checkpoint(checkpoint).weights.items():
        for name, tensor in tensors.items() if not network.startswith("ema/") else ():
            shape = " x ".join(map(str, tensor.shape)) or "1 value"
            kind = str(tensor.dtype).removeprefix("torch.")
            assert re.search(rf"^{re.escape(f'{network}/{name}')} +{kind} +{shape}$", text, re.MULTILINE)


def test_what_is_missing_is_said_with_the_command_that_installs_it(run, monkeypatch, capsys):
    """By the distribution: a component of the same name from another one is another component."""
    lines = ["generator spiral: acme (acme-gan 1.2)", "loss l1: acme (acme-gan 1.2)", "loss bce: losses (x; rm 1)"]
    monkeypatch.setattr(inventory, "run_description", lambda _: {"components": lines})
    text = inspected(capsys, run)
    assert len(re.findall(r"acme \(acme-gan 1.2\) +no$", text, re.MULTILINE)) == 2
    assert "to open it: pip install acme-gan==1.2\n" in text  # and nothing of what is no name of a distribution


def test_a_plugin_that_is_installed_and_not_loaded_is_not_to_be_installed(run, monkeypatch, capsys):
    monkeypatch.setattr(inventory, "run_description", lambda _: {"components": ["loss gone: x (pytest 1.0)"]})
    text = inspected(capsys, run)
    assert re.search(r"x \(pytest 1.0\) +not loaded: translate plugins$", text, re.MULTILINE)
    assert "pip install" not in text


def test_many_other_checkpoints_are_counted(run, monkeypatch, capsys):
    many = [(step, Path(f"{step:06d}")) for step in range(2, 500, 2)]
    monkeypatch.setattr(inventory, "find_checkpoints", lambda _: many)
    assert "step      4 (others: 248 from 2 to 498)" in re.sub(" {6,}", "      ", inspected(capsys, run))


def test_no_tensor_is_read(run, monkeypatch, capsys):
    """A file of a stranger may be larger than the memory."""
    monkeypatch.setattr("translate.training.tensorfile.load", lambda *_: pytest.fail("a tensor was read"))
    monkeypatch.setattr("translate.training.tensorfile.safe_open", lambda *_, **__: pytest.fail("a tensor was read"))
    assert "intact" in inspected(capsys, run, "--tensors")
    assert "float32" in inspected(capsys, run / "checkpoints" / "000004" / "weights.safetensors")


def test_another_version_of_a_plugin_is_shown(run, monkeypatch, capsys):
    lines = ["loss l1: losses (translate-images 0.0.1)"]
    monkeypatch.setattr(inventory, "run_description", lambda _: {"components": lines})
    here = default_manager().catalogue.find("loss", "l1").provider.version
    assert re.search(
        rf"loss l1 +losses \(translate-images 0.0.1\) +yes, {re.escape(here)}$", inspected(capsys, run), re.MULTILINE
    )


def test_what_is_damaged_is_refused_and_what_is_intact_named(run, tmp_path, capsys):
    copy = shutil.copytree(run, tmp_path / "copy")
    weights = copy / "checkpoints" / "000004" / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    said = refused(capsys, weights.parent)
    assert "000002" in said
    assert "E-MODEL" in said
    assert main(["inspect", str(copy)]) == 0  # the newest intact one of the run
    assert "000002: intact" in capsys.readouterr().out


def test_a_forged_text_cannot_move_the_terminal(run, monkeypatch, capsys):
    def forged(folder: Path) -> object:
        found = look_into(folder)
        found.metadata["pipeline"]["description"] = "red \x1b[31m" + "x" * 1000
        found.metadata["run"]["seed"] = "\x07"
        return found

    monkeypatch.setattr(inventory, "look_into", forged)
    text = inspected(capsys, run)
    assert "red ?[31m" in text
    assert not {"\x1b", "\x07"} & set(text)
    assert max(map(len, text.splitlines())) < 400


def test_an_exported_file_says_what_it_takes(tmp_path, capsys):
    made = sampled_run.train(tmp_path)
    assert main(["export", str(made), "--name", "make"]) == 0
    capsys.readouterr()
    text = inspected(capsys, made / "exports" / "make.onnx")
    assert re.search(r"z +vector +float32 +any x 4 +drawn: name normal, size 4", text)
    assert re.search(r"label +label +int64 +any +one of 10 classes", text)
    assert re.search(r"verified +differs from PyTorch by at most", text)
    assert "output: fake, a picture" in text
    assert "are not listed" in refused(capsys, made / "exports" / "make.onnx", "--tensors")


def test_a_file_with_weights_beside_it_is_shown_where_that_is_asked_for(tmp_path, capsys):
    (tmp_path / "weights").write_bytes(np.array([255.0], np.float32).tobytes())
    file = external(tmp_path, "weights")
    assert "add --external-data" in refused(capsys, file)
    assert "uint8" in inspected(capsys, file, "--external-data")


def test_external_data_of_anything_else_is_refused(run, tmp_path, capsys):
    save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors")
    for path in (run, tmp_path / "a.safetensors"):
        assert "--external-data is for an .onnx file" in refused(capsys, path, "--external-data")


@pytest.mark.parametrize("difference", ["1" + "0" * 400, "true", '"0.5"', "NaN"])
def test_a_forged_difference_is_left_out(difference, tmp_path, capsys):
    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 18]> g (float[batch, 2] z) => (float[batch, 2] out) { out = Neg(z) }'
    )
    said = {"format_version": "1", "size_divisor": "1", "verification": f'{{"largest_difference": {difference}}}'}
    onnx.helper.set_model_props(model, said)
    onnx.save(model, str(tmp_path / "forged.onnx"))
    text = inspected(capsys, tmp_path / "forged.onnx")
    assert "verified" not in text
    assert "any x 2" in text


def test_a_file_of_weights_lists_its_tensors(tmp_path, capsys):
    save_file({"a.weight": torch.zeros(2, 3), "count": torch.tensor(1)}, tmp_path / "x.safetensors", {"from": "here"})
    text = inspected(capsys, tmp_path / "x.safetensors")
    assert re.search(r"from +here", text)
    assert re.search(r"a.weight +float32 +2 x 3", text)
    assert re.search(r"count +int64 +1 value", text)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"PK\x03\x04....", "import-weights"), (b"hello", "is no run, checkpoint, .onnx or .safetensors file")],
)
def test_other_files_are_refused(content, said, tmp_path, capsys):
    (tmp_path / "file.pth").write_bytes(content)
    assert said in refused(capsys, tmp_path / "file.pth")


def test_pickles_are_known_under_any_name(tmp_path, capsys):
    (tmp_path / "file.safetensors").write_bytes(b"PK\x03\x04....")
    assert "import-weights" in refused(capsys, tmp_path / "file.safetensors")


def test_what_is_no_checkpoint_is_said(run, tmp_path, capsys, monkeypatch):
    assert f"The run is '{run}'." in refused(capsys, run / "checkpoints")
    young = shutil.copytree(run, tmp_path / "young", ignore=shutil.ignore_patterns("0*"))
    assert f"the run '{young}' has no checkpoint yet" in refused(capsys, young)
    copy = shutil.copytree(run, tmp_path / "copy")
    (copy / "checkpoints" / "000004" / "manifest.json").unlink()
    said = refused(capsys, copy / "checkpoints" / "000004")
    assert "not a complete checkpoint: its manifest.json is missing" in said
    assert "000002" in said
    monkeypatch.chdir(run / "checkpoints" / "000002")
    assert "(others: 4)" in inspected(capsys, ".")


def test_many_runs_are_counted_and_what_may_not_be_looked_into_is_left_out(run, tmp_path, capsys, monkeypatch):
    for number in range(10):
        shutil.copytree(run, tmp_path / f"run{number}\n", ignore=shutil.ignore_patterns("0*"))
    look = Path.is_file

    def locked(path: Path) -> bool:
        if path.parent.name.startswith("run3"):
            raise PermissionError(13, "Permission denied", str(path))
        return look(path)

    monkeypatch.setattr(Path, "is_file", locked)
    said = refused(capsys, tmp_path)
    assert re.search(r"Runs in it: run0\S+, run1.* and 1 more\.", said)
    assert "run3" not in said
    assert len(said.splitlines()) == 3


def test_a_folder_of_runs_lists_them(run, capsys):
    assert f"Runs in it: {run.name}." in refused(capsys, run.parent)
    assert f"Runs beside it: {run.name}." in refused(capsys, run.parent / "nothing")


def test_nothing_of_it_is_read_as_a_pipeline_or_built(run, monkeypatch, capsys):
    """Whatever its pipeline says."""
    monkeypatch.setattr("translate.training.opening.build", lambda *_, **__: pytest.fail("something was built"))
    monkeypatch.setattr("translate.training.opening.load_pipeline", lambda *_, **__: pytest.fail("it was read"))
    assert "intact" in inspected(capsys, run)
