"""A run and the file exported from it: the same latents, and pictures that differ by rounding alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import sampled_run
import torch

from translate import Image, Label, Translator, sample
from translate.errors import ModelFileError, UsageError
from translate.pictures import read_picture
from translate.sampling.sources import FileSource
from translate.sampling.trained import RunSource

REQUESTS = [
    {},
    {"seed": 9, "label": 3, "count": 5},
    {"sweep": "c", "count": 2},
    {"sweep": "style[0]=0:1:4", "rows": "label"},
    {"rows": "z", "columns": "wide", "count": 3},
    {"interpolate": "wide", "frames": 4, "count": 3},
    {"sweep": "psi=0:1:3", "settings": ["c=1", "z[2]=-1"]},
]


@pytest.mark.parametrize("request_", REQUESTS, ids=[str(index) for index in range(len(REQUESTS))])
def test_both_give_the_same_pictures(both, request_):
    run, file = both["make"]
    first, second = sample(run, **request_), sample(file, **request_)
    assert first.description == second.description
    assert first.pictures.shape == second.pictures.shape
    assert first.pictures.dtype == second.pictures.dtype == np.uint8
    gap = np.abs(first.pictures.astype(int) - second.pictures.astype(int))
    assert gap.max() <= 1
    assert (gap > 0).mean() < 0.001
    assert first.pictures.std() > 5, "there is something to compare"


def test_every_input_is_seen_in_the_pictures(both):
    run, _ = both["make"]
    for word in ("z", "wide", "c", "style", "psi=0,5", "label"):
        made = sample(run, columns=word, count=3).pictures
        assert not np.array_equal(made[:, 0], made[:, 1]), word


def test_the_file_says_how_each_of_its_inputs_is_drawn(both):
    run, file = both["make"]
    assert run.inputs == file.inputs
    laws = {info.name: info.law for info in file.inputs}
    assert laws["z"] == {"name": "normal", "size": 4, "std": 1.0}
    assert laws["wide"]["std"] == 5
    assert laws["c"] == {"name": "categorical", "classes": 3, "one_hot": True}
    assert laws["style"] == {"name": "uniform", "size": 2, "low": 0.0, "high": 0.5}
    assert laws["psi"]["value"] == 0.7
    assert laws["label"] is None
    assert {info.name: info.classes for info in file.inputs}["label"] == 10


def test_a_picture_and_a_map_of_noise(both):
    run, file = both["edit"]
    assert run.inputs == file.inputs
    photo = np.random.default_rng(0).integers(0, 256, (28, 28, 1), dtype=np.uint8)
    first = sample(run, pictures={"image": photo}, count=4)
    second = sample(file, pictures={"image": photo}, count=4)
    assert np.abs(first.pictures.astype(int) - second.pictures.astype(int)).max() <= 1
    assert not np.array_equal(first.pictures[0], first.pictures[1])
    moved = sample(file, pictures={"image": 255 - photo}, count=4)
    assert not np.array_equal(second.pictures, moved.pictures)


@pytest.mark.parametrize("channels", [1, 5])
def test_sixteen_bits_and_any_channels(run, tmp_path, channels):
    from translate.exporting import export_report
    from translate.pipeline import load_pipeline
    from translate.pipeline.building import build

    opened = sampled_run.lively(run)
    pipeline = load_pipeline(dict(opened.pipeline.resolved))
    fields = {"image": Image(channels, 28, 28, bits=16), "label": Label(10)}
    opened = replace(opened, pipeline=pipeline, game=build(pipeline, fields))
    file = export_report(opened, name="make", output=tmp_path / "deep.onnx").file
    first, second = sample(RunSource(opened, "make"), count=2).pictures, sample(file, count=2).pictures
    assert first.dtype == second.dtype == np.uint16
    assert first.shape == (2, 10, 28, 28, channels)
    assert np.abs(first.astype(int) - second.astype(int)).max() <= 64
    made = sample(file, count=1, label=2, output=tmp_path / "folder")
    assert made.files[0].suffix == (".png" if channels == 1 else ".npy")
    assert np.array_equal(read_picture(made.files[0], channels=channels), made.pictures[0, 0])


def test_a_translator_draws_the_same(both):
    _, file = both["edit"]
    photo = np.zeros((28, 28, 1), np.uint8)
    made = sample(file, pictures={"image": photo}, count=3, seed=4).pictures[:, 0]
    assert np.array_equal(made, Translator(file.where)(np.stack([photo] * 3), seed=4))


def test_batches_and_threads_change_nothing_but_rounding(both):
    run, file = both["make"]
    for source in (run, file):
        one, all_ = sample(source, count=9, batch=1).pictures, sample(source, count=9, batch=64).pictures
        assert np.abs(one.astype(int) - all_.astype(int)).max() <= 1


def test_the_export_that_needs_no_picture_is_the_usual_one(run):
    opened = sampled_run.lively(run)
    assert RunSource(opened, None).export == "make"
    assert RunSource(opened, "edit").export == "edit"
    with pytest.raises(
        UsageError, match=r"no export is named 'mak'\. Did you mean 'make'\? Known: make, edit"
    ) as caught:
        RunSource(opened, "mak")
    assert caught.value.fix == "--export make"
    two = sampled_run.lively(run)
    two.game.pipeline.exports["again"] = two.game.pipeline.exports["make"]
    with pytest.raises(UsageError, match="several exports: make, edit, again"):
        RunSource(two, None)


def test_a_file_is_one_export(both):
    file = Path(both["make"][1].where)
    assert FileSource(file, "make", None).export == "make"
    with pytest.raises(UsageError, match="the export 'make', not 'edit'"):
        FileSource(file, "edit", None)


class Spiral:
    """A latent whose law no file can state."""

    def __init__(self, spec):
        self.spec = spec

    def sample(self, count, *, generator, device):
        turn = torch.rand(count, 1, generator=generator, device=device)
        return turn.repeat(1, 4)


def test_an_unknown_law_works_from_the_run_and_is_refused_from_the_file(run, both, tmp_path):
    opened = sampled_run.lively(run)
    opened.game.latents["z"] = Spiral(opened.game.latents["z"].spec)
    opened.game.latents["z"].law = {"name": "spiral"}
    source = RunSource(opened, "make")
    first, second = sample(source, count=4).pictures, sample(source, count=2).pictures
    assert np.array_equal(first[:2], second), "drawn by (seed, number, name) here too"
    assert not np.array_equal(first[0], first[1])
    assert not np.array_equal(first, sample(source, count=4, seed=1).pictures)

    model = onnx.load(both["make"][1].where)
    for entry in model.metadata_props:
        if entry.key == "inputs":
            inputs = json.loads(entry.value)
            inputs[0]["law"] = {"name": "spiral"}
            entry.value = json.dumps(inputs)
    onnx.save(model, str(tmp_path / "spiral.onnx"))
    with pytest.raises(ModelFileError, match=r"law of 'z' .*spiral.* is known to its component alone") as caught:
        sample(tmp_path / "spiral.onnx")
    assert "--set z=" in caught.value.fix
    assert sample(tmp_path / "spiral.onnx", settings=["z=0"], count=2).pictures.shape[0] == 2


def test_weights_in_a_file_beside_it_are_read_where_that_is_asked_for(both, tmp_path):
    """As an export above 1.5 GB has them."""
    one, file = both["make"][1].where, tmp_path / "large.onnx"
    onnx.save(onnx.load(one), str(file), save_as_external_data=True, location="large.onnx.data", size_threshold=256)
    assert (tmp_path / "large.onnx.data").stat().st_size
    with pytest.raises(ModelFileError, match="reads its weights from other files") as caught:
        sample(file)
    assert "add --external-data" in caught.value.fix
    assert np.array_equal(sample(file, count=3, external_data=True).pictures, sample(one, count=3).pictures)


def test_external_data_of_a_run_is_refused(run):
    with pytest.raises(UsageError, match="external data is for an exported file"):
        sample(run, export="make", external_data=True)


def test_the_bare_network_is_refused(run, tmp_path):
    from translate.exporting import export_report

    file = export_report(
        sampled_run.lively(run), name="make", output=tmp_path / "make.float.onnx", float_only=True
    ).file
    with pytest.raises(ModelFileError, match="bare float network") as caught:
        sample(file)
    assert caught.value.fix == "export it without --float"
