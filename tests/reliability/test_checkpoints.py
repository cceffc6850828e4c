"""Checkpoints that were damaged by accident or on purpose, and those of all versions (G6; scenarios 56 and 57)."""

from __future__ import annotations

import json
import logging
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import record
from keep_checkpoint import answer
from support_strangers import KEPT, accidents, bad, counted, forge, in_children, lied, outcome

from translate.cli import main
from translate.errors import ModelFileError
from translate.training import train
from translate.training.checkpoint import load_checkpoint
from translate.training.opening import open_trained

COUNTS = {"ci": 2_000, "bench": 100_000}
LIES = {"ci": 300, "bench": 20_000}
SEED = record.SEED


@pytest.fixture
def run(tmp_path):
    """A copy of the newest kept run."""
    shutil.copytree(KEPT[-1], tmp_path / "run")
    return tmp_path / "run"


def checkpoint(run: Path) -> Path:
    (folder,) = (run / "checkpoints").iterdir()
    return folder


# -- accidents --------------------------------------------------------------------------------------------------------


def damages(folder: Path, count: int, seed: int, opens: Callable[[Path], object]) -> tuple[dict[str, int], list[str]]:
    """Damage a checkpoint `count` times; how many were noticed, and which were not."""
    outcomes, missed = [], []
    for what, damage in accidents(folder, count, random.Random(seed)):
        damage()
        outcomes.append(outcome(lambda: opens(folder)))
        if outcomes[-1] != "noticed":
            missed.append(f"{what}: {outcomes[-1]}")
    return {"damages": len(outcomes), **counted(outcomes)}, missed


def measured(run: Path, count: int) -> None:
    began = time.perf_counter()
    folder = checkpoint(run)
    found, missed = damages(folder, count, SEED, load_checkpoint)
    record.figure(name="flipped bits and cuts", goal="G6", values=found, seed=SEED, seconds=time.perf_counter() - began)
    assert not missed, f"seed {SEED}: {missed[:5]}"
    assert found["noticed"] == count
    load_checkpoint(folder)  # the last damage is undone, so all the others were


def test_every_flipped_bit_and_cut_is_noticed(run):
    measured(run, 200)


@pytest.mark.reliability
@pytest.mark.timeout(1800)
def test_every_one_of_2000_flipped_bits_and_cuts_is_noticed(run):
    measured(run, COUNTS[record.SIZE])


def test_teeth_without_hashes_damage_is_missed(run, monkeypatch):
    def naive(folder):
        import safetensors.torch

        for name in ("weights", "state"):
            try:
                safetensors.torch.load_file(folder / f"{name}.safetensors")
            except Exception as exc:
                raise ModelFileError("damaged", where=str(folder)) from exc
        for name in ("state.json", "manifest.json"):
            try:
                json.loads((folder / name).read_bytes())
            except ValueError as exc:
                raise ModelFileError("damaged", where=str(folder)) from exc

    found, missed = damages(checkpoint(run), 200, SEED, naive)
    assert found["opened"] > 20
    assert any("weights.safetensors byte" in what for what in missed)

    from translate.training import checkpoint as module

    monkeypatch.setattr(module, "verify", lambda folder, manifest: None)  # our own reader, with the hashes left out
    found, _ = damages(checkpoint(run), 200, SEED, load_checkpoint)
    assert found["opened"] > 20


@pytest.mark.parametrize("name", ["weights.safetensors", "state.safetensors", "state.json", "manifest.json"])
def test_a_part_of_another_checkpoint_is_noticed(run, name):
    train(run / "pipeline.yaml", ["training.steps=4"], out=run)
    two, four = sorted((run / "checkpoints").iterdir())
    shutil.copy(four / name, two / name)
    assert outcome(lambda: load_checkpoint(two)) == "noticed"
    (two / name).unlink()
    assert outcome(lambda: load_checkpoint(two)) == "noticed"


# -- lies -------------------------------------------------------------------------------------------------------------


