"""A run that goes on where something is not as it was: its settings, its data, the machine."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from small_sets import write_picture

from translate.cli import main
from translate.errors import DataError, PipelineError, UsageError
from translate.training import state
from translate.training.checkpoint import find_checkpoints, load_checkpoint
from translate.training.data_list import list_examples
from translate.training.loop import train
from translate.training.opening import open_trained
from translate.training.run import FREE

GAME = """\
description: For tests.
data: {dataset: single_folder, root: ROOT, image_size: 8, workers: 0}
latents: {z: {latent: normal, size: 2}}
networks:
  G: {generator: stack, makes: image, layers: ["fc4 relu", "fc*"]}
  D: {discriminator: stack, layers: ["fc1"]}
flow: {fake: G(z)}
losses: {adversarial: {loss: bce, real: D(image), fake: D(fake)}}
training: {steps: 1, batch_size: 4, preview_every: 0, device: cpu}
preview: [fake]
"""


@pytest.fixture
def game(tmp_path) -> Path:
    import numpy as np

    generator = np.random.default_rng(0)
    for index in range(6):
        write_picture(tmp_path / f"data/train/{index}.png", generator, size=8 + index)
    file = tmp_path / "game.yaml"
    file.write_text(GAME.replace("ROOT", str(tmp_path / "data")))
    train(file, out=tmp_path / "run")
    return file


def go_on(game: Path, *settings: str, **more: Any) -> int:
    return train(game, ["training.steps=2", *settings], out=game.with_name("run"), **more).step


# -- the pipeline -----------------------------------------------------------------------------------------------------

VALUES = {
    "description": "Another.", "data.workers": 1, "data.on_bad_image": "skip", "data.worker_timeout": 9,
    "preview": "[image, fake]", "export": "{make: {inputs: [z], output: fake}}", "evaluation": "{count: 2}",
    "training.log_every": 7, "training.preview_every": 2, "training.preview_count": 2, "training.checkpoint_every": 1,
    "training.keep_checkpoints": 5, "training.patience": 9, "training.observers": "[metrics_file]",
    "data.cache_mb": 1, "training.on_full_disk": "prune", "training.stop_after": "1h",
}  # fmt: skip
ELSEWHERE = {"inference", "data.root", "training.steps", "training.device", "training.devices", "training.nodes"}


def test_every_free_key_is_tried():
    assert set(FREE) == VALUES.keys() | ELSEWHERE


@pytest.mark.parametrize("key", sorted(VALUES))
def test_a_free_key_may_change(key, game):
    assert go_on(game, f"{key}={VALUES[key]}") == 2


EXPORTS = "export={make: {inputs: [z], output: fake}, again: {inputs: [z], output: G(z)}}"


def test_how_a_finished_run_is_used_may_change(game, capsys):
    run = game.with_name("run")
    before = yaml.safe_load((run / "pipeline.yaml").read_text())
    words = [EXPORTS, "evaluation.count=3", "training.log_every=7", "training.steps=1"]
    assert train(game, words, out=run).already_done
    after = yaml.safe_load((run / "pipeline.yaml").read_text())
    assert after.keys() - before.keys() == {"export"}
    assert {key for key in before if before[key] != after[key]} == {"evaluation"}  # what it was trained with stays
    opened = open_trained(run).pipeline
    assert (list(opened.exports), opened.evaluation.count) == (["make", "again"], 3)
    assert not open_trained(run / "checkpoints" / "000001").pipeline.exports
    assert main(["export", str(run), "--name", "again"]) == 0
    written = (run / "pipeline.yaml").stat().st_mtime_ns
    assert train(game, words, out=run).already_done
    assert (run / "pipeline.yaml").stat().st_mtime_ns == written
    (run / "pipeline.yaml").write_text((run / "pipeline.yaml").read_text().replace("output: fake", "output: fakee"))
    capsys.readouterr()
    assert main(["export", str(run), "--name", "again"]) == 4
    said = capsys.readouterr().err
    assert "does not fit the run: export.make.output: no value is named 'fakee'" in said
    assert f"where: {run / 'pipeline.yaml'}" in said
    assert "fix: mend it there" in said


OTHERS = {
    "training.batch_size=2": "training.batch_size: 4 -> 2",
    "training.seed=1": "training.seed: 0 -> 1",
    "training.ema={decay: 0.5}": "training.ema.decay: nothing -> 0.5",
    "training.accumulate=2": "training.accumulate: 1 -> 2",
    "training.deterministic=true": "training.deterministic: False -> True",
    "training.optimizers.generators.lr=0.5": "training.optimizers.generators.lr: ",
    "data.image_size=16": "data.image_size: 8 -> 16",
    "data.transforms=[HorizontalFlip]": "-> ",
    "latents.z.size=3": "latents.z.size: 2 -> 3",
    "networks.D.layers=[fc2 relu, fc1]": "networks.D.layers",
    "losses.adversarial.weight=2": "losses.adversarial.weight: 1.0 -> 2.0",
    "turns={generators: 2, discriminators: 1}": "turns",
}


@pytest.mark.parametrize("setting", sorted(OTHERS))
def test_any_other_key_is_refused_with_both_values(setting, game, capsys):
    before = {path: path.read_bytes() for path in game.with_name("run").rglob("*") if path.is_file()}
    code = main(["train", str(game), "training.steps=2", setting, "--out", str(game.with_name("run"))])
    found = capsys.readouterr().err
    assert code == 2, found
    assert OTHERS[setting] in found
    assert f"with --fork {game.with_name('run')} it begins where this one stands" in found
    assert len(found.splitlines()) <= 4
    assert before == {path: path.read_bytes() for path in game.with_name("run").rglob("*") if path.is_file()}


def test_a_refused_change_is_taken_by_a_fork(game, caplog):
    out = str(game.with_name("new"))
    command = ["train", str(game), "training.steps=2", "training.batch_size=2", "--out", out]
    assert main([*command, "--fork", str(game.with_name("run"))]) == 0
    assert "begins where step 1 of" in caplog.text
    assert [step for step, _ in find_checkpoints(game.with_name("new") / "checkpoints")] == [2]


def test_batches_that_the_processes_cannot_share_are_refused(game):
    with pytest.raises(PipelineError, match="multiple of") as caught:
        go_on(game, "training.devices=3", "training.device=cpu")
    assert caught.value.exit_code == 2


# -- the data ---------------------------------------------------------------------------------------------------------


def change(folder: Path) -> None:
    import numpy as np

    (folder / "0.png").unlink()
    write_picture(folder / "1.png", np.random.default_rng(1), size=20)
    for name in ("new", "na\u00efve", "other"):
        write_picture(folder / f"{name}.png", np.random.default_rng(2), size=8)


def test_other_data_is_refused_with_counts_and_accepted_on_request(game, capsys, caplog):
    run = game.with_name("run")
    change(game.with_name("data") / "train")
    words = ["train", str(game), "training.steps=2", "--out", str(run)]
    assert main(words) == 3
    found = capsys.readouterr().err
    assert "3 added (na\\xefve.png, new.png, ...), 1 removed (0.png), 1 changed (1.png) since step 1" in found
    assert "--accept-data-change" in found
    assert len(found.splitlines()) <= 4
    assert [step for step, _ in find_checkpoints(run / "checkpoints")] == [1]
    with caplog.at_level(logging.WARNING):
        assert main([*words, "--accept-data-change"]) == 0
    assert "3 added" in caplog.text
    caplog.clear()
    assert go_on(game, "training.steps=3") == 3, "what was accepted is what it is compared with from then on"
    assert "data" not in caplog.text


def test_a_file_that_was_renamed_is_other_data(game):
    folder = game.with_name("data") / "train"
    (folder / "0.png").rename(folder / "7.png")
    with pytest.raises(DataError, match=r"1 added \(7.png\), 1 removed \(0.png\)"):
        go_on(game)


def test_data_that_moved_is_the_same_data(game):
    moved = game.with_name("data").rename(game.with_name("moved"))
    assert go_on(game, f"data.root={moved}") == 2


def test_a_run_without_a_list_goes_on(game):
    (game.with_name("run") / "examples.json").write_text("{")
    assert go_on(game) == 2


def test_examples_without_files_are_listed_by_name():
    class Drawn:
        def __len__(self) -> int:
            return 3

        def name(self, index: int) -> str:
            return f"drawn-{index}"

    assert list(list_examples(Drawn())) == ["drawn-0", "drawn-1", "drawn-2"]


# -- the machine ------------------------------------------------------------------------------------------------------


def said(caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records if "not bit-identical" in record.getMessage()]


def test_nothing_is_said_where_nothing_changed(game, caplog):
    assert go_on(game) == 2
    assert said(caplog) == []


def test_another_number_of_threads_is_said(game, caplog):
    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    try:
        assert go_on(game) == 2
    finally:
        torch.set_num_threads(before)
    assert said(caplog) == [f"not bit-identical: threads {before} -> {before + 1}"]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda found: found.update(world_size=2), "not bit-identical: world_size 2 -> 1"),
        (lambda found: found.update(device="cuda"), "not bit-identical: device cuda -> cpu"),
        (
            lambda found: found["run"]["versions"].update(torch="1.0"),
            f"not bit-identical: torch 1.0 -> {torch.__version__.partition('+')[0]}",
        ),
        (lambda found: found["run"].update(translate="0.0"), "not bit-identical: translate 0.0 -> "),
    ],
)
def test_another_machine_is_said_in_one_line(change, text, game, caplog, monkeypatch):
    def instead(path: Path) -> Any:
        checkpoint = load_checkpoint(path)
        change(checkpoint.metadata)
        return checkpoint

    monkeypatch.setattr(state, "load_checkpoint", instead)
    assert go_on(game) == 2
    assert len(said(caplog)) == 1
    assert said(caplog)[0].startswith(text)
    assert "\n" not in said(caplog)[0]


def test_other_settings_are_refused_from_python_too(game):
    with pytest.raises(UsageError, match="4 -> 2"):
        go_on(game, "training.batch_size=2")
