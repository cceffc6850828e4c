"""`translate inspect`: what a run, a checkpoint and a file hold, also where no plugin of it is installed."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import sampled_run
import torch
from safetensors.torch import save_file
from toy_runs import game, toy_manager

from translate.cli import main
from translate.plugin_manager import default_manager
from translate.training import inventory, train
from translate.training.checkpoint import load_checkpoint


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
        found = load_checkpoint(folder, state=False)
        found.metadata["pipeline"]["description"] = "red \x1b[31m" + "x" * 1000
        found.metadata["run"]["seed"] = "\x07"
        return found

    monkeypatch.setattr(inventory, "loaded", forged)
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


def test_a_folder_of_runs_lists_them(run, capsys):
    assert f"Runs in it: {run.name}." in refused(capsys, run.parent)
    assert f"Runs beside it: {run.name}." in refused(capsys, run.parent / "nothing")


def test_nothing_of_it_is_read_as_a_pipeline_or_built(run, monkeypatch, capsys):
    """Whatever its pipeline says."""
    monkeypatch.setattr("translate.training.opening.build", lambda *_, **__: pytest.fail("something was built"))
    monkeypatch.setattr("translate.training.opening.load_pipeline", lambda *_, **__: pytest.fail("it was read"))
    assert "intact" in inspected(capsys, run)
