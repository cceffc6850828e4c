"""Every shipped pipeline: its form, its game on the meta device, a few steps of training, and its exports."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest
from small_sets import small_settings

from translate.drawing import describe
from translate.pipeline import load_pipeline
from translate.pipeline.checking import check
from translate.pipeline.opening import open_dataset
from translate.plugin_manager import default_manager

PIPELINES = sorted(name for name, _ in default_manager().catalogue.pipelines.items())
MOST_LINES = 60

PATCHES = {"D_a": 3, "D_b": 3}
FRESH = {"G": 2, "D": 3}  # the generator draws latents of its own
COGAN = {"trunk": 1, "G_a": 1, "G_b": 1, **PATCHES, "D": 6}
ENHANCED = {"global_encoder": 1, "global_decoder": 1, "local_encoder": 1, "local_decoder": 1, "global_image": 0, "D": 4}
CALLS: dict[str, list[dict[str, int]]] = {
    "aae": [{"E": 2, "G": 1, "D": 3}],  # the codes of the last two turns are made after the first one's step
    "acgan": [{"G": 2, "T": 3, "D": 3, "C": 3}],  # the classifier sees both, and the generator's new fakes
    "acgan_extra_class": [{"E": 2, "G": 2, "T": 3, "D": 3, "C": 3, "C_fake": 3}],
    "bicyclegan": [{"G": 3, "E": 2, "D": 3, "D_rebuilt": 3}],  # the third turn follows a step of G
    "cgan": [{"G_z": 2, "G_y": 2, "G": 2, "D_x": 3, "D_y": 2, "D": 3}],  # one label for real and fake
    "cogan_depth": [COGAN],
    "cogan_edge": [COGAN],
    "cogan_negative": [COGAN],
    "cogan_rotation": [COGAN],
    "colorization": [{"G": 1, "D": 3}],
    "context_encoder": [{"G": 1, "D": 3}],
    "cut": [{"E": 4, "G": 2, "P": 4, "D": 3}],
    "cyclegan": [{"G_ab": 2, "G_ba": 2, **PATCHES}],
    "cyclegan_conditional": [{"G_ab": 2, "G_ba": 2, **PATCHES}],
    "cyclegan_identity": [{"G_ab": 3, "G_ba": 3, **PATCHES}],
    "dcgan": [FRESH],
    "dcgan_cifar": [FRESH],
    "dcgan_pooling": [FRESH],
    "demo": [{"G": 1, "D": 3}],
    "discogan": [{"G_ab": 1, "G_ba": 1, "D_a": 2, "D_b": 2}],  # the first iteration is the discriminators'
    "draw": [{"G": 1}],
    "dualgan": [{"G_ab": 4, "G_ba": 4, "D_a": 7, "D_b": 7}],  # three draws, the last one shared
    "dualgan_sigmoid": [{"G_ab": 4, "G_ba": 4, "D_a": 4, "D_b": 4}],  # two draws, the first one shared
    "fastcut": [{"E": 3, "G": 1, "P": 2, "D": 3}],  # the input as it is, mirrored, and the output
    "mixture": [{"G": 1, "D": 3}],
    "gan": [FRESH],
    "gan_minimax": [FRESH],
    "infogan": [{"G": 2, "T": 3, "D": 3, "Q": 2, "Q_digit": 2, "Q_style": 2}],
    "lsgan": [FRESH],
    "msg_gan": [{"G": 1, "D": 4}],  # the relativistic loss looks at real pictures in both turns
    "pix2pix": [{"G": 1, "D": 3}],
    "pix2pix_encoder_decoder": [{"G": 1, "D": 3}],
    "pix2pix_gan": [{"G": 1, "D": 3}],
    "pix2pix_hd": [
        {"global_encoder": 1, "global_decoder": 1, "global_image": 1, "local_encoder": 0, "local_decoder": 0, "D": 4},
        ENHANCED,
        ENHANCED,
    ],
    "pix2pix_l1": [{"G": 1}],
    "progan": [{"G": 1, "D": 4}] * 5,  # real, fake and between, then the fake
    "spade": [{"G": 1, "D": 4}],  # feature matching asks for the real features once more, after D's step
    "stargan": [{"G": 6, "T": 16, "D": 16, "C": 6}],  # five draws of real, fake and between, then the fake
    "stylegan": [{"M": 2, "G": 1, "D": 3}],  # R1 looks at the real judgement that the loss has
    "unit": [{"E_a": 2, "E_b": 2, "into": 4, "out_of": 4, "G_a": 3, "G_b": 3, **PATCHES}],
    "vae": [{"E": 1, "G": 1}],
    "wgan": [{"G": 101, "D": 201}],  # a burst of 100 draws, then fresh latents for the generator
    "wgan_gp": [{"G": 6, "D": 16}],  # five draws of real, fake and between, then a fresh fake
}
"""Forward calls of each network in the first iteration of each phase."""


@pytest.mark.parametrize("name", PIPELINES)
def test_a_pipeline_is_a_page_with_paper_and_command(name):
    shipped, _ = default_manager().catalogue.find_pipeline(name)
    lines = (resources.files(shipped.package) / shipped.file).read_text(encoding="utf-8").splitlines()
    assert len(lines) <= MOST_LINES
    assert max(map(len, lines)) <= 120
    head = "\n".join(line for line in lines if line.startswith("#"))
    assert "arXiv" in head or name == "demo"
    assert f"# Run:  translate {'demo' if name == 'demo' else f'train {name}'}" in head


@pytest.mark.parametrize("name", PIPELINES)
def test_a_pipeline_of_full_size_passes_the_check(name, small_data):
    """Shapes, turns and known mistakes, with the widths and sizes of the paper; costs no memory."""
    pipeline = load_pipeline(
        name, [s for s in small_settings(name, small_data) if s.startswith(("data.root", "data.count"))]
    )
    game = check(pipeline, open_dataset(pipeline).fields)
    assert set(game.networks) == set(pipeline.networks)


@pytest.mark.parametrize("name", PIPELINES)
def test_every_network_is_called_as_often_as_it_must_be(name, small_data):
    """Rule 5: what is computed once in a draw is not computed again while it is valid. Counted by hand."""
    pipeline = load_pipeline(name, small_settings(name, small_data))
    game = check(pipeline, open_dataset(pipeline).fields)
    found = [dict(phase.calls) for phase in describe(game).phases]
    assert found == CALLS[name]


@pytest.mark.parametrize("name", PIPELINES)
def test_a_pipeline_trains_and_is_measured(name, small_data, tmp_path):
    import torch

    from translate.evaluation import evaluate
    from translate.training import train

    settings = [*small_settings(name, small_data), "training.observers=[metrics_file]", "training.log_every=1"]
    result = train(name, settings, out=tmp_path / "run")
    lines = (result.folder / "metrics.jsonl").read_text().splitlines()
    assert lines
    if load_pipeline(name, settings).metrics:
        report = evaluate(result.folder, device="cpu")
        assert report.values
        assert all(torch.isfinite(torch.tensor(value)) for value in report.values.values())


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", PIPELINES)
def test_every_export_of_a_pipeline_gives_what_pytorch_gives(name, small_data, tmp_path):
    import translate
    from translate.training import train

    settings = [*small_settings(name, small_data), "training.observers=[metrics_file]"]
    result = train(name, settings, out=tmp_path / "run")
    exports = load_pipeline(name, settings).exports
    assert exports
    for export in exports:
        file = translate.export(result.folder, name=export)
        assert Path(file).stat().st_size > 0
