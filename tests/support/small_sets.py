"""A few small pictures in the layout of every dataset, and shipped pipelines made small enough for them."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from translate.pipeline import load_pipeline
from translate.pipeline.building import build, build_meta
from translate.pipeline.game import Game
from translate.pipeline.opening import open_dataset

PLACES: Final = {"cyclegan_conditional": "labelled", "cogan_depth": "depth"}
"""Pipelines whose data has a form of its own, with its folder; all others use that of their dataset."""


DIGITS: Final = ("transformed_pair", "idx", "stacked_digits")
"""Datasets that read MNIST's format."""

SMALL = [
    "training.steps=2",
    "training.batch_size=2",
    "training.preview_every=0",
    "data.workers=0",
    "training.log_every=1",
]
SHRINK = {"width": 4, "blocks": 1, "scale": 0.05, "hidden": 4, "size": 8, "base": 32}
"""A small value for each choice that makes a network large, where a network has it."""
GIVEN = {("width", "resnet_decoder"), ("size", "embedding")}
"""Choices that would stand against what the pipeline says."""
SETTINGS: dict[str, list[str]] = {
    "cogan_edge": [],
    **{name: [] for name in ("gan", "gan_minimax", "dcgan_pooling", "lsgan", "wgan", "wgan_gp")},  # 28 pixels
    **{name: [] for name in ("cgan", "acgan", "acgan_extra_class", "infogan")},
    "dcgan": ["data.image_size=64"],
    "cogan_negative": [],
    "vae": [],
    "aae": [],
    "progan": [  # all five stages
        "data.image_size=64",
        "training.steps=9",
        "networks.G.base=128",
        *(f"schedules.growth.{key}=[1, 1, 1, 1]" for key in ("stable", "fade")),
        *(f"phases.{index}.start={2 * index + 1}" for index in range(4)),
        *(f"phases.{index}.training.batch_size=3" for index in (2, 3)),
    ],
    "draw": ["networks.G.glimpses=3", "latents.z.size=6"],
    "demo": ["data.count=8", "data.test_count=4"],
    "pix2pix_hd": ["data.image_size=64", "networks.D.scales=2", "networks.local_encoder.width=2"],
    "discogan": ["data.image_size=64"],
    "context_encoder": ["data.image_size=128", "data.transforms=[]"],
    "cogan_depth": ["data.image_size=64", "data.transforms=[]"],
    "stargan": ["data.image_size=64", "data.transforms=[]", "training.steps=1"],
    "bicyclegan": ["networks.E.scale=0.05"],
}
SIZED = "data.image_size=32"


def data_of(pipeline: str, dataset: str, root: Path) -> Path:
    """The folder that a shipped pipeline reads."""
    return root / PLACES.get(pipeline, dataset)


def write_idx(path: Path, values: np.ndarray) -> None:
    """Write an array of bytes in MNIST's format, compressed."""
    head = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
    path.write_bytes(gzip.compress(head + values.tobytes()))


def write_picture(path: Path, generator: np.random.Generator, *, size: int, deep: bool = False) -> None:
    """Write a picture of noise: in colour, or grey of 16 bits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if deep:
        pixels = generator.integers(0, 65536, (size, size), dtype=np.uint16)
    else:
        pixels = generator.integers(0, 256, (size, size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def write_small_sets(root: Path, *, size: int = 140) -> None:
    """Write all of them below a folder."""
    generator = np.random.default_rng(0)
    for split in ("train", "test"):
        for index in range(4):
            names = [
                *(f"paired_folders/{split}/{side}/{index}" for side in "AB"),
                *(f"labelled/{split}/{side}/{kind}/{index}" for side in "AB" for kind in ("one", "two")),
                *(f"unpaired_folders/{split}{side}/{side}{index}" for side in "AB"),
                *(f"{name}/{split}/{index}" for name in ("masked", "computed_source", "single_folder")),
                *(f"labelled_folders/{split}/{kind}/{kind}{index}" for kind in ("one", "two", "three")),
                f"depth/{split}A/a{index}",
            ]
            for name in names:
                write_picture(root / f"{name}.png", generator, size=size)
            write_picture(root / f"depth/{split}B/b{index}.png", generator, size=size, deep=True)
    for index in range(6):  # two of them without a partner
        for side in ("A", "B") if index < 4 else ("A",):
            for split in ("train", "test"):
                write_picture(root / f"mixed/{split}/{side}/{index}.png", generator, size=size)
    for folder in DIGITS:
        digits = root / folder
        digits.mkdir()
        for name, count in (("train", 24), ("t10k", 12)):
            images = generator.integers(0, 256, (count, 28, 28), dtype=np.uint8)
            write_idx(digits / f"{name}-images-idx3-ubyte.gz", images)
            write_idx(digits / f"{name}-labels-idx1-ubyte.gz", np.arange(count, dtype=np.uint8) % 10)


def small_settings(name: str, root: Path) -> list[str]:
    """Overrides that make a pipeline small enough for a test, and point it to data of its kind."""
    pipeline = load_pipeline(name, complete=False)
    own = SETTINGS.get(name, [SIZED])
    settings = [*SMALL, *own]
    if not any(setting.startswith("data.transforms") for setting in own) and pipeline.data.transforms:
        settings.append("data.transforms=[HorizontalFlip]")
    if any(choice.name == "root" for choice in pipeline.dataset.entry.schema.choices):
        settings.append(f"data.root={data_of(name, pipeline.dataset.name, root)}")
    if "image_size" not in str(own) and pipeline.data.image_size is None:
        settings = [setting for setting in settings if setting != SIZED]
    for network, use in pipeline.networks.items():
        known = {choice.name for choice in use.entry.schema.choices}
        for choice, value in SHRINK.items():
            if choice in known and (choice, use.name) not in GIVEN:
                settings.append(f"networks.{network}.{choice}={value}")
        if "receptive_field" in known:
            settings.append(f"networks.{network}.receptive_field=16")
    count = 2 if pipeline.evaluation.count is None else pipeline.evaluation.count
    settings += own  # what a pipeline sets for itself comes last
    return [*settings, f"evaluation.count={min(count, 4)}"] if pipeline.metrics else settings


def built(name: str, root: Path, *changes: str) -> Game:
    """A new game of a shipped pipeline, made small."""
    pipeline = load_pipeline(name, [*small_settings(name, root), *changes])
    return build(pipeline, open_dataset(pipeline).fields)


def of_full_size(name: str, root: Path, *changes: str) -> Game:
    """The networks as they are shipped, on the meta device."""
    data = [setting for setting in small_settings(name, root) if setting.startswith("data.root")]
    pipeline = load_pipeline(name, [*data, *changes])
    return build_meta(pipeline, open_dataset(pipeline).fields)
