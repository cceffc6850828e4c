"""Pictures that are left out: those of all processes are listed and counted, and known again by a run that goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from translate.data.bad import BadExample, BadExamples
from translate.data.examples import ordered_index
from translate.errors import DataError
from translate.training import state, train
from translate.training.checkpoint import find_checkpoints, load_checkpoint

BATCH = 40


def document(root: str, **training: Any) -> dict[str, Any]:
    """The least that trains on pictures."""
    return {
        "description": "Pictures from codes.",
        "data": {"dataset": "single_folder", "root": root, "image_size": 4, "workers": 0, "on_bad_image": "skip"},
        "latents": {"z": {"latent": "normal", "size": 2}},
        "networks": {"G": {"generator": "stack", "makes": "image", "layers": ["fc* tanh"]}},
        "losses": {"distance": {"loss": "l1", "of": "G(z)", "to": "image"}},
        "training": {
            "batch_size": BATCH, "device": "cpu", "checkpoint_every": 1, "keep_checkpoints": 9, "preview_every": 0,
            "observers": [], "optimizers": {"generators": {"name": "sgd", "lr": 0.1}}, **training,
        },
    }  # fmt: skip


def pictures(root: Path, count: int, bad: Collection[int]) -> Path:
    """Pictures, of which some hold none."""
    (root / "train").mkdir(parents=True)
    good = root / "good.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (4, 4, 3), dtype=np.uint8)).save(good)
    content = good.read_bytes()
    good.unlink()
    for index in range(count):
        (root / "train" / f"{index:03}.png").write_bytes(b"no picture" if index in bad else content)
    return root


def place(root: Path, index: int) -> str:
    return str(root / "train" / f"{index:03}.png")


@pytest.mark.reliability
@pytest.mark.timeout(120)
def test_those_of_all_processes_are_listed_counted_and_saved(tmp_path: Path) -> None:
    count, half = 250, BATCH // 2
    # The first and second are left out by processes 0 and 1 in one step; the third, by process 1, is one too many.
    bad = [ordered_index(0, position, count) for position in (half - 1, half, 2 * BATCH + half)]
    root = pictures(tmp_path / "data", count, bad)
    file, run = tmp_path / "pictures.yaml", tmp_path / "run"
    file.write_text(yaml.safe_dump(document(str(root), steps=9, devices=2)))
    command = [sys.executable, "-m", "translate", "train", str(file), "--out", str(run)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 3, done.stderr
    assert "distributed" not in done.stderr.lower()  # no banner of the library that joins the processes
    assert done.stderr.count("3 of 250 examples cannot be read, more than the 1 % that may be left out") == 1
    listed = json.loads((run / "bad_images.json").read_text())
    assert (listed["left_out"], listed["examples"]) == (3, count)
    assert [one["where"] for one in listed["files"]] == [place(root, index) for index in bad]
    assert [done.stderr.count(f"left out of the data: {place(root, index)}") for index in bad] == [1, 1, 1]
    step, newest = find_checkpoints(run / "checkpoints")[-1]
    saved: Any = load_checkpoint(newest).state
    assert step == 2
    assert [list(rank["bad_images"]) for rank in saved["ranks"]] == [
        [f"???/train/{index:03}.png" for index in bad[:2]]
    ] * 2


@pytest.mark.parametrize("form", ["absolute", "~/there", ".", "there"])
def test_a_run_that_goes_on_knows_them_again(
    tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    root = pictures(tmp_path / "there", 100, {7})  # one in a hundred: twice would be too many
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(root if form == "." else tmp_path)
    given = str(root) if form == "absolute" else form
    run = tmp_path / "run"
    train(document(given, steps=3, batch_size=50), out=run)
    assert caplog.text.count("left out of the data") == 1
    train(document(given, steps=6, batch_size=50), out=run)
    assert caplog.text.count("left out of the data") == 1
    listed = json.loads((run / "bad_images.json").read_text())
    live = place(Path(given).expanduser(), 7)
    assert [one["where"] for one in listed["files"]] == [live]
    saved: Any = load_checkpoint(find_checkpoints(run / "checkpoints")[-1][1]).state
    assert list(saved["ranks"][0]["bad_images"]) == ["???/train/007.png"]


def at(root: str | None) -> Any:
    choices = {} if root is None else {"root": root}
    return SimpleNamespace(pipeline=SimpleNamespace(dataset=SimpleNamespace(choices=choices)))


@pytest.mark.parametrize(
    ("root", "where", "hidden"),
    [
        ("/data/set", "/data/set/train/a.png", "???/train/a.png"),
        ("/data/set/", "/data/set/train/a.png", "???/train/a.png"),
        ("/data/set", "/data/set/a.png and /data/set/b.png", "???/a.png and ???/b.png"),
        ("/data/set", "picture 3 of /data/set/images", "picture 3 of ???/images"),
        ("/data/set", "/data/setting/a.png", "a.png"),
        ("/data/set", "/data/set.old/a.png", "a.png"),
        ("/data/set", "/mnt/data/set/a.png", "a.png"),
        ("data", "data/data/my.data/a.png", "???/data/my.data/a.png"),
        (".", "a.b/c.d.png", "???/a.b/c.d.png"),
        ("..", "../a/b.png", "???/a/b.png"),
        (None, "drawn example 3 of 'train'", "drawn example 3 of 'train'"),
    ],
)
def test_places_are_hidden_and_found_again(root: str | None, where: str, hidden: str) -> None:
    saved = state._below_root(at(root), {where: "broken."})
    assert saved == {hidden: "broken."}
    if hidden != Path(where).name or root is None:
        assert state._in_root(at(root), saved) == {where: "broken."}


def test_places_are_found_where_the_data_is_now() -> None:
    what = "{0}/a.png in {0} is no picture. See {0}."
    saved = state._below_root(at("/data/set"), {"/data/set/a.png": what.format("/data/set")})
    assert saved == {"???/a.png": what.format("???")}
    assert state._in_root(at("elsewhere"), saved) == {"elsewhere/a.png": what.format("elsewhere")}


def test_what_processes_found_is_put_together_in_one_order() -> None:
    ranks = [BadExamples(1000) for _ in range(2)]
    for found in (("ab", "ca"), ("", "d"), ("e", "")):
        for bad, names in zip(ranks, found, strict=True):
            for name in names:
                bad.add(BadExample(name, "broken"))
        news = [bad.news for bad in ranks]
        for bad in ranks:
            bad.unite(news)
            assert not bad.news
    assert [list(bad.found) for bad in ranks] == [list("abcde")] * 2
    again = BadExamples(400)
    again.load_state_dict(ranks[0].state_dict())
    assert not again.news
    with pytest.raises(DataError, match="5 of 400 examples cannot be read") as caught:
        again.check()
    assert caught.value.where == "e"
