from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import yaml

import translate.exporting.exporter as exporting
from translate.errors import ModelFileError, PipelineError, UsageError
from translate.exporting import export, export_all, export_report
from translate.pipeline.computing import evaluate
from translate.pipeline.inference_form import inference_networks
from translate.plugin_manager import default_manager

SIZES = [(16, 16), (24, 40), (21, 19)]


def run(file: Path, **values: np.ndarray) -> np.ndarray:
    return onnxruntime.InferenceSession(str(file)).run(None, values)[0]


def by_hand(opened, pictures: dict[str, np.ndarray], others: dict[str, np.ndarray], divisor: int) -> np.ndarray:
    """What the file must give, by numpy and the evaluator: padding, ranges and rounding written once more."""
    game, values = opened.game, {}
    for name, picture in pictures.items():
        spec = game.input_spec(name)
        _, h, w, _ = picture.shape
        padded = np.pad(picture, ((0, 0), (0, -h % divisor), (0, -w % divisor), (0, 0)), mode="edge")
        unit = padded.transpose(0, 3, 1, 2).astype(np.float32) / np.iinfo(picture.dtype).max
        values[name] = torch.from_numpy(unit * (spec.high - spec.low) + spec.low)
    values |= {name: torch.from_numpy(value) for name, value in others.items()}
    export_entry = game.pipeline.exports["translate"]
    node = game.add(export_entry.output, ("export", "translate", "output"))
    networks = inference_networks(game.networks, game.pipeline.inference)
    with torch.no_grad():
        made = evaluate(game, [node], values, networks=networks, step=opened.step)[0].numpy()
    target = game.fields["target"]
    dtype = np.dtype(f"uint{target.bits}")
    white = np.iinfo(dtype).max
    levels = (made[:, :, :h, :w] - target.low) / (target.high - target.low) * white
    return np.rint(np.clip(levels, 0, white)).astype(dtype).transpose(0, 2, 3, 1)


def assert_same(found: np.ndarray, expected: np.ndarray, dtype: type = np.uint8) -> None:
    assert found.dtype == expected.dtype == dtype
    assert found.shape == expected.shape
    gap = np.abs(found.astype(int) - expected.astype(int))
    assert gap.max() <= (1 if dtype is np.uint8 else 64)
    if dtype is np.uint8:
        assert (gap == 0).mean() >= 0.997
    else:
        assert gap.mean() < 0.3
    assert expected.std() > np.iinfo(dtype).max / 51, "a constant picture would prove nothing"


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("size", SIZES)
def test_parity_with_per_image_norm_and_dropout(image_mode, size, batch):
    opened, report = image_mode
    source = np.random.default_rng(batch).integers(0, 256, (batch, *size, 3), dtype=np.uint8)
    assert_same(run(report.file, source=source), by_hand(opened, {"source": source}, {}, 4))


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("size", SIZES)
def test_parity_with_a_latent_two_grey_pictures_and_another_range(conditioned, size, batch):
    opened, report = conditioned
    generator = np.random.default_rng(batch)
    pictures = {name: generator.integers(0, 256, (batch, *size, 1), dtype=np.uint8) for name in ("source", "target")}
    z = {"z": generator.standard_normal((batch, 3)).astype(np.float32)}
    found = run(report.file, **pictures, **z)
    assert found.shape == (batch, *size, 1)
    assert_same(found, by_hand(opened, pictures, z, 4))


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("size", [(16, 16), (24, 40), (20, 12)])
def test_parity_of_the_bare_network(bare, size, batch):
    opened, report = bare
    source = torch.rand(batch, 3, *size) * 2 - 1
    form = inference_networks(opened.game.networks, opened.pipeline.inference)
    expected = form["G"](source).numpy()
    found = run(report.file, source=source.numpy())
    assert np.abs(found - expected).max() <= 1e-4 * max(1, np.abs(expected).max())
    assert report.file.name == "translate.float.onnx"


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("size", SIZES)
def test_parity_of_16_bits_and_other_channels_on_half_the_size(deep, size, batch):
    opened, report = deep
    source = np.random.default_rng(batch).integers(0, 65536, (batch, *size, 2), dtype=np.uint16)
    found = run(report.file, source=source)
    assert found.shape == (batch, *size, 5)
    assert_same(found, by_hand(opened, {"source": source}, {}, 8), np.uint16)
    assert len(np.unique(found & 0xFF)) > 100, "not only the levels of 8 bits"


