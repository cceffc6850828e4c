"""The records of the built-in families: listed without torch, and every one usable."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from translate.plugin_manager import PluginManager

FAMILIES = ("generators", "discriminators", "losses", "operations", "latents", "schedules", "metrics")
EXPECTED = {
    "generator": {"unet", "encoder_decoder", "resnet"},
    "discriminator": {"patchgan"},
    "loss": {"bce", "lsgan", "hinge", "wasserstein", "relativistic", "gradient_penalty", "r1", "l1", "l2"},
    "operation": {"concat", "leaf", "mix", "noise", "pool", "resize"},
    "latent": {"normal", "uniform", "categorical"},
    "schedule": {"constant", "linear", "cosine", "steps", "cycle"},
    "metric": {"l1", "psnr", "ssim", "histogram_intersection", "gradient_energy_ratio"},
}


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