def lies(run: Path, count: int, seed: int, scratch: Path) -> tuple[dict[str, int], list[str]]:
    """Forge a checkpoint `count` times, hashes and all, and open it."""
    folder = checkpoint(run)
    whole = {path.name: path.read_bytes() for path in folder.iterdir()}
    names = [name for name in sorted(whole) if name != "manifest.json"]

    def one(number: int) -> str:
        generator = random.Random(f"{seed}/{number}")
        name = names[number % len(names)]
        shutil.rmtree(folder.parent)
        folder.mkdir(parents=True)
        for each, content in whole.items():
            (folder / each).write_bytes(content)
        forge(folder, name, lied(whole[name], name, generator))

        def opened() -> None:
            load_checkpoint(folder)
            open_trained(folder)
            if name.startswith("state"):
                train(run / "pipeline.yaml", ["training.steps=3"], out=run)

        found = outcome(opened)
        return found if found in {"noticed", "opened"} else f"{found} ({name}, lie {number})"

    outcomes = in_children(one, count, scratch)
    return {"lies": len(outcomes), **counted(outcomes)}, bad(outcomes)


def lied_to(run: Path, count: int, scratch: Path) -> None:
    began = time.perf_counter()
    found, wrong = lies(run, count, SEED, scratch)
    seconds = time.perf_counter() - began
    record.figure(name="forged content with fitting hashes", goal="G6", values=found, seed=SEED, seconds=seconds)
    assert not wrong, f"seed {SEED}: {len(wrong)}: {wrong[:8]}"
    assert found["noticed"] > count / 4
    assert found["opened"] > 0, "a changed learning rate is no damage: the forging itself works"


def test_forged_checkpoints_are_refused_or_opened_and_never_more(run, tmp_path):
    lied_to(run, 150, tmp_path)


@pytest.mark.reliability
@pytest.mark.timeout(7200)
def test_300_forged_checkpoints_are_refused_or_opened_and_never_more(run, tmp_path):
    lied_to(run, LIES[record.SIZE], tmp_path)


NUMPY = ("state", "ranks", 0, "rng", "numpy")
LIES_OF_STATE = [
    *(((*NUMPY, "pos"), value) for value in (10**9, -1, 625, True, 1.0, "x", None)),
    *(((*NUMPY, "has_gauss"), value) for value in (7, -1, None)),
    *(((*NUMPY, "gauss"), value) for value in ("x", None, {"$float": "7ff0000000000000"})),
    (("state", "ranks", 0, "rng", "python", "gauss"), "x"),
    (("state", "ranks", 0, "rng", "cuda"), 1),
    *((("state", name), value) for name in ("examples", "draws", "phase") for value in (-5, 10**30, True, "3", None)),
    (("state", "optimizers"), {}),
    (("state", "ranks"), []),
    *((("metadata", "run"), value) for value in ("x", ["x"], {"versions": 3}, {"forked": 3}, {"forked": {"run": 1}})),
]


@pytest.mark.parametrize(("place", "value"), LIES_OF_STATE, ids=lambda part: str(part).replace(" ", ""))
def test_a_lie_in_the_state_is_an_error_of_the_checkpoint_and_nothing_is_trained(run, place, value, capsys):
    folder = checkpoint(run)
    document = json.loads((folder / "state.json").read_text())
    inside = document
    for key in place[:-1]:
        inside = inside[key]
    assert inside[place[-1]] != value or value is True
    inside[place[-1]] = value
    forge(folder, "state.json", json.dumps(document).encode())
    assert main(["train", str(run / "pipeline.yaml"), "training.steps=3", "--out", str(run)]) == 4
    said = capsys.readouterr().err
    assert "  fix: restore it from a copy, or use another checkpoint of the run" in said
    assert [path.name for path in (run / "checkpoints").iterdir()] == [folder.name]


# -- one is damaged, another is good ----------------------------------------------------------------------------------


@pytest.fixture
def two(run):
    """A run with the checkpoints 2 and 4, of which the newer one is damaged."""
    train(run / "pipeline.yaml", ["training.steps=4"], out=run)
    file = run / "checkpoints" / "000004" / "weights.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    return run