def test_what_a_file_of_16_bits_says_about_itself(deep):
    _, report = deep
    held = report.metadata
    source, output = json.loads(held["inputs"])[0], json.loads(held["outputs"])[0]
    assert (source["dtype"], source["channels"], source["layout"]) == ("uint16", 2, "NHWC")
    assert (output["dtype"], output["value_range"], output["scale"]) == ("uint16", [-1.0, 1.0], [1.0, 1.0])
    verification = json.loads(held["verification"])
    assert (verification["unit"], verification["tolerance"]) == ("levels of 65535", 64)
    assert verification["largest_difference"] == report.difference <= 64
    assert report.unit == "levels of 65535"


def test_a_network_on_half_the_size_doubles_the_divisor_and_leaves_sizes_free(deep):
    _, report = deep
    assert report.metadata["size_divisor"] == "8"
    assert report.dynamic_axes == ("batch", "height", "width")
    assert report.fixed_because == ""


def test_operations_are_exported_without_their_randomness(deep):
    opened, report = deep
    kinds = {node.op_type for node in onnx.load(str(report.file)).graph.node}
    assert not {kind for kind in kinds if "Random" in kind}
    source = np.random.default_rng(0).integers(0, 65536, (1, 24, 40, 2), dtype=np.uint16)
    assert np.array_equal(run(report.file, source=source), run(report.file, source=source))
    assert opened.game.sites, "the noise has a site of its own"
    assert all(site.training for site in opened.game.sites.values()), "a training that goes on must find it as it was"


def test_the_file_of_16_bits_is_used_like_any_other(deep, tmp_path):
    from translate.inference import Translator, translate_files, translate_tiled

    opened, report = deep
    translator = Translator(report.file)
    deep_picture = np.random.default_rng(0).integers(0, 65536, (21, 19, 2), dtype=np.uint16)
    expected = by_hand(opened, {"source": deep_picture[None]}, {}, 8)[0]
    assert_same(translator(deep_picture), expected, np.uint16)
    (tmp_path / "in").mkdir()
    np.save(tmp_path / "in/a.npy", deep_picture)
    np.save(tmp_path / "in/b.npy", (deep_picture >> 8).astype(np.uint8))
    result = translate_files(translator, [tmp_path / "in"], tmp_path / "out")
    assert [place.name for _, place in result.written] == ["a.npy", "b.npy"]
    assert np.array_equal(np.load(tmp_path / "out/a.npy"), translator(deep_picture))
    shallow = (deep_picture >> 8) * np.uint16(257)
    assert np.array_equal(np.load(tmp_path / "out/b.npy"), translator(shallow))
    assert translate_tiled(translator, deep_picture, tile=16, overlap=4).dtype == np.uint16


def test_a_result_does_not_depend_on_its_batch(image_mode):
    _, report = image_mode
    source = np.random.default_rng(0).integers(0, 256, (3, 18, 22, 3), dtype=np.uint8)
    whole = run(report.file, source=source).astype(int)
    assert np.abs(whole - np.concatenate([run(report.file, source=one[None]) for one in source])).max() <= 1


