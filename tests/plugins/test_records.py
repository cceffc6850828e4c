"""The records of the built-in families: listed without torch, and every one usable."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from translate.plugin_manager import PluginManager

FAMILIES = (
    "generators",
    "discriminators",
    "parametrizations",
    "losses",
    "operations",
    "latents",
    "schedules",
    "metrics",
)
EXPECTED = {
    "generator": {
        "encoder_decoder", "projector", "residual_blocks", "resnet", "resnet_decoder", "resnet_encoder",
        "spade", "stack", "unet",
    },
    "discriminator": {
        "patchgan", "stack",
    },
    "parametrization": {
        "spectral",
    },
    "loss": {
        "bce", "cross_entropy", "feature_matching", "gradient_penalty", "hinge", "kl", "l1", "l2", "lsgan",
        "patch_nce", "perceptual", "r1", "relativistic", "wasserstein",
    },
    "operation": {
        "add", "augment", "border", "boundaries", "chroma", "concat", "edges", "halves", "lab_to_rgb",
        "leaf", "lightness", "minibatch_stddev", "mix", "negative", "noise", "one_hot", "paste", "pool",
        "resize", "rotate", "sample_code", "sample_patches", "shuffle", "to_classes",
    },
    "latent": {
        "categorical", "normal", "uniform",
    },
    "schedule": {
        "constant", "cosine", "cycle", "linear", "steps",
    },
    "metric": {
        "classifier", "correlation", "diversity", "frechet_inception", "gradient_energy_ratio",
        "histogram_intersection", "kernel_inception", "l1", "lpips", "palette_accuracy", "pixel_agreement",
        "psnr", "ssim",
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def manager() -> PluginManager:
    manager = PluginManager(strict=True)
    for family in FAMILIES:
        manager.register(importlib.import_module(f"translate_plugins.{family}"), name=family)
    return manager


@pytest.mark.parametrize("kind", EXPECTED)
def test_the_families_supply_what_is_promised(manager, kind):
    assert EXPECTED[kind] <= set(manager.catalogue.names(kind))


def test_every_factory_has_a_usable_signature_and_describes_every_choice(manager):
    for entry in manager.catalogue.entries:
        undescribed = [choice.name for choice in entry.schema.choices if not choice.description]
        assert not undescribed, f"{entry.kind} {entry.name}"
        assert entry.schema.summary
        entry.schema.json_schema()


def test_penalties_count_on_the_discriminators_side_only(manager):
    for name in ("gradient_penalty", "r1"):
        assert set(manager.catalogue.find("loss", name).schema.sides) == {"discriminator"}


def test_a_one_sided_generator_loss_does_not_ask_for_real(manager):
    for name in ("bce", "lsgan", "hinge", "wasserstein"):
        assert manager.catalogue.find("loss", name).schema.sides["generator"] == ("fake",)


def test_listing_the_components_imports_no_torch():
    code = (
        "import sys, importlib\n"
        f"for family in {FAMILIES!r}:\n"
        "    list(importlib.import_module('translate_plugins.' + family).translate_components())\n"
        "print([name for name in ('torch', 'torchvision', 'torchmetrics', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
