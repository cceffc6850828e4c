"""What stays when another component is named."""

from __future__ import annotations

from translate.pipeline import load_pipeline


def test_a_new_loss_keeps_its_expressions_and_weight_and_drops_the_old_choices():
    own = {"extends": "pix2pix", "data": {"root": "x"}, "losses": {"adversarial": {"smoothing": 0.1, "weight": 2}}}
    term = load_pipeline(own, ["losses.adversarial.loss=lsgan"]).phases[0].losses["adversarial"]
    assert term.use.name == "lsgan"
    assert set(term.use.expressions) == {"real", "fake"}
    assert term.weight == 2.0
    assert "smoothing" not in term.use.choices


def test_a_new_network_keeps_what_it_makes_and_drops_the_old_choices():
    own = {"extends": "pix2pix", "data": {"root": "x"}, "networks": {"G": {"depth": 3, "width": 8}}}
    use = load_pipeline(own, ["networks.G.generator=resnet"]).networks["G"]
    assert set(use.specs) == {"makes"}
    assert use.choices["width"] == 64
    assert "depth" not in use.choices


def test_a_new_dataset_keeps_the_keys_of_the_core():
    pipeline = load_pipeline("pix2pix", ["data.dataset=drawn", "data.image_size=64"])
    assert pipeline.data.transforms
    assert "root" not in pipeline.resolved["data"]