def test_the_file_is_one_clean_standard_file(image_mode):
    _, report = image_mode
    model = onnx.load(str(report.file), load_external_data=False)
    assert {entry.domain for entry in model.opset_import} == {""}
    assert model.opset_import[0].version == 18
    assert not any(node.doc_string or node.metadata_props for node in model.graph.node)
    kinds = {node.op_type for node in model.graph.node}
    assert "InstanceNormalization" in kinds
    assert not kinds & {"BatchNormalization", "Dropout", "RandomUniformLike"}
    dims = [dim.dim_param or dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
    assert dims == ["batch", "height", "width", 3]
    assert report.dynamic_axes == ("batch", "height", "width")
    assert report.fixed_because == ""
    assert sorted(path.name for path in report.file.parent.iterdir()) == ["translate.json", "translate.onnx"]


def test_metadata_in_the_file_and_beside_it(image_mode):
    opened, report = image_mode
    held = onnxruntime.InferenceSession(str(report.file)).get_modelmeta().custom_metadata_map
    assert held == dict(report.metadata)
    beside = json.loads(report.sidecar.read_text())
    assert set(beside) == set(held)
    assert beside["format_version"] == held["format_version"] == "1"
    assert held["step"] == "500"
    assert held["size_divisor"] == "4"
    assert json.loads(held["inference"]) == {"batch_norm": "image", "dropout": "on", "seed": 3}
    assert json.loads(held["components"])["generator unet"]["distribution"] == "translate-images"
    source = json.loads(held["inputs"])[0]
    assert (source["name"], source["kind"], source["layout"], source["channels"]) == ("source", "image", "NHWC", 3)
    assert source["value_range"] == [-1.0, 1.0]
    verification = json.loads(held["verification"])
    assert verification["largest_difference"] == report.difference <= 1
    assert len(verification["cases"]) == 6
    pipeline = yaml.safe_load(held["pipeline"])
    assert pipeline["networks"] == opened.pipeline.resolved["networks"]


def test_nothing_of_this_machine_is_in_the_file(image_mode, conditioned, deep, bare, games):
    for opened, report in (image_mode, conditioned, deep, bare):
        assert str(opened.pipeline.dataset.choices["root"]) == games.PRIVATE
        for content in (report.file.read_bytes(), report.sidecar.read_bytes()):
            for secret in (games.PRIVATE, str(Path.home()) + "/", os.getcwd(), sys.prefix, "site-packages", "/torch/"):
                assert secret.encode() not in content, secret
            host = socket.gethostname()
            assert len(host) < 6 or host.encode() not in content, "a short name would turn up by chance"
    assert yaml.safe_load(report.metadata["pipeline"])["data"]["root"] == "???"


def test_a_difference_above_the_tolerance_leaves_no_file(bare, tmp_path):
    opened, _ = bare
    target = tmp_path / "deep" / "x.onnx"
    with pytest.raises(ModelFileError, match=r"does not give what PyTorch gives .*difference") as caught:
        export(opened, output=target, float_only=True, tolerance=-1)
    assert caught.value.exit_code == 4
    assert list(target.parent.iterdir()) == []


def test_fixed_sizes_are_said_never_silent(games, tmp_path, monkeypatch, recwarn, capfd):
    """Where torch refuses free sizes the file has fixed ones, and an older file of the name is replaced."""
    real = exporting.to_file

    def refusing(*args, **kwargs):
        if kwargs["level"] == "free":
            raise RuntimeError("/home/me/secret.py: no")
        real(*args, **kwargs)

    monkeypatch.setattr(exporting, "to_file", refusing)
    data = games.document({"generator": "unet", "width": 2, "depth": 1, "norm": "none"})
    opened = games.opened(tmp_path, data)
    (tmp_path / "exports").mkdir()
    (tmp_path / "exports/translate.onnx").write_bytes(b"old")
    called = []
    manager = default_manager()

    class Watcher:
        from translate import hookimpl

        @hookimpl
        def translate_exported(self, file, metadata):
            called.append((file, dict(metadata)))

    watcher = Watcher()
    manager._manager.register(watcher)
    try:
        report = export_report(opened)
    finally:
        manager._manager.unregister(watcher)
    assert report.dynamic_axes == ("batch",)
    assert "torch.export does not leave" in report.fixed_because == report.metadata["fixed_because"]
    assert "secret" not in str(report.metadata)
    assert run(report.file, source=np.zeros((4, 16, 16, 3), np.uint8)).shape == (4, 16, 16, 3)
    assert called == [(report.file, dict(report.metadata))]
    assert not list(recwarn)
    assert capfd.readouterr() == ("", "")


def test_unknown_names_and_bad_targets_are_refused_before_any_work(bare, tmp_path):
    opened, _ = bare
    with pytest.raises(UsageError, match=r"no export is named 'transalte'\. Did you mean 'translate'"):
        export(opened, name="transalte")
    with pytest.raises(UsageError, match=r"must end in \.onnx"):
        export(opened, output=tmp_path / "x.pb")
    with pytest.raises(UsageError, match="opset must be 18"):
        export(opened, opset=17)
    (tmp_path / "config.json").write_text('{"mine": 1}')
    with pytest.raises(UsageError, match="would overwrite a JSON file"):
        export(opened, output=tmp_path / "config.onnx")
    (tmp_path / "d.onnx").mkdir()
    with pytest.raises(UsageError, match="a folder"):
        export(opened, output=tmp_path / "d.onnx")


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ({"inputs": ["target"], "output": "fake"}, "the output needs 'source'"),
        ({"inputs": ["source", "target"], "output": "fake"}, "does not use 'target'"),
        ({"inputs": ["source", "source"], "output": "fake"}, "listed twice"),
        ({"inputs": ["other"], "output": "fake"}, "'other' is unknown"),
    ],
)
def test_export_entries_that_cannot_work(games, tmp_path, entry, text):
    data = games.document({"generator": "unet", "width": 2, "depth": 1})
    opened = games.opened(tmp_path, data)
    pipeline = opened.pipeline
    wrong = replace(pipeline.exports["translate"], inputs=tuple(entry["inputs"]))
    object.__setattr__(pipeline, "exports", {"translate": wrong})
    with pytest.raises(PipelineError, match=text):
        export(opened)