def test_a_training_goes_on_from_the_older_one_and_says_so(two, tmp_path, caplog):
    shutil.copytree(KEPT[-1], tmp_path / "straight")
    for folder in (two, tmp_path / "straight"):
        with caplog.at_level(logging.WARNING):
            train(folder / "pipeline.yaml", ["training.steps=6"], out=folder)
    (line,) = [text for text in caplog.messages if "is skipped" in text]
    assert "000004" in line
    assert "weights.safetensors" in line
    ends = [(folder / "checkpoints/000006/weights.safetensors").read_bytes() for folder in (two, tmp_path / "straight")]
    assert ends[0] == ends[1]
    load_checkpoint(two / "checkpoints" / "000004")  # made again on the way


def test_a_run_is_opened_at_the_older_one_and_it_is_said(two, caplog):
    with caplog.at_level(logging.WARNING):
        assert open_trained(two).step == 2
    assert any("000004" in text and "is skipped" in text for text in caplog.messages)


def test_a_damaged_one_that_is_asked_for_is_refused_and_the_good_one_named(two, capsys):
    assert main(["export", str(two / "checkpoints" / "000004")]) == 4
    text = capsys.readouterr().err
    assert len(text.splitlines()) <= 4
    assert "weights.safetensors" in text
    assert f"fix: step 2 is complete: give {two / 'checkpoints' / '000002'}" in text


def test_with_none_intact_nothing_is_begun_anew(two, capsys):
    (two / "checkpoints" / "000002" / "state.json").write_text("{}")
    before = sorted((two / "checkpoints").rglob("*"))
    assert main(["train", str(two / "pipeline.yaml"), "training.steps=6", "--out", str(two)]) == 4
    assert "none of the 2 checkpoints is intact" in capsys.readouterr().err
    assert sorted((two / "checkpoints").rglob("*")) == before


# -- versions and other architectures ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", KEPT, ids=[path.name for path in KEPT])
def test_what_an_older_version_saved_opens_and_goes_on_and_stays_as_it_is(kept, tmp_path):
    size = sum(path.stat().st_size for path in kept.rglob("*") if path.is_file())
    assert size <= 200_000
    run = tmp_path / "run"
    shutil.copytree(kept, run)
    before = {path: path.read_bytes() for path in checkpoint(run).iterdir()}
    assert answer(run) == pytest.approx(json.loads((kept / "answer.json").read_text()), abs=1e-4)
    assert open_trained(checkpoint(run)).step == 2
    result = train(run / "pipeline.yaml", ["training.steps=4"], out=run)
    assert (result.step, result.already_done) == (4, False)
    assert {path: path.read_bytes() for path in before} == before


def test_every_format_that_can_be_read_has_a_kept_run():
    from translate.training.manifest import FORMAT

    assert [path.name for path in KEPT] == [f"checkpoint_format_{number}" for number in range(1, FORMAT + 1)]


def test_a_newer_version_is_named_with_what_to_install(run, capsys):
    file = checkpoint(run) / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"format": 7}))
    assert main(["export", str(checkpoint(run))]) == 4
    text = capsys.readouterr().err
    assert "the checkpoint has format 7; this version reads up to 1" in text
    assert "pip install --upgrade translate-images" in text


def test_weights_of_another_architecture_are_refused_with_the_first_three_differences(run, capsys):
    folder = checkpoint(run)
    document = json.loads((folder / "state.json").read_text())
    layers = document["metadata"]["pipeline"]["networks"]["G"]["layers"]
    layers[0] = layers[0].replace("c4k3", "c6k5")
    forge(folder, "state.json", json.dumps(document).encode())
    assert main(["export", str(folder)]) == 4
    text = capsys.readouterr().err
    assert len(text.splitlines()) <= 4
    assert "the weights of network 'G' do not fit" in text
    assert text.count(" for (") == 3
    assert "(4, 6, 3, 3) for (6, 6, 5, 5)" in text


@pytest.mark.parametrize("command", ["export", "evaluate", "sample", "run"])
def test_a_pth_file_is_refused_with_the_command_that_imports_it(command, tmp_path, capsys):
    import torch

    file = tmp_path / "model.pth"
    torch.save({"w": torch.ones(1)}, file)
    words = [str(file)] if command != "run" else [str(file), str(tmp_path), "--output", str(tmp_path / "out")]
    assert main([command, *words]) == 4
    assert "translate import-weights FILE.pth --output FILE.safetensors" in capsys.readouterr().err
