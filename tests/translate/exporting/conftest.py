"""Tiny games, and the files exported from them once for all tests of a process."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from translate import Image
from translate.exporting import export_report


def _load():
    spec = importlib.util.spec_from_file_location("tiny_games", Path(__file__).with_name("tiny_games.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["tiny_games"] = module
    spec.loader.exec_module(module)
    return module


tiny_games = _load()


@pytest.fixture(scope="session")
def games():
    """The helper module."""
    return tiny_games


@pytest.fixture(scope="session")
def image_mode(tmp_path_factory):
    """U-Net with per-image batch norm and dropout on: pix2pix at test time. Padded to multiples of 4."""
    data = tiny_games.document(
        {"generator": "unet", "width": 4, "depth": 2}, inference={"batch_norm": "image", "dropout": "on", "seed": 3}
    )
    opened = tiny_games.opened(tmp_path_factory.mktemp("image_mode"), data)
    return opened, export_report(opened)


@pytest.fixture(scope="session")
def conditioned(tmp_path_factory):
    """ResNet with running batch norm on a grey picture in [0, 1], a latent and a label-free second picture."""
    data = tiny_games.document(
        {"generator": "resnet", "width": 4, "blocks": 1, "norm": "batch"},
        latents={"z": {"latent": "normal", "size": 3}},
        flow={"fake": "G(concat(source, z), target)"},
        export={"translate": {"inputs": ["source", "target", "z"], "output": "fake"}},
    )
    data["data"]["value_range"] = [0.0, 1.0]
    fields = {name: Image(1, 16, 16, 0.0, 1.0) for name in ("source", "target")}
    opened = tiny_games.opened(tmp_path_factory.mktemp("conditioned"), data, fields=fields)
    return opened, export_report(opened)


@pytest.fixture(scope="session")
def deep(tmp_path_factory):
    """U-Net from two channels to five in 16 bits, on half the size, with noise at its input that only training has."""
    data = tiny_games.document(
        {"generator": "unet", "width": 4, "depth": 2, "norm": "instance", "makes": "resize(target, scale=0.5)"},
        flow={"small": "resize(noise(source, std=0.5), scale=0.5)", "fake": "resize(G(small), scale=2.0)"},
    )
    fields = {"source": Image(2, 16, 16, bits=16), "target": Image(5, 16, 16, bits=16)}
    opened = tiny_games.opened(tmp_path_factory.mktemp("deep"), data, fields=fields)
    return opened, export_report(opened)


@pytest.fixture(scope="session")
def bare(tmp_path_factory):
    """ResNet with instance norm and a linear output, as the bare float network."""
    data = tiny_games.document({"generator": "resnet", "width": 4, "blocks": 1, "output": "linear"})
    opened = tiny_games.opened(tmp_path_factory.mktemp("bare"), data)
    return opened, export_report(opened, float_only=True)