@pytest.fixture
def two_ways(games, tmp_path):
    data = games.document(
        {"generator": "unet", "width": 2, "depth": 1, "norm": "none"},
        flow={"fake": "G(source)", "back": "B(target)"},
        export={"forth": {"inputs": ["source"], "output": "fake"}, "back": {"inputs": ["target"], "output": "back"}},
    )
    data["networks"]["B"] = {"generator": "unet", "width": 2, "depth": 1, "norm": "none", "makes": "source"}
    data["losses"]["again"] = {"loss": "l1", "of": "back", "to": "source"}
    return games.opened(tmp_path, data)


def test_all_exports_of_a_pipeline_or_one_by_name(two_ways, tmp_path):
    seen = []
    reports = export_all(two_ways, done=seen.append)
    assert seen == reports
    assert [report.file for report in reports] == [tmp_path / "exports/forth.onnx", tmp_path / "exports/back.onnx"]
    assert sorted(path.name for path in (tmp_path / "exports").iterdir()) == [
        "back.json",
        "back.onnx",
        "forth.json",
        "forth.onnx",
    ]
    assert [report.metadata["export"] for report in reports] == ["forth", "back"]
    picture = np.random.default_rng(0).integers(0, 256, (1, 16, 16, 3), dtype=np.uint8)
    assert not np.array_equal(run(reports[0].file, source=picture), run(reports[1].file, target=picture)), (
        "each file holds its own network"
    )


def test_one_file_for_several_exports_is_refused_by_name(two_ways, tmp_path):
    for output in (None, tmp_path / "x.onnx"):
        with pytest.raises(UsageError, match="this pipeline has several exports: forth, back") as caught:
            export(two_ways, output=output)
        assert "--name forth" in str(caught.value.fix)
    assert not list(tmp_path.iterdir())


def test_listing_exports_does_not_import_torch():
    code = "import sys, translate.exporting; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_a_killed_export_left_is_removed_by_the_next_and_nothing_else(tmp_path):
    killed = os.fork()
    if killed == 0:
        with exporting._workshop(tmp_path / "a.onnx") as folder:
            (folder / "a.onnx").write_bytes(b"half")
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(killed, 0)
    (left,) = tmp_path.iterdir()
    place, pid, start, _ = left.name.removeprefix(".").split("-")
    assert int(pid) == killed
    parent, began = os.getppid(), exporting.processes.started(os.getppid())
    stay = [
        tmp_path / f".{place}-{parent}-{began}-00000000.part",  # it lives
        tmp_path / f".{'0' * 8}-{pid}-{start}-00000000.part",  # of another machine
        tmp_path / f".{place}-{pid}-{start}.part",
        tmp_path / "exports.part",
    ]
    for path in stay:
        path.mkdir()
    link = tmp_path / f".{place}-{pid}-{start}-11111111.part"
    link.symlink_to(stay[-1])
    with exporting._workshop(tmp_path / "b.onnx") as folder:
        assert {*tmp_path.iterdir()} == {*stay, link, folder}
    assert {*tmp_path.iterdir()} == {*stay, link}
    assert socket.gethostname() not in left.name


def test_an_export_waits_for_the_disk_before_anything_has_its_name(bare, tmp_path, monkeypatch):
    waited: list[tuple[str, bool]] = []

    def fsync(path: Path) -> None:
        waited.append((path.name, (tmp_path / "x.onnx").exists()))

    monkeypatch.setattr(exporting.files, "fsync", fsync)
    network = type(bare[0].game.networks["G"])  # what its state dict holds besides tensors is no hindrance
    monkeypatch.setattr(network, "get_extra_state", lambda _: {"count": 1}, raising=False)
    export(bare[0], output=tmp_path / "x.onnx", float_only=True)
    assert waited == [("x.json", False), ("x.onnx", False), (tmp_path.name, True)]
