"""Generators composed in a pipeline's flow: specs flow through the pieces, and exported files equal PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from translate import Image, Spec, Tensor
from translate.errors import PipelineError
from translate.exporting import export_report
from translate.pipeline import load_pipeline
from translate.pipeline.building import build, build_meta
from translate.pipeline.game import Game
from translate.specs import Several
from translate.training.opening import Opened

PICTURE = Image(3, 32, 32)
FIELDS: dict[str, Spec] = {"source": PICTURE, "target": PICTURE}
SMALL = {"width": 4, "init_std": 0.2}


def document(networks: dict[str, Any], flow: dict[str, str], **sections: Any) -> dict[str, Any]:
    return {
        "description": "A composed generator.",
        "data": {"dataset": "paired_folders", "root": "pictures"},
        "networks": {**networks, "D": {"discriminator": "patchgan", "width": 4, "receptive_field": 16}},
        "flow": flow,
        "losses": {"adversarial": {"loss": "bce", "real": "D(target)", "fake": "D(fake)"}},
        "training": {"steps": 10},
        "export": {"translate": {"inputs": ["source"], "output": "fake"}},
        **sections,
    }


UNIT = document(
    {
        "E_a": {"generator": "resnet_encoder", "blocks": 1, **SMALL},
        "E_b": {"generator": "resnet_encoder", "blocks": 1, **SMALL},
        "shared": {"generator": "residual_blocks", "blocks": 2, "init_std": 0.2},
        "G_b": {"generator": "resnet_decoder", "makes": "target", "init_std": 0.2},
    },
    {"fake": "G_b(shared(E_a(source)))", "again": "G_b(shared(E_b(fake)))"},
)
UNIT["losses"]["cycle"] = {"loss": "l1", "of": "again", "to": "target"}

CUT = document(
    {
        "E": {"generator": "resnet_encoder", "blocks": 2, "features": True, **SMALL},
        "G": {"generator": "resnet_decoder", "makes": "target", "blocks": 1, "init_std": 0.2},
        "F": {"generator": "projector", "size": 8},
    },
    {
        "encoded": "E(source)",
        "fake": "G(encoded.map)",
        "again": "E(fake)",
        "patches": "sample_patches(again.features, encoded.features, count=10)",
        "query": "F(patches.first)",
        "key": "F(patches.second)",
    },
)
CUT["losses"]["patches"] = {"loss": "patch_nce", "of": "query", "to": "key"}

# The authors' widths are 64 at half the size and 32 at the full size.
PIX2PIXHD = document(
    {
        "E_half": {"generator": "resnet_encoder", "halvings": 2, "blocks": 1, "width": 8, "init_std": 0.2},
        "G_half": {"generator": "resnet_decoder", "halvings": 2, "init_std": 0.2},
        "E": {"generator": "resnet_encoder", "halvings": 1, "width": 4, "init_std": 0.2},
        "G": {"generator": "resnet_decoder", "makes": "target", "halvings": 1, "blocks": 1, "init_std": 0.2},
    },
    {"coarse": "G_half(E_half(resize(source, scale=0.5)))", "fake": "G(add(E(source), coarse))"},
)


def game_of(data: dict[str, Any]) -> Game:
    return build(load_pipeline(data), FIELDS)


def exported(folder: Path, game: Game) -> Any:
    opened = Opened(
        pipeline=game.pipeline, game=game, step=1, checkpoint=folder / "000001", run_folder=folder, manifest={}
    )
    return export_report(opened)


def run(report: Any, **values: np.ndarray) -> np.ndarray:
    return onnxruntime.InferenceSession(str(report.file)).run(None, values)[0]


@pytest.mark.parametrize(("data", "channels", "size"), [(UNIT, 16, 8), (CUT, 16, 8), (PIX2PIXHD, 8, 16)])
def test_specs_flow_through_the_pieces(data, channels, size):
    game = build_meta(load_pipeline(data), FIELDS)
    decoder = "G_b" if data is UNIT else "G"
    (given,) = game.network_inputs[decoder].inputs
    assert given == Image(channels, size, size, -torch.inf, torch.inf)


def test_a_projector_has_a_network_for_each_layer_that_the_encoder_gives():
    game = build_meta(load_pipeline(CUT), FIELDS)
    (given,) = game.network_inputs["F"].inputs
    assert given == Several(tuple(Tensor((10, channels)) for channels in (3, 8, 16, 16, 16)))
    assert [part[0].in_features for part in game.networks["F"].layers] == [3, 8, 16, 16, 16]


def test_a_projector_that_is_given_maps_says_how_to_sample_them():
    data = {**CUT, "flow": {**CUT["flow"], "query": "F(again.features)"}}
    with pytest.raises(PipelineError, match=r"part 1 of its input is Image\(3x32x32.*Sample the maps first"):
        build_meta(load_pipeline(data), FIELDS)


@pytest.mark.slow
@pytest.mark.parametrize("data", [UNIT, CUT, PIX2PIXHD])
def test_a_composed_file_takes_every_size(data, tmp_path):
    report = exported(tmp_path, game_of(data))
    assert report.dynamic_axes == ("batch", "height", "width")
    assert report.fixed_because == ""
    picture = np.random.default_rng(0).integers(0, 256, (2, 41, 27, 3), dtype=np.uint8)
    assert run(report, source=picture).shape == (2, 41, 27, 3)


@pytest.mark.slow
def test_spade_takes_every_size_where_the_first_map_is_the_segmentation_maps(tmp_path):
    networks = {"G": {"generator": "spade", "makes": "target", "width": 2, "hidden": 4, "init_std": 0.2}}
    report = exported(tmp_path, game_of(document(networks, {"fake": "G(source)"})))
    assert report.dynamic_axes == ("batch", "height", "width")
    assert report.metadata["size_divisor"] == "4"
    picture = np.random.default_rng(0).integers(0, 256, (2, 41, 27, 3), dtype=np.uint8)
    assert run(report, source=picture).shape == (2, 41, 27, 3)


@pytest.mark.slow
def test_spade_with_a_style_keeps_the_size_of_training(tmp_path):
    networks = {"G": {"generator": "spade", "makes": "target", "width": 2, "hidden": 4, "init_std": 0.2}}
    data = document(networks, {"fake": "G(source, z)"}, latents={"z": {"latent": "normal", "size": 3}})
    data["export"]["translate"]["inputs"] = ["source", "z"]
    report = exported(tmp_path, game_of(data))
    assert report.dynamic_axes == ("batch",)
    picture = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    z = np.random.default_rng(1).standard_normal((2, 3)).astype(np.float32)
    assert (run(report, source=picture, z=z) != run(report, source=picture, z=-z)).any()


@pytest.fixture(scope="module")
def conditioned(tmp_path_factory):
    """A generator that is told the domain to translate to."""
    networks = {"G": {"generator": "resnet", "makes": "target", "blocks": 1, **SMALL}}
    latents = {"domain": {"latent": "categorical", "classes": 4, "one_hot": False}}
    data = document(networks, {"fake": "G(source, domain)"}, latents=latents)
    data["losses"]["adversarial"] = {"loss": "bce", "real": "D(target, domain)", "fake": "D(fake, domain)"}
    data["export"]["translate"]["inputs"] = ["source", "domain"]
    game = game_of(data)
    return game, exported(tmp_path_factory.mktemp("conditioned"), game)


def test_a_label_conditioned_file_has_a_label_input_and_equals_pytorch(conditioned):
    game, report = conditioned
    session = onnxruntime.InferenceSession(str(report.file))
    assert [(each.name, each.type) for each in session.get_inputs()] == [
        ("source", "tensor(uint8)"),
        ("domain", "tensor(int64)"),
    ]
    picture = np.random.default_rng(0).integers(0, 256, (4, 24, 36, 3), dtype=np.uint8)
    domain = np.array([0, 1, 2, 3])
    found = run(report, source=picture, domain=domain).astype(int)
    values = torch.from_numpy(picture).permute(0, 3, 1, 2) / 127.5 - 1
    with torch.no_grad():
        made = game.networks["G"].eval()(values, torch.from_numpy(domain))
    expected = ((made + 1) * 127.5).round().permute(0, 2, 3, 1).numpy().astype(int)
    assert expected.std() > 5
    assert np.abs(found - expected).max() <= 1


def test_each_label_gives_another_picture(conditioned):
    _, report = conditioned
    picture = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), dtype=np.uint8).repeat(4, axis=0)
    made = run(report, source=picture, domain=np.arange(4)).astype(int)
    for one in range(4):
        for two in range(one):
            assert np.abs(made[one] - made[two]).max() > 2
